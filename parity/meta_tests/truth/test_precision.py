"""The reference at reduced precision rounds what it says, and a variant of that precision errs about as much."""

import copy
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from litert_pipeline.build.stage import exportable
from parity.faults.injection import Injected
from parity.judge.judge import Judge
from parity.measure.arithmetic import SINGLE
from parity.measure.budget import AS_STORED, UNIT_ROUNDOFF, YARDSTICK, Following, Rounding
from parity.measure.limits import LIMITS
from parity.measure.metrics import relative_l2
from parity.measure.teacher_forcing import stage_feed
from parity.test_parity import case_called
from parity.truth.precision import (
    BLOCK,
    INT4_LARGEST,
    INT8_LARGEST,
    PRECISIONS,
    SHORT_BITS,
    UINT8_STEPS,
    Precision,
    as_they_are,
    cut,
    half,
    half_flushed,
    int4_blocks,
    int8_channels,
    int8_rows,
    int8_tensor,
    reduced,
)  # fmt: skip
from reference.model.conditioner import NumberFeatures
from reference.pipeline import TorchStage
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, signatures

SHORT = f"{SHORT_BITS}_bits"  # finer than any file, so what follows it is a part of it
OF_DECODERS = "int8_decoder"  # whose rule is the decoder's alone
ROUNDED = 0.5 + 1e-4  # of a scale: as far as rounding may move a value, float32 arithmetic included
FLOAT_ROUNDINGS = 64 * UNIT_ROUNDOFF  # more than any order of float32 sums moves an answer; FP16 moves it a hundred times as far
DISTINCT = {"int8": 2 * INT8_LARGEST + 1, "int4": 2 * INT4_LARGEST + 1, "uint8": UINT8_STEPS + 1}


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.Generator(np.random.Philox(seed)).standard_normal(shape, dtype=np.float32))


def scales(values: Tensor, axis: int, largest: int) -> Tensor:
    return values.abs().amax(axis, keepdim=True) / largest


ROUNDINGS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor], str]] = {
    "int8 channels": (int8_channels, lambda x: scales(x, -1, INT8_LARGEST), "int8"),
    "int8 rows": (int8_rows, lambda x: (x.amax(-1, True).clamp(min=0) - x.amin(-1, True).clamp(max=0)) / UINT8_STEPS, "uint8"),
}


@pytest.mark.parametrize("name", ROUNDINGS)
@given(seed=st.integers(min_value=0, max_value=10_000), rows=st.integers(min_value=1, max_value=5))
def test_a_value_moves_half_a_scale_at_most(name: str, seed: int, rows: int) -> None:
    rounding, scale, kind = ROUNDINGS[name]
    values = drawn(seed, rows, 2 * BLOCK) * torch.logspace(-3, 3, rows)[:, None]
    rounded = rounding(values)
    assert ((rounded - values).abs() <= ROUNDED * scale(values)).all()
    assert all(len(row.unique()) <= DISTINCT[kind] for row in rounded)


@pytest.mark.parametrize("rounding", [int8_channels, int8_rows, int8_tensor, int4_blocks, half])
def test_zero_stays_zero_and_silence_is_no_division_by_zero(rounding: Callable[[Tensor], Tensor]) -> None:
    values = drawn(1, 2, 2 * BLOCK)
    values[:, ::2] = 0
    assert (rounding(values)[:, ::2] == 0).all()
    assert torch.equal(rounding(torch.zeros(2, BLOCK)), torch.zeros(2, BLOCK))


def test_int4_has_a_scale_per_block() -> None:
    values = drawn(2, 1, 2 * BLOCK)
    values[0, BLOCK:] *= 100
    rounded = int4_blocks(values)
    for block in (slice(0, BLOCK), slice(BLOCK, None)):
        assert len(rounded[0, block].unique()) <= DISTINCT["int4"]
        assert ((rounded - values)[0, block].abs() <= ROUNDED * values[0, block].abs().max() / INT4_LARGEST).all()


def test_channels_are_rounded_apart_and_a_tensor_as_a_whole() -> None:
    values = torch.cat([drawn(3, 1, BLOCK), 1000 * drawn(4, 1, BLOCK)])
    assert (int8_channels(values)[0] != 0).any()
    assert (int8_tensor(values)[0] == 0).all()


