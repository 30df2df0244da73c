"""The classic LiteRT Interpreter behind the stage interface."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.advice import unusable
from litert_pipeline.run.litert import native_log
from litert_pipeline.run.rungs import opened_stage
from litert_pipeline.run.tapped import runnable
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.tensors import Array, Signature, Tensors


class InterpreterStage:
    """A `.tflite` file opened with `Interpreter`."""

    def __init__(self, path: Path, signature: Signature, *, threads: int = 1) -> None:
        """Raises InputError if the file is no LiteRT model or has no single signature with these tensors."""
        self.path, self.signature = path, signature
        with native_log():
            from ai_edge_litert.interpreter import Interpreter

            try:
                self._interpreter: Any = Interpreter(model_path=str(path), num_threads=threads)
                runners = _runners(self._interpreter)
            except (ValueError, RuntimeError) as error:
                raise unusable(path, "LiteRT's Interpreter", "load", error) from None
        found = [{name: tuple(detail["shape"]) for name, detail in run.get_input_details().items()} for run in runners]
        wanted = {tensor.name: tensor.shape for tensor in signature.inputs}
        fitting = [run for run, inputs in zip(runners, found, strict=True) if inputs == wanted and _gives(run, signature)]
        if len(fitting) != 1:
            raise InputError(f"{path}: foreign signature, inputs are {' or '.join(map(str, found))}, expected {wanted}")
        self._run: Any = fitting[0]

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        bound = self.signature.bind(feed)
        try:
            with native_log():  # the first call prepares the delegate, which logs
                outputs = self._run(**bound)
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise unusable(self.path, "LiteRT's Interpreter", "run", reason) from None
        return {tensor.name: np.array(outputs[tensor.name]) for tensor in self.signature.outputs}


class _Unsigned:
    """A file without signature behind the interface of a signature runner, by tensor name."""

    def __init__(self, interpreter: Any) -> None:
        interpreter.allocate_tensors()
        self._interpreter = interpreter

    def get_input_details(self) -> dict[str, Any]:
        return {detail["name"]: detail for detail in self._interpreter.get_input_details()}

    def get_output_details(self) -> dict[str, Any]:
        return {detail["name"]: detail for detail in self._interpreter.get_output_details()}

    def __call__(self, **feed: Array) -> Tensors:
        for name, detail in self.get_input_details().items():
            self._interpreter.set_tensor(detail["index"], feed[name])
        self._interpreter.invoke()
        details = self._interpreter.get_output_details()
        return {detail["name"]: self._interpreter.get_tensor(detail["index"]) for detail in details}


def _runners(interpreter: Any) -> list[Any]:
    """One for each signature, or the graph itself where there is none."""
    keys = list(interpreter.get_signature_list())
    return [interpreter.get_signature_runner(key) for key in keys] or [_Unsigned(interpreter)]


def _gives(run: Any, signature: Signature) -> bool:
    return {tensor.name for tensor in signature.outputs} <= set(run.get_output_details())


@contextmanager
def open_classic_stage(bundle: Bundle, name: str, *, threads: int = 1) -> Iterator[Stage]:
    """One stage of a bundle with the Interpreter that CompiledModel succeeds, XNNPACK by default as there; its compute cannot be
    chosen."""
    entry = bundle.manifest.stages[name]
    with (
        runnable(bundle.path(name), entry) as path,
        opened_stage(bundle, name, partial(open_interpreter, path, threads=threads)) as run,
    ):
        yield run


@contextmanager
def open_interpreter(path: Path, signature: Signature, *, threads: int = 1) -> Iterator[InterpreterStage]:
    """An InterpreterStage that is closed without a word on stderr."""
    stage = InterpreterStage(path, signature, threads=threads)
    try:
        yield stage
    finally:
        with native_log():
            del stage._run, stage._interpreter
