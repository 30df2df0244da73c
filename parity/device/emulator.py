"""Other CPUs, emulated: qemu's programs out of Debian's package, kept in the user's cache. Needs no root.

`python -m parity.device.emulator` fetches them (70 MB) (see `apt.py`).
"""

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs

from parity.device.apt import APT, Apt, EmulatorError, checked, mirror, require_tools
from reference.spec.files import new_folder

PACKAGE, SUITE = "qemu-user", "trixie-backports"  # 11.1 runs on older systems too: its programs are static
PROGRAMS = ("qemu-x86_64", "qemu-aarch64")
FOLDER = "emulator"  # inside a user's cache
# Two features that Haswell has on silicon are not emulated, which would be warned of.
WITHOUT_VNNI = "Haswell,hle=off,rtm=off"
WITHOUT_FP16 = "SandyBridge"  # cannot even load half numbers


def emulator_folder() -> Path:
    """Where this user's emulator is or would be."""
    return Path(platformdirs.user_cache_dir("stable-audio-parity")) / FOLDER


def installed(folder: Path) -> bool:
    """Whether all programs are there."""
    return all((folder / program).is_file() for program in PROGRAMS)


def install(folder: Path, apt: Path = APT) -> None:
    """Fetch the programs into `folder` unless they are there. Raises EmulatorError if they cannot be had."""
    if installed(folder):
        return
    require_tools()
    with new_folder(folder, "set of emulators", force=True) as made, TemporaryDirectory() as name:
        package = Apt(folder=Path(name), debian=mirror(apt), suite=SUITE).download(PACKAGE)
        tarball = Path(name) / "package.tar"
        with tarball.open("wb") as file:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=file, check=True)
        members = [f"./usr/bin/{program}" for program in PROGRAMS]
        checked(["tar", "-xf", str(tarball), "-C", str(made), "--strip-components=3", *members], PACKAGE)


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
