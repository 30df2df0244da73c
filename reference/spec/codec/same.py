"""What the config of a SAME autoencoder says (Stable Audio 3's codec), as frozen dataclasses."""

from dataclasses import dataclass

from reference.spec.codec.shape import CodecShape


@dataclass(frozen=True, kw_only=True)
class BandSpec:
    """Attention over the whole sequence, each token seeing `left` and `right` frames' worth of tokens beside its own place."""

    left: int
    right: int


@dataclass(frozen=True, kw_only=True)
class ChunkedSpec:
    """Attention inside chunks of `frames` latent frames; `shifted`: half a chunk further on in the second half of the blocks."""

    frames: int
    shifted: bool


@dataclass(frozen=True, kw_only=True)
class SameHalfSpec:
    """Encoder or decoder: `depth` transformer blocks of `width`. A frame is `stride` patches and its own token.

    The last `sinusoidal` - 1 blocks have a sine for an activation (the config's number counts one more). `token_noise` is the
    deviation of what upstream adds to the learned tokens, of which there is one for all patches of a frame, or one for each.
    """

    width: int
    head_dim: int
    depth: int
    stride: int
    attention: BandSpec | ChunkedSpec
    sinusoidal: int
    token_noise: float
    one_token: bool
    mapping_taps: int

    @property
    def group(self) -> int:
        """Tokens of a frame."""
        return self.stride + 1

    @property
    def alignment(self) -> int:
        """Frames that are coded together."""
        return self.attention.frames if isinstance(self.attention, ChunkedSpec) else 1

    def reach(self, *, mapped_first: bool) -> int:
        """Frames at the edge of a window whose outputs depend on what is beyond it.

        A mapping of three taps looks one patch further: where it comes before the blocks, as in an encoder, a chunk with one
        wrong patch is wrong as a whole.
        """
        mapping = int(self.mapping_taps > 1)
        if isinstance(self.attention, BandSpec):
            return self.depth * max(self.attention.left, self.attention.right) + mapping
        shift = self.attention.frames // 2 * self.attention.shifted
        return shift + mapping * (self.attention.frames if mapped_first else 1)

    def is_sinusoidal(self, block: int) -> bool:
        """Whether that block's activation is a sine. Source: stable-audio-tools 0.0.20 `TransformerResamplingBlock`."""
        return self.depth - block < self.sinusoidal


@dataclass(frozen=True, kw_only=True)
class SameSpec:
    """A SAME autoencoder. `regularized`: upstream adds noise to the latents it decodes."""

    sample_rate_hz: int
    audio_channels: int
    patch_size: int
    latent_channels: int
    regularized: bool
    encoder: SameHalfSpec
    decoder: SameHalfSpec

    @property
    def patch_channels(self) -> int:
        """Values of a patch: `patch_size` samples of every audio channel."""
        return self.audio_channels * self.patch_size

    @property
    def shape(self) -> CodecShape:
        """What callers have to know of it."""
        return CodecShape(
            sample_rate_hz=self.sample_rate_hz,
            audio_channels=self.audio_channels,
            latent_channels=self.latent_channels,
            ratio=self.patch_size * self.decoder.stride,
            alignment=self.decoder.alignment,
            encode_reach=self.encoder.reach(mapped_first=True),
            decode_reach=self.decoder.reach(mapped_first=False),
        )
