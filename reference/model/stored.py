"""In which precision a checkpoint keeps its weights, whatever they are computed in."""

from collections import Counter
from collections.abc import Mapping
from math import prod
from pathlib import Path

from safetensors import safe_open

from reference.model.checkpoint import is_safetensors, read_tensors
from reference.model.weights import FLOATS

# What a .safetensors header calls the types that hold weights.
NAMED = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
Values = Counter[str]


def stored_in_words(files: Mapping[str, Path]) -> str:
    """Each file, by its name, with the types its weights are stored as, the commonest first: 'model.safetensors in float16'."""
    return "; ".join(f"{name} in {_told(stored_types(path))}" for name, path in files.items())


def stored_types(path: Path) -> Values:
    """How many weights of a checkpoint are stored in which type; of safetensors the header alone is read.

    Raises InputError for what is no checkpoint.
    """
    return _of_header(path) if is_safetensors(path) else _of_tensors(path)


def _of_header(path: Path) -> Values:
    found: Values = Counter()
    with safe_open(path, "pt") as stored:
        for name in stored.keys():  # noqa: SIM118 - it is no mapping
            tensor = stored.get_slice(name)
            if tensor.get_dtype() in NAMED:
                found[NAMED[tensor.get_dtype()]] += prod(tensor.get_shape())
    return found


def _of_tensors(path: Path) -> Values:
    found: Values = Counter()
    for tensor in read_tensors(path).values():
        if tensor.dtype in FLOATS:
            found[str(tensor.dtype).removeprefix("torch.")] += tensor.numel()
    return found


def _told(found: Values) -> str:
    whole = found.total()
    return ", ".join(kind if len(found) == 1 else f"{kind} ({100 * count / whole:.3g} %)" for kind, count in found.most_common())
