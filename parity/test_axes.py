"""What must not matter: how many threads compute, what was computed before, where in a batch an item stands."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from parity.judge.judge import Judge
from parity.measure import metrics
from parity.measure.cases import case_ids
from parity.measure.limits import FLOAT
from parity.measure.teacher_forcing import stage_feed, unequal_values
from parity.test_parity import assert_ok, case_called
from reference.spec.stages import ALL_STAGES, STAGE_TABLE, signatures

# One thread is what `parity/test_parity.py` asks all runtimes for.
MANY = max(4, os.cpu_count() or 1)  # more threads than cores where there are few, which is an edge of its own
POSITIONS = 3


@pytest.fixture(scope="module", params=[2, MANY], ids=lambda threads: f"{threads} threads")
def threaded(request: pytest.FixtureRequest, judge: Judge) -> Iterator[Judge]:
    """A judge of the same files, every runtime on so many threads."""
    with judge.on_threads(request.param) as other:
        yield other


def test_any_number_of_threads_is_within_budget_and_repeatable(threaded: Judge, variant: str, stage: str) -> None:
    case = case_called(threaded, "drums")
    assert_ok([*threaded.teacher_forced(stage, variant, case), threaded.determinism(stage, variant, case)])


def test_a_call_leaves_no_trace_in_the_next(judge: Judge, variant: str, stage: str) -> None:
    """Runtimes reuse their buffers: the same inputs give the same bits whatever was computed in between."""
    run = judge.stage(variant, stage)
    truths = ((judge.truth(case_called(judge, name)), step) for name, step in (("drums", 0), ("empty", 5)))
    ours, others = (stage_feed(stage, truth, STAGE_TABLE[stage].call_in(truth, step)) for truth, step in truths)
    first = run(ours)
    between = run(others)
    assert unequal_values([first], [between]) > 0
    assert unequal_values([first], [run(ours)]) == 0


@pytest.mark.parametrize("position", range(POSITIONS))
@pytest.mark.parametrize("stage", ALL_STAGES)
def test_batch_position_is_rounding(judge: Judge, stage: str, position: int) -> None:
    """The reference takes batches; converted graphs hold one item, so for them there is but the order of calls."""
    names = case_ids(free_running=True)[:POSITIONS]
    signature, module = signatures(judge.model.spec)[stage], judge.model.modules[stage]
    feeds = [signature.bind(stage_feed(stage, judge.truth(case_called(judge, name)))) for name in names]
    batch = {key: torch.from_numpy(np.concatenate([feed[key] for feed in feeds])) for key in feeds[0]}
    with torch.inference_mode():
        together = module(**batch)
    truth = judge.truth(case_called(judge, names[position]))
    for tensor in signature.outputs:
        exact = STAGE_TABLE[stage].truth(truth)[tensor.name]
        alone = judge.model.stage(stage)(feeds[position])[tensor.name]
        error = metrics.relative_l2(exact, together[tensor.name][position : position + 1].numpy())
        assert error <= FLOAT.limits(metrics.relative_l2(exact, alone))[1]
