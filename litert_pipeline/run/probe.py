"""Open every file of a bundle in a process of its own: LiteRT crashes on some damaged files instead of refusing them."""

import signal
import subprocess
import sys
from pathlib import Path

from litert_pipeline.bundle import MANIFEST_NAME, SUFFIXES, read_bundle
from litert_pipeline.model_file import model_files, require_bytes
from litert_pipeline.run.advice import unusable
from litert_pipeline.run.litert import native_log
from litert_pipeline.run.pipeline import open_stage
from litert_pipeline.run.supervised import called
from reference.spec.errors import InputError, exit_with_one_line, raise_process_error


def require_loadable(folder: Path) -> None:
    """Raise InputError if any LiteRT file of a bundle cannot be opened, a crash of the runtime included."""
    for path in model_files(folder, SUFFIXES.values()):
        require_bytes(path)
    command = [sys.executable, "-m", "litert_pipeline.run.probe", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode >= 0:
        raise_process_error(result.returncode, result.stderr, f"opening {folder}")
        return
    path = folder / result.stdout.split("\n")[-2]
    number = -result.returncode
    raise InputError(f"{path}: LiteRT cannot load it (it crashed with {called(number)}); {_advice(number)}")


def _advice(number: int) -> str:
    """What to do about a crash: no other file helps a CPU that lacks an instruction."""
    if number == signal.SIGILL:
        return "no conversion cures that: use a build of LiteRT for this CPU, or its classic Interpreter"
    return "convert it again"


def main() -> None:
    """Print each file's name, then open it: the last name printed is the one that crashed."""
    folder = Path(sys.argv[1])
    with exit_with_one_line():
        if (folder / MANIFEST_NAME).is_file() or not folder.is_dir():
            _open_stages(folder)
        else:
            _open_files(folder)


def _open_stages(folder: Path) -> None:
    bundle = read_bundle(folder)
    if bundle.manifest.format == "litert":
        for stage, entry in bundle.manifest.stages.items():
            print(entry.file, flush=True)
            with open_stage(bundle, stage):
                pass


def _open_files(folder: Path) -> None:
    """Without a manifest nothing is known of what they take."""
    for path in model_files(folder, [SUFFIXES["litert"]]):
        print(path.name, flush=True)
        with native_log():
            from ai_edge_litert.interpreter import Interpreter

            try:
                Interpreter(model_path=str(path)).allocate_tensors()
            except (ValueError, RuntimeError) as error:
                reason = str(error).strip().splitlines()[-1]
                raise unusable(path, "LiteRT", "load", reason) from None


if __name__ == "__main__":
    main()
