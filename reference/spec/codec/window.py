"""A codec over windows of one length: what a converted file takes at once."""

from dataclasses import dataclass

from reference.spec.codec.same import SameSpec
from reference.spec.stages import CODEC_STAGES

FRAMES = 32  # measured in docs/codec.md: longer windows take more memory and are no faster, shorter ones overlap more
REACHES = 5  # of a window at most two fifths are thrown away again


@dataclass(frozen=True, kw_only=True)
class WindowSpec:
    """The stages of a SAME autoencoder, each over `latent_frames` frames of which the first few may be all there is."""

    codec: SameSpec
    latent_frames: int
    stages: tuple[str, ...] = CODEC_STAGES
    number_names: tuple[str, ...] = ()

    @property
    def sample_rate_hz(self) -> int:
        return self.codec.sample_rate_hz

    @property
    def audio_channels(self) -> int:
        return self.codec.audio_channels

    @property
    def latent_channels(self) -> int:
        return self.codec.latent_channels

    @property
    def sample_size(self) -> int:
        return self.latent_frames * self.codec.shape.ratio


def window_of(codec: SameSpec) -> WindowSpec:
    """The windows its files are made for: 32 frames for same-s, 64 for same-l, lengths that Stability's own files have, too."""
    shape = codec.shape
    reach = max(shape.encode_reach, shape.decode_reach)
    return WindowSpec(codec=codec, latent_frames=shape.aligned(-(-REACHES * reach // FRAMES) * FRAMES))
