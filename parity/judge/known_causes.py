"""Known causes, recognised by the answers: what a failing output agrees with instead, and which weights were converted."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from parity.measure import metrics
from parity.measure.arithmetic import AS_SAVED, T5_AT_LOAD
from parity.measure.verdict import Verdict
from parity.truth.loading import as_loaded, loadings
from reference.pipeline import Model
from reference.spec.generation import Stage
from reference.spec.stages import CONDITIONER, STAGE_TABLE
from reference.spec.tensors import Array, Tensors

PROMPT = "relative_l2.prompt_rows"
CLEAR = 0.1  # of how far the checkpoint's answers are: rounding at load moves them hundreds of times farther than float32 does
HALF_T5 = (
    "the output is that of T5 rounded to float16, which stable-audio-tools does behind the caller's back: convert from "
    "the float32 T5"
)


def half_precision_t5(verdicts: list[Verdict], model: Model, opened: Callable[[], Stage], truth: Tensors) -> list[Verdict]:
    """Verdicts about a stage, those of failed prompt rows explained where T5 in float16 would pass them."""
    failed = [verdict for verdict in verdicts if verdict.metric == PROMPT and not verdict.ok]
    if not failed:
        return verdicts
    feed = STAGE_TABLE[CONDITIONER].feed(truth)
    rounded = half_t5(model)(feed)["cross_attention_cond"]
    error = metrics.relative_l2(rounded, opened()(feed)["cross_attention_cond"])
    if not error <= min(verdict.limit for verdict in failed):
        return verdicts
    return [_explained(verdict, HALF_T5) if verdict in failed else verdict for verdict in verdicts]


def half_t5(model: Model) -> Stage:
    """The conditioner in float64 with T5's weights rounded to float16: what a float32 export of upstream's T5 holds."""
    return as_loaded(model, CONDITIONER, T5_AT_LOAD).exact(CONDITIONER)


def loading_by_answers(model: Model, stage: str, run: Stage, feed: Mapping[str, Array]) -> str:
    """What a loader did to a file's weights, where its constants cannot be read: that whose exact answers it gives but for float
    rounding, else nothing."""
    answers = run(feed)

    def apart(loading: str) -> float:
        exact = as_loaded(model, stage, loading).exact(stage)(feed)
        return max(metrics.relative_l2(array, answers[name]) for name, array in exact.items())

    allowed = CLEAR * apart(AS_SAVED)
    return next((loading for loading in loadings(model.modules[stage]) if apart(loading) <= allowed), AS_SAVED)


def _explained(verdict: Verdict, cause: str) -> Verdict:
    return replace(verdict, why=f"{verdict.why}; {cause}")
