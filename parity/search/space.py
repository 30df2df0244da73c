"""What of a stage can be stored in which way, read from its float file: its layers, and groups of them."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from litert_pipeline.build.recipes import QuantizerRecipe
from parity.bundles.flatbuffer import litert_model
from parity.search.schemes import UNTOUCHED, WEIGHTED, Scheme
from reference.spec.errors import InputError

WEIGHTS_AT = 1  # which input of an operator is its weights
LAYER, BLOCK, STAGE = "layer", "block", "stage"
LEVELS = (LAYER, BLOCK, STAGE)
MOST_SCOPE = 10000  # letters of an operator's scope that the quantizer looks at


@dataclass(frozen=True, kw_only=True)
class Layer:
    """An operator with weights. `scope` is what the quantizer holds a regex to: its outputs' names; `name` is its module's."""

    name: str
    scope: str
    tensor: str
    operator: str
    shape: tuple[int, ...]

    @property
    def values(self) -> int:
        """How many weights it has."""
        return math.prod(self.shape)

    @property
    def block(self) -> str:
        """The part of the stage it belongs to: its path as far as the first number that has something behind it, else all but
        its own name."""
        parts = self.name.split(".")
        numbers = [place for place, part in enumerate(parts[:-1]) if part.isdigit()]
        return ".".join(parts[: numbers[0] + 1] if numbers else parts[:-1] or parts)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Layers that are stored in one way."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def values(self) -> int:
        """How many weights they have together."""
        return sum(layer.values for layer in self.layers)

    def takes(self, scheme: Scheme) -> bool:
        """Whether any of its layers can be stored so; those that cannot are left as they are."""
        return scheme.name == UNTOUCHED or any(scheme.fits(layer.operator, layer.shape) for layer in self.layers)

    def rules(self, scheme: Scheme) -> QuantizerRecipe:
        """The quantizer's rules that store it so: one for each operator there is."""
        fitting: dict[str, list[Layer]] = {}
        for layer in self.layers:
            if scheme.fits(layer.operator, layer.shape):
                fitting.setdefault(layer.operator, []).append(layer)
        return [
            rule for operator, layers in fitting.items() for rule in scheme.about_layer(selecting(layers), operator)
        ]


def layers_of(path: Path) -> tuple[Layer, ...]:
    """The layers of a `.tflite` file in the order they are computed. Raises InputError for a file that is none, or has none."""
    with litert_model(path) as (model, schema):
        operators = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        graph = model.Subgraphs(0)
        found = [_layer(model, graph, graph.Operators(at), operators) for at in range(graph.OperatorsLength())]
    layers = _told_apart([layer for layer in found if layer is not None])
    if not layers:
        raise InputError(f"{path}: has no layer with weights of its own; give the float bundle that a recipe starts from")
    return layers


def groups_of(layers: Sequence[Layer], level: str) -> tuple[Group, ...]:
    """All layers in groups: each by itself, by block, or as one."""
    by: Mapping[str, Callable[[Layer], str]] = {
        LAYER: lambda layer: layer.name, BLOCK: lambda layer: layer.block, STAGE: lambda layer: STAGE,
    }  # fmt: skip
    grouped: dict[str, list[Layer]] = {}
    for layer in layers:
        grouped.setdefault(by[level](layer), []).append(layer)
    return tuple(Group(name=name, layers=tuple(members)) for name, members in grouped.items())


def rules_of(groups: Iterable[Group], chosen: Mapping[str, Scheme]) -> QuantizerRecipe:
    """The recipe that stores each group as chosen, by its name: all that is stored in one way has one rule for each operator, so
    that equal files have equal recipes."""
    stored: dict[str, list[Layer]] = {}
    for group in groups:
        stored.setdefault(chosen[group.name].name, []).extend(group.layers)
    schemes = {scheme.name: scheme for scheme in chosen.values()}
    alike = [(schemes[name], Group(name=name, layers=tuple(layers))) for name, layers in sorted(stored.items())]
    return [rule for scheme, together in alike for rule in together.rules(scheme)]


def selecting(layers: Iterable[Layer]) -> str:
    """A regex that selects these layers' operators and no others: no two have one scope, and it is matched whole."""
    return f"^(?:{'|'.join(re.escape(layer.scope) for layer in layers)})$"


def _layer(model: Any, graph: Any, operator: Any, operators: Mapping[int, str]) -> Layer | None:
    """An operator as a layer; None of one without weights."""
    code = model.OperatorCodes(operator.OpcodeIndex())
    name = operators[max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))]
    if name not in WEIGHTED or operator.InputsLength() <= WEIGHTS_AT or operator.Inputs(WEIGHTS_AT) < 0:
        return None
    weights = graph.Tensors(operator.Inputs(WEIGHTS_AT))
    buffer = model.Buffers(weights.Buffer())
    if not (buffer.DataLength() or buffer.Size()):
        return None
    outputs = [graph.Tensors(operator.Outputs(place)).Name().decode() for place in range(operator.OutputsLength())]
    return Layer(
        name=module_path(outputs[0]),
        scope="".join(f"{output};" for output in outputs)[:MOST_SCOPE],
        tensor=outputs[0],
        operator=name,
        shape=tuple(int(weights.Shape(axis)) for axis in range(weights.ShapeLength())),
    )


def module_path(tensor: str) -> str:
    """The path of the module that a tensor's name tells of. The converter joins the names of all modules it has folded into one
    operator: the deepest is meant, of several the last that is no norm. A name of another kind stands for itself."""
    paths = [part.split("/") for part in tensor.split(";") if "/" in part]
    if not paths:
        return tensor
    deepest = max(map(len, paths))
    own = [path for path in paths if len(path) == deepest]
    named = [path for path in own if "Norm" not in path[-1]] or own
    parts = [attribute for part in named[-1] if (attribute := part.rpartition(".")[2].partition("_")[2])]
    return ".".join(parts) or tensor


def _told_apart(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Layers of one name are numbered."""
    seen: Counter[str] = Counter()
    shared = Counter(layer.name for layer in layers)
    found = []
    for layer in layers:
        seen[layer.name] += 1
        name = layer.name if shared[layer.name] == 1 else f"{layer.name}#{seen[layer.name]}"
        found.append(replace(layer, name=name))
    return tuple(found)
