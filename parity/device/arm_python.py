"""An Arm Linux in the user's cache: Debian's Python for arm64 and LiteRT's own wheels, run by qemu. Needs no root.

`python -m parity.device.arm_python` sets it up (270 MB, under 3 minutes, of which most is fetching).
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from litert_pipeline.run.arm_cpu import ACCELERATOR, PACKAGE
from parity.device.apt import APT, Apt, EmulatorError, checked, mirror, require_tools
from parity.device.emulator import emulator_folder, install
from parity.device.symbols import kernels
from reference.spec.files import new_folder

FOLDER = "arm64-python"  # beside the emulator's: nothing is put into a folder that was written whole
SUITE, PYTHON, LIBRARIES = "bookworm", "python3.11", ("libstdc++6",)
LEFT_OUT = ("dpkg_", "tar_")  # what packages need to be installed, and no program to run
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
PACKAGES = ("numpy", "ai-edge-litert")
ROOT, SITE, SITE_V8_0, START = "root", "site", "site-v8.0", "python"
LOCK = Path(__file__).parents[2] / "requirements.lock"
# Python runs it first: it leaves behind where libraries lay, if it is asked to.
MAPS = "ARM_PYTHON_MAPS"
NOTING = f"""import atexit, os, shutil

if "{MAPS}" in os.environ:
    atexit.register(lambda: shutil.copyfile("/proc/self/maps", os.environ["{MAPS}"]))
"""
# CPUs by what the page calls them, as qemu does. Phones with SME2 have vectors of 512 bits; qemu's would have 256.
CPUS = {
    "cortex-a53": "cortex-a53",
    "cortex-a76": "cortex-a76",
    "neoverse-n2": "neoverse-n2",
    "sme2-512": "max,sme-default-vector-length=64",
    "neoverse-v1": "neoverse-v1",
    "sme-off": "max,sme=off",
}
WITHOUT_ATOMICS = "cortex-a53"
LOG, LAY = "code.log", "maps"
# For the C library inside qemu. Where vectors of 256 bits are emulated (SVE and SME of that size and more) qemu leaves the host's
# registers in a state in which every change between AVX and SSE code costs some hundred cycles (seen on Sapphire Rapids). The
# library's functions for AVX2 clean them, those for AVX-512 do not. Without the latter a step of the DiT in FP32 takes 0.4 CPU
# seconds on SME2 instead of 4.7; no bit changes.
CLEANING = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL"}


def arm_folder() -> Path:
    """Where this user's Arm Linux is or would be."""
    return emulator_folder().with_name(FOLDER)


def arm_installed(folder: Path) -> bool:
    """Whether it is there."""
    return (folder / START).is_file()


def install_arm(folder: Path, apt: Path = APT) -> None:
    """Fetch all of it into `folder` unless it is there. Raises EmulatorError if it cannot be had."""
    install(emulator_folder(), apt)
    if arm_installed(folder):
        return
    require_tools()
    with new_folder(folder, "Python for Arm", force=True) as made:
        _unpack_system(made / ROOT, apt)
        _fetch_packages(made / SITE)
        _without_accelerator(made / SITE, made / SITE_V8_0)
        _compile(made)
        (made / SITE / "sitecustomize.py").write_text(NOTING, encoding="utf-8")
        _write_start(made / START)


def on_arm(arguments: Sequence[str], folder: Path) -> list[str]:
    """The command that runs the Arm Python with `arguments`; `arm_environment` says on which CPU. It starts itself again as
    `sys.executable`."""
    return [str(folder / START), *arguments]


def arm_environment(cpu: str, folder: Path, *, accelerator: bool | None = None) -> dict[str, str]:
    """What goes with it; `cpu` is one of `CPUS`. Without its `accelerator` LiteRT can be loaded on a CPU without atomics: there
    it is left out if nothing else is said."""
    kept = cpu != WITHOUT_ATOMICS if accelerator is None else accelerator
    sites = [SITE] if kept else [SITE_V8_0, SITE]
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "QEMU_CPU": CPUS[cpu],
        "PYTHONPATH": os.pathsep.join(str(folder / site) for site in sites),
        "OMP_NUM_THREADS": "1",
        **CLEANING,
    }


def watched(folder: Path) -> dict[str, str]:
    """What makes the emulator log the code that ran into `folder`, and Python where libraries lay."""
    return {"QEMU_LOG": "in_asm", "QEMU_LOG_FILENAME": str(folder / LOG), MAPS: str(folder / LAY)}


def kernels_that_ran(watched: Path, folder: Path) -> list[str]:
    """LiteRT's kernels, by the log of a process that was `watched` so."""
    libraries = sorted((folder / SITE / PACKAGE).glob("*.so*"))
    log, maps = (watched / LOG).read_bytes(), (watched / LAY).read_text(encoding="utf-8")
    return sorted({name for library in libraries for name in kernels(log, maps, library)})


def _unpack_system(root: Path, apt: Path) -> None:
    with TemporaryDirectory() as name:
        debian = Apt(folder=Path(name), debian=mirror(apt), suite=SUITE, architecture="arm64")
        for package in debian.download_with_all([PYTHON, *LIBRARIES]):
            if not package.name.startswith(LEFT_OUT):
                checked(["dpkg-deb", "-x", str(package), str(root)], package.name)


def _fetch_packages(site: Path) -> None:
    """LiteRT's and numpy's wheels for arm64, in the versions of the lock."""
    platforms = [word for name in PLATFORMS for word in ("--platform", name)]
    version = PYTHON.removeprefix("python")
    checked(
        [
            sys.executable, "-m", "pip", "install", "-qq", "--no-compile", "--target", str(site), "--only-binary=:all:",
            "--python-version", version, "--implementation", "cp", *platforms, "-c", str(LOCK), *PACKAGES,
        ],
        f"{', '.join(PACKAGES)} for arm64",
    )  # fmt: skip


def _without_accelerator(site: Path, target: Path) -> None:
    """LiteRT once more, without what it cannot be loaded with on Armv8.0; files are the same ones under another name."""
    shutil.copytree(site / PACKAGE, target / PACKAGE, copy_function=os.link, ignore=shutil.ignore_patterns(ACCELERATOR))


def _compile(folder: Path) -> None:
    """So that a start takes 5 instead of 12 CPU seconds: this Python's bytecode is that one's, if it is as old."""
    if f"python{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON:
        places = [folder / ROOT / "usr/lib" / PYTHON, folder / SITE, folder / SITE_V8_0]
        strip = ["-s", str(folder)]
        subprocess.run([sys.executable, "-m", "compileall", "-q", *strip, *map(str, places)], capture_output=True, check=False)


def _write_start(path: Path) -> None:
    """A program that starts Python on the emulated CPU and is what Python calls itself, so that it can be started again."""
    root, qemu = f'"$(dirname "$0")/{ROOT}"', emulator_folder() / "qemu-aarch64"
    path.write_text(
        "#!/bin/sh\n"
        f"root={root}\n"
        f'QEMU_LD_PREFIX="$root" PYTHONHOME="$root/usr" exec "{qemu}" -0 "$0" "$root/usr/bin/{PYTHON}" "$@"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)


if __name__ == "__main__":
    try:
        install_arm(arm_folder())
    except EmulatorError as error:
        sys.exit(f"no Arm emulator: {error}")
    print(f"Arm emulator: {arm_folder()}")
