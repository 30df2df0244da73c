"""Where inside a stage a converted model goes wrong: a LiteRT graph's own tensors against the reference's modules.

The converter names every tensor after the module that computed it, so a module's output can be found in the graph. The
reference then runs once more in float64, and after each module its output is replaced by the graph's: what a module
still adds in error is its own (isolated), whatever came in. Without the replacement the error is what has piled up so
far (accumulated). The same walk over the float32 reference says how large an isolated error rounding alone makes.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from litert_pipeline.run.interpreter import GraphTensor, InterpreterStage
from parity import metrics
from parity.budgets import UNIT_ROUNDOFF
from reference.spec.tensors import Array, Signature

Replace = Callable[[str, Tensor], Tensor | None]
ROUNDING_FACTOR = 8.0  # times the reference's own rounding in the same module; clean float graphs were measured up to 2
QUANTIZED_SHARE = 1 / 3  # of the modules with weights; recipes leave some of them in float
SIBLING_FACTOR = 5.0  # times the median of a quantized stage's modules; clean ones were measured up to 2.8


@dataclass(frozen=True, kw_only=True)
class ModuleError:
    """How wrong one module of a converted stage is. Errors are relative L2."""

    path: str
    tensor: str  # the graph tensor that holds its output
    isolated: float
    accumulated: float
    expected: float

    @property
    def ok(self) -> bool:
        """Whether the module itself adds no more than expected; NaN does not compare."""
        return self.isolated <= self.expected


def find_tensors(module: nn.Module, graph: list[GraphTensor], sizes: Mapping[str, int]) -> dict[str, GraphTensor]:
    """The graph tensor that holds the output of each module of `sizes` (path: values in its output).

    The last tensor named after the module that is as large as its output. A fused tensor carries several names; one of
    a module further out means that an operation of that module is already in it, so it is not this module's output.
    """
    spelled = _spelled(module)
    found: dict[str, GraphTensor] = {}
    for tensor in graph:
        names = [part for part in tensor.name.split(";") if part and not part.isdigit()]
        for path, size in sizes.items():
            own = spelled[path]
            if own in names and all(f"{name}/".startswith(f"{own}/") for name in names) and _size(tensor) == size:
                found[path] = tensor
    return found


def _size(tensor: GraphTensor) -> int:
    return int(np.prod(tensor.shape))


def localize(
    exact: nn.Module, rounded: nn.Module, stage: InterpreterStage, feed: Mapping[str, Array]
) -> list[ModuleError]:
    """The errors of every module whose output the graph holds, in the order the reference computes them.

    `exact` and `rounded` are the same module in float64 and float32, `stage` the converted one, opened to keep all its
    tensors. Where many modules with a weight matrix err beyond rounding, the stage is quantized, and a module may add
    as much as its siblings do.
    """
    stage(feed)
    inputs = stage.signature.bind(feed)
    sizes = {path: int(np.prod(shape)) for path, shape in output_shapes(rounded, inputs).items()}
    tensors = find_tensors(rounded, stage.graph(), sizes)
    values = {path: stage.value(tensor) for path, tensor in tensors.items()}
    accumulated = _walk(exact, inputs, values, replace=False)
    isolated = _walk(exact, inputs, values, replace=True)
    rounding = _walk(exact, inputs, _outputs(rounded, inputs, values), replace=True)
    expected = {path: ROUNDING_FACTOR * max(rounding[path], UNIT_ROUNDOFF) for path in isolated}
    weighted = [path for path in isolated if _has_matrix(exact.get_submodule(path))]
    coarse = [isolated[path] for path in weighted if not isolated[path] <= expected[path]]
    typical = SIBLING_FACTOR * float(np.median(coarse)) if len(coarse) > QUANTIZED_SHARE * len(weighted) else 0.0
    return [
        ModuleError(
            path=path,
            tensor=tensors[path].name,
            isolated=error,
            accumulated=accumulated[path],
            expected=max(expected[path], typical),
        )
        for path, error in isolated.items()
    ]


def _has_matrix(module: nn.Module) -> bool:
    """Whether the module itself holds weights that a recipe may quantize."""
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return any(sum(length > 1 for length in tensor.shape) > 1 for tensor in own)


def first_fault(errors: list[ModuleError]) -> ModuleError | None:
    """The first module that adds more than it may, inner ones before those around them; None if there is none."""
    bad = [error for error in errors if not error.ok]
    return bad[0] if bad else None


def output_shapes(module: nn.Module, inputs: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    """The shape of what every inner module with an operation of its own puts out, in the order they finish.

    Left out are modules that hand on what a part of theirs returned, and norms: the converter folds their gain into
    the next linear layer, where a wrong gain shows.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    seen: list[Tensor] = []  # kept, so that no identity is given out twice

    def note(path: str, output: Tensor) -> None:
        if not any(output is other for other in seen) and not type(module.get_submodule(path)).__name__.endswith(
            "Norm"
        ):
            shapes[path] = tuple(output.shape)
        seen.append(output)

    with _hooked(module, note):
        _run(module, inputs)
    return shapes


