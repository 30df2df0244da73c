"""What in a graph keeps its answer from being a function of its inputs: state, random draws, operators of nobody's runtime.

Nothing is run. A graph with state may answer right four hundred times and then no more, so it is enough that it has some.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

STATE = (
    "VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE", "CALL_ONCE", "HASHTABLE", "HASHTABLE_IMPORT",
)  # fmt: skip
RANDOM = ("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL", "STABLEHLO_RNG_BIT_GENERATOR")
NORMAL = "RANDOM_STANDARD_NORMAL"
RANDOM_COMPOSITE = "odml.random_"  # what a converter writes of torch's; where no kernel knows it, it is one frozen draw
CUSTOM, FOREIGN_CALL, COMPOSITE = "CUSTOM", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_COMPOSITE"
SHIPPED_CUSTOM = ("aeq.hadamard_rotation",)  # custom by name, but LiteRT's own runtime has it
VARIABLE_TENSOR = "a variable tensor"

ONNX_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
ONNX_DROPOUT = "Dropout"
# Domains whose operators ONNX Runtime ships; MatMulNBits, for one, is com.microsoft's.
SHIPPED_DOMAINS = (
    "", "ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Operators:
    """Names of the operators of a file that are not pure, each as often as it stands there. `external`: groups of buffers that
    are not in the file."""

    state: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    custom: tuple[str, ...] = ()
    external: tuple[str, ...] = ()

    def without(self, tapped: Iterable[str]) -> "Operators":
        """The same but for random operators whose draw is handed in from outside; one that is not there is not."""
        left = list(self.random)
        for name in tapped:
            if name in left:
                left.remove(name)
        return Operators(state=self.state, random=tuple(left), custom=self.custom, external=self.external)

    @property
    def count(self) -> int:
        """How many are not pure."""
        return sum(len(names) for names, _ in self._told())

    def __str__(self) -> str:
        return "; ".join(f"{what}: {_counted(names)}" for names, what in self._told() if names)

    def _told(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        return (
            (self.state, "keeps state from call to call"),
            (self.random, "draws at random"),
            (self.custom, "needs operators that the runtime does not have"),
            (self.external, "keeps buffers outside of the file"),
        )


def litert_operators(model: Any, schema: Any) -> Operators:
    """Of all subgraphs of a LiteRT model, as flatbuffers reads it."""
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    graphs = [model.Subgraphs(index) for index in range(model.SubgraphsLength())]
    found = [_litert_name(model, graph.Operators(at), names, schema) for graph in graphs for at in range(graph.OperatorsLength())]
    held = (VARIABLE_TENSOR for graph in graphs for at in range(graph.TensorsLength()) if graph.Tensors(at).IsVariable())
    return Operators(
        state=(*(name for name in found if name in STATE), *held),
        random=tuple(name for name in found if name in RANDOM or name.startswith(RANDOM_COMPOSITE)),
        custom=tuple(name.partition(" ")[2] for name in found if name.partition(" ")[0] in (CUSTOM, FOREIGN_CALL)),
        external=tuple(
            model.ExternalBufferGroups(at).Name().decode() for at in range(model.ExternalBufferGroupsLength())
        ),
    )


def draws(model: Any, graph: Any, schema: Any) -> list[int]:
    """The tensors of a subgraph that random operators write, by index."""
    codes = [getattr(schema.BuiltinOperator, name) for name in RANDOM]
    operators = (graph.Operators(at) for at in range(graph.OperatorsLength()))
    return [operator.Outputs(0) for operator in operators if code_of(model, operator) in codes and operator.OutputsLength()]


def code_of(model: Any, operator: Any) -> int:
    """Which of the schema's operators one is."""
    code = model.OperatorCodes(operator.OpcodeIndex())
    return max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))


def _litert_name(model: Any, operator: Any, names: Mapping[int, str], schema: Any) -> str:
    """What an operator is called; custom ones behind their kind."""
    code = model.OperatorCodes(operator.OpcodeIndex())
    name = names.get(code_of(model, operator), "an operator newer than this schema")
    if name == CUSTOM:
        own = (code.CustomCode() or b"without a name").decode()
        return own if own in SHIPPED_CUSTOM else f"{CUSTOM} {own}"
    if name == FOREIGN_CALL:
        return f"{FOREIGN_CALL} {FOREIGN_CALL}"
    return _composite(operator, schema) if name == COMPOSITE else name


def _composite(operator: Any, schema: Any) -> str:
    table = operator.BuiltinOptions2()
    if table is None:
        return COMPOSITE
    options = schema.StableHLOCompositeOptions()
    options.Init(table.Bytes, table.Pos)
    return (options.Name() or COMPOSITE.encode()).decode()


def onnx_operators(model: Any) -> Operators:
    """Of an ONNX model and all its functions and inner graphs."""
    own = {function.domain for function in model.functions}
    nodes = [node for graph in (model.graph, *model.functions) for node in _nodes(graph)]
    constants = {entry.name: entry for entry in model.graph.initializer}
    return Operators(
        random=tuple(node.op_type for node in nodes if _draws(node, constants)),
        custom=tuple(
            f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in SHIPPED_DOMAINS and node.domain not in own
        ),
    )


def _nodes(graph: Any) -> Iterator[Any]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _nodes(inner)


def _draws(node: Any, constants: Mapping[str, Any]) -> bool:
    """Whether a node draws; dropout does in training, which its third input says, and nothing but a constant is sure."""
    if node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type != ONNX_DROPOUT or len(node.input) < 3 or not node.input[2]:
        return node.op_type in ONNX_RANDOM
    training = constants.get(node.input[2])
    return training is None or any(training.int32_data) or any(training.raw_data)


def _counted(names: tuple[str, ...]) -> str:
    """Each name once, with how often it is there."""
    times = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(name if count == 1 else f"{name} ({count} times)" for name, count in times.items())
