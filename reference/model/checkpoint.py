"""Files of tensors, opened without running anything: the tensors that weights can be, by the names of a module saved alone."""

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from reference.spec.errors import InputError
from reference.spec.files import require_content

StateDict = dict[str, Tensor]
WRAPPERS = ("state_dict", "model_state_dict", "model")  # what a torch checkpoint may hold its tensors under
MOST_WRAPPED = 4  # levels; a dict may hold itself
BESIDE = (str, int, float, bool, type(None))  # what may lie among tensors: an epoch, a name
# What torch.compile and DistributedDataParallel put into names, around a whole or a part of it. No part of a model is called so.
AROUND = re.compile(r"(?:(?<=\.)|^)(?:_orig_mod|module)\.")
PARAMETRIZED = re.compile(r"parametrizations\.weight\.(original[01])")  # torch.nn.utils.parametrizations.weight_norm
OLDER = {"original0": "weight_g", "original1": "weight_v"}
ZIP, PICKLE, HEADER_AT = b"PK\x03\x04", b"\x80", 8  # how torch's files begin, and where the header of safetensors does
LISTED = 4  # names in a sentence
Found = TypeVar("Found")
# What is raised for bytes that are no checkpoint: torch's readers follow whatever they find until it makes no sense.
DAMAGED = (
    SafetensorError, zipfile.BadZipFile, struct.error, EOFError, OSError, RuntimeError, ValueError, LookupError, TypeError,
    AttributeError, AssertionError,
)  # fmt: skip


def read_tensors(path: Path, prefix: str = "") -> StateDict:
    """All tensors of a `.safetensors` file or of a torch checkpoint, on the CPU, in their stored dtype.

    Of safetensors that have names under `prefix`, these only are read. Torch checkpoints are opened with `weights_only=True`: a
    pickle that wants to run code is refused unrun. Raises InputError for other files, for what is no dict of tensors, and for
    tensors that no code can look at as weights.
    """
    require_content(path)
    state = _of_safetensors(path, prefix) if is_safetensors(path) else as_saved_alone(_of_torch(path), path)
    unread = {name: tensor for name, tensor in state.items() if not _is_plain(tensor)}
    if unread:
        found = f"{len(unread)} of a type or layout that holds no weights: {some(typed(state, unread))}"
        raise InputError(f"{path}: nothing was loaded ({found}); expected plain tensors of floats, save it as such")
    return state


def is_safetensors(path: Path) -> bool:
    """Whether a file is read as safetensors, whatever it is called. Raises InputError for one that is no checkpoint at all, and
    for a pickle that is called as if it were none."""
    with path.open("rb") as stream:
        start = stream.read(HEADER_AT + 1)
    headed = start[HEADER_AT:] == b"{"
    pickled = start.startswith((ZIP, PICKLE)) and not headed  # a header's length may begin as a pickle does
    if pickled and path.suffix == ".safetensors":
        raise InputError(f"{path}: is a torch checkpoint, not safetensors; rename it to {path.stem}.ckpt, or convert it")
    if not pickled and path.suffix != ".safetensors" and not headed:
        raise InputError(
            f"{path}: not a readable checkpoint (it begins with {start!r}, as neither torch's nor safetensors do); "
            "it may be truncated or another file, download it again"
        )
    return not pickled


def _of_safetensors(path: Path, prefix: str) -> StateDict:
    try:
        with safe_open(path, "pt") as stored:
            names = list(stored.keys())
            own = as_saved_alone({name: name for name in names}, path)
            wanted = {name: place for name, place in own.items() if name.startswith(prefix)} or own
            return {name: stored.get_tensor(place) for name, place in wanted.items()}
    except DAMAGED as error:
        raise _damaged(path, error) from None


def _of_torch(path: Path) -> StateDict:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of unusual pickles before it refuses them
            mapped = zipfile.is_zipfile(path)  # torch before 1.6 wrote another kind, which can only be read whole
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except DAMAGED as error:
        raise _damaged(path, error) from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: is not a plain torch checkpoint of tensors, so it was not opened (its pickle could run code); "
            "convert it to safetensors at its source"
        ) from None
    return _unwrapped(content, path)


def _damaged(path: Path, error: Exception) -> InputError:
    said = (str(error).splitlines() or [""])[0]
    reason = said if " " in said else f"{type(error).__name__} {said}".rstrip()  # of some, such as KeyError, it is a key alone
    return InputError(f"{path}: not a readable checkpoint ({reason}); it may be truncated, download it again")


def _unwrapped(content: Any, path: Path) -> StateDict:
    """The dict of tensors in what was saved, out of dicts with well-known keys around it. Raises InputError naming what else
    there is."""
    place = ""
    for _ in range(MOST_WRAPPED):
        inner = [key for key in WRAPPERS if isinstance(content, Mapping) and _holds(content.get(key))]
        if len(inner) > 1:
            both = " and ".join(map(repr, inner))
            raise InputError(f"{path}: holds tensors under {both}{place}; expected one of them, save it alone")
        if not inner:
            break
        content, place = content[inner[0]], f"{place} under '{inner[0]}'"
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds {type(content).__name__}{place}, {_expected()}")
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if nameless := [repr(name) for name in content if not isinstance(name, str)]:
        raise InputError(f"{path}: calls what it holds{place} by {some(nameless)}, which is no text, {_expected()}")
    fitting = (Tensor, *(BESIDE if tensors else ()))
    if odd := [f"'{name}' ({type(value).__name__})" for name, value in content.items() if not isinstance(value, fitting)]:
        raise InputError(f"{path}: holds {some(odd)}{place}, {_expected()}")
    return tensors


def _holds(value: Any) -> bool:
    """Whether a value may be what a wrapper is around."""
    return isinstance(value, Mapping) and any(key in WRAPPERS or isinstance(one, Tensor) for key, one in value.items())


def _expected() -> str:
    return f"expected a dict of tensors by name, {' or '.join(WRAPPERS)} around it or not"


def as_saved_alone(state: Mapping[str, Found], path: Path) -> dict[str, Found]:
    """The same by the names of a module that was saved by itself: not compiled, not wrapped for several processes, its weight
    norms in torch's older form. Raises InputError where two get one name."""
    alone: dict[str, Found] = {}
    for name, found in state.items():
        own = PARAMETRIZED.sub(lambda match: OLDER[match[1]], AROUND.sub("", name))
        if own in alone:
            raise InputError(f"{path}: holds '{own}' twice, once as '{name}'; expected one model, save it alone")
        alone[own] = found
    return alone


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor's values can be looked at one by one as numbers: some layouts do not even have a shape."""
    strided = not tensor.is_nested and tensor.layout == torch.strided and not tensor.is_meta
    return strided and not tensor.is_complex() and not tensor.is_quantized


def typed(state: StateDict, names: Collection[str]) -> list[str]:
    """Names with the types of their tensors."""
    return [f"{name} ({str(state[name].dtype).removeprefix('torch.')})" for name in sorted(names)]


def some(names: list[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:LISTED]) + (f", and {len(names) - LISTED} more" if len(names) > LISTED else "")
