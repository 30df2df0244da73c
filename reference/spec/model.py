"""ModelSpec: what a model dir's configs say, as frozen dataclasses. The readers in `families/` make them."""

from dataclasses import dataclass
from math import prod
from typing import Protocol

from reference.spec.sampling.schedule import LevelShift

WHOLE = "whole"  # not chunked
MOST_RATE_HZ = 2**20  # of a sound: more than any converter takes, and what the header of a WAV can say of eight channels
SECONDS_START, SECONDS_TOTAL = "seconds_start", "seconds_total"  # the numbers a model may be told beside the prompt


class StageSpec(Protocol):
    """What every model says of itself that is run stage by stage, whether it generates or codes."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Rows of the stage table."""

    @property
    def number_names(self) -> tuple[str, ...]:
        """The numbers it is told; none of a codec."""

    @property
    def sample_rate_hz(self) -> int: ...

    @property
    def audio_channels(self) -> int: ...

    @property
    def sample_size(self) -> int:
        """Samples that a stage of sound takes or gives."""

    @property
    def latent_channels(self) -> int: ...

    @property
    def latent_frames(self) -> int:
        """Frames of the latents that a stage takes or gives."""


@dataclass(frozen=True, kw_only=True)
class T5Spec:
    """Shape of the T5 encoder, from the T5 folder's `config.json` (Hugging Face key names)."""

    d_model: int
    d_kv: int
    d_ff: int
    num_layers: int
    num_heads: int
    vocab_size: int
    relative_attention_num_buckets: int
    relative_attention_max_distance: int
    layer_norm_epsilon: float


@dataclass(frozen=True, kw_only=True)
class PromptSpec:
    """Text conditioner: which T5, and how many tokens a prompt is cut or padded to (EOS included)."""

    t5_name: str
    max_length: int


@dataclass(frozen=True, kw_only=True)
class SecondsSpec:
    """The number conditioner `name`, such as `seconds_total`; values are clamped to [min_s, max_s]."""

    name: str
    min_s: float
    max_s: float


@dataclass(frozen=True, kw_only=True)
class DiTSpec:
    """The diffusion transformer (stable-audio-tools `DiffusionTransformer`, continuous transformer)."""

    io_channels: int
    embed_dim: int
    depth: int
    num_heads: int
    cond_token_dim: int
    global_cond_dim: int
    project_cond_tokens: bool
    project_global_cond: bool
    global_cond_type: str
    patch_size: int
    qk_norm: str

    @property
    def head_dim(self) -> int:
        return self.embed_dim // self.num_heads

    @property
    def rotary_dim(self) -> int:
        """Channels of each head that RoPE turns; the rest pass through."""
        return max(self.head_dim // 2, 32)

    @property
    def context_dim(self) -> int:
        """Width of the tokens cross-attention reads."""
        return self.embed_dim if self.project_cond_tokens else self.cond_token_dim

    @property
    def prepends(self) -> bool:
        """Whether the global conditioning is a token before the sequence (else it modulates every layer: adaLN)."""
        return self.global_cond_type == "prepend"

    def positions(self, frames: int) -> int:
        """Length of the sequence the layers see for `frames` latent frames."""
        return frames // self.patch_size + self.prepends


@dataclass(frozen=True, kw_only=True)
class OobleckSpec:
    """One half of the Oobleck VAE. `audio_channels` is the waveform side, `latent_dim` the other."""

    audio_channels: int
    channels: int
    c_mults: tuple[int, ...]
    strides: tuple[int, ...]
    latent_dim: int
    use_snake: bool
    final_tanh: bool

    @property
    def widths(self) -> tuple[int, ...]:
        """Channel counts from the waveform side inwards, one more than there are blocks."""
        return tuple(self.channels * mult for mult in (1, *self.c_mults))

    @property
    def ratio(self) -> int:
        """Waveform samples per latent frame."""
        return prod(self.strides)


@dataclass(frozen=True, kw_only=True)
class ChunkSpec:
    """Encoding and decoding in overlapping windows, in latent frames (the pretransform's `chunked`).

    Sizes are upstream's defaults; its config has a switch only. An input shorter than one window is taken whole
    (upstream fails on it).
    """

    frames: int = 128
    overlap: int = 32

    def windows(self, total: int) -> list[tuple[int, int, int]]:
        """(window start, kept from, kept to) in latent frames, for an input of `total`; what is kept is gapless.

        Windows are a hop apart, the last one ends with the input. Inner edges lose half the overlap, and where the
        last two windows overlap more, the later one wins.
        """
        if total <= self.frames:
            return [(0, 0, total)]
        starts = list(range(0, total - self.frames + 1, self.frames - self.overlap))
        if starts[-1] + self.frames != total:
            starts.append(total - self.frames)
        begins = [0, *(start + self.overlap // 2 for start in starts[1:]), total]
        return list(zip(starts, begins, begins[1:], strict=False))


@dataclass(frozen=True, kw_only=True)
class ShiftSpec:
    """`distribution_shift_options`: how far levels move, by the latents' length in frames."""

    base_shift: float
    max_shift: float
    min_length: int
    max_length: int
    use_sine: bool

    def at(self, frames: int) -> LevelShift:
        """The shift for latents of `frames`; like stable-audio-tools 0.0.19, without clamping the length."""
        share = (frames - self.min_length) / (self.max_length - self.min_length)
        return LevelShift(mu=-(self.base_shift + (self.max_shift - self.base_shift) * share), sine=self.use_sine)


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything inference needs to know about a model dir, except its weights.

    `family` names a row of `families.table.FAMILIES`, `objective` one of `OBJECTIVES`, `stages` rows of the stage table.
    `numbers` are in the order in which their embeddings follow the prompt's, `seconds_total` is one of them.
    """

    family: str
    stages: tuple[str, ...]
    sample_size: int
    sample_rate_hz: int
    audio_channels: int
    latent_channels: int
    cond_dim: int
    objective: str
    prompt: PromptSpec
    numbers: tuple[SecondsSpec, ...]
    dit: DiTSpec
    encoder: OobleckSpec
    decoder: OobleckSpec
    chunks: ChunkSpec | None
    shift: ShiftSpec | None
    t5: T5Spec

    def number(self, name: str) -> SecondsSpec:
        """The number called `name`."""
        return next(number for number in self.numbers if number.name == name)

    @property
    def seconds(self) -> SecondsSpec:
        """The number every model has."""
        return self.number(SECONDS_TOTAL)

    @property
    def number_names(self) -> tuple[str, ...]:
        return tuple(number.name for number in self.numbers)

    @property
    def latent_frames(self) -> int:
        return self.sample_size // self.decoder.ratio

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(batch 1, latent channel, frame)."""
        return (1, self.latent_channels, self.latent_frames)

    @property
    def audio_shape(self) -> tuple[int, int, int]:
        """(batch 1, audio channel, sample)."""
        return (1, self.audio_channels, self.sample_size)

    @property
    def coding(self) -> str:
        """How latents are encoded and decoded, in words."""
        if self.chunks is None or self.latent_frames <= self.chunks.frames:
            return WHOLE
        return f"in windows of {self.chunks.frames} latent frames, {self.chunks.overlap} overlapping"

    @property
    def level_shift(self) -> LevelShift | None:
        """The shift of a full window."""
        return None if self.shift is None else self.shift.at(self.latent_frames)

    @property
    def window_s(self) -> float:
        """Seconds of audio in one full window."""
        return self.sample_size / self.sample_rate_hz
