"""Known causes, recognised: what a failing output agrees with instead."""

from dataclasses import replace

import torch

from parity import metrics
from parity.ladder import float32_inputs
from parity.verdict import Verdict
from reference.pipeline import Model, TorchStage
from reference.spec.generation import Stage
from reference.spec.tensors import Tensors, signatures

CROSS = "relative_l2.cross_attention_cond"
HALF_T5 = (
    "the output is that of T5 rounded to float16, which stable-audio-tools does behind the caller's back: convert from "
    "the float32 T5"
)


def with_known_cause(verdicts: list[Verdict], model: Model, run: Stage, truth: Tensors) -> list[Verdict]:
    """Verdicts about a conditioner, a failed one explained where T5 in float16 would pass it."""
    failed = next((verdict for verdict in verdicts if verdict.metric == CROSS and not verdict.ok), None)
    if failed is None:
        return verdicts
    feed = float32_inputs(truth)
    rounded = half_t5(model)(feed)["cross_attention_cond"]
    error = metrics.relative_l2(rounded, run(feed)["cross_attention_cond"])
    if not error <= failed.limit:
        return verdicts
    explained = replace(failed, why=f"{failed.why}; {HALF_T5}")
    return [explained if verdict is failed else verdict for verdict in verdicts]


def half_t5(model: Model) -> TorchStage:
    """The conditioner in float64 with T5's weights rounded to float16: what a float32 export of upstream's T5 holds."""
    module = model.to(torch.float64, ("conditioner",)).modules["conditioner"]
    for parameter in module.get_submodule("t5").parameters():
        parameter.copy_(parameter.half())
    return TorchStage(module, signatures(model.spec)["conditioner"])
