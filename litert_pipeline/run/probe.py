"""Open every stage of a bundle in a process of its own: LiteRT crashes on some damaged files instead of refusing them."""

import subprocess
import sys
from pathlib import Path

from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.run.pipeline import open_stage
from reference.spec.errors import InputError, told_in_one_line


def require_loadable(bundle: Bundle) -> None:
    """Raise InputError if any LiteRT file of the bundle cannot be opened, a crash of the runtime included."""
    if bundle.manifest.format != "litert":
        return
    command = [sys.executable, "-m", "litert_pipeline.run.probe", str(bundle.folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return
    if result.returncode > 0:
        told = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
        raise InputError(told[-1].removeprefix("error: ") if told else f"{bundle.folder}: could not be opened")
    path = bundle.path(result.stdout.split()[-1])
    raise InputError(f"{path}: LiteRT cannot load it (it crashed with signal {-result.returncode}); convert it again")


def main() -> None:
    """Print each stage's name, then open it: the last name printed is the one that crashed."""
    bundle = read_bundle(Path(sys.argv[1]))
    for stage in bundle.manifest.stages:
        print(stage, flush=True)
        with told_in_one_line(), open_stage(bundle, stage):
            pass


if __name__ == "__main__":
    main()
