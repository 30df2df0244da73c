"""SAME, the autoencoder of Stable Audio 3: patches of audio, and a transformer that gathers them into latent frames.

Its config is read strictly: unknown and unsupported keys are refused by name. Defaults are those of stable-audio-tools
0.0.20 (`SAMEEncoder`, `SAMEDecoder`, `TransformerResamplingBlock`).
"""

from reference.spec.codec.same import BandSpec, ChunkedSpec, SameHalfSpec, SameSpec
from reference.spec.errors import InputError
from reference.spec.families.codec import CodecFamily
from reference.spec.section import Section
from reference.spec.stages import DECODER, ENCODER

KINDS = ("same", "taae_v2")  # the second is the older name, which the published files carry
# Whatever a published config says here, upstream builds the same modules.
WITHOUT_EFFECT = ("causal", "checkpointing", "conv_bias", "freeze_backbone", "use_flash", "use_snake", "mapping_style")
# What no published config has otherwise, and this reference does not know otherwise.
FIXED = {
    "differential": True, "dyt": True, "mapping_bias": True,
    "conformer": False, "layer_scale": False, "cross_attn": False, "feat_scale": False,
}  # fmt: skip
FF_MULT = 3
MIN_HEAD_DIM = 8  # upstream's RoPE divides by less


def read_same(model: Section, sample_rate_hz: int) -> SameSpec:
    """The spec of the `model` part of a config. Raises InputError for what is missing, unknown, unsupported or contradictory."""
    audio_channels, latent = model.positive("io_channels"), model.positive("latent_dim")
    if audio_channels > 2:
        raise InputError(f"{model.file}: '{model.path('io_channels')}' is {audio_channels}, supported: 1, 2")
    pretransform = model.section("pretransform")
    patch_size = _read_patches(pretransform, audio_channels)
    spec = SameSpec(
        sample_rate_hz=sample_rate_hz,
        audio_channels=audio_channels,
        patch_size=patch_size,
        latent_channels=latent,
        regularized=_read_bottleneck(model.section("bottleneck"), latent),
        encoder=_read_half(model.section(ENCODER), "in_channels", audio_channels * patch_size, latent),
        decoder=_read_half(model.section(DECODER), "out_channels", audio_channels * patch_size, latent),
    )
    _check_agreement(spec, model)
    model.done()
    return spec


def _read_patches(section: Section, audio_channels: int) -> int:
    section.choice("type", ("patched",))
    config = section.section("config")
    section.ignore("enable_grad")
    section.done()
    _expect(config, "channels", audio_channels)
    patch_size = config.positive("patch_size")
    config.done()
    return patch_size


def _read_bottleneck(section: Section, latent: int) -> bool:
    """Whether upstream adds noise to latents before it decodes them."""
    section.choice("type", ("softnorm",))
    config = section.section("config")
    section.done()
    _expect(config, "dim", latent)
    _fixed(config, "auto_scale", True)
    if config.take("noise_augment_dim", int, 0):
        raise InputError(f"{config.file}: '{config.path('noise_augment_dim')}' other than 0 is not supported")
    config.ignore("freeze")
    regularized: bool = config.take("noise_regularize", bool, False)
    config.done()
    return regularized


