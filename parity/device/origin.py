"""Where a sound comes from that no known cause explains: whether its seed's noise is in it at all."""

from dataclasses import replace

import numpy as np

from parity.device.recording import Recording, correlation_of_all
from parity.device.runs import generated
from parity.measure.cases import Case
from reference.pipeline import Model
from reference.progress import Say
from reference.spec import audiogen
from reference.spec.noise import UINT32_END
from reference.spec.tensors import Array

CONTROL_OFFSETS = (7919, 15_838, 23_757, 31_676)  # of seeds nobody chooses together with the one in question
NEIGHBOUR = 0.2  # of the decorrelation from the seed's own sound: then another seed it is
RECOGNISED = 3.0  # times what other seeds' sounds correlate by chance


def origin(model: Model, case: Case, expected: Array, recording: Recording, say: Say) -> tuple[str, str]:
    """(component, sentence) where no cause is known: whether this seed's noise is in the sound at all.

    All sounds of a prompt, and of a model, have something in common. What other seeds make of the prompt is taken off, of
    either sound what other seeds of their own do, or these would make the two alike.
    """
    found, whole = recording.audio.astype(np.float64), recording.cut(expected)
    seeds = ((case.seed + offset) % UINT32_END for offset in CONTROL_OFFSETS)
    one, two, three, four = (recording.cut(generated(model, replace(case, seed=seed))) for seed in seeds)
    ours, theirs = (one + two) / 2, (three + four) / 2
    same = correlation_of_all(found - theirs, whole - ours)
    by_chance = max(abs(correlation_of_all(found - theirs, one - two)), abs(correlation_of_all(found - ours, three - four)))
    if same > RECOGNISED * by_chance:
        neighbour = _neighbour(model, case, recording, whole, say) if case.noise in audiogen.STREAMS else None
        if neighbour is not None:
            return "the seed", f"it is what seed {neighbour} makes, not {case.seed}"
        return (
            "the conditioner or the request",
            f"the noise of seed {case.seed} is in it (correlation {same:.2f}, other seeds {by_chance:.2f}), so it was another "
            "prompt, other seconds, or other weights",
        )
    return (
        "the seed",
        f"the noise of seed {case.seed} in '{case.noise}' is not in it (correlation {same:.2f}, other seeds {by_chance:.2f}): "
        "it was another seed, or noise of another kind",
    )


def _neighbour(model: Model, case: Case, recording: Recording, expected: Array, say: Say) -> int | None:
    """A seed nearby whose sound is nearer: the app draws step i from seed + i + 4564, so neighbours share most draws."""
    closest = {case.seed: correlation_of_all(recording.audio, expected)}
    for offset in range(1, case.request.sampler.steps):
        for seed in (case.seed + offset, case.seed - offset):
            if seed >= 0:
                say(f"is it seed {seed}?")
                closest[seed] = correlation_of_all(recording.audio, recording.cut(generated(model, replace(case, seed=seed))))
    best = max(closest, key=lambda seed: closest[seed])
    clear = 1 - closest[best] <= NEIGHBOUR * (1 - closest[case.seed])
    return best if best != case.seed and clear else None
