"""Other CPUs, emulated: qemu's programs out of Debian's package, kept in the user's cache. Needs no root.

`python -m parity.device.emulator` fetches them (70 MB) with an apt state of their own, from the mirror of this machine's sources.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs

from reference.spec.files import new_folder

PACKAGE, SUITE = "qemu-user", "trixie-backports"  # 11.1 runs on older systems too: its programs are static
PROGRAMS = ("qemu-x86_64", "qemu-aarch64")
FOLDER = "emulator"  # inside a user's cache
MIRROR = re.compile(r"https?://\S+/debian/?(?=\s|$)", re.MULTILINE)
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Two features that Haswell has on silicon are not emulated, which would be warned of.
WITHOUT_VNNI = "Haswell,hle=off,rtm=off"
WITHOUT_FP16 = "SandyBridge"  # cannot even load half numbers


class EmulatorError(Exception):
    """No emulator can be had here; the message says why."""


def emulator_folder() -> Path:
    """Where this user's emulator is or would be."""
    return Path(platformdirs.user_cache_dir("stable-audio-parity")) / FOLDER


def installed(folder: Path) -> bool:
    """Whether all programs are there."""
    return all((folder / program).is_file() for program in PROGRAMS)


def install(folder: Path, apt: Path = Path("/etc/apt")) -> None:
    """Fetch the programs into `folder` unless they are there. Raises EmulatorError if they cannot be had."""
    if installed(folder):
        return
    for tool in ("apt-get", "dpkg-deb", "tar"):
        if shutil.which(tool) is None:
            raise EmulatorError(f"the emulator comes in a Debian package, and this system has no {tool}")
    with new_folder(folder, force=True) as made, TemporaryDirectory() as name:
        package = _download(Path(name), mirror(apt))
        tarball = Path(name) / "package.tar"
        with tarball.open("wb") as file:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=file, check=True)
        members = [f"./usr/bin/{program}" for program in PROGRAMS]
        _checked(["tar", "-xf", str(tarball), "-C", str(made), "--strip-components=3", *members])


def mirror(apt: Path) -> str:
    """The Debian mirror this machine's package sources name. Raises EmulatorError if they name none."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    texts = [path.read_text(encoding="utf-8") for path in files if path.suffix in (".list", ".sources") and path.is_file()]
    found = next((match.group() for text in texts for match in MIRROR.finditer(text)), None)
    if found is None:
        raise EmulatorError(f"the package sources in {apt} name no Debian mirror")
    return found


def _download(folder: Path, debian: str) -> Path:
    """The package's file, checked by apt against Debian's keys."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(f"deb [signed-by={KEYRING}] {debian} {SUITE} main\n", encoding="utf-8")
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Debug::NoLocking": "true",
        "APT::Sandbox::User": "",  # it could not write into a folder of this user's
    }
    apt_get = ["apt-get", "-q", *(word for name, value in settings.items() for word in ("-o", f"{name}={value}"))]
    _checked([*apt_get, "update"], folder)
    _checked([*apt_get, "download", PACKAGE], folder)
    (package,) = folder.glob(f"{PACKAGE}_*.deb")
    return package


def _checked(command: Sequence[str], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    errors = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W: Failed"))]
    if done.returncode or errors:  # apt-get update ends well without having reached anything
        message = (errors or done.stderr.splitlines() or ["no message"])[-1]
        raise EmulatorError(f"{command[0]} cannot fetch or unpack {PACKAGE} of {SUITE}: {message}")


def on_x86(cpu: str, arguments: Sequence[str], folder: Path) -> list[str]:
    """The command that runs this very Python, its packages and all, on an x86 CPU that qemu calls `cpu`.

    `emulated_environment` goes with it. Raises EmulatorError on a machine whose own programs are for another architecture.
    """
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        raise EmulatorError("an x86 CPU is emulated with this machine's own packages, which are not for x86-64 Linux")
    return [str(folder / "qemu-x86_64"), "-cpu", cpu, str(Path(sys.executable).resolve()), *arguments]


def emulated_environment() -> dict[str, str]:
    """Behind the link of a virtual environment the interpreter does not know its packages, so it is told."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


if __name__ == "__main__":
    try:
        install(emulator_folder())
    except EmulatorError as error:
        sys.exit(f"no emulator: {error}")
    print(f"emulator: {emulator_folder()}")
