"""A codec's file that has a signature for each of some lengths, as Stability's `optimized/tflite` has them: which of them to run.

Source of the layout: Stable Audio 3's `optimized/tflite` (2026-08): signatures `s2`, `s4` to `s256` over one set of weights, one
for each number of latent frames, with no input that says how many of them there are.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from litert_pipeline.binding import Binding
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.windows import Side
from reference.spec.model import ChunkSpec
from reference.spec.stages import SAME_ENCODER


@dataclass(frozen=True, kw_only=True)
class Rungs(Binding):
    """How such a file is fed: by latent frames, each signature. The tensors of the whole are those of the longest."""

    rungs: Mapping[int, Binding]


def exact_frames(stage: str, frames: int, shape: CodecShape) -> int | None:
    """Over how many frames a file without a word on how many there are codes so many; None if over none.

    What is encoded may be followed by silence up to a whole group, as the model has it. Latents may not: the frame that completes
    a group is zeros behind the decoder's first layer, which no latents are.
    """
    aligned = shape.aligned(frames)
    return aligned if stage == SAME_ENCODER or aligned == frames else None


def windows_over(rungs: Iterable[int], frames: int, side: Side, shape: CodecShape) -> ChunkSpec | None:
    """The windows of one length that code exactly so many frames with the least computed, the longest of those; None if none do.

    A window that is longer than the sound is none: what follows the end changes what is before it.
    """
    overlap, best = shape.least_overlap(side.reach), None
    for length in sorted(rungs):
        if length == frames or (overlap < length < frames and not (length - overlap) % shape.alignment):
            windows = ChunkSpec(frames=length, overlap=overlap)
            computed = length * len(windows.windows(frames))
            if best is None or computed <= best[0]:
                best = computed, windows
    return None if best is None else best[1]
