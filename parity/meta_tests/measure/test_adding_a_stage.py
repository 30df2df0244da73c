"""Adding a stage is a row in the stage table, a module, and limits: the truth has it, and it is judged like any other."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fixtures import TINY_MODEL_DIR
from parity.faults.injection import Injected
from parity.judge.judge import Judge
from parity.measure.arithmetic import REFERENCE
from parity.measure.budget import UNIT_ROUNDOFF, YARDSTICK, Fixed
from parity.measure.limits import LIMITS
from parity.measure.stage_budgets import NONE
from parity.measure.teacher_forcing import stage_feed
from parity.runtimes import reference_contenders
from parity.test_parity import assert_ok, case_called
from parity.truth.store import Store
from parity.truth.traces import Truth
from reference.modules import MODULES, StageModule, build_modules
from reference.pipeline import load_model
from reference.spec.model import ModelSpec
from reference.spec.stages import ALL_STAGES, AUDIO, STAGE_TABLE, Port, StageRow, signatures

METER = "meter"
TOY_ROUNDINGS = 128  # a meter has no layers, so there are none to lose anything in
ROW = StageRow(
    name=METER,
    inputs=(AUDIO,),
    outputs=(
        Port(name="power", axes=lambda spec: {"batch": 1, "audio_channel": spec.audio_channels}),
        Port(name="balance", axes=lambda spec: {"batch": 1}),
    ),
    optional=True,
)


class Meter(nn.Module):
    """Mean square of each channel, and the difference of the first two; weighted, so that there is a weight."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((spec.audio_channels,), 0.7))

    def forward(self, audio: Tensor) -> dict[str, Tensor]:
        power = self.weight * audio.square().mean(-1)
        return {"power": power, "balance": power[:, 0] - power[:, 1]}


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """A judge of a model with one stage more."""
    tiny = load_model(TINY_MODEL_DIR)
    few = Fixed(limit=TOY_ROUNDINGS * UNIT_ROUNDOFF, why="sums of a toy")
    monkeypatch.setitem(STAGE_TABLE, METER, ROW)
    monkeypatch.setitem(MODULES, METER, StageModule(build=Meter, prefix="meter."))
    monkeypatch.setitem(
        LIMITS[REFERENCE], METER,
        {"nonfinite_values": NONE, **{f"relative_l2.{port.name}": few for port in ROW.outputs}},
    )  # fmt: skip
    spec = replace(tiny.spec, stages=(*tiny.spec.stages, METER))
    module = build_modules(spec)[METER].eval().requires_grad_(False)
    model = replace(tiny, spec=spec, modules={**tiny.modules, METER: module})
    with Judge(truths=Truth(model=model, store=Store()), contenders=reference_contenders()) as found:
        yield found


def test_a_stage_with_a_row_is_teacher_forced_and_judged(metered: Judge) -> None:
    case = case_called(metered, "drums")
    assert list(signatures(metered.model.spec)) == [*ALL_STAGES, METER]
    checks = metered.teacher_forced(METER, YARDSTICK, case)
    assert {check.metric for check in checks} == LIMITS[REFERENCE][METER].keys()
    assert_ok([*checks, metered.determinism(METER, YARDSTICK, case)])


def test_a_stage_with_a_row_is_refused_where_it_errs(metered: Judge) -> None:
    case = case_called(metered, "drums")
    run = metered.stage(YARDSTICK, METER)
    right = run(stage_feed(METER, metered.truth(case)))
    wrong = Injected(clean=metered.source(YARDSTICK), wrong={METER: lambda feed: {**right, "power": right["power"] * 1.001}})
    checks = metered.instead(YARDSTICK, wrong).teacher_forced(METER, YARDSTICK, case)
    assert {check.metric for check in checks if not check.ok} == {"relative_l2.power"}
