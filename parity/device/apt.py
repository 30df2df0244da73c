"""Debian's packages without root: an apt state in a folder, and the mirror of this machine's own sources."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

APT = Path("/etc/apt")
MIRROR = re.compile(r"https?://\S+/debian/?(?=\s|$)", re.MULTILINE)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TOOLS = ("apt-get", "dpkg-deb", "tar")


class EmulatorError(Exception):
    """No emulator can be had here; the message says why."""


def require_tools() -> None:
    """Raise EmulatorError on a system that has no Debian tools."""
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise EmulatorError(f"the emulator comes in a Debian package, and this system has no {tool}")


def mirror(apt: Path = APT) -> str:
    """The Debian mirror this machine's package sources name. Raises EmulatorError if they name none."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".list", ".sources") and path.is_file()]
    found = next((match.group() for text in texts for match in MIRROR.finditer(text)), None)
    if found is None:
        raise EmulatorError(f"the package sources in {apt} name no Debian mirror")
    return found


@dataclass(frozen=True, kw_only=True)
class Apt:
    """A state of its own in `folder`, of one suite and architecture (this machine's, if it is empty)."""

    folder: Path
    debian: str
    suite: str
    architecture: str = ""

    def download(self, package: str) -> Path:
        """The file of one package, checked by apt against Debian's keys. Raises EmulatorError if it cannot be had."""
        self._begin(package)
        self._checked(package, "download", package)
        (found,) = self.folder.glob(f"{package}_*.deb")
        return found

    def download_with_all(self, packages: Sequence[str]) -> list[Path]:
        """The files of packages and of all they need. Raises as `download`."""
        what = " ".join(packages)
        self._begin(what)
        self._checked(what, "install", "--download-only", "--no-install-recommends", "-y", *packages)
        return sorted((self.folder / "cache/archives").glob("*.deb"))

    def _begin(self, what: str) -> None:
        for name in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        line = f"deb [signed-by={KEYRING}] {self.debian} {self.suite} main\n"
        (self.folder / "sources.list").write_text(line, encoding="utf-8")
        self._checked(what, "update")

    def _checked(self, what: str, *command: str) -> None:
        checked(["apt-get", "-q", *self._options(), *command], f"{what} of {self.suite}", self.folder)

    def _options(self) -> list[str]:
        settings = {
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Debug::NoLocking": "true",
            "APT::Sandbox::User": "",  # it could not write into a folder of this user's
        }
        if self.architecture:
            settings |= {"APT::Architecture": self.architecture, "APT::Architectures": self.architecture}
        return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def checked(command: Sequence[str], what: str, folder: Path | None = None) -> None:
    """Run a command. Raises EmulatorError, in apt's own words, if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W: Failed"))]
    if done.returncode or errors:  # apt-get update ends well without having reached anything
        message = (errors or done.stderr.splitlines() or ["no message"])[-1]
        raise EmulatorError(f"{command[0]} cannot fetch or unpack {what}: {message}")
