"""Checkpoints to modules, completely or not at all."""

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from reference.model_files import T5_WEIGHTS, ModelFiles
from reference.spec.errors import InputError
from reference.spec.files import require_content

StateDict = dict[str, Tensor]
T5_UNUSED = ("decoder.", "lm_head.")  # a full T5 checkpoint also holds these; the encoder needs neither
T5_ALIAS, T5_SHARED = "encoder.embed_tokens.weight", "shared.weight"
DIT_MARK = "transformer.project_in.weight"
DIT_PREFIX, AUTOENCODER_PREFIX = "model.model.", "pretransform.model."
TRAINING_PREFIXES = ("diffusion.", "diffusion_ema.")
FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
WRAPPERS = ("state_dict", "model")  # what a torch checkpoint may hold its tensors under
COMPILED, PARALLEL = "_orig_mod.", "module."  # what torch.compile and DistributedDataParallel put into names
LENGTH, DIRECTION, FOLDED = "weight_g", "weight_v", "weight"
PARAMETRIZED = re.compile(r"parametrizations\.weight\.(original[01])")  # torch.nn.utils.parametrizations.weight_norm
OLDER = {"original0": LENGTH, "original1": DIRECTION}
Found = TypeVar("Found")
# What is raised for bytes that are no checkpoint: torch's readers follow whatever they find until it makes no sense.
DAMAGED = (
    SafetensorError, zipfile.BadZipFile, struct.error, EOFError, OSError, RuntimeError, ValueError, LookupError, TypeError,
    AttributeError, AssertionError,
)  # fmt: skip


def find_t5_weights(folder: Path) -> Path:
    """The weights of a T5 folder. Raises InputError if there are none."""
    for name in T5_WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder}: no weights found; expected one of {', '.join(T5_WEIGHTS)}")


def read_parts(files: ModelFiles, prefixes: tuple[str, ...]) -> tuple[StateDict, ModelFiles]:
    """The checkpoint's tensors under the official names, and the files they came from.

    Fine-tunes are passed around without the autoencoder, or as the bare DiT: parts a checkpoint lacks as a whole come
    from its companions, so far as they are needed. `prefixes` are those of all parts.
    """
    state = _official_names(read_tensors(files.weights), files.weights)
    if not any(name.startswith(DIT_PREFIX) for name in state):
        some = _some(sorted(state)) or "no tensor at all"
        raise InputError(
            f"{files.weights}: holds no diffusion transformer ({some}); expected '{DIT_PREFIX}...'"
        )
    used = []
    for companion in files.companions:
        absent = tuple(prefix for prefix in prefixes if not any(name.startswith(prefix) for name in state))
        if not absent:
            break
        others = _official_names(read_tensors(companion), companion)
        found = {name: value for name, value in others.items() if name.startswith(absent)}
        used += [companion] if found else []
        state |= found
    return state, replace(files, companions=tuple(used))


def _official_names(state: StateDict, path: Path) -> StateDict:
    """Names as in the official checkpoint, from a bare DiT's or a bare autoencoder's."""
    if any(name.startswith(TRAINING_PREFIXES) for name in state):
        raise InputError(f"{path}: is a training checkpoint; unwrap it with stable-audio-tools' unwrap_model.py first")
    for outer in ("model.", ""):
        if f"{outer}{DIT_MARK}" in state:
            return {f"{DIT_PREFIX}{name.removeprefix(outer)}": value for name, value in state.items()}
    if state and all(name.startswith(("encoder.", "decoder.")) for name in state):
        return {f"{AUTOENCODER_PREFIX}{name}": value for name, value in state.items()}
    return state


def read_part(path: Path, prefix: str) -> StateDict:
    """The tensors under `prefix`, which their names lose, where the checkpoint has such; else all of it."""
    state = read_tensors(path, prefix)
    part = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    return part or state


