"""What a person hears and sees: the audio as a player takes it, and where in time and pitch it differs."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile
from matplotlib.figure import Figure

from parity.measure.portraits import portrait
from reference.spec.tensors import Array

TRUTH = "truth"
LEAST_SCALE_DB = 0.1  # colours of a difference below this mean nothing to an ear
PICTURE_INCHES, PICTURE_DPI = (6.0, 2.0), 110


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One free-running generation: FLAC, 16 bit, and a PNG of its log-mel spectrogram or of its difference."""

    variant: str
    case: str
    flac: bytes
    png: bytes


def truth_sound(case: str, audio: Array, sample_rate_hz: int) -> Sound:
    """The truth's own audio, (channel, sample), and its spectrogram."""
    level_db = portrait(audio, sample_rate_hz).log_mel_db.mean(0)
    png = _picture(level_db, audio.shape[-1] / sample_rate_hz, "truth", "magma", None)
    return Sound(variant=TRUTH, case=case, flac=_flac(audio, sample_rate_hz), png=png)


def variant_sound(variant: str, case: str, truth: Array, audio: Array, sample_rate_hz: int) -> Sound:
    """A variant's audio, and its spectrogram minus the truth's."""
    with np.errstate(invalid="ignore"):
        exact_db, heard_db = (portrait(sound, sample_rate_hz).log_mel_db for sound in (truth, audio))
        difference_db = (heard_db - exact_db).mean(0)
        scale_db = max(LEAST_SCALE_DB, float(np.nan_to_num(np.abs(difference_db)).max()))
    png = _picture(difference_db, audio.shape[-1] / sample_rate_hz, f"{variant} minus truth", "RdBu_r", scale_db)
    return Sound(variant=variant, case=case, flac=_flac(audio, sample_rate_hz), png=png)


def _flac(audio: Array, sample_rate_hz: int) -> bytes:
    """NaN becomes silence: a player refuses the file, and the page says it elsewhere."""
    buffer = io.BytesIO()
    samples = np.clip(np.nan_to_num(audio.T.astype(np.float32)), -1, 1)
    soundfile.write(buffer, samples, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _picture(values_db: Array, seconds: float, title: str, colours: str, scale_db: float | None) -> bytes:
    """(band, frame) as an image with axes; symmetric around zero where a scale is given."""
    figure = Figure(figsize=PICTURE_INCHES, layout="constrained")
    axes = figure.subplots()
    low, high = (None, None) if scale_db is None else (-scale_db, scale_db)
    extent = (0.0, seconds, 0.0, float(values_db.shape[0]))
    image = axes.imshow(values_db, origin="lower", aspect="auto", extent=extent, cmap=colours, vmin=low, vmax=high)
    axes.set(title=title, xlabel="seconds", ylabel="mel band")
    figure.colorbar(image, label="dB")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=PICTURE_DPI)
    return buffer.getvalue()
