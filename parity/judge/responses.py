"""Whether a stage answers to all that it is asked: each input changed a little over its whole domain."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from parity.judge.panel import Panel
from parity.measure.arithmetic import FP16_COMPUTE, STATIC
from parity.measure.cases import Drawn
from parity.measure.limits import ANSWERED
from parity.measure.nudges import nudges
from parity.measure.teacher_forcing import unequal_values
from parity.measure.verdict import DOMAIN, Verdict
from reference.pipeline import StageModel
from reference.spec.stages import STAGE_TABLE
from reference.spec.tensors import Tensors

Place = TypeVar("Place")
UNANSWERED = "unanswered_changes"
NAMED = 3  # that a sentence lists
# A trained encoder adds next to no noise to a sound it knows, and half numbers make a deviation of 0 of what is below 5e-4: of
# the two loudest values of a noise 3.2 steps were left, and in silence, which has more of it, 125.
LOST_STEPS = 8.0
LARGE_PLACES = 1  # of a model whose calls take seconds


def response_checks(panel: Panel, stage: str, variant: str, drawn: Sequence[Drawn]) -> list[Verdict]:
    """How many small changes of an input leave the answer the same, bit for bit. Nothing of a stage of which nothing was drawn,
    nor of one whose inputs are rounded to a grid that was calibrated."""
    if not drawn or panel.arithmetic(variant, stage).activations == STATIC:
        return []
    found = list(_unanswered(panel, stage, variant, drawn))
    more = f", and {len(found) - NAMED} more" if len(found) > NAMED else ""
    why = f"{ANSWERED.why}; not {', '.join(found[:NAMED])}{more}" if found else ANSWERED.why
    return [
        Verdict(
            stage=stage, variant=variant, case=f"{sum(len(one.places) for one in drawn)} places", ladder=DOMAIN,
            metric=UNANSWERED, value=float(len(found)), limit=ANSWERED.limit, why=why,
        )
    ]  # fmt: skip


def _unanswered(panel: Panel, stage: str, variant: str, drawn: Sequence[Drawn]) -> Iterator[str]:
    """The changes that are not answered: of which input, and where."""
    answered = [asked for one in drawn for asked in zip(one.places, one.feeds, panel.answers(stage, variant, one), strict=True)]
    half = panel.arithmetic(variant, stage).compute == FP16_COMPUTE
    run = panel.stage(variant, stage)
    for place, feed, answer in few(answered, panel.stage_model):
        for nudge in nudges(STAGE_TABLE[stage], feed, panel.stage_model.spec, half=half):
            if _same(answer, run(nudge.feed)) and not (half and _lost_in_half(panel, stage, feed, nudge.feed)):
                yield f"{nudge.port} at {place}"


def _lost_in_half(panel: Panel, stage: str, feed: Tensors, changed: Tensors) -> bool:
    """Whether what the reference makes of a change is nowhere more than `LOST_STEPS` of half numbers."""
    one, other = (panel.stage_model.stage(stage)(fed) for fed in (feed, changed))
    steps = [np.abs(other[name] - one[name]) / np.abs(np.spacing(one[name].astype(np.float16))) for name in one]
    return max(float(found.max()) for found in steps) <= LOST_STEPS


def changed_feeds(model: StageModel, stage: str, drawn: Sequence[Drawn], *, half: bool) -> list[Tensors]:
    """All that `response_checks` feeds a stage besides, `half` where it computes in float16."""
    feeds = few([feed for one in drawn for feed in one.feeds], model)
    return [nudge.feed for feed in feeds for nudge in nudges(STAGE_TABLE[stage], feed, model.spec, half=half)]


def few(places: list[Place], model: StageModel) -> list[Place]:
    """The places whose inputs are changed: all, or as many as there is time for."""
    return places[-LARGE_PLACES:] if model.large else places


def _same(answer: Tensors, other: Tensors) -> bool:
    return not unequal_values([answer], [other])
