"""Init audio that is beyond full scale is named where a sound comes out as no numbers."""

from pathlib import Path

import numpy as np

from reference.command import told_peak

AUDIO = np.array([[0.5, -1.0]], np.float32)
LOUD = np.float32(1e30)


def test_the_peak_of_init_audio_is_told_where_it_is_beyond_full_scale() -> None:
    path = Path("loud.wav")
    assert told_peak(path, (AUDIO * LOUD, 44100)) == "init audio within full scale (the peak of loud.wav is 1e+30), "
    assert told_peak(path, (AUDIO, 44100)) == told_peak(None, None) == ""
