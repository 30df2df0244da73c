"""Known causes, recognised by the answers: what a failing output agrees with instead."""

from collections.abc import Callable
from dataclasses import replace

from parity.measure import metrics
from parity.measure.arithmetic import T5_AT_LOAD
from parity.measure.verdict import Verdict
from parity.truth.loading import as_loaded
from reference.pipeline import StageModel
from reference.spec.generation import Stage
from reference.spec.stages import CONDITIONER, STAGE_TABLE
from reference.spec.tensors import Tensors

PROMPT = "relative_l2.prompt_rows"
HALF_T5 = (
    "the output is that of T5 rounded to float16, which stable-audio-tools does behind the caller's back: convert from "
    "the float32 T5"
)


def half_precision_t5(verdicts: list[Verdict], model: StageModel, opened: Callable[[], Stage], truth: Tensors) -> list[Verdict]:
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


def half_t5(model: StageModel) -> Stage:
    """The conditioner in float64 with T5's weights rounded to float16: what a float32 export of upstream's T5 holds."""
    return as_loaded(model, CONDITIONER, T5_AT_LOAD).exact(CONDITIONER)


def _explained(verdict: Verdict, cause: str) -> Verdict:
    return replace(verdict, why=f"{verdict.why}; {cause}")
