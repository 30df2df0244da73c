"""Who is asked what: one kit on emulated Arm CPUs and on this machine, and a part of it once more on two threads and on CPUs that
should answer alike. Emulated arithmetic is the architecture's, instruction by instruction; speed is not."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.conversions import Conversions
from parity.arm.asked import Asked
from parity.bundles.given import chosen_bundles
from parity.device.arm_python import arm_environment, arm_folder, kernels_that_ran, on_arm, watched
from parity.device.pack import PackOptions, pack
from parity.device.record.answers import Answers, read_answers
from parity.device.record.kit import BUNDLES, RECORDER
from parity.device.record.plan import MANIFEST, read_plan, write_plan
from parity.judge_answers import AnswersOptions, run_judge_answers
from parity.measure.policy_file import chosen_policy
from parity.measure.sweep import Sweep
from parity.report.report import Report
from parity.truth.store import Store
from reference.progress import Say
from reference.spec.errors import InputError
from reference.spec.files import new_folder
from reference.spec.stages import CONDITIONER, DECODER, DIT

HERE = "x86-64"  # what this machine is called beside the others, for it is one
MATRIX = ("cortex-a53", "cortex-a76", "neoverse-n2", "sme2-512")  # CPUs that are asked all
TWINS = ("neoverse-v1", "sme-off")  # CPUs that are asked a part: are they like those?
VARIANTS = (
    "litert_fp32", "litert_fp16", "litert_int8", "litert_int8_fast", "litert_int8_weight_only", "litert_int4_blockwise",
    "litert_fp16_weights",
)  # fmt: skip
CASES = ("drums",)
# What is asked on two threads, and of twins: every kind of kernel, and of FP16 compute what does not take most of a minute.
FEW = {
    "litert_fp32": (CONDITIONER, DIT, DECODER), "litert_fp16": (CONDITIONER, DIT), "litert_int8": (DIT,),
    "litert_int8_fast": (DECODER,),
}  # fmt: skip
ONE, TWO = 1, 2  # threads
# One case, nothing drawn beside it, each question asked once and nothing generated: an FP16 decode takes most of a minute of CPU
# where it is emulated. Whether equal questions get equal answers is asked with two threads, and on a device.
SWEEP, REPEATS = Sweep(draws=0), 1
MADE = "made"  # folder of what was converted
NICE = 10
MOST_AT_ONCE = 2  # emulated processes, of some 0.4 GB each


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """What to ask whom, and where it is kept: two kits and, for each, one folder of answers for each CPU."""

    folder: Path
    cpus: Sequence[str] = MATRIX
    twins: Sequence[str] = TWINS
    variants: Sequence[str] = VARIANTS
    cases: Sequence[str] = CASES
    at_once: int = min(MOST_AT_ONCE, os.cpu_count() or 1)

    @property
    def kit(self) -> Path:
        return self.folder / "kit"

    def few(self, threads: int) -> Path:
        """The kit of a part of the questions."""
        return self.folder / f"few-{threads}"

    def answers(self, kit: Path, name: str) -> Path:
        """The folder of what a CPU answered to a kit."""
        return self.folder / "answers" / kit.name / name

    def make_kits(self, store: Store, say: Say) -> None:
        """Convert the tiny model and pack its bundles; and some of the questions as kits of their own."""
        bundles = self.folder / "bundles"
        with new_folder(bundles, "set of bundles", force=True) as made:
            own = made / MADE
            found = chosen_bundles(TINY_MODEL_DIR, [], list(self.variants), own, say, Conversions.inside(store.folder))
            folders = [bundles / MADE / bundle.folder.name for bundle in found]
        options = PackOptions(
            model=TINY_MODEL_DIR, bundles=folders, out=self.kit, variants=list(self.variants), cases=list(self.cases),
            threads=(ONE,), rounds=0, models=True, force=True, sweep=SWEEP, repeats=REPEATS, generations=False,
        )  # fmt: skip
        say(str(pack(options, store, say)))
        for threads in (ONE, TWO):
            make_few(self.kit, self.few(threads), FEW, threads)

    def record(self, say: Say) -> tuple[list[Asked], list[Asked], list[Asked]]:
        """Ask everyone anew, as many at once as there are cores, those that take longest first: this machine and the CPUs all,
        the CPUs a part on two threads, the twins that part on one."""
        for old in ("answers", "code"):  # kernels are seen where they run: what was recorded before is of no use
            shutil.rmtree(self.folder / old, ignore_errors=True)
        whole = [(self.kit, name) for name in (HERE, *self.cpus)]
        again, twins = [(self.few(TWO), name) for name in self.cpus], [(self.few(ONE), name) for name in self.twins]
        with ThreadPoolExecutor(self.at_once) as pool:
            longest_first = (*reversed(whole[1:]), *twins, *reversed(again), whole[0])
            asked = {task: pool.submit(self._recorded, *task, say) for task in longest_first}
        told = {task: one.result() for task, one in asked.items()}
        return [told[task] for task in whole], [told[task] for task in again], [told[task] for task in twins]

    def judge(self, store: Store, say: Say, show: Callable[[Report], None] = lambda _: None) -> Report:
        """The gate's verdict on what all answered to the kit, side by side."""
        options = AnswersOptions(
            answers=[self.answers(self.kit, name) for name in (HERE, *self.cpus)], model=TINY_MODEL_DIR,
            bundles=sorted(path for path in (self.kit / BUNDLES).iterdir()), report=None, force=True,
            policy=chosen_policy(None, date.today(), made_here=False),
        )  # fmt: skip
        return run_judge_answers(options, store, say, show)

    def _recorded(self, kit: Path, name: str, say: Say) -> Asked:
        out, code = self.answers(kit, name), self.folder / "code" / name
        arguments = [str(kit / RECORDER), "--out", str(out)]
        is_watched = name in self.cpus and kit == self.kit
        if name == HERE:
            command, environment = [sys.executable, *arguments], {**os.environ, "PYTHONPATH": ""}
        else:
            command, environment = on_arm(arguments, arm_folder()), arm_environment(name, arm_folder())
        if is_watched:
            code.mkdir(parents=True, exist_ok=True)
            environment |= watched(code)
        say(f"asking {name} ({kit.name})")
        start = time.perf_counter()
        done = subprocess.run(
            ["nice", "-n", str(NICE), *command], env=environment, cwd=self.folder, capture_output=True, text=True, check=False
        )
        say(f"{name} ({kit.name}): {time.perf_counter() - start:.0f} s, exit code {done.returncode}")
        if done.returncode < 0 or not any(read_answers(out).journal.ended):
            raise InputError(f"{name}: the recorder ended with {done.returncode}: {(done.stderr.splitlines() or [''])[-1]}")
        answers, ran = read_answers(out), kernels_that_ran(code, arm_folder()) if is_watched else []
        require_answers_to(kit, answers)
        return Asked(name=name, code=done.returncode, answers=answers, kernels=ran)


