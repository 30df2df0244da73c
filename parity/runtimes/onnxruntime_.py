"""ONNX Runtime on the CPU."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.advice import unusable
from parity.runtimes.host import onnxruntime_kernels
from parity.runtimes.onnx_sessions import new_session
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.tensors import Array, Signature, Tensor, Tensors

DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(int32)": "int32", "tensor(int64)": "int64"}


class OnnxStage:
    """An `.onnx` file behind the stage interface, tensors bound by name."""

    def __init__(self, path: Path, signature: Signature, threads: int) -> None:
        """Raises InputError if the file is no ONNX model or its tensors are not those of `signature`."""
        self.path, self.signature = path, signature
        exact = onnxruntime_kernels().needs_option
        try:
            self._session = new_session(path, exact=exact, threads=threads)
        except Exception as error:  # onnxruntime's exception types are generated and share only Exception
            raise unusable(path, "ONNX Runtime", "load", error) from None
        self._check(self._session.get_inputs(), signature.inputs, "input")
        self._check(self._session.get_outputs(), signature.outputs, "output")

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        names, bound = [tensor.name for tensor in self.signature.outputs], self.signature.bind(feed)
        try:
            found = self._session.run(names, bound)
        except Exception as error:  # as above
            reason = " ".join(str(error).split())
            raise unusable(self.path, "ONNX Runtime", "run", reason) from None
        return {name: _widened(array) for name, array in zip(names, found, strict=True)}

    def _check(self, found: list[Any], declared: tuple[Tensor, ...], kind: str) -> None:
        wanted = {tensor.name: (tensor.shape, tensor.dtype) for tensor in declared}
        in_file = {
            node.name: (_closed(node.shape, wanted.get(node.name, ((), ""))[0]), DTYPES.get(node.type, node.type))
            for node in found
        }
        if in_file != wanted:
            raise InputError(f"{self.path}: foreign signature, {kind}s are {in_file}, expected {wanted}")


def _widened(array: Array) -> Array:
    """An answer in float16 as float32, which holds the same values: what follows a stage is computed in float32."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _closed(shape: list[int | str | None], wanted: tuple[int, ...]) -> tuple[int | str | None, ...]:
    """A shape whose open axes, which have a name or none, are as long as they are wanted."""
    if len(shape) != len(wanted):
        return tuple(shape)
    return tuple(axis if isinstance(axis, int) else length for axis, length in zip(shape, wanted, strict=True))


@contextmanager
def open_stage(
    model: object, bundle: Bundle | None, stage: str, compute: str | None, threads: int
) -> Iterator[Stage]:
    """A stage of an ONNX bundle."""
    assert bundle is not None, "ONNX Runtime runs a bundle"
    entry = bundle.manifest.stages[stage]
    yield entry.translated(OnnxStage(bundle.path(stage), entry.own_signature, threads))
