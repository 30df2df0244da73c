"""What a DiT step's error is told beside: the latents a piece ends in, or of a single call the estimate itself."""

import numpy as np
import pytest

from parity.judge.judge import Judge
from parity.measure.teacher_forcing import ENDS_IN, measure, stage_feed
from parity.test_parity import case_called
from reference.spec.sampling.objective import FLOW
from reference.spec.stages import DIT, STAGE_TABLE
from reference.spec.trace import LEVELS

OFF = 0.01  # that a velocity is wrong by, everywhere
FLOAT32 = 1e-6  # what the DiT is fed is stored in it


@pytest.mark.parametrize("whole", [True, False], ids=["a piece", "single calls"])
def test_an_error_is_beside_the_piece_or_the_estimate(judge: Judge, whole: bool) -> None:
    trace = judge.truth(case_called(judge, "drums"))
    truth = trace if whole else {name: array for name, array in trace.items() if name != ENDS_IN}
    row = STAGE_TABLE[DIT]
    velocities = [row.truth(truth, call)["velocity"] for call in range(row.calls(truth))]
    found = measure(DIT, truth, [{"velocity": velocity + OFF} for velocity in velocities], FLOW)
    told = {one.step: one.value for one in found if one.metric == "denoised_error"}
    for step, velocity in enumerate(velocities):
        level = float(trace[LEVELS][step])
        estimate = stage_feed(DIT, trace, step)["x"].astype(np.float64) - level * velocity
        beside = trace[ENDS_IN] if whole else estimate
        assert told[step] == pytest.approx(level * OFF * np.sqrt(velocity.size) / np.linalg.norm(beside), rel=FLOAT32)
