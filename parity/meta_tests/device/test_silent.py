"""A WAV without a sound in it is said to be that, and no seed is blamed."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from parity.device.recording import Recording
from parity.device.verify import _odd
from reference.pipeline import read_outline

WORDS = {0.0: "it is silent, every sample is 0", 0.25: "it holds no sound, no channel moves (it stays at 0.25)"}


@pytest.mark.parametrize("value", sorted(WORDS))
def test_a_constant_is_no_sound(value: float) -> None:
    _, spec, _ = read_outline(TINY_MODEL_DIR)
    audio = np.full((spec.audio_channels, 1000), value, np.float32)
    constant = Recording(audio=audio, rate_hz=spec.sample_rate_hz, step=2.0**-15)
    assert _odd(constant, spec) == WORDS[value]
    assert _odd(replace(constant, audio=audio + np.eye(*audio.shape, dtype=np.float32)), spec) is None
    assert _odd(replace(constant, audio=audio[:, :1]), spec) is None  # of which nobody can tell
