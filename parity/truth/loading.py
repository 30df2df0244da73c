"""A model's weights as a loader leaves them: stable-audio-tools rounds some to float16 before anybody converts them.

What is converted then is the rounded model, to the last bit of float32; it is held to that one, not to the checkpoint with
room for another.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from torch import Tensor, nn

from parity.measure.arithmetic import ALL_AT_LOAD, T5_AT_LOAD
from parity.truth.precision import half
from reference.pipeline import StageModel

# Which tensors of a stage's module each loading rounds, by name: a regular expression.
LOADINGS: Mapping[str, str] = {
    T5_AT_LOAD: r"^t5\.",  # upstream's T5Conditioner casts its T5, and hides it from whoever casts the model back
    ALL_AT_LOAD: "",  # `model_half`
}


def as_loaded(model: StageModel, stage: str, loading: str) -> StageModel:
    """The model of one stage alone, its weights rounded as the loading called so does; the model itself where none is."""
    if loading not in LOADINGS:
        return model
    module = copy.deepcopy(model.modules[stage])
    for _, tensor in _rounded(module, loading):
        tensor.data = half(tensor.data)
    return replace(model, modules={stage: module})


def loadings(module: nn.Module) -> list[str]:
    """Those that round anything in a stage's module."""
    return [loading for loading in LOADINGS if any(True for _ in _rounded(module, loading))]


def _rounded(module: nn.Module, loading: str) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_floating_point() and re.search(LOADINGS[loading], name):
            yield name, tensor