def test_only_what_a_precision_speaks_of_is_rounded() -> None:
    module = nn.Sequential(nn.Linear(BLOCK, 4), nn.LayerNorm(4))
    before = module[0].weight.clone()
    rounded = PRECISIONS["int8_rows"].applied(module)
    assert not torch.equal(rounded[0].weight, module[0].weight)
    for name in ("0.bias", "1.weight"):
        assert torch.equal(rounded.get_parameter(name), module.get_parameter(name))
    assert torch.equal(module[0].weight, before)


@pytest.mark.parametrize(
    ("name", "stage"), [(name, stage) for name in PRECISIONS for stage in ALL_STAGES if name != OF_DECODERS or stage == DECODER]
)
def test_every_stage_is_rounded_and_the_reference_itself_is_left_alone(judge: Judge, name: str, stage: str) -> None:
    """A yardstick that rounds nothing would ask a quantized file for the error of a float one."""
    feed, right = stage_feed(stage, judge.truth(case_called(judge, "drums"))), judge.model.stage(stage)
    before = right(feed)
    apart = reduced(judge.model, stage, name)(feed)
    after = right(feed)
    assert max(relative_l2(array, apart[output]) for output, array in before.items()) > FLOAT_ROUNDINGS
    assert all(np.array_equal(after[output], array) for output, array in before.items())


def test_what_is_reduced_is_held_to_its_own_precision() -> None:
    """Each arithmetic that is not plain float32 has a stage that follows a reference of its precision."""
    for arithmetic, stages in LIMITS.items():
        budgets = [budget for stage in ALL_STAGES for budget in stages[stage].values()]
        following = [budget for budget in budgets if isinstance(budget, Following)]
        assert all(budget.yardstick in (*PRECISIONS, AS_STORED) for budget in following)
        assert all(0 <= budget.low_factor < 1 < budget.factor for budget in following if budget.yardstick != SHORT)
        assert all(budget.yardstick == YARDSTICK for budget in budgets if isinstance(budget, Rounding))
        assert bool(following) != (arithmetic == SINGLE), str(arithmetic)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_a_reference_that_computes_coarser_than_float32_is_no_yardstick(judge: Judge, stage: str) -> None:
    """Be it by a bit less than six."""
    rounding = Precision(weights=as_they_are, outputs=partial(cut, bits=SHORT_BITS + 1)).applied(exportable(judge.model, stage))
    coarse = TorchStage(rounding, signatures(judge.model.spec)[stage], torch.float32)
    instead = judge.instead(YARDSTICK, Injected(clean=judge.source(YARDSTICK), wrong={stage: coarse}))
    case = case_called(judge, "drums")
    assert all(check.ok for check in judge.teacher_forced(stage, YARDSTICK, case))
    assert not all(check.ok for check in instead.teacher_forced(stage, YARDSTICK, case))


def test_what_a_convolution_is_fed_has_one_scale_and_what_a_dense_layer_is_fed_one_per_row() -> None:
    """As XNNPACK does; one scale for both would make one of them err otherwise than the variant."""
    precision = PRECISIONS["int8_rows"]
    x = drawn(3, 2, 4, 8) * torch.tensor([1.0, 30.0]).reshape(2, 1, 1)
    conv, dense = nn.Conv1d(4, 4, 1, bias=False), nn.Linear(8, 8, bias=False)
    with torch.inference_mode():
        conv_exact, dense_exact = (copy.deepcopy(part) for part in (conv, dense))
        for part in (conv_exact, dense_exact):
            part.weight.data = int8_channels(part.weight.data)
        assert torch.equal(precision.applied(conv)(x), conv_exact(int8_tensor(x)))
        assert torch.equal(precision.applied(dense)(x), dense_exact(int8_rows(x)))
        assert not torch.equal(int8_rows(x), int8_tensor(x))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_flushed_half_is_nothing_below_the_smallest_normal_and_itself_from_there_on(sign: float) -> None:
    halves = torch.finfo(torch.float16)
    below, least = sign * (halves.smallest_normal - 2.0**-24), sign * halves.smallest_normal  # 2**-24 is a subnormal's step
    found = half_flushed(torch.tensor([below, least, sign, math.nan]))
    assert found[:3].tolist() == [0.0, least, sign]
    assert math.isnan(found[3])


def test_a_turn_is_rounded_where_every_constant_is(judge: Judge) -> None:
    conditioner = judge.model.modules[CONDITIONER]
    for name, turn in (("fp16_weights", 2 * math.pi), ("fp16_constants", float(np.float16(2 * math.pi)))):
        turns = {part.turn for part in PRECISIONS[name].applied(conditioner).modules() if isinstance(part, NumberFeatures)}
        assert turns == {turn}, name
