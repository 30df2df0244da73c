"""What can be asked of a codec's file that has a signature for each of some lengths."""

from collections.abc import Iterable
from dataclasses import dataclass

from litert_pipeline.rungs import Rungs, exact_frames, windows_over
from parity.judge.judge import Judge
from reference.codec_stages import CodecStages
from reference.spec.codec.same import BandSpec
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.windows import sides
from reference.spec.errors import InputError
from reference.spec.stages import CODEC_STAGES


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The lengths, in frames, that a stage's file has signatures for. `banded`: tables in its graph are as long as it is."""

    stage: str
    rungs: tuple[int, ...]
    shape: CodecShape
    banded: bool

    @property
    def told(self) -> str:
        return ", ".join(map(str, self.rungs))

    def codes(self, frames: int) -> bool:
        """Whether it codes so many frames exactly."""
        whole, side = exact_frames(self.stage, frames, self.shape), sides(self.shape)[CODEC_STAGES.index(self.stage)]
        return whole is not None and windows_over(self.rungs, whole, side, self.shape) is not None

    def require(self, frames: int) -> None:
        """Raise InputError if it does not code a window of so many frames, which all cases are made for, or where its tables have
        to be that window's and are not."""
        if self.banded and frames not in self.rungs:
            raise InputError(
                f"{self.stage}: has signatures of {self.told} frames and none of {frames}, whose tables are the model's for the "
                "windows it is judged by; give a file with one"
            )
        if not self.codes(frames):
            raise InputError(
                f"{self.stage}: signatures of {self.told} frames code no window of {frames} exactly, which cases are made of; "
                "give a file with one of as many frames, or of fewer"
            )


def lengths_of(judge: Judge, variants: Iterable[str]) -> list[int]:
    """All that any stage of the contenders has a signature for."""
    ladders = (ladder_of(judge, variant, stage) for variant in variants for stage in judge.stages(variant))
    return sorted({frames for ladder in ladders if ladder is not None for frames in ladder.rungs})


def ladder_of(judge: Judge, variant: str, stage: str) -> Ladder | None:
    """Of a contender's stage; None of one that takes any length."""
    bundle, model = judge.source(variant).bundle, judge.stage_model
    binding = None if bundle is None else bundle.manifest.stages[stage].binding
    if not isinstance(binding, Rungs):
        return None
    assert isinstance(model, CodecStages), "only a codec's files have rungs"
    banded = isinstance(model.whole.spec.decoder.attention, BandSpec)
    return Ladder(stage=stage, rungs=tuple(sorted(binding.rungs)), shape=model.whole.spec.shape, banded=banded)
