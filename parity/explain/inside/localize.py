"""Where inside a stage a converted model goes wrong: a graph's own tensors against the reference's modules.

Converters name every tensor after the module that computed it, so a module's output can be found in the graph. The
reference then runs once more in float64, and after each module its output is replaced by the graph's: what a module
still adds in error is its own (isolated), whatever came in. Without the replacement the error is what has piled up so
far (accumulated). The same walk over the float32 reference says how large an isolated error rounding alone makes.

At full size the values do not fit into memory together; both runtimes run again for every slice of them.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from parity.explain.inside.graphs import Graph, Outputs, find_outputs
from parity.explain.inside.hooks import hooked
from parity.explain.inside.module_error import ModuleError
from parity.explain.inside.slices import SLICE_BYTES, Sliced
from parity.measure import metrics
from parity.measure.budget import UNIT_ROUNDOFF
from reference.exact import in_float64
from reference.spec.tensors import Array

# Times the reference's own rounding in the same module. Clean float graphs were measured up to 2.2 (tiny) and, where a
# convolution sums 14,336 products, 6.3 (full size): XNNPACK adds one after the other, torch in blocks.
ROUNDING_FACTOR = 16.0
QUANTIZED_SHARE = 1 / 3  # of the modules with weights; recipes leave some of them in float
SIBLING_FACTOR = 5.0  # times the median of a quantized stage's modules; clean ones were measured up to 2.8


def localize(
    exact: nn.Module, rounded: nn.Module, graph: Graph, inputs: Mapping[str, Array], slice_bytes: int = SLICE_BYTES
) -> list[ModuleError]:
    """The errors of every module whose output the graph holds, in the order the reference computes them.

    `exact` is the module itself, which is run in float64, `rounded` what was converted, in float32, `graph` the
    converted one, `inputs` what the stage is fed.
    """
    outputs = located(rounded, graph, inputs)
    rounding = rounding_errors(exact, rounded, outputs, inputs, slice_bytes)
    return conversion_errors(exact, outputs, inputs, rounding, slice_bytes)


def located(module: nn.Module, graph: Graph, inputs: Mapping[str, Array]) -> Outputs:
    """Which tensors of the graph hold outputs of the module's parts."""
    shapes = output_shapes(module, inputs)
    return find_outputs(graph, {path: int(np.prod(shape)) for path, shape in shapes.items()})


def rounding_errors(
    exact: nn.Module, rounded: nn.Module, outputs: Outputs, inputs: Mapping[str, Array], slice_bytes: int = SLICE_BYTES
) -> dict[str, float]:
    """The isolated error of each part of the float32 module: what rounding alone makes."""
    values = Sliced(outputs.sizes, partial(_outputs, rounded, inputs), slice_bytes)
    return {path: found.relative_l2 for path, found in _walk(exact, inputs, values, replace=True).items()}


def conversion_errors(
    exact: nn.Module,
    outputs: Outputs,
    inputs: Mapping[str, Array],
    rounding: Mapping[str, float],
    slice_bytes: int = SLICE_BYTES,
) -> list[ModuleError]:
    """The graph's errors beside what they may be.

    Where many modules with a weight matrix err beyond rounding, the stage is quantized, and a module may add as much as
    its siblings do.
    """
    values = Sliced(outputs.sizes, partial(outputs.values, feed=inputs), slice_bytes)
    isolated = _walk(exact, inputs, values, replace=True)
    accumulated = _walk(exact, inputs, values, replace=False)
    expected = _expected(exact, rounding, {path: found.relative_l2 for path, found in isolated.items()})
    return [
        ModuleError(
            path=path,
            tensor=outputs.tensors[path].name,
            isolated=found.relative_l2,
            expected=expected[path],
            accumulated=accumulated[path].relative_l2,
            snr_db=accumulated[path].snr_db,
            max_abs=accumulated[path].max_abs,
            median_ratio=accumulated[path].median_ratio,
        )
        for path, found in isolated.items()
    ]