def _walk(
    module: nn.Module, inputs: Mapping[str, Array], values: Mapping[str, Array], *, replace: bool
) -> dict[str, float]:
    """Error of `values` at each module; with `replace` the run goes on with them."""
    errors: dict[str, float] = {}

    def compare(path: str, output: Tensor) -> Tensor | None:
        if path not in values:
            return None
        other = _arranged(values[path], output)
        errors[path] = metrics.relative_l2(output.numpy(), other)
        return torch.from_numpy(other).to(output.dtype) if replace else None

    with _hooked(module, compare), np.errstate(invalid="ignore", divide="ignore"):
        _run(module, inputs)
    return errors


def _outputs(module: nn.Module, inputs: Mapping[str, Array], wanted: Mapping[str, Array]) -> dict[str, Array]:
    """The module's own outputs at the paths of `wanted`."""
    kept: dict[str, Array] = {}

    def keep(path: str, output: Tensor) -> None:
        if path in wanted:
            kept[path] = output.numpy().copy()

    with _hooked(module, keep):
        _run(module, inputs)
    return kept


def _arranged(value: Array, output: Tensor) -> Array:
    """A graph tensor in the module's own layout: the converter moves channels last where a convolution likes it."""
    if value.size != output.numel():
        raise ValueError(f"{value.shape} is no arrangement of {tuple(output.shape)}")
    squeezed = tuple(length for length in value.shape if length != 1)
    wanted = tuple(length for length in output.shape if length != 1)
    if squeezed != wanted and squeezed == wanted[::-1] and len(wanted) == 2:
        return np.ascontiguousarray(value.reshape(squeezed).T.reshape(tuple(output.shape)))
    return value.reshape(tuple(output.shape))


class _hooked:
    """Call `visit(path, output)` after every inner module that returns one tensor; a tensor it returns replaces it."""

    def __init__(self, module: nn.Module, visit: Callable[[str, Tensor], Any]) -> None:
        self.module, self.visit = module, visit

    def __enter__(self) -> None:
        self._handles = [part.register_forward_hook(self._hook(path)) for path, part in _inner(self.module)]

    def __exit__(self, *ignored: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _hook(self, path: str) -> Callable[[nn.Module, Any, Any], Tensor | None]:
        def hook(module: nn.Module, args: Any, output: Any) -> Tensor | None:
            replaced: Tensor | None = self.visit(path, output) if isinstance(output, Tensor) else None
            return replaced

        return hook


def _inner(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    return ((path, part) for path, part in module.named_modules() if path and not isinstance(part, nn.ModuleList))


def _run(module: nn.Module, inputs: Mapping[str, Array]) -> None:
    dtype = next(module.parameters(), next(module.buffers(), torch.zeros(0))).dtype
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    with torch.inference_mode():
        module(**{name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()})


def _spelled(module: nn.Module) -> dict[str, str]:
    """How the converter spells each module's path: `qualified.Class_attribute`, joined by slashes, lists left out."""
    root = _class_name(module)
    names = {"": root}
    for path, part in module.named_modules():
        if not path:
            continue
        parent, _, attribute = path.rpartition(".")
        own = "" if isinstance(part, nn.ModuleList) else f"/{_class_name(part)}_{attribute}"
        names[path] = f"{names[parent]}{own}"
    return names


def _class_name(part: nn.Module) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def float32_feed(signature: Signature, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The declared inputs of a stage, float32."""
    return signature.bind({name: a.astype(np.float32) if a.dtype.kind == "f" else a for name, a in tensors.items()})
