"""The gate: all checks over all cases and variants, one verdict."""

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litert_pipeline.build.conversions import Conversions
from parity.bundles.assignment_table import assigned
from parity.bundles.given import chosen_bundles
from parity.explain.gather import gather
from parity.judge.judge import Judge
from parity.judge.left_out import examined_kernels, without_unable
from parity.judge.licence import licence_checks
from parity.measure.cases import Case, load_cases
from parity.measure.verdict import Verdict
from parity.report.report import Report, artifact_entries
from parity.runtimes import VARIANTS
from parity.runtimes.environment import environment
from parity.truth.store import Store
from reference.pipeline import Model
from reference.progress import Say
from reference.spec.files import new_folder
from reference.spec.stages import ENCODER


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
    require_license: bool = False


def run_gate(options: GateOptions, store: Store, say: Say) -> Report:
    """Judge and, with `report`, write the report folder, whole or not at all. Raises InputError for bad input."""
    with ExitStack() as stack:
        if options.report is not None:
            folder = stack.enter_context(new_folder(options.report, options.force))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bundles, variants = chosen_bundles(
            options.model, options.bundles, options.variants, folder / "bundles", say, Conversions.inside(store.folder)
        )
        kernels = examined_kernels(variants)
        variants, left_out = without_unable(variants)
        for found in kernels:
            if found.wrong:
                say(str(found))
        judge = stack.enter_context(Judge.of(options.model, bundles, options.threads, store))
        spec = judge.model.spec
        for bundle in bundles.values():
            if bundle.manifest.source is None:
                say(f"{bundle.folder}: has no manifest; judged as made elsewhere, by the budgets of '{bundle.manifest.recipe}'")
        say(f"model: {spec.objective}, {spec.window_s:.2f} s at {spec.sample_rate_hz} Hz, coded {spec.coding}")
        cases = load_cases(judge.model.tokenizer, judge.model.spec.seconds, options.cases)
        used = [bundle for recipe, bundle in bundles.items() if any(VARIANTS[v].recipe == recipe for v in variants)]
        checks = [check for bundle in used if options.require_license for check in licence_checks(bundle)]
        checks += all_checks(judge, variants, cases, say)
        report = Report(
            checks=checks,
            evidence=gather(judge, checks, variants, cases, say),
            model=_described(judge.model),
            environment={**environment(options.threads), "integer_kernels": "; ".join(map(str, kernels))},
            artifacts=artifact_entries(used),
            assignments=assigned(used),
            left_out=left_out,
        )
        if options.report is not None:
            report.write(folder)
    return report


def _described(model: Model) -> dict[str, Any]:
    """What was judged, for the report."""
    spec = model.spec
    return {
        "weights_sha256": model.files.weights_sha256(),
        "objective": spec.objective,
        "sample_rate_hz": spec.sample_rate_hz,
        "window_s": spec.window_s,
        "latent_frames": spec.latent_frames,
        "coded": spec.coding,
    }


def all_checks(judge: Judge, variants: list[str], cases: list[Case], say: Say) -> Iterable[Verdict]:
    """Every check of a gate run, bundle by bundle, then variant by variant."""
    recipes = {VARIANTS[variant].recipe for variant in variants}
    for recipe in judge.bundles:
        if recipe in recipes:
            yield from judge.artifacts(recipe)
    for case in cases:
        if judge.model.large:
            say(f"the truth of {case.id}, in float64")
        judge.truth(case)
    for variant in variants:
        say(f"judging {variant}")
        if ENCODER not in judge.stages(variant):
            say(f"{variant}: its bundle has no encoder, so audio-to-audio is not judged")
        yield from _variant_checks(judge, variant, cases, say)


def _variant_checks(judge: Judge, variant: str, cases: list[Case], say: Say) -> Iterable[Verdict]:
    whole = judge.whole(variant)
    for stage in judge.stages(variant):
        if judge.model.large:
            say(f"{variant}: {stage} fed the truth")
        for case in cases:
            yield from judge.teacher_forced(stage, variant, case)
        if whole:
            yield judge.determinism(stage, variant, cases[0])
    for case in cases:
        yield from judge.replayed(variant, case)
    yield from judge.replayed(variant, cases[0], from_audio=True)
    for case in free_running_cases(cases) if whole else ():
        if judge.model.large:
            say(f"{variant}: generating {case.id}, and how far its own errors may lead")
        yield from judge.free_running(variant, case)


def free_running_cases(cases: list[Case]) -> list[Case]:
    """The cases marked for it; where the user chose none of those, the first one, so that the ladder is never empty."""
    return [case for case in cases if case.free_running] or cases[:1]
