"""How near T5 comes to the largest FP16 number: a feed-forward that overflows makes a prompt's conditioning NaN.

Watched are the outputs of every module and the squares a norm averages, which are the larger ones. What overflows in
the cases at hand is refused as NaN elsewhere; this warns of the prompt that nobody tried.
"""

import math
import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from parity.explain.activation import Activation
from parity.explain.inside.hooks import hooked
from reference.model.t5 import RMSNorm
from reference.pipeline import Model
from reference.spec.stages import CONDITIONER

T5 = "t5"


def t5_activations(model: Model, prompts: Iterable[tuple[str, str]]) -> list[Activation]:
    """The largest activation of each block over `prompts`, which are (case, text)."""
    t5 = model.modules[CONDITIONER].get_submodule(T5)
    largest: dict[str, Activation] = {}
    for case, text in prompts:

        def note(path: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor, case: str = case) -> None:
            value = float((inputs[0].square() if isinstance(module, RMSNorm) else output.abs()).max())
            block = _block(path)
            if block not in largest or _sortable(value) > _sortable(largest[block].largest):
                largest[block] = Activation(block=block, module=f"{T5}.{path}", case=case, largest=value)

        with hooked(t5, note), torch.inference_mode():
            t5(*map(torch.from_numpy, model.tokenizer(text)))
    return list(largest.values())


def _sortable(value: float) -> float:
    """NaN as the largest there is."""
    return math.inf if math.isnan(value) else value


def _block(path: str) -> str:
    """The block a module is part of, or the module itself outside the blocks."""
    match = re.match(r"encoder\.block\.\d+", path)
    return f"{T5}.{match[0] if match else path}"
