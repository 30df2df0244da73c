"""Checkpoints to modules, completely or not at all."""

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from reference.model_files import T5_WEIGHTS, ModelFiles
from reference.spec.errors import InputError

StateDict = dict[str, Tensor]
T5_UNUSED = ("decoder.", "lm_head.")  # a full T5 checkpoint also holds these; the encoder needs neither
T5_ALIAS, T5_SHARED = "encoder.embed_tokens.weight", "shared.weight"
DIT_MARK = "transformer.project_in.weight"
DIT_PREFIX, AUTOENCODER_PREFIX = "model.model.", "pretransform.model."
TRAINING_PREFIXES = ("diffusion.", "diffusion_ema.")


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
        raise InputError(
            f"{files.weights}: holds no diffusion transformer ({_some(sorted(state))}); expected '{DIT_PREFIX}...'"
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
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as stored:
                names = list(stored.keys())
                wanted = [name for name in names if name.startswith(prefix)] or names
                return {name: stored.get_tensor(name) for name in wanted}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of unusual pickles before it refuses them
            mapped = zipfile.is_zipfile(path)  # torch before 1.6 wrote another kind, which can only be read whole
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (SafetensorError, EOFError, RuntimeError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: not a readable checkpoint ({reason}); it may be truncated, download it again"
        ) from None
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: is not a plain torch checkpoint of tensors, so it was not opened (its pickle could run code); "
            "convert it to safetensors at its source"
        ) from None
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(
            f"{path}: holds {type(content).__name__}, expected a dict of tensors, 'state_dict' around it or not"
        )
    return dict(state)


def read_t5_tensors(path: Path) -> StateDict:
    """The encoder's tensors of a T5 checkpoint, without decoder, head and the alias of the shared embedding."""
    state = {name: value for name, value in read_tensors(path).items() if not name.startswith(T5_UNUSED)}
    alias = state.pop(T5_ALIAS, None)
    if alias is not None and not torch.equal(alias, state.setdefault(T5_SHARED, alias)):
        raise InputError(f"{path}: '{T5_ALIAS}' differs from '{T5_SHARED}'; T5 shares one embedding")
    return state


def load_into(modules: Mapping[str, nn.Module], state: StateDict, path: Path) -> None:
    """Give every tensor of `state` to the module whose prefix it carries, and every module all it needs.

    Raises InputError listing missing, unexpected, mis-shaped and non-finite tensors.
    """
    wanted = {
        f"{prefix}{name}": tuple(tensor.shape)
        for prefix, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    problems = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": sorted(state.keys() - wanted.keys()),
        "mis-shaped": [
            f"{name} {list(state[name].shape)} instead of {list(shape)}"
            for name, shape in sorted(wanted.items())
            if name in state and tuple(state[name].shape) != shape
        ],
        "not finite": sorted(name for name in wanted.keys() & state.keys() if not state[name].isfinite().all()),
    }
    if any(problems.values()):
        listed = "; ".join(f"{len(names)} {kind}: {_some(names)}" for kind, names in problems.items() if names)
        raise InputError(f"{path}: does not fit the config, nothing was loaded ({listed})")
    for prefix, module in modules.items():
        own = {name: state[f"{prefix}{name}"].float() for name in module.state_dict()}
        module.load_state_dict(own, strict=True, assign=True)


def _some(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f", and {len(names) - most} more" if len(names) > most else "")
