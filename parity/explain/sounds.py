"""What a person hears and sees: the audio for a player and as it is, and where in time and pitch it differs."""

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
QUALITY = 75  # of WebP: a fifth of a PNG of noise
PLAYED_S = 12  # that a page holds of a longer sound
COMPRESSION = 0.7  # of Vorbis, 1 the smallest: some 110 kbit/s, a tenth of FLAC of noise


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One free-running generation: `exact` in FLAC of 16 bits, `played`, its beginning in Ogg Vorbis, small enough for a page,
    and a WebP of its log-mel spectrogram or of its difference."""

    variant: str
    case: str
    exact: bytes
    played: bytes
    picture: bytes


def truth_sound(case: str, audio: Array, sample_rate_hz: int) -> Sound:
    """The truth's own audio, (channel, sample), and its spectrogram."""
    level_db = portrait(audio, sample_rate_hz).log_mel_db.mean(0)
    picture = _picture(level_db, audio.shape[-1] / sample_rate_hz, "truth", "magma", None)
    return _sound(TRUTH, case, audio, sample_rate_hz, picture)


def variant_sound(variant: str, case: str, truth: Array, audio: Array, sample_rate_hz: int) -> Sound:
    """A variant's audio, and its spectrogram minus the truth's."""
    with np.errstate(invalid="ignore"):
        exact_db, heard_db = (portrait(sound, sample_rate_hz).log_mel_db for sound in (truth, audio))
        difference_db = (heard_db - exact_db).mean(0)
        scale_db = max(LEAST_SCALE_DB, float(np.nan_to_num(np.abs(difference_db)).max()))
    picture = _picture(difference_db, audio.shape[-1] / sample_rate_hz, f"{variant} minus truth", "RdBu_r", scale_db)
    return _sound(variant, case, audio, sample_rate_hz, picture)


def _sound(variant: str, case: str, audio: Array, sample_rate_hz: int, picture: bytes) -> Sound:
    """NaN becomes silence: a player refuses the file, and the page says it elsewhere."""
    samples = np.clip(np.nan_to_num(audio.T.astype(np.float32)), -1, 1)
    return Sound(
        variant=variant, case=case, exact=_flac(samples, sample_rate_hz),
        played=_vorbis(samples[: PLAYED_S * sample_rate_hz], sample_rate_hz), picture=picture,
    )  # fmt: skip


def _flac(samples: Array, sample_rate_hz: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sample_rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _vorbis(samples: Array, sample_rate_hz: int) -> bytes:
    """Second by second: the encoder keeps what it is handed at once on a stack that is not made for minutes."""
    buffer, channels = io.BytesIO(), samples.shape[1]
    with soundfile.SoundFile(
        buffer, "w", sample_rate_hz, channels, format="OGG", subtype="VORBIS", compression_level=COMPRESSION
    ) as file:
        for start in range(0, len(samples), sample_rate_hz):
            file.write(samples[start : start + sample_rate_hz])
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
    figure.savefig(buffer, format="webp", dpi=PICTURE_DPI, pil_kwargs={"quality": QUALITY})
    return buffer.getvalue()
