"""The gate: all checks over all cases and contenders, one verdict for each bundle."""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from litert_pipeline.build.conversions import Conversions
from litert_pipeline.bundle import Bundle, folder_name
from parity.bundles.assignment_table import assigned, drawing
from parity.bundles.foreign import left_aside
from parity.bundles.given import chosen_bundles
from parity.judge.judge import Judge
from parity.judge.left_out import computed_with, examined_kernels, fp16_compute, without_unable
from parity.judge.licence import licence_checks
from parity.judge.lineup import chosen, labelled
from parity.judge.plan import Plan
from parity.judge.weights import stage_arithmetics
from parity.measure.policy import Policy
from parity.measure.sweep import Sweep
from parity.report.artifact import Artifact, artifacts_of
from parity.report.bundle_verdict import JudgedBundle, Shared
from parity.report.folder import write_report
from parity.report.latency import Latency, of_judged
from parity.report.report import Report
from parity.runtimes.environment import environment
from parity.subject import require_cases, subject_of
from parity.truth.store import Store
from reference.model_files import hub_id
from reference.progress import Say
from reference.spec.files import new_folder
from reference.spec.replaced import require_temporary_space


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """What to judge. Without bundles the gate converts the model itself."""

    model: Path
    bundles: list[Path]
    report: Path | None
    variants: list[str] | None
    cases: list[str] | None
    threads: int
    force: bool
    policy: Policy
    require_license: bool = False
    sweep: Sweep = field(default_factory=Sweep)
    latency: Sequence[Latency] = ()


def run_gate(options: GateOptions, store: Store, say: Say, show: Callable[[Report], None]) -> Report:
    """Judge, `show` what was found and then, with `report`, write the report folder, whole or not at all.

    Raises InputError for bad input.
    """
    require_cases(options.cases)
    with ExitStack() as stack:
        if options.report is not None:
            folder = stack.enter_context(new_folder(options.report, "report", options.force))
        else:
            require_temporary_space()
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bundles = chosen_bundles(
            options.model, options.bundles, options.variants, folder / "bundles", say, Conversions.inside(store.folder)
        )
        judge = stack.enter_context(Judge.of(options.model, bundles, options.threads, store))
        report = _judged(judge, chosen(options.variants, judge.contenders), options, say)
        show(report)
        if options.report is not None:
            write_report(report, folder)
    return report


def _judged(judge: Judge, asked: list[str], options: GateOptions, say: Say) -> Report:
    """The report on the contenders called `asked`, but for those this machine cannot run right."""
    kernels = examined_kernels(asked, judge.contenders, judge.files)
    variants, left_out = without_unable(asked, judge.contenders, judge.files)
    for found in kernels:
        if found.wrong:
            say(str(found))
    subject = subject_of(judge.stage_model)
    model = subject.described(judge.stage_model)
    run = [judge.contenders[name].bundle for name in variants]
    bundles = [(label, bundle) for label, bundle in labelled(judge.contenders) if any(bundle is other for other in run)]
    for label, bundle in bundles:
        if bundle.manifest.source is None:
            say(f"{bundle.folder}: has no manifest; judged as made elsewhere, and called '{label}' for what its files store")
            if names := left_aside(bundle, [other for _, other in bundles]):
                say(f"{bundle.folder}: not looked at: {', '.join(names)}")
        for path, noise in drawing(bundle):
            say(f"{path}: draws its {noise} itself; judged with the truth's handed in")
    say(f"model: {model.objective}, {model.window_s:.2f} s at {model.sample_rate_hz} Hz, coded {model.coded}")
    say(f"its weights are stored in: {model.stored}")
    used = [bundle for _, bundle in bundles]
    artifacts = artifacts_of(used)
    latency = of_judged(options.latency, variants, _hashes(used, artifacts))
    plan = subject.plan(judge, variants, options.cases, options.sweep)
    checks = [check for label, bundle in bundles if options.require_license for check in licence_checks(bundle, label)]
    checks += plan.checks(say, os.cpu_count() or 1)
    return Report(
        checks=checks,
        evidence=subject.evidence(judge, checks, plan, options.report is not None, say),
        model=model,
        environment=environment(
            options.threads, "; ".join(map(str, kernels)), fp16_compute(asked, judge.contenders),
            computed_with(variants, judge.contenders),
        ),
        artifacts=artifacts,
        assignments=assigned(used),
        left_out=left_out,
        unseen=plan.unseen,
        covered=plan.covered,
        policy=options.policy,
        bundles=judged_bundles(judge, asked, used, made_here=not options.bundles),
        shared=shared_files(plan),
        latency=latency,
        base_model=hub_id(options.model),
    )


def _hashes(used: Sequence[Bundle], artifacts: Sequence[Artifact]) -> set[str]:
    """Of all that was judged, file by file, and of each stage's files together, as a manifest has them."""
    return {one.sha256 for one in artifacts} | {entry.sha256 for bundle in used for entry in bundle.manifest.stages.values()}


def shared_files(plan: Plan) -> list[Shared]:
    """The stages that are judged under another contender's name."""
    return [Shared(variant=variant, stage=stage, judged_as=judged_as) for (variant, stage), judged_as in plan.shared.items()]


def judged_bundles(judge: Judge, asked: list[str], judged: list[Bundle], *, made_here: bool) -> list[JudgedBundle]:
    """The bundles that the contenders asked for run, those that cannot be judged here among them.

    Of one that the run itself made the folder's name is left: where it was made is not where it stays.
    """
    contenders, found = {name: judge.contenders[name] for name in asked}, []
    for label, bundle in labelled(contenders):
        run_by = [contender for contender in contenders.values() if contender.bundle is bundle]
        was_judged = any(bundle is other for other in judged)
        found.append(
            JudgedBundle(
                path=folder_name(bundle.folder) if made_here else str(bundle.folder),
                name=label,
                variants=[contender.name for contender in run_by],
                arithmetic=stage_arithmetics(judge, bundle, run_by) if was_judged else (),
            )
        )
    return found
