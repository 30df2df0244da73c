"""Known causes, recognised: what a failing output agrees with instead."""

from dataclasses import replace

import torch

from parity import metrics
from parity.ladder import float32_inputs
from parity.verdict import Verdict
from reference.pipeline import Model, TorchStage
from reference.spec.generation import Stage
from reference.spec.tensors import Tensors, signatures

CROSS, PROMPT = "relative_l2.cross_attention_cond", "relative_l2.prompt_rows"
HALF_T5 = (
    "the output is that of T5 rounded to float16, which stable-audio-tools does behind the caller's back: convert from "
    "the float32 T5"
)


def with_known_cause(verdicts: list[Verdict], model: Model, run: Stage, truth: Tensors) -> list[Verdict]:
    """Verdicts about a conditioner, failed ones explained where T5 in float16 would pass them."""
    failed = [verdict for verdict in verdicts if verdict.metric in (CROSS, PROMPT) and not verdict.ok]
    if not failed:
        return verdicts
    feed = float32_inputs(truth)
    rounded = half_t5(model)(feed)["cross_attention_cond"]
    error = metrics.relative_l2(rounded, run(feed)["cross_attention_cond"])
    if not error <= min(verdict.limit for verdict in failed):
        return verdicts
    return [replace(verdict, why=f"{verdict.why}; {HALF_T5}") if verdict in failed else verdict for verdict in verdicts]


def half_t5(model: Model) -> TorchStage:
    """The conditioner in float64 with T5's weights rounded to float16: what a float32 export of upstream's T5 holds."""
    module = model.to(torch.float64, ("conditioner",)).modules["conditioner"]
    for parameter in module.get_submodule("t5").parameters():
        parameter.copy_(parameter.half())
    return TorchStage(module, signatures(model.spec)["conditioner"])
