"""The Oobleck autoencoder, as a model's `pretransform` describes it."""

from reference.spec.errors import InputError
from reference.spec.model import ChunkSpec, OobleckSpec
from reference.spec.section import Section


def read_pretransform(
    section: Section, audio_channels: int, latent: int
) -> tuple[OobleckSpec, OobleckSpec, ChunkSpec | None]:
    """Encoder, decoder and windows of a `pretransform` for so many audio and latent channels."""
    section.choice("type", ("autoencoder",))
    # model_half only says which dtype upstream runs in; iterate_batch gives the same numbers at batch 1.
    section.ignore("model_half", "iterate_batch")
    chunks = ChunkSpec() if section.take("chunked", bool, False) else None
    if section.take("scale", float, 1.0) != 1.0:
        raise InputError(f"{section.file}: '{section.path('scale')}' other than 1.0 is not supported")
    config = section.section("config")
    section.done()
    encoder = _read_oobleck(config.section("encoder"), "in_channels")
    decoder = _read_oobleck(config.section("decoder"), "out_channels")
    config.section("bottleneck").choice("type", ("vae",))
    expected = {
        "latent_dim": latent,
        "downsampling_ratio": decoder.ratio,
        "io_channels": audio_channels,
    }
    for key, value in expected.items():
        found = config.positive(key)
        if found != value:
            raise InputError(f"{config.file}: '{config.path(key)}' is {found}, but the rest of the file says {value}")
    config.done()
    return encoder, decoder, chunks


def _read_oobleck(section: Section, audio_key: str) -> OobleckSpec:
    section.choice("type", ("oobleck",))
    section.ignore("requires_grad")
    config = section.section("config")
    section.done()
    spec = OobleckSpec(
        audio_channels=config.positive(audio_key),
        channels=config.positive("channels"),
        c_mults=config.numbers("c_mults"),
        strides=config.numbers("strides"),
        latent_dim=config.positive("latent_dim"),
        use_snake=config.take("use_snake", bool, False),
        final_tanh=audio_key == "out_channels" and config.take("final_tanh", bool, True),
    )
    config.done()
    check_blocks(spec, config)
    return spec


def check_blocks(spec: OobleckSpec, section: Section) -> None:
    """Raise InputError for strides that lose samples, or that are not one for each block."""
    if any(stride % 2 for stride in spec.strides):
        raise InputError(
            f"{section.file}: '{section.where}' needs even strides, found {list(spec.strides)}; an odd one loses samples"
        )
    if len(spec.c_mults) != len(spec.strides):
        raise InputError(
            f"{section.file}: '{section.where}' has {len(spec.c_mults)} c_mults but {len(spec.strides)} strides"
        )
