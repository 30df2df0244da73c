"""The gate on answers that devices recorded: all checks but those that run a file again, and the devices beside them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from parity.bundles.given import given_bundles
from parity.device.device import Device, agreement, device_of, differences
from parity.device.received import Received, receive
from parity.explain.evidence import Evidence
from parity.explain.gather import gather_recorded
from parity.gate import judged_bundles, shared_files
from parity.judge.judge import Judge
from parity.judge.left_out import LeftOut, fp16_compute
from parity.judge.lineup import labelled
from parity.judge.plan import Plan
from parity.measure.budget import YARDSTICK
from parity.measure.cases import load_cases
from parity.measure.policy import Policy
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from parity.report.artifact import artifacts_of
from parity.report.folder import write_report
from parity.report.report import Report
from parity.runtimes.environment import environment
from parity.subject import subject_of
from parity.truth.store import Store
from reference.model_files import hub_id
from reference.progress import Say
from reference.spec.errors import InputError
from reference.spec.files import new_folder


@dataclass(frozen=True, kw_only=True)
class AnswersOptions:
    """What to judge: the folders that record.pyz wrote, the model, and the bundles that were packed."""

    answers: list[Path]
    model: Path
    bundles: list[Path]
    report: Path | None
    force: bool
    policy: Policy


def run_judge_answers(options: AnswersOptions, store: Store, say: Say, show: Callable[[Report], None]) -> Report:
    """Judge, `show` what was found and then, with `report`, write the report folder, whole or not at all.

    Raises InputError for bad input: answers that were edited, to another kit or of other files.
    """
    with ExitStack() as stack:
        folder = None
        if options.report is not None:
            reads = (options.model, *options.bundles, *options.answers)
            folder = stack.enter_context(new_folder(options.report, "report", options.force, reads))
        bundles = given_bundles(options.bundles, options.model)
        judge = Judge.of(options.model, bundles, store=store)
        received = receive(options.answers, bundles, judge.files)
        _require_model(received[0], judge)
        judge = stack.enter_context(_of_devices(judge, received))
        report = _judged(judge, received, options, say)
        show(report)
        if folder is not None:
            write_report(report, folder)
    return report


def _require_model(received: Received, judge: Judge) -> None:
    """Raise InputError if the kit was packed with another model's truth."""
    there, here = received.answers.plan.model, judge.model.files.weights_sha256()
    if there != here:
        raise InputError(
            f"{received.answers.folder}: the kit was packed for a model whose weights have SHA-256 {there[:12]}, "
            f"{judge.model.files.config.parent} has {here[:12]}; give the model dir it was packed with"
        )


def _of_devices(judge: Judge, received: Sequence[Received]) -> Judge:
    """A judge of all that the devices answered, and of nothing that runs here but the reference."""
    kit, contenders = received[0].answers.plan, {YARDSTICK: judge.contenders[YARDSTICK]}
    for one in received:
        contenders |= one.contenders()
    sources = {name: source for one in received for name, source in one.sources(contenders, judge.files).items()}
    return replace(
        judge, contenders=contenders, replaced=sources, threads=kit.threads[0], repeats=kit.repeats,
        generates=bool(kit.generations),
    )  # fmt: skip


def _judged(judge: Judge, received: Sequence[Received], options: AnswersOptions, say: Say) -> Report:
    kit = received[0].answers.plan
    left_out = [LeftOut(variant=name, why=why) for one in received for name, why in one.unanswered().items()]
    variants = [name for name in judge.contenders if name not in {one.variant for one in left_out}]
    if variants == [YARDSTICK]:
        raise InputError(f"nothing can be judged: {'; '.join(map(str, left_out))}")
    cases = load_cases(judge.model.tokenizer, judge.model.spec, list(kit.cases))
    plan = Plan.of(judge, variants, cases, Sweep(draws=kit.draws, seed=kit.seed))
    checks = list(plan.checks(say))
    used = [bundle for _, bundle in labelled({name: judge.contenders[name] for name in variants})]
    return Report(
        checks=checks,
        evidence=Evidence() if options.report is None else gather_recorded(judge, variants, cases),
        model=subject_of(judge.model).described(judge.model),
        environment=environment(judge.threads, "", fp16_compute([YARDSTICK], judge.contenders)),
        artifacts=artifacts_of(used),
        left_out=left_out,
        unseen=plan.unseen,
        covered=plan.covered,
        policy=options.policy,
        bundles=judged_bundles(judge, list(judge.contenders), used, made_here=False),
        shared=shared_files(plan),
        devices=_devices(received, checks),
        base_model=hub_id(options.model),
    )


def _devices(received: Sequence[Received], checks: Sequence[Verdict]) -> list[Device]:
    """All devices, each with what is to be said of its answers beside the host's verdict and the others' answers."""
    notes = _compared(received)
    return [
        device_of(one.name, one.answers).noting([agreement(one.answers, checks, one.called), *notes[one.name]])
        for one in received
    ]


def _compared(received: Sequence[Received]) -> Mapping[str, list[str]]:
    """Of every two recordings whether they are equal, told with the later one."""
    notes: dict[str, list[str]] = {one.name: [] for one in received}
    for one, other in combinations(received, 2):
        unlike = differences(one.answers, other.answers)
        differ = f"its answers differ from those of {one.name}: {'; '.join(unlike)}"
        notes[other.name].append(differ if unlike else f"its answers equal those of {one.name}")
    return notes
