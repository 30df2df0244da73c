"""Stable Audio Open, Small and 1.0: T5 and numbers, a diffusion transformer, an Oobleck autoencoder.

The official `model_config.json` is read strictly: unknown and unsupported keys are refused by name.
"""

from collections.abc import Mapping
from pathlib import Path

from reference.spec.errors import InputError
from reference.spec.families.family import Family, T5Folder
from reference.spec.families.oobleck import read_pretransform
from reference.spec.families.t5 import read_t5
from reference.spec.model import (
    MOST_RATE_HZ,
    SECONDS_START,
    SECONDS_TOTAL,
    DiTSpec,
    ModelSpec,
    PromptSpec,
    SecondsSpec,
    ShiftSpec,
)
from reference.spec.sampling.samplers import SAMPLERS
from reference.spec.section import Section, read_json
from reference.spec.stages import ALL_STAGES

NAME = "stable_audio_open"
OBJECTIVES = ("rf_denoiser", "rectified_flow", "v")
UNSAID_OBJECTIVE = "v"  # of a config that names none, such as that of 1.0
NUMBERS = (SECONDS_START, SECONDS_TOTAL)
QK_NORMS = ("none", "ln", "l2")
GLOBAL_COND_TYPES = ("prepend", "adaLN")
MIN_HEAD_DIM = 32  # RoPE turns at least 32 channels of a head


def read_config(top: Section, t5_folder: T5Folder) -> ModelSpec:
    """The spec of a config, its `model_type` taken, and of the `config.json` of the T5 folder it names.

    Raises InputError for a missing file or key, a wrong type, an unsupported value, an unknown key,
    and for numbers that contradict each other.
    """
    sample_size, audio_channels = top.positive("sample_size"), top.positive("audio_channels")
    sample_rate_hz = top.positive("sample_rate", most=MOST_RATE_HZ)
    top.ignore("training")
    model = top.section("model")
    top.done()

    latent_channels = model.positive("io_channels")
    encoder, decoder, chunks = read_pretransform(model.section("pretransform"), audio_channels, latent_channels)
    prompt, seconds, cond_dim = _read_conditioning(model.section("conditioning"))
    diffusion = model.section("diffusion")
    numbers = tuple(seconds[name] for name in _read_ids(diffusion, seconds))
    dit, objective, shift = _read_diffusion(diffusion)
    model.done()
    spec = ModelSpec(
        family=NAME,
        stages=ALL_STAGES,
        sample_size=sample_size,
        sample_rate_hz=sample_rate_hz,
        audio_channels=audio_channels,
        latent_channels=latent_channels,
        cond_dim=cond_dim,
        objective=objective,
        prompt=prompt,
        numbers=numbers,
        dit=dit,
        encoder=encoder,
        decoder=decoder,
        chunks=chunks,
        shift=shift,
        t5=read_t5(read_json(t5_folder(prompt.t5_name) / "config.json")),
    )
    _check_agreement(spec, top.file)
    return spec


def _read_conditioning(section: Section) -> tuple[PromptSpec, dict[str, SecondsSpec], int]:
    """Prompt, numbers by name, and the width of what each is embedded to."""
    cond_dim = section.positive("cond_dim")
    found: dict[str, Section] = {}
    for item in section.sections("configs"):
        name = item.choice("id", ("prompt", *NUMBERS))
        item.choice("type", ("number" if name in NUMBERS else "t5",))
        found[name] = item.section("config")
        item.done()
    for name in ("prompt", SECONDS_TOTAL):
        if name not in found:
            raise InputError(f"{section.file}: '{section.path('configs')}' has no entry with id '{name}'")
    section.done()
    config = found.pop("prompt")
    prompt = PromptSpec(t5_name=config.take("t5_model_name", str), max_length=config.positive("max_length"))
    config.done()
    return prompt, {name: _read_seconds(name, config) for name, config in found.items()}, cond_dim


def _read_seconds(name: str, section: Section) -> SecondsSpec:
    spec = SecondsSpec(name=name, min_s=section.take("min_val", float), max_s=section.take("max_val", float))
    section.done()
    check_range(spec, section)
    return spec


def check_range(spec: SecondsSpec, section: Section) -> None:
    """Raise InputError for a range that a number cannot be brought to."""
    if not spec.min_s < spec.max_s:
        raise InputError(f"{section.file}: {spec.name} needs min_val < max_val, found {spec.min_s}, {spec.max_s}")


def _read_ids(section: Section, seconds: Mapping[str, SecondsSpec]) -> list[str]:
    """The numbers' names in the order in which their embeddings follow the prompt's, and each other's in the global token."""
    cross: list[str] = section.take("cross_attention_cond_ids", list)
    glob: list[str] = section.take("global_cond_ids", list)
    if cross[:1] != ["prompt"] or sorted(map(str, cross[1:])) != sorted(seconds):
        supported = f"'prompt', then each of {', '.join(seconds)} once"
        raise InputError(f"{section.file}: '{section.path('cross_attention_cond_ids')}' is {cross}, supported: {supported}")
    if glob != cross[1:]:
        raise InputError(f"{section.file}: '{section.path('global_cond_ids')}' is {glob}, supported: {cross[1:]}")
    return glob


