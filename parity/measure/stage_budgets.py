"""How budgets are put together: which metrics a stage has, and what each kind says of itself. Limits stand in `limits.py`."""

from dataclasses import replace

from parity.measure.budget import Budget, Fixed, Following
from parity.measure.pooled import POOLED
from parity.measure.sweep import RESPONSE
from parity.measure.teacher_forcing import OF_LATENTS, OF_SOUND, OF_STEREO
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER

StageBudget = dict[str, Budget]
LENT_ROOM = 1.3  # of a budget measured on one stage and lent to others
DRAWN_SHARE = 0.2  # of an error that is drawn: less of it may point anywhere
ZERO = Fixed(limit=0.0, why="rows of padding are zero vectors, exactly")
NONE = Fixed(limit=0.0, why="one such value is a fault")


def like(yardstick: str, low_factor: float, factor: float, measured: str) -> Following:
    """`measured` is the range of variant over yardstick over all cases on the tiny model."""
    why = f"{low_factor:g} to {factor:g} times the reference's error at {yardstick}; measured {measured} times"
    return Following(yardstick=yardstick, low_factor=low_factor, factor=factor, why=why)


def shaped(yardstick: str, factor: float, measured: str) -> Following:
    """The same without a lower side: a file that is more exact than its weights say, as where some layers are, is no fault."""
    return like(yardstick, 0.0, factor, measured)


def drawn(yardstick: str, factor: float, measured: str) -> Following:
    """`shaped` for parts of an error beside a yardstick that is drawn: of that a part may happen to be next to nothing."""
    budget = shaped(yardstick, factor, measured)
    why = f"{budget.why}, taken as at least {DRAWN_SHARE:.0%} of the whole error, since it is drawn"
    return replace(budget, why=why, whole="relative_l2", share=DRAWN_SHARE)


def conditioner(prompt: Budget, seconds: Budget, pooled: Budget) -> StageBudget:
    """Prompt rows, the seconds row, and all cases pooled."""
    return {
        "nonfinite_values": NONE,
        "padding_peak": ZERO,
        "relative_l2.prompt_rows": prompt,
        "relative_l2.seconds": seconds,
        POOLED: pooled,
    }


def dit(denoised: Budget, shape: Budget, pooled: Budget, response: Budget | None) -> StageBudget:
    """Denoised estimates as a whole and by shape, all steps and cases pooled, the response to the level if that has a limit."""
    whole = {"nonfinite_values": NONE, "denoised_error": denoised, POOLED: pooled, **dict.fromkeys(OF_LATENTS, shape)}
    return whole if response is None else {**whole, RESPONSE: response}


def decoder(
    waveform: Budget, shape: Budget, pooled: Budget, *, leak: Budget | None = None, peak: Budget | None = None
) -> StageBudget:
    """The sound as a whole and by shape, and all cases pooled; where they spread more than other shapes what leaks from channel
    to channel, and the loudest values."""
    apart = {**dict.fromkeys(OF_STEREO, leak or shape), "worst_peak": peak or shape, "relative_l2": waveform}
    return {"nonfinite_values": NONE, POOLED: pooled, **dict.fromkeys(OF_SOUND, shape), **apart}


def encoder(latents: Budget, shape: Budget, pooled: Budget) -> StageBudget:
    """Latents as a whole and by shape, and all cases pooled."""
    return {"nonfinite_values": NONE, "relative_l2": latents, POOLED: pooled, **dict.fromkeys(OF_LATENTS, shape)}


def _nearest(budget: Following, of: str = "the DiT") -> Following:
    """A budget measured on one stage, lent with more room to others until they have been measured."""
    why = f"{budget.why}; of {of}, not measured on this stage: {LENT_ROOM:g}x"
    return replace(budget, factor=LENT_ROOM * budget.factor, why=why)


def lent(measured: dict[str, StageBudget], budget: Following, shape: Following) -> dict[str, StageBudget]:
    """Budgets of all stages at an arithmetic: those measured, and `budget` and `shape` for the others."""
    most, most_shape = _nearest(budget), _nearest(shape)
    others = {
        CONDITIONER: conditioner(most, most, most),
        DIT: dit(most, most_shape, most, most),
        DECODER: decoder(most, most_shape, most),
        ENCODER: encoder(most, most_shape, most),
    }
    return others | measured
