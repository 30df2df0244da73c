"""A graph that counts its calls in a variable and, from some call on, answers something else."""

from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.run.litert import native_log

NAME = b"calls"


def let_count(path: Path, calls: int) -> None:
    """Rewrite a `.tflite` file: beyond so many `calls` one is added to every value of its first output."""
    with native_log():
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)
    _count(_Editor(model, model.subgraphs[0], schema), calls)
    builder = flatbuffers.Builder(path.stat().st_size)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


class _Editor:
    """Adds tensors and operators to one subgraph of a model."""

    def __init__(self, model: Any, graph: Any, schema: Any) -> None:
        self.model, self.graph, self.schema = model, graph, schema

    def tensor(self, name: str, kind: str, value: float | None = None, like: Any = None) -> int:
        """A tensor of one value, constant where that is given, or one like another; its index."""
        tensor = self.schema.TensorT()
        tensor.name, tensor.type = name.encode(), getattr(self.schema.TensorType, kind)
        tensor.shape = [1] if like is None else list(like.shape)
        tensor.buffer = 0 if value is None else self._buffer(value)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, kind: str, inputs: list[int], outputs: list[int], options: Any = None) -> Any:
        """An operator, not yet in its place."""
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.version = getattr(self.schema.BuiltinOperator, kind), 1
        code.deprecatedBuiltinCode = min(code.builtinCode, self.schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
        self.model.operatorCodes.append(code)
        operator = self.schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        return operator

    def handle(self) -> tuple[int, Any]:
        """A tensor that stands for the variable, and the operator that writes it."""
        options = self.schema.VarHandleOptionsT()
        options.container, options.sharedName = b"", NAME
        index = self.tensor("handle", "RESOURCE")
        return index, self.operator("VAR_HANDLE", [], [index], options)

    def _buffer(self, value: float) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.float32(value).tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1


def _count(edit: _Editor, calls: int) -> None:
    schema, graph = edit.schema, edit.graph
    once = schema.CallOnceOptionsT()
    once.initSubgraphIndex = _start_at_zero(edit)
    handle, make = edit.handle()
    before, after, over, added = (edit.tensor(name, "FLOAT32") for name in ("before", "after", "over", "added"))
    graph.tensors[over].type = schema.TensorType.BOOL
    right = graph.outputs[0]
    wrong = edit.tensor("counted", "FLOAT32", like=graph.tensors[right])
    graph.operators += [
        edit.operator("CALL_ONCE", [], [], once),
        make,
        edit.operator("READ_VARIABLE", [handle], [before]),
        edit.operator("ADD", [before, edit.tensor("one", "FLOAT32", 1)], [after], schema.AddOptionsT()),
        edit.operator("ASSIGN_VARIABLE", [handle, after], []),
        edit.operator("GREATER", [after, edit.tensor("calls", "FLOAT32", calls)], [over]),
        edit.operator("CAST", [over], [added]),
        edit.operator("ADD", [right, added], [wrong], schema.AddOptionsT()),
    ]
    graph.outputs = [wrong, *graph.outputs[1:]]
    for entry in edit.model.signatureDefs or []:
        for output in entry.outputs:
            output.tensorIndex = wrong if output.tensorIndex == right else output.tensorIndex


def _start_at_zero(edit: _Editor) -> int:
    """The subgraph that is run once, by its index."""
    start = edit.schema.SubGraphT()
    start.name, start.tensors, start.inputs, start.outputs, start.operators = b"start", [], [], [], []
    edit.model.subgraphs.append(start)
    inner = _Editor(edit.model, start, edit.schema)
    handle, make = inner.handle()
    start.operators += [make, inner.operator("ASSIGN_VARIABLE", [handle, inner.tensor("zero", "FLOAT32", 0)], [])]
    return len(edit.model.subgraphs) - 1
