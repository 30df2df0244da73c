"""Whether a codec's file, window after window, codes a sound of any length as the model does it at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from litert_pipeline.run.codec import over_windows
from parity.judge.codec_rungs import ladder_of
from parity.judge.judge import Judge
from parity.measure.arithmetic import PER_TENSOR
from parity.measure.bound import Bound
from parity.measure.cases import Fed
from parity.measure.codec_limits import MOVED, MOVED_WHY, SEAMS, TOGETHER_WHY
from parity.measure.limits import limits
from parity.measure.metrics import relative_l2
from parity.measure.sounds import music
from parity.measure.teacher_forcing import Measurement
from parity.measure.verdict import FREE_RUNNING, Verdict
from parity.truth.coded import coded
from reference.codec_stages import CodecStages
from reference.spec.codec.same import ChunkedSpec
from reference.spec.codec.windows import Half, Side, checked_chunks, in_windows, sides
from reference.spec.model import ChunkSpec
from reference.spec.stages import SAME_DECODER, SAME_ENCODER
from reference.spec.tensors import Array, Tensors

WINDOWS, ODD, EVEN = 2, 5, 4  # a sound is so many windows long and a few frames, an odd number of them or, for signatures, even
WHOLE, SEAM = "relative_l2", "seam_error"


@dataclass(frozen=True, kw_only=True)
class Coding:
    """One half of a codec: from which of the truth's tensors to which, by which stage."""

    stage: str
    ports: tuple[str, str]
    fed: str
    exact: str
    side: Side


def codings(model: CodecStages) -> tuple[Coding, Coding]:
    """Encoding and decoding."""
    encode, decode = sides(model.whole.spec.shape)
    return (
        Coding(stage=SAME_ENCODER, ports=("audio", "latents"), fed="audio", exact="latents", side=encode),
        Coding(stage=SAME_DECODER, ports=("latents", "audio"), fed="given", exact="decoded", side=decode),
    )


@dataclass(frozen=True, kw_only=True)
class Long:
    """A sound of several windows, and what the truth makes of it."""

    judge: Judge
    model: CodecStages
    frames: int

    @property
    def name(self) -> str:
        return f"{self.frames} frames of music"

    @cached_property
    def truth(self) -> Tensors:
        """`audio` and its `latents`; of these those `given` to the decoder, an odd number, and what it has `decoded`."""
        shape = self.model.whole.spec.shape
        audio = music(shape.audio_channels, shape.aligned(self.frames) * shape.ratio, shape.sample_rate_hz)[None]
        found = coded(self.model, self.judge.truths.store, audio, self.frames)
        return {**found, "audio": audio, "given": found["latents"][..., : self.frames].astype(np.float32)}

    def half(self, variant: str, coding: Coding, frames: int) -> Half:
        """A contender's, over sounds of any length, so many frames at a time."""
        shape, run = self.model.whole.spec.shape, self.judge.source(variant).generating(coding.stage)
        windows = ChunkSpec(frames=frames, overlap=shape.least_overlap(coding.side.reach))
        return over_windows(run, coding.ports, coding.side, windows, shape.alignment)

    @property
    def other_window(self) -> int:
        """Frames of windows that begin elsewhere."""
        return self.model.spec.latent_frames - self.model.whole.spec.shape.alignment

    def in_other_windows(self, half: Half, coding: Coding) -> Array:
        """The same by windows that are shorter and begin elsewhere, as a caller may ask for them."""
        shape, data = self.model.whole.spec.shape, self.truth[coding.fed]
        overlap = shape.least_overlap(coding.side.reach) + 2 * shape.alignment
        chunks = checked_chunks(shape, coding.side, self.other_window, overlap)
        frames = shape.aligned(-(-data.shape[2] // coding.side.length_in))
        return np.concatenate(list(in_windows(half, coding.side, chunks, frames, data)), axis=2)


def whole_checks(judge: Judge, variant: str, fed: Mapping[str, Sequence[Fed]]) -> Iterator[Verdict]:
    """Of each half two: how far its answer to a long sound is from the truth's, and from its own over other windows."""
    model = judge.stage_model
    assert isinstance(model, CodecStages), "the plan of a codec is of a codec"
    for coding in codings(model):
        ladder, window = ladder_of(judge, variant, coding.stage), model.spec.latent_frames
        long = Long(judge=judge, model=model, frames=WINDOWS * window + (ODD if ladder is None else EVEN))
        half, most = long.half(variant, coding, window), _bound(judge, coding.stage, variant, fed)
        told = partial(Bound.verdict, stage=coding.stage, variant=variant, ladder=FREE_RUNNING)
        answer = half(long.truth[coding.fed])
        yield told(most, _whole(long, coding, answer), case=long.name)
        if ladder is None or ladder.codes(long.other_window):
            seam = Measurement(metric=SEAM, value=relative_l2(answer, long.in_other_windows(half, coding)))
            yield told(_seam_bound(judge, variant, coding.stage, most), seam, case=long.name)
        for frames in () if ladder is None else ladder.rungs:
            if frames > window:  # no case is as long
                at_once = Long(judge=judge, model=model, frames=frames)
                found = _whole(at_once, coding, at_once.half(variant, coding, frames)(at_once.truth[coding.fed]))
                yield told(most, found, case=at_once.name)


def _whole(long: Long, coding: Coding, answer: Array) -> Measurement:
    return Measurement(metric=WHOLE, value=relative_l2(long.truth[coding.exact], answer))


def _seam_bound(judge: Judge, variant: str, stage: str, most: Bound) -> Bound:
    """What two answers may differ by, each of which may err by `most`."""
    model, bundle = judge.stage_model, judge.source(variant).bundle
    assert isinstance(model, CodecStages), "the plan of a codec is of a codec"
    parts = () if bundle is None else judge.weights.contents(bundle, stage).parts
    if any(part.stored.fed == PER_TENSOR for part in parts):
        return Bound(low_limit=0.0, limit=MOVED * most.limit, why=TOGETHER_WHY)
    if isinstance(model.whole.spec.decoder.attention, ChunkedSpec):
        return Bound.of(SEAMS, 0.0)
    return Bound(low_limit=0.0, limit=MOVED * most.limit, why=MOVED_WHY)


def _bound(judge: Judge, stage: str, variant: str, fed: Mapping[str, Sequence[Fed]]) -> Bound:
    """What the error of a window may be, beside the largest that the yardstick makes of any case."""
    budget = limits(stage, WHOLE, judge.arithmetic(variant, stage))
    beside = [one for case in fed[stage] for one in judge.beside(stage, variant, budget.yardstick, case)]
    return Bound.of(budget, max(one.value for one in beside if one.metric == WHOLE))