def read_tensors(path: Path, prefix: str = "") -> StateDict:
    """All tensors of a `.safetensors` file or of a torch checkpoint, on the CPU, in their stored dtype.

    Of a `.safetensors` file that has names under `prefix`, these only are read. Torch checkpoints are opened with
    `weights_only=True`: a pickle that wants to run code is refused unrun.
    """
    require_content(path)
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as stored:
                names = list(stored.keys())
                own = as_saved_alone({name: name for name in names})
                wanted = {name: place for name, place in own.items() if name.startswith(prefix)} or own
                return {name: stored.get_tensor(place) for name, place in wanted.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of unusual pickles before it refuses them
            mapped = zipfile.is_zipfile(path)  # torch before 1.6 wrote another kind, which can only be read whole
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path}: not a readable checkpoint ({reason}); it may be truncated, download it again"
        ) from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: is not a plain torch checkpoint of tensors, so it was not opened (its pickle could run code); "
            "convert it to safetensors at its source"
        ) from None
    state = next((content[name] for name in WRAPPERS if name in content), content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"{path}: holds {type(content).__name__}, expected a dict of tensors, {' or '.join(WRAPPERS)} around it or not"
        )
    return as_saved_alone(dict(state))


def read_t5_tensors(path: Path) -> StateDict:
    """The encoder's tensors of a T5 checkpoint, without decoder, head and the alias of the shared embedding."""
    state = {name: value for name, value in read_tensors(path).items() if not name.startswith(T5_UNUSED)}
    alias = state.pop(T5_ALIAS, None)
    if alias is not None and not torch.equal(alias, state.setdefault(T5_SHARED, alias)):
        raise InputError(f"{path}: '{T5_ALIAS}' differs from '{T5_SHARED}'; T5 shares one embedding")
    return state


def as_saved_alone(state: Mapping[str, Found]) -> dict[str, Found]:
    """The same by the names of a module that was saved by itself: not compiled, not wrapped for several processes, its weight
    norms in torch's older form."""
    compiled = {name.replace(COMPILED, ""): found for name, found in state.items()}
    wrapped = bool(compiled) and all(name.startswith(PARALLEL) for name in compiled)
    alone = {name.removeprefix(PARALLEL) if wrapped else name: found for name, found in compiled.items()}
    return {PARAMETRIZED.sub(lambda match: OLDER[match[1]], name): found for name, found in alone.items()}


def with_norms(state: StateDict, wanted: Collection[str]) -> StateDict:
    """Kernels that were folded for inference, split into length and direction again where a module wants these: the product is
    the kernel, but for float32's rounding."""
    split = dict(state)
    for name in wanted:
        base = name.removesuffix(LENGTH)
        if name.endswith(LENGTH) and name not in state and f"{base}{FOLDED}" in state:
            kernel = split.pop(f"{base}{FOLDED}")
            length = kernel.double().square().sum(tuple(range(1, kernel.ndim)), keepdim=True).sqrt()
            split |= {name: length.float(), f"{base}{DIRECTION}": kernel}
    return split


def load_into(modules: Mapping[str, nn.Module], state: StateDict, path: Path) -> None:
    """Give every tensor of `state` to the module whose prefix it carries, and every module all it needs.

    Raises InputError listing tensors that are missing, unexpected, mis-shaped, not finite in float32, or of types that hold no
    weights alone.
    """
    wanted = {
        f"{prefix}{name}": tuple(tensor.shape)
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    state = with_norms(state, wanted)
    floats = {name for name, tensor in state.items() if tensor.dtype in FLOATS}
    unread = {name for name, tensor in state.items() if tensor.is_complex() or tensor.is_meta or tensor.layout != torch.strided}
    problems = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": sorted(state.keys() - wanted.keys()),
        "mis-shaped": [
            f"{name} {list(state[name].shape)} instead of {list(shape)}"
            for name, shape in sorted(wanted.items())
            if name in state and tuple(state[name].shape) != shape
        ],
        "stored small, so from a file that was quantized": _typed(state, wanted.keys() & state.keys() - floats - unread),
        "of a type or layout that holds no weights": _typed(state, wanted.keys() & unread),
        "not finite": sorted(name for name in wanted.keys() & floats - unread if not state[name].float().isfinite().all()),
    }
    if any(problems.values()):
        listed = "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in problems.items() if names)
        raise InputError(f"{path}: does not fit the config, nothing was loaded ({listed})")
    for prefix, module in modules.items():
        own = {name: state[f"{prefix}{name}"].float() for name in module.state_dict()}
        module.load_state_dict(own, strict=True, assign=True)


def _typed(state: StateDict, names: Collection[str]) -> list[str]:
    return [f"{name} ({str(state[name].dtype).removeprefix('torch.')})" for name in sorted(names)]


def _some(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")
