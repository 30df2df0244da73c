"""The classic LiteRT Interpreter behind the stage interface; it can also keep every tensor inside the graph."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.run.runner import native_log
from reference.spec.errors import InputError
from reference.spec.tensors import Array, Signature, Tensors


@dataclass(frozen=True, kw_only=True)
class GraphTensor:
    """A float tensor inside the graph. `name` is the converter's: the path of the module that computed it."""

    index: int
    name: str
    shape: tuple[int, ...]


class InterpreterStage:
    """A `.tflite` file opened with `Interpreter`. With `keep_all`, no delegate fuses anything and all tensors stay."""

    def __init__(self, path: Path, signature: Signature, *, threads: int = 1, keep_all: bool = False) -> None:
        """Raises InputError if the file is no LiteRT model or has no single signature with these tensors."""
        self.path, self.signature = path, signature
        with native_log():
            from ai_edge_litert.interpreter import Interpreter, OpResolverType

            plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            try:
                self._interpreter: Any = Interpreter(
                    model_path=str(path),
                    num_threads=threads,
                    experimental_preserve_all_tensors=keep_all,
                    experimental_op_resolver_type=plain if keep_all else OpResolverType.AUTO,
                )
                self._run: Any = self._interpreter.get_signature_runner()
            except (ValueError, RuntimeError) as error:
                raise InputError(f"{path}: LiteRT's Interpreter cannot load it ({error}); convert it again") from None
        found = {name: tuple(detail["shape"]) for name, detail in self._run.get_input_details().items()}
        wanted = {tensor.name: tensor.shape for tensor in signature.inputs}
        if found != wanted:
            raise InputError(f"{path}: foreign signature, inputs are {found}, expected {wanted}")

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        with native_log():  # the first call prepares the delegate, which logs
            outputs = self._run(**self.signature.bind(feed))
        return {tensor.name: np.array(outputs[tensor.name]) for tensor in self.signature.outputs}

    def graph(self) -> list[GraphTensor]:
        """Every float tensor of the graph, in the order of computation as far as indices tell."""
        details = self._interpreter.get_tensor_details()
        return [
            GraphTensor(index=detail["index"], name=detail["name"], shape=tuple(detail["shape"].tolist()))
            for detail in details
            if detail["dtype"] == np.float32
        ]

    def value(self, tensor: GraphTensor) -> Array:
        """A tensor's value after the last call; needs `keep_all`."""
        return np.array(self._interpreter.get_tensor(tensor.index))


@contextmanager
def open_interpreter(
    path: Path, signature: Signature, *, threads: int = 1, keep_all: bool = False
) -> Iterator[InterpreterStage]:
    """An InterpreterStage that is closed without a word on stderr."""
    stage = InterpreterStage(path, signature, threads=threads, keep_all=keep_all)
    try:
        yield stage
    finally:
        with native_log():
            del stage._run, stage._interpreter
