"""The Arm matrix: one kit, asked on emulated Arm CPUs and on this machine, judged like the gate, and a page of what came of it.

`python -m parity.arm_matrix --page docs/arm.md` does it all. Emulated arithmetic is the architecture's, instruction by
instruction; speed is not.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.conversions import Conversions
from parity.arm_page import Asked, page
from parity.bundles.given import chosen_bundles
from parity.device.apt import EmulatorError
from parity.device.arm_python import CPUS, arm_environment, arm_folder, install_arm, kernels_that_ran, on_arm, watched
from parity.device.pack import PackOptions, pack
from parity.device.record.answers import read_answers
from parity.device.record.kit import BUNDLES, RECORDER
from parity.judge_answers import AnswersOptions, run_judge_answers
from parity.measure.policy_file import chosen_policy
from parity.measure.sweep import Sweep
from parity.report.report import Report
from parity.truth.store import Store
from reference.progress import Say
from reference.spec.errors import InputError, exit_with_one_line
from reference.spec.files import new_file, new_folder

HERE = "x86-64"  # what this machine is called beside the others, for it is one
VARIANTS = ("litert_fp32", "litert_fp16", "litert_int8_fast")
CASES = ("drums",)
# One case, nothing drawn beside it, each question asked once and nothing generated: an FP16 decode takes most of a minute of CPU
# where it is emulated. Whether equal questions get equal answers is asked on a device.
SWEEP, REPEATS = Sweep(draws=0), 1
MADE = "made"  # folder of what was converted
NICE = 10
MOST_AT_ONCE = 2  # emulated processes, of some 0.4 GB each


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """What to ask whom, and where it is kept: a kit and one folder of answers for each CPU. What was recorded goes on."""

    folder: Path
    cpus: Sequence[str]
    variants: Sequence[str] = VARIANTS
    cases: Sequence[str] = CASES
    at_once: int = min(MOST_AT_ONCE, os.cpu_count() or 1)

    @property
    def kit(self) -> Path:
        return self.folder / "kit"

    def answers(self, name: str) -> Path:
        """The folder of what a CPU answered."""
        return self.folder / "answers" / name

    def code(self, name: str) -> Path:
        """A folder for what of a CPU's code ran."""
        folder = self.folder / "code" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make_kit(self, store: Store, say: Say) -> None:
        """Convert the tiny model and pack its bundles."""
        bundles = self.folder / "bundles"
        with new_folder(bundles, force=True) as made:
            own = made / MADE
            found = chosen_bundles(TINY_MODEL_DIR, [], list(self.variants), own, say, Conversions.inside(store.folder))
            folders = [bundles / MADE / bundle.folder.name for bundle in found]
        options = PackOptions(
            model=TINY_MODEL_DIR, bundles=folders, out=self.kit, variants=list(self.variants), cases=list(self.cases),
            threads=(1,), rounds=0, models=True, force=True, sweep=SWEEP, repeats=REPEATS, generations=False,
        )  # fmt: skip
        say(str(pack(options, store, say)))

    def record(self, say: Say) -> list[Asked]:
        """Ask all of them, as many at once as there are cores, those that take longest first."""
        with ThreadPoolExecutor(self.at_once) as pool:
            return list(pool.map(lambda name: self._recorded(name, say), [*reversed(self.cpus), HERE]))

    def judge(self, store: Store, say: Say, show: Callable[[Report], None] = lambda _: None) -> Report:
        """The gate's verdict on what all answered, side by side."""
        options = AnswersOptions(
            answers=[self.answers(name) for name in (HERE, *self.cpus)], model=TINY_MODEL_DIR,
            bundles=sorted(path for path in (self.kit / BUNDLES).iterdir()), report=None, force=True,
            policy=chosen_policy(None, date.today(), made_here=False),
        )  # fmt: skip
        return run_judge_answers(options, store, say, show)

    def _recorded(self, name: str, say: Say) -> Asked:
        arguments = [str(self.kit / RECORDER), "--out", str(self.answers(name))]
        if name == HERE:
            command, environment = [sys.executable, *arguments], {**os.environ, "PYTHONPATH": ""}
        else:
            command = on_arm(arguments, arm_folder())
            environment = arm_environment(name, arm_folder()) | watched(self.code(name))
        say(f"asking {name}")
        start = time.perf_counter()
        done = subprocess.run(
            ["nice", "-n", str(NICE), *command], env=environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        say(f"{name}: {time.perf_counter() - start:.0f} s, exit code {done.returncode}")
        if done.returncode < 0 or not any(read_answers(self.answers(name)).journal.ended):
            raise InputError(f"{name}: the recorder ended with {done.returncode}: {(done.stderr.splitlines() or [''])[-1]}")
        ran = [] if name == HERE else kernels_that_ran(self.code(name), arm_folder())
        return Asked(name=name, code=done.returncode, answers=read_answers(self.answers(name)), kernels=ran)


def without_atomics(kit: Path, cpu: str = "cortex-a53") -> str:
    """What a recorder says on a CPU of Armv8.0 with LiteRT as its wheel is."""
    environment = arm_environment(cpu, arm_folder(), accelerator=True)
    script = "import sys; sys.path.insert(0, sys.argv[1]); import litert_pipeline.run.arm_cpu as cpu; cpu.require_atomics()"
    done = subprocess.run(
        on_arm(["-c", script, str(kit / RECORDER)], arm_folder()), env=environment, capture_output=True, text=True, check=False
    )
    return (done.stderr.splitlines() or [""])[-1].partition("InputError: ")[2]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m parity.arm_matrix", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/arm"), help="folder for the kit, answers and the report")
    parser.add_argument("--page", type=Path, help="file to write the table to, such as docs/arm.md")
    parser.add_argument("--cpus", default=",".join(CPUS), help="which CPUs, comma-separated")
    parser.add_argument("--variants", default=",".join(VARIANTS), help="which variants of the tiny model, comma-separated")
    options = parser.parse_args()
    with exit_with_one_line("the Arm matrix"):
        cpus, variants = options.cpus.split(","), options.variants.split(",")
        _run(Matrix(folder=options.out.absolute(), cpus=cpus, variants=variants), options.page)


def _run(matrix: Matrix, where: Path | None) -> None:
    begun = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - begun:6.0f} s  {text}", flush=True)

    unknown = [name for name in matrix.cpus if name not in CPUS]
    if unknown:
        raise InputError(f"CPU '{unknown[0]}' is unknown; valid CPUs: {', '.join(CPUS)}")
    try:
        install_arm(arm_folder())
    except EmulatorError as error:
        sys.exit(f"no Arm emulator: {error}")
    say("the emulator and its Python are there")
    matrix.folder.mkdir(parents=True, exist_ok=True)
    store = Store.of_user()
    matrix.make_kit(store, say)
    asked = matrix.record(say)
    report = matrix.judge(store, say)
    refused = without_atomics(matrix.kit)
    text = page(report, sorted(asked, key=lambda one: [HERE, *matrix.cpus].index(one.name)), refused)
    if where is None:
        print(text)
    else:
        with new_file(where, force=True) as file:
            file.write_text(text, encoding="utf-8")
        say(f"wrote {where}")


if __name__ == "__main__":
    main()
