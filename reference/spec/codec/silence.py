"""Audio followed by much silence, encoded without encoding all of the silence: far enough from sound it is the same frames."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference.spec.codec.shape import CodecShape
from reference.spec.tensors import Array

Encode = Callable[[Array], Array]  # (audio channel, sample) to (latent channel, frame), whole groups


@dataclass(frozen=True, kw_only=True)
class SilenceAfter:
    """Encodes as if audio were followed by silence up to `samples`, a codec's whole window."""

    shape: CodecShape
    encode: Encode
    samples: int

    @property
    def frames(self) -> int:
        """Of the whole window."""
        return self.shape.aligned(self.shape.frames(self.samples))

    @property
    def _edge(self) -> int:
        """Frames at an edge that are not as those inside."""
        return self.shape.aligned(self.shape.encode_reach) + self.shape.alignment

    def silence(self) -> Array:
        """The latents of a window of silence, (latent channel, frame)."""
        group, edge = self.shape.alignment, self._edge
        short = 2 * edge + group
        if short >= self.frames:
            return self._encoded(np.zeros((self.shape.audio_channels, 0), np.float32), self.frames)
        found = self._encoded(np.zeros((self.shape.audio_channels, 0), np.float32), short)
        inside = np.tile(found[:, edge : edge + group], (self.frames - 2 * edge) // group)
        return np.concatenate([found[:, :edge], inside, found[:, edge + group :]], axis=1)

    def valid(self, audio: Array) -> Array:
        """The latents of (audio channel, sample) audio without the silence behind it; the last frame may be partly silent."""
        frames = self.shape.frames(audio.shape[1])
        return self._encoded(audio, min(self.shape.aligned(frames) + self._edge, self.frames))[:, :frames]

    def whole(self, audio: Array, silence: Array) -> Array:
        """The latents of the whole window, most of the silence in it taken from `silence`, which `silence()` gave."""
        edge = self._edge
        encoded = self.shape.aligned(self.shape.frames(audio.shape[1])) + 2 * edge
        if encoded >= self.frames:
            return self._encoded(audio, self.frames)
        found = self._encoded(audio, encoded)[:, : encoded - edge]
        return np.concatenate([found, silence[:, encoded - edge :]], axis=1)

    def _encoded(self, audio: Array, frames: int) -> Array:
        silent = frames * self.shape.ratio - audio.shape[1]
        return self.encode(np.pad(audio, ((0, 0), (0, silent))))
