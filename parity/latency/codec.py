"""A codec at full size: how far bundles are from the truth, how fast beside PyTorch, and what memory any length takes."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from litert_pipeline.bundle import folder_name, read_bundle
from litert_pipeline.run.codec import open_codec
from parity.measure.metrics import snr_db
from parity.measure.race import Times, race
from parity.measure.sounds import music
from parity.report.markdown import table
from parity.truth.coded import coded
from parity.truth.store import Store
from reference.codec_stages import CodecStages, load_codec_stages
from reference.progress import Say
from reference.spec.audio import new_wav
from reference.spec.codec import own_process
from reference.spec.codec.codec import Codec
from reference.spec.codec.latents_file import write_latents
from reference.spec.tensors import Array
from reference.threads import process_threads

TORCH = "PyTorch fp32"
VERBS = (own_process.ENCODE, own_process.DECODE)
MEBIBYTE = 2**20
PIECE_S = 10


@dataclass(frozen=True, kw_only=True)
class CodecOptions:
    """A model dir, its bundles, how many seconds are raced how often, and which lengths' memory is measured, if any."""

    model: Path
    bundles: Sequence[Path]
    seconds: float
    rounds: int
    threads: int
    lengths_s: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """By bundle and verb: SNR to the truth, times, and peak memory by length in seconds; `seconds` were coded."""

    seconds: float
    snr_db: Mapping[tuple[str, str], float]
    times: Mapping[tuple[str, str], Times]
    peak_bytes: Mapping[tuple[str, str, float], int]


def measure_codec(options: CodecOptions, store: Store, say: Say) -> Measured:
    """Measure all of it. Raises InputError for a bad model or bundle, and for a process that fails."""
    model = load_codec_stages(options.model)
    shape = model.whole.spec.shape
    frames = shape.aligned(shape.frames(round(options.seconds * shape.sample_rate_hz)))
    audio = music(shape.audio_channels, frames * shape.ratio, shape.sample_rate_hz)[None]
    say(f"the truth of {options.seconds:g} s, in float64")
    truth = coded(model, store, audio, frames)
    latents = truth["latents"].astype(np.float32)
    with ExitStack() as stack:
        stack.enter_context(process_threads(options.threads))
        codecs = {TORCH: model.whole.codec()}
        for name, folder in _called(options.bundles).items():
            codecs[name] = stack.enter_context(open_codec(read_bundle(folder), threads=options.threads))
        say("coding by turns")
        heard = {name: {"encode": codec.encoder(audio), "decode": codec.decoder(latents)} for name, codec in codecs.items()}
        exact = {"encode": truth["latents"], "decode": truth["decoded"]}
        # On one thread the time of the processor, which tells the same whatever else the machine does.
        clock = time.process_time if options.threads == 1 else time.perf_counter
        times = {verb: race(_entrants(codecs, verb, audio, latents), options.rounds, clock=clock) for verb in VERBS}
    peaks = _peaks(options, model, say)
    return Measured(
        seconds=frames * shape.ratio / shape.sample_rate_hz,
        snr_db={(name, verb): snr_db(exact[verb], found[verb]) for name, found in heard.items() for verb in VERBS},
        times={(name, verb): found for verb in VERBS for name, found in times[verb].items()},
        peak_bytes=peaks,
    )


def _entrants(codecs: Mapping[str, Codec], verb: str, audio: Array, latents: Array) -> dict[str, partial[Array]]:
    def code(codec: Codec, _: int) -> Array:
        return codec.encoder(audio) if verb == "encode" else codec.decoder(latents)

    return {name: partial(code, codec) for name, codec in codecs.items()}


def _peaks(options: CodecOptions, model: CodecStages, say: Say) -> dict[tuple[str, str, float], int]:
    """Each in a process of its own."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for length_s in options.lengths_s:
            sound, latents = _written(folder, model, length_s)
            for name, module, codec in _alone(options):
                for verb, given, out in zip(VERBS, (sound, latents), ("z.npy", "o.wav"), strict=True):
                    say(f"memory of {name}: {verb} {length_s:g} s")
                    peak = own_process.peak_of_coding(module, verb, given, folder / out, codec, options.threads)
                    found[name, verb, length_s] = peak
    return found


def _alone(options: CodecOptions) -> list[tuple[str, str, Path]]:
    """Who codes in a process of its own: the name, the module that does it, and with what."""
    bundles = [(name, own_process.LITERT, bundle) for name, bundle in _called(options.bundles).items()]
    return [(TORCH, own_process.TORCH, options.model), *bundles]


def _called(bundles: Sequence[Path]) -> dict[str, Path]:
    """Bundles by what they are called in the tables: the folder's name or, where two have the same, the path."""
    names = [folder_name(bundle) for bundle in bundles]
    return {name if names.count(name) == 1 else str(bundle): bundle for name, bundle in zip(names, bundles, strict=True)}


def _written(folder: Path, model: CodecStages, length_s: float) -> tuple[Path, Path]:
    """A WAV of so many seconds, piece by piece the same, and random latents of as many frames."""
    shape = model.whole.spec.shape
    samples = round(length_s * shape.sample_rate_hz)
    piece = music(shape.audio_channels, PIECE_S * shape.sample_rate_hz, shape.sample_rate_hz)
    sound, latents = folder / "in.wav", folder / "in.npy"
    with new_wav(sound, shape.audio_channels, samples, shape.sample_rate_hz, force=True) as append:
        for start in range(0, samples, piece.shape[1]):
            append(piece[:, : samples - start])
    drawn = np.random.default_rng(0).normal(size=(shape.latent_channels, shape.frames(samples)))
    write_latents(latents, drawn.astype(np.float32), force=True)
    return sound, latents


def markdown(found: Measured) -> str:
    """Tables for docs/codec.md."""
    names = list(dict.fromkeys(name for name, _ in found.times))
    titles = ("codec", *(title for verb in VERBS for title in (f"{verb}: SNR dB", "s per s of audio", "times PyTorch")))
    tables = [table(titles, ([name, *(cell for verb in VERBS for cell in _cells(found, name, verb))] for name in names))]
    if found.peak_bytes:
        lengths = list(dict.fromkeys(length_s for _, _, length_s in found.peak_bytes))
        titles = ("peak memory, MiB", *(f"{length:g} s" for length in lengths))
        told = dict.fromkeys((name, verb) for name, verb, _ in found.peak_bytes)
        tables.append(table(titles, ([f"{name}, {verb}", *_told_peaks(found, name, verb, lengths)] for name, verb in told)))
    return "\n\n".join(tables) + "\n"


def _told_peaks(found: Measured, name: str, verb: str, lengths: list[float]) -> list[str]:
    return [f"{found.peak_bytes[name, verb, length] / MEBIBYTE:.0f}" for length in lengths]


def _cells(found: Measured, name: str, verb: str) -> list[str]:
    own, torch_ = found.times[name, verb], found.times[TORCH, verb]
    ratio = torch_.median_s / own.median_s
    noisy = " (noisy)" if own.noisy or torch_.noisy else ""
    return [f"{found.snr_db[name, verb]:.1f}", f"{own.median_s / found.seconds:.3f}", f"{ratio:.2f}{noisy}"]
