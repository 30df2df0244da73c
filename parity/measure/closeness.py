"""How far a bundle is from the original, in the few numbers a policy has bars for. Each is the worst of what was measured."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from parity.measure.teacher_forcing import NONFINITE
from parity.measure.verdict import FREE_RUNNING, TEACHER_FORCED, Verdict
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER, SAME_DECODER, SAME_ENCODER


@dataclass(frozen=True, kw_only=True)
class Distance:
    """One number: which checks of some stages it is the worst of, and how it is told.

    `of` takes it from a check; larger is further away. `told` turns it into what a policy says, dB for instance;
    `larger_is_closer` there.
    """

    name: str
    stages: tuple[str, ...]
    metrics: tuple[str, ...]
    ladder: str = TEACHER_FORCED
    of: Callable[[Verdict], float] = lambda check: check.from_checkpoint
    told: Callable[[float], float] = lambda value: value
    larger_is_closer: bool = False

    def worst(self, checks: Iterable[Verdict]) -> tuple[float, Verdict] | None:
        """The largest of all checks it is about, and that check; None where nothing of the kind was measured."""
        own = [check for check in checks if check.stage in self.stages and check.ladder == self.ladder]
        found = [(self.of(check), check) for check in own if check.metric in self.metrics]
        found += [(math.inf, check) for check in own if check.metric == NONFINITE and not check.ok]
        return max(found, key=lambda one: math.inf if math.isnan(one[0]) else one[0], default=None)


def _snr_db(error: float) -> float:
    """Signal-to-noise ratio of a relative L2 error."""
    return math.inf if error == 0 else -20 * math.log10(error)


DISTANCES: Mapping[str, Distance] = {
    distance.name: distance
    for distance in (
        Distance(
            name="conditioner_error", stages=(CONDITIONER,), metrics=("relative_l2.prompt_rows", "relative_l2.seconds")
        ),
        Distance(name="dit_denoised_error", stages=(DIT,), metrics=("denoised_error",)),
        Distance(
            name="decoder_snr_db", stages=(DECODER, SAME_DECODER), metrics=("relative_l2",), told=_snr_db, larger_is_closer=True
        ),
        Distance(
            name="encoder_snr_db", stages=(ENCODER, SAME_ENCODER), metrics=("relative_l2",), told=_snr_db, larger_is_closer=True
        ),
        # What the errors of the file's own may lead to: a wide envelope holds anything.
        Distance(
            name="latents_envelope", stages=(DIT,), ladder=FREE_RUNNING, metrics=("latents_relative_l2",),
            of=lambda check: check.limit,
        ),
    )
}  # fmt: skip