def _read_diffusion(section: Section) -> tuple[DiTSpec, str, ShiftSpec | None]:
    section.choice("type", ("dit",))
    objective = section.choice("diffusion_objective", OBJECTIVES, UNSAID_OBJECTIVE)
    shift = (
        _read_shift(section.section("distribution_shift_options"))
        if section.filled("distribution_shift_options")
        else None
    )
    config = section.section("config")
    section.done()
    config.choice("transformer_type", ("continuous_transformer",), "continuous_transformer")
    attn = config.optional_section("attn_kwargs")
    spec = DiTSpec(
        io_channels=config.positive("io_channels"),
        embed_dim=config.positive("embed_dim"),
        depth=config.positive("depth"),
        num_heads=config.positive("num_heads"),
        cond_token_dim=config.positive("cond_token_dim"),
        global_cond_dim=config.positive("global_cond_dim"),
        project_cond_tokens=config.take("project_cond_tokens", bool, True),
        project_global_cond=config.take("project_global_cond", bool, True),
        global_cond_type=config.choice("global_cond_type", GLOBAL_COND_TYPES, "prepend"),
        patch_size=config.positive("patch_size", 1),
        qk_norm=attn.choice("qk_norm", QK_NORMS, "none"),
    )
    attn.done()
    config.done()
    check_heads(spec, section)
    return spec, objective, shift


def _read_shift(section: Section) -> ShiftSpec:
    """Defaults are those of stable-audio-tools' `DistributionShift`."""
    spec = ShiftSpec(
        base_shift=section.take("base_shift", float, 0.5),
        max_shift=section.take("max_shift", float, 1.15),
        min_length=section.positive("min_length", 256),
        max_length=section.positive("max_length", 4096),
        use_sine=section.take("use_sine", bool, False),
    )
    section.done()
    if spec.min_length == spec.max_length:
        raise InputError(
            f"{section.file}: '{section.where}' needs min_length and max_length apart, found {spec.min_length}"
        )
    return spec


def check_heads(spec: DiTSpec, section: Section) -> None:
    """The attention's widths must divide into whole heads, and the global token must fit the sequence. Raises InputError."""
    file = section.file
    if spec.embed_dim % spec.num_heads or spec.head_dim < MIN_HEAD_DIM:
        raise InputError(
            f"{file}: embed_dim {spec.embed_dim} with num_heads {spec.num_heads} gives no whole heads of "
            f"{MIN_HEAD_DIM} channels or more"
        )
    if spec.context_dim % spec.head_dim or spec.embed_dim % spec.context_dim:
        raise InputError(
            f"{file}: cross-attention over {spec.context_dim} channels does not divide into heads of {spec.head_dim} "
            f"that {spec.num_heads} query heads can share"
        )
    if not spec.project_global_cond and spec.global_cond_dim != spec.embed_dim:
        raise InputError(
            f"{file}: project_global_cond is false, so global_cond_dim must be embed_dim {spec.embed_dim}, "
            f"found {spec.global_cond_dim}"
        )


def _check_agreement(spec: ModelSpec, file: Path) -> None:
    """Numbers written in two places must be the same number."""
    pairs = {
        "the DiT's io_channels and model.io_channels": (spec.dit.io_channels, spec.latent_channels),
        "the DiT's cond_token_dim and cond_dim": (spec.dit.cond_token_dim, spec.cond_dim),
        "the DiT's global_cond_dim and cond_dim times the global_cond_ids": (
            spec.dit.global_cond_dim,
            spec.cond_dim * len(spec.numbers),
        ),
        "T5's d_model and cond_dim": (spec.t5.d_model, spec.cond_dim),
        "the decoder's latent_dim and model.io_channels": (spec.decoder.latent_dim, spec.latent_channels),
        "the encoder's latent_dim and 2 x model.io_channels": (spec.encoder.latent_dim, 2 * spec.latent_channels),
        "the encoder's and the decoder's ratio": (spec.encoder.ratio, spec.decoder.ratio),
        "the decoder's out_channels and audio_channels": (spec.decoder.audio_channels, spec.audio_channels),
        "the encoder's in_channels and audio_channels": (spec.encoder.audio_channels, spec.audio_channels),
        "sample_size modulo the ratio and 0": (spec.sample_size % spec.decoder.ratio, 0),
        "the latent frames modulo the DiT's patch_size and 0": (spec.latent_frames % spec.dit.patch_size, 0),
    }
    for what, (left, right) in pairs.items():
        if left != right:
            raise InputError(f"{file}: {what} must be equal, found {left} and {right}")


STABLE_AUDIO_OPEN = Family(
    name=NAME,
    model_type="diffusion_cond",
    read=read_config,
    objectives=OBJECTIVES,
    objective_at=("model", "diffusion", "diffusion_objective"),
    stages=ALL_STAGES,
    samplers=tuple(SAMPLERS),
    numbers=NUMBERS,
    codec="oobleck",
)
