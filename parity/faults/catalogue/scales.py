"""Ways to make wrong what a file stores, by a share: scales, values."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from parity.faults.bench import Bench
from parity.faults.catalogue.files import noted
from parity.faults.file_edits import Change, edit_file, scales, values
from parity.faults.injection import InFile
from reference.spec.tensors import Array

INT8, INT8_WEIGHTS, INT4, INT8_DECODER = "litert_int8", "litert_int8_weight_only", "litert_int4_blockwise", "litert_int8_decoder"
QUANTIZED_DIT = (INT8, INT8_WEIGHTS, INT4)
LINEAR = "torch.nn.modules.linear.Linear"
QKV = f"Layer_1/reference.model.attention.SelfAttention_self_attn/{LINEAR}_to_qkv"
GLU = "Layer_2/reference.model.dit.FeedForward_ff/torch.nn.modules.container.Sequential_ff/reference.model.dit.GLU_0"
INNER = f"Layer_1/reference.model.dit.FeedForward_ff/torch.nn.modules.container.Sequential_ff/{LINEAR}_2"
PROJECTION = f"{LINEAR}_project_out"
LEVEL = f"Sequential_to_timestep_embed/{LINEAR}_0"
UPSAMPLING = "DecoderBlock_2/torch.nn.modules.container.Sequential_layers/litert_pipeline.build.channels_last.LastUpConv_1"

Graded = Callable[[float], Change]  # by the share of the fault


def in_file(make: Graded, stage: str = "dit") -> InFile:
    """A change of a stage's file, of which the manifest knows."""

    def damage(folder: Path, bench: Bench, share: float) -> None:
        edit_file(folder / f"{stage}.tflite", make(share))
        noted(folder, stage)

    return InFile(damage=damage)


def larger(share: float, part: str = "") -> Change:
    """All scales `share` too large."""
    return scales(lambda found: found * (1 + share), part)


def one_larger(share: float, part: str) -> Change:
    """One scale of a matrix larger than it should be, twice as large where the share is 1."""

    def change(found: Array) -> Array:
        middle = np.arange(len(found)) == len(found) // 2
        return np.where(middle, found * (1 + share), found)

    return scales(change, part)


def scattered(share: float) -> Change:
    """Every scale off by a part of `share` that is drawn for it."""
    rng = np.random.Generator(np.random.Philox(0))
    return scales(lambda found: found * (1 + share * rng.standard_normal(found.shape)))


def zeroed(part: str, storage: str) -> Change:
    """Constants that are nothing but zeros."""
    return values(np.zeros_like, part, storage)