def output_shapes(module: nn.Module, inputs: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
    """The shape of what every inner module with an operation of its own puts out, in the order they finish.

    Left out are modules that hand on what a part of theirs returned, those that are called more than once, of which one output
    tells nothing, and norms: the converter folds their gain into the next linear layer, where a wrong gain shows.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    calls: Counter[str] = Counter()
    last: list[Tensor] = []

    def note(path: str, part: nn.Module, args: object, output: Tensor) -> None:
        handed_on = any(output is other for other in last)
        calls[path] += 1
        if not handed_on and not type(part).__name__.endswith("Norm"):
            shapes[path] = tuple(output.shape)
        last[:] = [output]  # a part's output is handed on right after it was made

    with hooked(module, note):
        _run(module, inputs)
    return {path: shape for path, shape in shapes.items() if calls[path] == 1}


def _expected(module: nn.Module, rounding: Mapping[str, float], isolated: Mapping[str, float]) -> dict[str, float]:
    """What each module may add: a multiple of rounding or, in a quantized stage, of what its siblings add."""
    expected = {path: ROUNDING_FACTOR * max(rounding[path], UNIT_ROUNDOFF) for path in isolated}
    weighted = [path for path in isolated if _has_weights(module, path, isolated.keys())]
    coarse = [isolated[path] for path in weighted if not isolated[path] <= expected[path]]
    finite = [error for error in coarse if math.isfinite(error)]
    if len(coarse) <= QUANTIZED_SHARE * len(weighted) or not finite:
        return expected
    typical = SIBLING_FACTOR * float(np.median(finite))
    return {path: max(limit, typical) if path in weighted else limit for path, limit in expected.items()}


def _has_weights(module: nn.Module, path: str, found: Collection[str]) -> bool:
    """Whether a recipe may quantize weights at `path`: its own, or those of parts whose outputs were not found."""
    judged_apart = tuple(f"{other}." for other in found if other.startswith(f"{path}."))
    parts = module.get_submodule(path).named_modules(prefix=path)
    return any(_has_matrix(part) for inner, part in parts if not f"{inner}.".startswith(judged_apart))


def _has_matrix(module: nn.Module) -> bool:
    """Whether the module itself holds a matrix; gains and biases are never quantized."""
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return any(sum(length > 1 for length in tensor.shape) > 1 for tensor in own)


def _walk(
    module: nn.Module, inputs: Mapping[str, Array], values: Mapping[str, Array], *, replace: bool
) -> dict[str, metrics.Apart]:
    """How far `values` are from each module's output; with `replace` the run goes on with them."""
    found: dict[str, metrics.Apart] = {}

    def compare(path: str, part: nn.Module, args: object, output: Tensor) -> Tensor | None:
        if path not in values:
            return None
        other = _arranged(values[path], output)
        found[path] = metrics.apart(output.numpy(), other)
        return torch.from_numpy(other).to(output.dtype) if replace else None

    with in_float64(module), hooked(module, compare):
        _run(module, inputs, torch.float64)
    return found


class _Enough(Exception):
    """All that was wanted has been computed."""


def _outputs(module: nn.Module, inputs: Mapping[str, Array], wanted: list[str]) -> dict[str, Array]:
    """The module's own outputs at the paths of `wanted`; the run ends with the last of them."""
    kept: dict[str, Array] = {}

    def keep(path: str, part: nn.Module, args: object, output: Tensor) -> None:
        if path in wanted:
            kept[path] = output.numpy().copy()
            if len(kept) == len(wanted):
                raise _Enough

    try:
        with hooked(module, keep):
            _run(module, inputs)
    except _Enough:
        pass
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


def _run(module: nn.Module, inputs: Mapping[str, Array], dtype: torch.dtype = torch.float32) -> None:
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    with torch.inference_mode():
        module(**{name: t.to(dtype) if t.is_floating_point() else t for name, t in tensors.items()})
