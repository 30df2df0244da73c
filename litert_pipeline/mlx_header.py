"""What the header of an MLX file says, read strictly: the specs its stage is built from, and which layers are quantized, held
to the tensors that are there.

Source: MLX's documentation of `quantize`, mode "affine", for what it quantizes to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from reference.spec.errors import InputError
from reference.spec.families.oobleck import check_blocks
from reference.spec.families.stable_audio_open import GLOBAL_COND_TYPES, NUMBERS, QK_NORMS, check_heads, check_range
from reference.spec.model import ChunkSpec, DiTSpec, OobleckSpec, SecondsSpec, T5Spec
from reference.spec.section import Section
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, ENCODER

# What MLX calls the parts of a matrix that it has quantized: levels packed into uint32, and for each group of inputs
# a scale and the value of level 0.
PACKED, SCALES, BIASES = "weight", "scales", "biases"
WORD_BITS = 32
BITS, GROUP_SIZES = (4, 8), (32, 64, 128)
USUAL_GROUP_SIZE = 64  # MLX's own, where none is said
WORDS, FLOATS = "U32", ("F32", "F16")  # as the format names them

CHOICES = {"qk_norm": QK_NORMS, "global_cond_type": GLOBAL_COND_TYPES, "name": NUMBERS}
COUNTS = ("depth", "num_layers")  # of layers, each of which has tensors
TAKERS: Mapping[Any, Callable[[Section, str], Any]] = {
    int: Section.positive,
    bool: lambda section, key: section.take(key, bool),
    str: lambda section, key: section.choice(key, CHOICES[key]),
    float: lambda section, key: section.take(key, float),
    tuple[int, ...]: Section.numbers,
}


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """How a layer's matrix is stored: `bits` for each value, a scale and a value of level 0 for each `group_size` inputs."""

    bits: int
    group_size: int


def read_stage(told: Section) -> str:
    """Which stage's file it is."""
    return told.choice("stage", ALL_STAGES)


def read_parts(told: Section, stage: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The specs that the stage's module is built from, by name, of a file with so many tensors."""
    section = told.section("parts")
    parts = {name: read(section, name, len(tensors)) for name, read in PARTS[stage].items()}
    section.done()
    return parts


def _one(kind: type[Any]) -> Callable[[Section, str, int], Any]:
    return lambda section, name, tensors: _spec(kind, section.section(name), tensors)


def _windows(section: Section, name: str, tensors: int) -> Any:
    return _spec(ChunkSpec, section.section(name), tensors) if section.filled(name) else None


def _numbers(section: Section, name: str, tensors: int) -> tuple[Any, ...]:
    found = tuple(_spec(SecondsSpec, one, tensors) for one in section.sections(name))
    names = [number.name for number in found]
    if not names or len(set(names)) != len(names):
        raise InputError(f"{section.file}: '{section.path(name)}' names {names}, expected one or more of {', '.join(NUMBERS)}")
    return found


PARTS: Mapping[str, Mapping[str, Callable[[Section, str, int], Any]]] = {
    CONDITIONER: {"t5": _one(T5Spec), "numbers": _numbers},
    DIT: {"transformer": _one(DiTSpec)},
    DECODER: {"codec": _one(OobleckSpec), "chunks": _windows},
    ENCODER: {"codec": _one(OobleckSpec), "chunks": _windows},
}


def _check_overlap(spec: ChunkSpec, section: Section) -> None:
    if spec.overlap >= spec.frames:
        expected = f"expected an overlap below the {spec.frames} frames"
        raise InputError(f"{section.file}: '{section.path('overlap')}' is {spec.overlap}, {expected}")


CHECKS: Mapping[type[Any], Callable[[Any, Section], None]] = {
    DiTSpec: check_heads, OobleckSpec: check_blocks, ChunkSpec: _check_overlap, SecondsSpec: check_range,
}  # fmt: skip


def _spec(kind: type[Any], section: Section, tensors: int) -> Any:
    """A spec as it was before it was written, every field of the type that its class says."""
    hints = get_type_hints(kind)
    spec = kind(**{one.name: TAKERS[hints[one.name]](section, one.name) for one in fields(kind)})
    section.done()
    for name in COUNTS:
        if getattr(spec, name, 0) > tensors:
            raise InputError(f"{section.file}: '{section.path(name)}' is {getattr(spec, name)}, and it holds {tensors} tensors")
    if kind in CHECKS:
        CHECKS[kind](spec, section)
    return spec


def read_quantized(told: Section, tensors: Mapping[str, Any]) -> dict[str, Quantized]:
    """How its quantized layers are stored, by their path; each is a matrix whose levels, scales and biases fit each other."""
    section = told.section("quantized")
    return {layer: _quantized(section.section(layer), layer, tensors) for layer in section.names()}


def _quantized(section: Section, layer: str, tensors: Mapping[str, Any]) -> Quantized:
    bits, group_size = section.take("bits", int), section.take("group_size", int, None)
    section.done()
    how = Quantized(bits=bits, group_size=USUAL_GROUP_SIZE if group_size is None else group_size)
    for name, value, known in (("bits", how.bits, BITS), ("group_size", how.group_size, GROUP_SIZES)):
        if value not in known:
            raise InputError(f"{section.file}: '{section.path(name)}' is {value}, supported: {', '.join(map(str, known))}")
    _check_matrix(section, layer, how, tensors)
    return how


def _check_matrix(section: Section, layer: str, how: Quantized, tensors: Mapping[str, Any]) -> None:
    """Raise InputError for levels, scales and biases of which one is missing, or that are not of one matrix."""
    stored = {}
    for part in (PACKED, SCALES, BIASES):
        if f"{layer}.{part}" not in tensors:
            raise InputError(f"{section.file}: '{section.where}' is said to be quantized, but there is no '{layer}.{part}'")
        entry = tensors[f"{layer}.{part}"]
        stored[part] = entry["dtype"], tuple(entry["shape"])
    (words, shape), scales, biases = (stored[part] for part in (PACKED, SCALES, BIASES))
    whole = len(shape) == 2 and shape[1] * WORD_BITS % (how.bits * how.group_size) == 0
    if words == WORDS and whole:
        fitting = [(kind, (shape[0], shape[1] * WORD_BITS // (how.bits * how.group_size))) for kind in FLOATS]
        if scales in fitting and biases in fitting:
            return
    found = ", ".join(f"{part} {kind}{list(lengths)}" for part, (kind, lengths) in stored.items())
    raise InputError(
        f"{section.file}: '{layer}' is said to be a matrix in {how.bits} bits and groups of {how.group_size}, expected "
        f"{PACKED} {WORDS}[rows, words], {SCALES} and {BIASES} {' or '.join(FLOATS)}[rows, words x {WORD_BITS} / "
        f"{how.bits * how.group_size}], found {found}"
    )
