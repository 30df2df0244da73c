"""Faults of what a file stores: scales, values, and what does not belong. The graph is right, and so is the manifest's hash."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from parity.faults.bench import Bench
from parity.faults.catalogue.files import noted
from parity.faults.fault import DERIVED, Fault
from parity.faults.file_edits import Change, edit_file, foreign_constant, scales, values
from parity.faults.injection import InFile
from reference.spec.tensors import Array

DIT = "dit"
INT8 = ("litert_int8",)
QKV = "Layer_1/reference.model.attention.SelfAttention_self_attn/torch.nn.modules.linear.Linear_to_qkv"
GLU = "Layer_2/reference.model.dit.FeedForward_ff/torch.nn.modules.container.Sequential_ff/reference.model.dit.GLU_0"
LEVEL = "Sequential_to_timestep_embed/torch.nn.modules.linear.Linear_0"


Graded = Callable[[float], Change]  # by the share of the fault


def _in_file(make: Graded) -> InFile:
    """A change of the DiT's file."""

    def damage(folder: Path, bench: Bench, share: float) -> None:
        edit_file(folder / f"{DIT}.tflite", make(share))
        noted(folder, DIT)

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


STORED = (
    Fault(
        name="scales_too_large", stage=DIT, site="file", sentence="every scale is 10 % too large",
        source=DERIVED, inject=_in_file(lambda share: larger(0.1 * share)), variants=INT8,
    ),
    Fault(
        name="scales_off", stage=DIT, site="file", sentence="every weight is 0.5 % too large",
        source=DERIVED, inject=_in_file(lambda share: larger(0.005 * share)), variants=INT8,
    ),
    Fault(
        name="scales_scattered", stage=DIT, site="file", sentence="every scale is off by some 0.5 % of its own",
        source=DERIVED, inject=_in_file(lambda share: scattered(0.005 * share)), variants=INT8,
    ),
    Fault(
        name="qkv_scale_doubled", stage=DIT, site="file", sentence="one channel of queries, keys and values counts twice",
        source=DERIVED, inject=_in_file(lambda share: one_larger(share, QKV)), variants=INT8,
    ),
    Fault(
        name="glu_scale_doubled", stage=DIT, site="file", sentence="one channel of a feed-forward counts twice",
        source=DERIVED, inject=_in_file(lambda share: one_larger(share, GLU)), variants=INT8,
    ),
    Fault(
        name="biases_dropped", stage=DIT, site="file", sentence="the feed-forwards' biases are zero",
        source=DERIVED, inject=_in_file(lambda share: zeroed("FeedForward_ff", "FLOAT32")), graded=False, variants=INT8,
    ),
    Fault(
        name="bias_dropped", stage=DIT, site="file", sentence="a bias of the embedded level is zero",
        source=DERIVED, inject=_in_file(lambda share: zeroed(LEVEL, "FLOAT32")), graded=False, variants=INT8,
    ),
    Fault(
        name="adapter_left_in", stage=DIT, site="file", sentence="a matrix of another model is in the file, and nobody reads it",
        source=DERIVED, inject=_in_file(lambda share: foreign_constant), graded=False,
        variants=("litert_fp32", "litert_fp16", "litert_int8"),
    ),
)  # fmt: skip
