"""How many multiplications a stage takes, counted on the reference itself."""

from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

from reference.modules import build_modules
from reference.spec.model import ModelSpec
from reference.spec.stages import signatures


@cache
def macs(spec: ModelSpec) -> dict[str, int]:
    """Multiply-accumulates of one call of each stage: matrix products, attention and convolutions, nothing elementwise."""
    with torch.device("meta"):
        modules = build_modules(spec)
    found = {}
    for stage, signature in signatures(spec).items():
        feed = {t.name: torch.zeros(t.shape, dtype=getattr(torch, t.dtype), device="meta") for t in signature.inputs}
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            modules[stage](**feed)
        found[stage] = counter.get_total_flops() // 2
    return found
