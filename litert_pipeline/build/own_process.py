"""One stage converted in a process of its own, so that peak memory is one stage's and none is left behind.

`python -m litert_pipeline.build.own_process MODEL RECIPE STAGE FILE`
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from reference.spec.errors import exit_with_one_line, raise_process_error
from reference.spec.memory import peak_resident_bytes


def convert_in_own_process(model_dir: Path, recipe: str, stage: str, path: Path) -> int:
    """Write the stage's file; returns the peak resident bytes of the process. Raises InputError with its last error."""
    command = [sys.executable, "-m", "litert_pipeline.build.own_process", str(model_dir), recipe, stage, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    raise_process_error(done.returncode, done.stderr, f"converting {stage}")
    return int(done.stdout.split()[-1])


def main(arguments: Sequence[str]) -> None:
    """Convert, then print this process's peak resident bytes."""
    with exit_with_one_line():
        from litert_pipeline.build.recipes import conversion_recipe
        from litert_pipeline.build.stage import write_stage
        from reference.codec_stages import load_stages

        model_dir, recipe, stage, path = arguments
        write_stage(load_stages(Path(model_dir)), stage, conversion_recipe(recipe), Path(path))
    print(peak_resident_bytes())


if __name__ == "__main__":
    main(sys.argv[1:])
