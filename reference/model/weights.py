"""Checkpoints to modules, completely or not at all."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from reference.model.checkpoint import StateDict, read_tensors, some, typed
from reference.model_files import T5_WEIGHTS, ModelFiles
from reference.spec.errors import InputError

T5_UNUSED = ("decoder.", "lm_head.")  # a full T5 checkpoint also holds these; the encoder needs neither
T5_ALIAS, T5_SHARED = "encoder.embed_tokens.weight", "shared.weight"
DIT_MARK = "transformer.project_in.weight"
DIT_PREFIX, AUTOENCODER_PREFIX = "model.model.", "pretransform.model."
TRAINING_PREFIXES = ("diffusion.", "diffusion_ema.")
FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
LENGTH, DIRECTION, FOLDED = "weight_g", "weight_v", "weight"


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
        names = some(sorted(state)) or "no tensor at all"
        raise InputError(
            f"{files.weights}: holds no diffusion transformer ({names}); expected '{DIT_PREFIX}...'"
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


def read_t5_tensors(path: Path) -> StateDict:
    """The encoder's tensors of a T5 checkpoint, without decoder, head and the alias of the shared embedding."""
    state = {name: value for name, value in read_tensors(path).items() if not name.startswith(T5_UNUSED)}
    alias = state.pop(T5_ALIAS, None)
    if alias is not None and not _equal(alias, state.setdefault(T5_SHARED, alias)):
        raise InputError(f"{path}: '{T5_ALIAS}' differs from '{T5_SHARED}'; T5 shares one embedding")
    return state


def _equal(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same. Of types that hold no weights alone, and are refused when loaded, the type is enough:
    torch compares few of them."""
    return torch.equal(one, other) if {one.dtype, other.dtype} <= set(FLOATS) else one.dtype == other.dtype


def with_norms(state: StateDict, wanted: Collection[str]) -> StateDict:
    """Kernels that were folded for inference, split into length and direction again where a module wants these: the product is
    the kernel, but for float32's rounding."""
    split = dict(state)
    for name in wanted:
        base = name.removesuffix(LENGTH)
        if name.endswith(LENGTH) and name not in state and f"{base}{FOLDED}" in state:
            kernel = split.pop(f"{base}{FOLDED}")
            split |= {name: _length(kernel), f"{base}{DIRECTION}": kernel}
    return split


def _length(kernel: Tensor) -> Tensor:
    """Of each of a kernel's outputs; of types that nothing is computed in, which are refused when loaded, any."""
    if kernel.dtype not in FLOATS:
        return torch.ones(kernel.shape[:1])[(..., *[None] * (kernel.ndim - 1))]
    return kernel.double().square().sum(tuple(range(1, kernel.ndim)), keepdim=True).sqrt().float()


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
    problems = {
        "missing": sorted(wanted.keys() - state.keys()),
        "unexpected": sorted(state.keys() - wanted.keys()),
        "mis-shaped": [
            f"{name} {list(state[name].shape)} instead of {list(shape)}"
            for name, shape in sorted(wanted.items())
            if name in state and tuple(state[name].shape) != shape
        ],
        "stored small, so from a file that was quantized": typed(state, wanted.keys() & state.keys() - floats),
        "not finite": sorted(name for name in wanted.keys() & floats if not state[name].float().isfinite().all()),
    }
    if any(problems.values()):
        listed = "; ".join(f"{len(names)} {kind}: {some(names)}" for kind, names in problems.items() if names)
        raise InputError(f"{path}: does not fit the config, nothing was loaded ({listed})")
    for prefix, module in modules.items():
        own = {name: state[f"{prefix}{name}"].float() for name in module.state_dict()}
        module.load_state_dict(own, strict=True, assign=True)
