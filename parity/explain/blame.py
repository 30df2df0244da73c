"""Where inside a stage the fault is: the modules of those suspected, and of every DiT."""

from collections.abc import Callable, Sequence

from litert_pipeline.build.stage import as_converted
from parity.explain.inside.graphs import OPENERS
from parity.explain.inside.localize import localize
from parity.explain.inside.module_error import Layers, ModuleError
from parity.explain.suspects import suspects
from parity.judge.judge import Judge
from parity.measure.cases import Case, Drawn
from parity.measure.teacher_forcing import stage_feed
from parity.measure.verdict import TEACHER_FORCED, Verdict
from reference.progress import Say
from reference.spec.stages import DIT, STAGE_TABLE


def localized(
    judge: Judge, checks: list[Verdict], cases_of: Callable[[str], Sequence[Case | Drawn]], say: Say
) -> Layers:
    """Module errors of every suspected stage that is a converted graph and failed on the truth's inputs; where `cases_of` has not
    those that it failed on, on the first that it has, if any."""
    found: Layers = {}
    for check in suspects(checks):
        if check.ladder != TEACHER_FORCED or judge.source(check.variant).bundle is None:
            continue
        if not (cases := cases_of(check.stage)):
            continue
        say(f"looking for the fault inside {check.stage} of {check.variant}")
        case = next((case for case in cases if case.id == check.case), cases[0])
        errors = module_errors(judge, check.stage, check.variant, case, check.step or 0)
        found[check.variant, check.stage] = errors
    return found


def dit_layers(judge: Judge, variants: list[str], case: Case, say: Say) -> Layers:
    """Module errors of every DiT file that names its modules, on the first step, under the first variant that runs it."""
    found: Layers = {}
    seen = set()
    for variant in variants:
        bundle = judge.source(variant).bundle
        sha256 = None if bundle is None else bundle.manifest.stages[DIT].sha256
        if bundle is None or sha256 in seen:
            continue
        seen.add(sha256)
        say(f"looking inside dit of {variant}")
        errors = module_errors(judge, DIT, variant, case)
        found |= {(variant, DIT): errors} if errors else {}
    return found


def module_errors(judge: Judge, stage: str, variant: str, case: Case | Drawn, step: int = 0) -> list[ModuleError]:
    """How wrong each module of a contender's stage is on the truth's inputs."""
    bundle = judge.source(variant).bundle
    assert bundle is not None, "the reference is what modules are compared with"
    opened = OPENERS.get(bundle.manifest.format)
    if bundle.manifest.source is None or opened is None:  # made elsewhere: nothing inside is named after our modules
        return []
    signature = bundle.manifest.stages[stage].signature
    truth = judge.truth(case)
    inputs = signature.bind(stage_feed(stage, truth, STAGE_TABLE[stage].call_in(truth, step)))
    judge.release()  # the graph is run by another interpreter
    exact, rounded = judge.stage_model.modules[stage], as_converted(judge.stage_model, stage, bundle.path(stage))
    graph = opened(bundle.path(stage), signature, rounded)
    return localize(exact, rounded, graph, inputs)