def _read_half(section: Section, patch_key: str, patch_channels: int, latent: int) -> SameHalfSpec:
    section.choice("type", KINDS)
    section.ignore("requires_grad")
    if section.take("soft_clip", bool, False):
        raise InputError(f"{section.file}: '{section.path('soft_clip')}' is true, which is not supported")
    config = section.section("config")
    section.done()
    _expect(config, patch_key, patch_channels)
    _expect(config, "latent_dim", latent)
    for key, value in FIXED.items():
        _fixed(config, key, value, value)
    if config.take("ff_mult", int, FF_MULT) != FF_MULT:
        raise InputError(f"{config.file}: '{config.path('ff_mult')}' other than {FF_MULT} is not supported")
    config.ignore(*WITHOUT_EFFECT)
    width, stride = config.positive("channels") * _single(config, "c_mults"), _single(config, "strides")
    spec = SameHalfSpec(
        width=width,
        head_dim=min(config.positive("dim_heads", 128), width),
        depth=_single(config, "transformer_depths"),
        stride=stride,
        attention=_read_attention(config, stride),
        sinusoidal=_read_sinusoidal(config) if patch_key == "out_channels" else 0,
        token_noise=config.take("mask_noise", float, 0.0),
        one_token=config.take("variable_stride", bool, False),
        mapping_taps=3 if config.take("conv_mapping", bool, False) else 1,
    )
    config.done()
    if width == patch_channels:
        raise InputError(
            f"{config.file}: '{config.where}' has width {width}, that of a patch, and so no mapping; this is not supported"
        )
    if width % spec.head_dim or spec.head_dim % 4 or spec.head_dim < MIN_HEAD_DIM:
        raise InputError(
            f"{config.file}: '{config.where}' has width {width} and dim_heads {spec.head_dim}; expected whole heads, each of a "
            f"multiple of 4 channels and at least {MIN_HEAD_DIM}, half of which are turned in pairs"
        )
    return spec


def _read_attention(config: Section, stride: int) -> BandSpec | ChunkedSpec:
    """A band where there is a `sliding_window`, else chunks; upstream builds both from the same keys."""
    chunk_size, shifted = config.positive("chunk_size", 128), config.take("chunk_midpoint_shift", bool, False)
    window = config.take("sliding_window", list, None)
    if window is not None:
        if len(window) != 2 or not all(type(frames) is int and frames >= 0 for frames in window):
            raise InputError(f"{config.file}: '{config.path('sliding_window')}' is {window}, expected two numbers of frames")
        return BandSpec(left=window[0], right=window[1])
    if chunk_size % (stride * (1 + shifted)):
        raise InputError(
            f"{config.file}: '{config.path('chunk_size')}' is {chunk_size}, expected a multiple of {stride * (1 + shifted)}"
        )
    return ChunkedSpec(frames=chunk_size // stride, shifted=shifted)


def _read_sinusoidal(config: Section) -> int:
    blocks = config.take("sinusoidal_blocks", list, [0])
    if len(blocks) != 1 or type(blocks[0]) is not int:
        raise InputError(f"{config.file}: '{config.path('sinusoidal_blocks')}' is {blocks}, expected one number")
    return blocks[0]


def _single(config: Section, key: str) -> int:
    numbers = config.numbers(key)
    if len(numbers) != 1:
        raise InputError(f"{config.file}: '{config.path(key)}' is {list(numbers)}; more than one level is not supported")
    return numbers[0]


def _expect(config: Section, key: str, value: int) -> None:
    found = config.positive(key)
    if found != value:
        raise InputError(f"{config.file}: '{config.path(key)}' is {found}, but the rest of the file says {value}")


def _fixed(config: Section, key: str, value: bool, *default: bool) -> None:
    if config.take(key, bool, *default) is not value:
        raise InputError(f"{config.file}: '{config.path(key)}' other than {str(value).lower()} is not supported")


def _check_agreement(spec: SameSpec, model: Section) -> None:
    """Both halves must cut time alike, and the ratio be what they make of it."""
    pairs = {
        "the encoder's and the decoder's stride": (spec.encoder.stride, spec.decoder.stride),
        "the encoder's and the decoder's frames in a chunk": (spec.encoder.alignment, spec.decoder.alignment),
        "downsampling_ratio and patch_size x stride": (model.positive("downsampling_ratio"), spec.shape.ratio),
    }
    for what, (left, right) in pairs.items():
        if left != right:
            raise InputError(f"{model.file}: {what} must be equal, found {left} and {right}")


SAME = CodecFamily(name="same", kinds=KINDS, read=read_same)
