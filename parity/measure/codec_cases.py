"""What the stages of a codec are fed besides a sweep: windows of sounds, and the latents that the truth makes of them."""

from collections.abc import Iterable, Mapping

import numpy as np

from parity.measure.cases import Fed
from parity.measure.sounds import SOUNDS
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.model import StageSpec
from reference.spec.stages import SAME_DECODER, SAME_ENCODER
from reference.spec.tensors import Array
from reference.spec.trace import crossed

# By name: the sound, and of how many frames; what is not positive counts from the end of a window.
WINDOWS: Mapping[str, tuple[str, int]] = {
    **{name: (name, 0) for name in SOUNDS},
    "music of an odd number of frames": ("music", -1),
    "a frame of music": ("music", 1),
}


def codec_cases(spec: StageSpec, encode: Stage, names: list[str] | None = None) -> dict[str, list[Fed]]:
    """By stage; `encode` is the truth's encoder. Raises InputError for an unknown name, listing the valid."""
    unknown = [name for name in names or () if name not in WINDOWS]
    if unknown:
        raise InputError(f"case {', '.join(unknown)} is unknown; valid cases of a codec: {', '.join(WINDOWS)}")
    found: dict[str, list[Fed]] = {SAME_ENCODER: [], SAME_DECODER: []}
    for name in WINDOWS if names is None else names:
        for stage, fed in _fed(spec, encode, name, *WINDOWS[name]).items():
            found[stage].append(fed)
    return found


def cases_of_lengths(spec: StageSpec, encode: Stage, lengths: Iterable[int]) -> dict[str, list[Fed]]:
    """The same of music of so many frames."""
    found = [_fed(spec, encode, f"{frames} frames of music", "music", frames) for frames in lengths]
    return {stage: [fed[stage] for fed in found] for stage in (SAME_ENCODER, SAME_DECODER)}


def fills_window(case: Fed) -> bool:
    """Whether all of a window is there: over less the model itself is not the graph that a file is."""
    return bool(case.feeds[0]["present"].all())


def _fed(spec: StageSpec, encode: Stage, name: str, sound: str, frames: int) -> dict[str, Fed]:
    there = _present(spec.latent_frames, frames)
    feed = {"audio": _audio(spec, sound, there), "present": there}
    latents, told = crossed(encode(feed)["latents"]), f"latents of {name}"
    given = {"latents": latents * there[:, None], "present": there}
    return {
        SAME_ENCODER: Fed(stage=SAME_ENCODER, feeds=[feed], places=[name], name=name),
        SAME_DECODER: Fed(stage=SAME_DECODER, feeds=[given], places=[told], name=told),
    }


def _present(frames: int, count: int) -> Array:
    return (np.arange(frames) < (count if count > 0 else frames + count)).astype(np.float32)[None]


def _audio(spec: StageSpec, sound: str, there: Array) -> Array:
    """(1, audio channel, sample), silent where nothing is."""
    audio = SOUNDS[sound](spec.audio_channels, spec.sample_size, spec.sample_rate_hz)
    silent: Array = audio * np.repeat(there, spec.sample_size // there.size, axis=1)
    return silent[None]
