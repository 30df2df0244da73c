"""Who is at fault: the first stage of a variant that fails, and the module inside it."""

from collections import defaultdict

from litert_pipeline.build.stage import as_converted
from parity.explain.inside.graphs import OPENERS
from parity.explain.inside.localize import ModuleError, localize
from parity.judge.judge import Judge
from parity.measure.cases import Case
from parity.measure.teacher_forcing import stage_feed
from parity.measure.verdict import FREE_RUNNING, TEACHER_FORCED, Verdict
from parity.runtimes import VARIANTS
from reference.progress import Say

PIPELINE_ORDER = ("bundle", "conditioner", "dit", "sampler", "decoder", "encoder")
Layers = dict[tuple[str, str], list[ModuleError]]  # by (variant, stage)


def suspects(checks: list[Verdict]) -> list[Verdict]:
    """For each variant with a failure the check that tells most about it.

    A stage fed the truth's inputs answers for itself, and what is replayed answers for what is between the stages, so
    both outrank free-running failures, and among them a stage of the pipeline outranks a note about the whole bundle.
    """
    failed: dict[str, list[Verdict]] = defaultdict(list)
    for check in checks:
        if not check.ok:
            failed[check.variant].append(check)
    return [min(found, key=_suspicion) for found in failed.values()]


def localized(judge: Judge, checks: list[Verdict], cases: list[Case], say: Say) -> Layers:
    """Module errors of every suspected stage that is a converted graph and failed on the truth's inputs."""
    found: Layers = {}
    by_id = {case.id: case for case in cases}
    for check in suspects(checks):
        recipe = VARIANTS[check.variant].recipe if check.variant in VARIANTS else None
        if check.ladder != TEACHER_FORCED or recipe is None:
            continue
        say(f"looking for the fault inside {check.stage} of {check.variant}")
        errors = module_errors(judge, check.stage, recipe, by_id[check.case], check.step or 0)
        found[check.variant, check.stage] = errors
    return found


def dit_layers(judge: Judge, variants: list[str], case: Case, say: Say) -> Layers:
    """Module errors of every DiT file that names its modules, on the first step, under the first variant that runs it."""
    found: Layers = {}
    seen = set()
    for variant in variants:
        recipe = VARIANTS[variant].recipe
        sha256 = None if recipe is None else judge.bundles[recipe].manifest.stages["dit"].sha256
        if recipe is None or sha256 in seen:
            continue
        seen.add(sha256)
        say(f"looking inside dit of {variant}")
        errors = module_errors(judge, "dit", recipe, case)
        found |= {(variant, "dit"): errors} if errors else {}
    return found


def module_errors(judge: Judge, stage: str, recipe: str, case: Case, step: int = 0) -> list[ModuleError]:
    """How wrong each module of a bundle's stage is on the truth's inputs."""
    bundle = judge.bundles[recipe]
    if bundle.manifest.source is None:  # made elsewhere: nothing inside is named after our modules
        return []
    signature = bundle.manifest.stages[stage].signature
    inputs = signature.bind(stage_feed(stage, judge.truth(case), step))
    judge.release()  # the graph is run by another interpreter
    exact, rounded = judge.model.modules[stage], as_converted(judge.model, stage, recipe)
    graph = OPENERS[bundle.manifest.format](bundle.path(stage), signature, rounded)
    return localize(exact, rounded, graph, inputs)


def _suspicion(check: Verdict) -> tuple[int, int, float]:
    stage = PIPELINE_ORDER.index(check.stage)
    free = check.ladder == FREE_RUNNING
    return (2 if free else 1 if check.stage == "bundle" else 0, stage, -check.share_of_limit)