def make_few(kit: Path, out: Path, few: Mapping[str, Collection[str]], threads: int) -> None:
    """A kit of a part of another's questions, made of links to its files."""
    _, plan = read_plan(kit / MANIFEST)
    with new_folder(out, "kit", force=True) as made:
        for path in kit.iterdir():
            if path.name != MANIFEST:
                (made / path.name).symlink_to(path)
        write_plan(replace(plan.only(few), threads=(threads,)), made)


def require_answers_to(kit: Path, answers: Answers) -> None:
    """Raise InputError for answers to another kit's questions: they would stand in the page under this one's name."""
    if answers.kit_id != read_plan(kit / MANIFEST)[0]:
        raise InputError(f"{answers.folder}: holds answers to another kit than {kit}; this is a fault of the matrix")


def without_atomics(kit: Path, cpu: str = "cortex-a53") -> str:
    """What a recorder says on a CPU of Armv8.0 with LiteRT as its wheel is."""
    environment = arm_environment(cpu, arm_folder(), accelerator=True)
    script = "import sys; sys.path.insert(0, sys.argv[1]); import litert_pipeline.run.arm_cpu as cpu; cpu.require_atomics()"
    done = subprocess.run(
        on_arm(["-c", script, str(kit / RECORDER)], arm_folder()), env=environment, capture_output=True, text=True, check=False
    )
    return (done.stderr.splitlines() or [""])[-1].partition("InputError: ")[2]
