"""What static quantization is calibrated with: the truth's own feeds of a stage, and others from all over its inputs' domains.

A range that only one piece was looked at for clips the next one: that would be a fault of the mix, not of the arithmetic.
"""

from collections.abc import Callable, Sequence

from parity.measure.cases import Case
from parity.measure.sweep import drawn
from parity.measure.teacher_forcing import stage_feed
from parity.truth.traces import Truth
from reference.spec.stages import STAGE_TABLE
from reference.spec.tensors import Tensors

PLACES, SEED = 32, 2**20  # drawn beside the truth's, from a seed that no gate run starts with


def calibrated_with(truths: Truth, case: Case) -> Callable[[str], Sequence[Tensors]]:
    """The feeds of a stage, by its name."""

    def feeds(stage: str) -> Sequence[Tensors]:
        trace = truths.trace(case)
        own = [stage_feed(stage, trace, call) for call in range(STAGE_TABLE[stage].calls(trace))]
        places = drawn(stage, truths.model.spec, trace, count=PLACES, seed=SEED)
        return [*own, *(feed for place in places for feed in place.feeds)]

    return feeds
