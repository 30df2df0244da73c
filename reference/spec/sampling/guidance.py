"""Classifier-free guidance: two velocities to one.

Source: Ho and Salimans 2022; the rescaling by `phi` from Lin et al. 2023; both in the form of stable-audio-tools
`models/dit.py`, where a distilled model's scale of 1 turns guidance off. The projection (APG) from Sadat et al. 2024, in the
form of newer stable-audio-tools.
"""

from dataclasses import dataclass

import numpy as np

from reference.spec.errors import InputError
from reference.spec.tensors import Array, in_float32

TINY = np.finfo(np.float64).tiny  # nothing is along silence


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """How strongly the prompt pulls, away from what, and at which levels.

    Without a `negative_prompt` the unconditional velocity is that of cross-attention tokens that are all zero, the
    numbers' tokens included; the global conditioning is the same for both. `negative_seconds` and `negative_start` are the
    numbers told beside the negative prompt, the request's own where they are None.

    `apg_scale` is the share to which what guidance adds is freed of its part along the clean estimate, which makes sounds
    louder rather than other.
    """

    scale: float = 1.0
    negative_prompt: str | None = None
    negative_seconds: float | None = None
    negative_start: float | None = None
    interval: tuple[float, float] = (0.0, 1.0)
    phi: float = 0.0
    apg_scale: float = 0.0

    def __post_init__(self) -> None:
        if not in_float32(self.scale):
            raise InputError(f"cfg_scale is {self.scale}, expected a finite number in the range of float32")
        if not 0 <= self.interval[0] <= self.interval[1] <= 1:
            raise InputError(f"cfg_interval is {self.interval}, expected two levels from 0 to 1 in rising order")
        if not 0 <= self.phi <= 1:
            raise InputError(f"scale_phi is {self.phi}, expected 0 to 1")
        if not 0 <= self.apg_scale <= 1:
            raise InputError(f"apg_scale is {self.apg_scale}, expected 0 to 1")
        if self.negative_prompt is not None and self.scale == 1:
            raise InputError("a negative prompt has no effect at cfg_scale 1; choose a larger scale or leave it out")
        for name, value in (("negative_seconds", self.negative_seconds), ("negative_start", self.negative_start)):
            if value is not None and self.negative_prompt is None:
                raise InputError(f"{name} has no effect without a negative prompt; give one or leave it out")
            if value is not None and not (in_float32(value) and value >= 0):
                raise InputError(f"{name} is {value}, expected a finite number, 0 or more, in the range of float32")

    def active(self, share: float) -> bool:
        """Whether a step with that share of noise (`Objective.noise_share`) needs the unconditional velocity."""
        return self.scale != 1 and self.interval[0] <= share <= self.interval[1]

    def combine(self, conditional: Array, unconditional: Array, clean: Array) -> Array:
        """The guided velocity, of the arrays' own precision; all are (batch, channel, frame). `clean` is the clean estimate
        that the conditional velocity points to.

        With `phi`, that share of it is scaled to the conditional velocity's standard deviation over channels.
        """
        guided: Array = unconditional + (conditional - unconditional) * self.scale
        if self.apg_scale:
            lead = conditional - unconditional
            guided = conditional + (lead - self.apg_scale * _along(lead, clean)) * (self.scale - 1)
        if self.phi == 0:
            return guided
        wanted, found = (np.std(v, axis=1, keepdims=True, ddof=1) for v in (conditional, guided))
        rescaled: Array = self.phi * (guided * (wanted / found)) + (1 - self.phi) * guided
        return rescaled


def _along(lead: Array, clean: Array) -> Array:
    """The part of `lead` along `clean`, item by item; computed in float64.

    Clean estimates are linear in velocities, so that this is what upstream projects, without its division by the level.
    """
    wide, axes = clean.astype(np.float64), (-2, -1)
    share = (lead * wide).sum(axes, keepdims=True) / np.maximum((wide * wide).sum(axes, keepdims=True), TINY)
    along: Array = (share * wide).astype(lead.dtype)
    return along
