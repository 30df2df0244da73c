"""One LiteRT model behind the stage interface: tensors bound by name, outputs copied out."""

import atexit
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from litert_pipeline.run.advice import unusable
from litert_pipeline.run.arm_cpu import require_atomics
from reference.spec.errors import InputError
from reference.spec.tensors import Array, Signature, Tensor, Tensors

XNNPACK_FORCE_FP16 = 0x04  # TFLITE_XNNPACK_DELEGATE_FLAG_FORCE_FP16
XNNPACK_FLAGS = {"fp32": None, "fp16": XNNPACK_FORCE_FP16}
KERNEL_MODES = {"xnnpack": "DELEGATE", "builtin": "BUILTIN"}


class LiteRTStage:
    """A `.tflite` file opened with CompiledModel on the CPU.

    `compute` is "fp32", or "fp16" to make XNNPACK calculate in half precision whatever the file holds. `kernels` is
    "xnnpack", or "builtin" for LiteRT's own. Buffers belong to the runtime and are reused between calls, so outputs
    are copies.
    """

    def __init__(
        self, path: Path, signature: Signature, *, compute: str = "fp32", threads: int = 1, kernels: str = "xnnpack"
    ) -> None:
        """Raises InputError if the file is no LiteRT model or its tensors are not those of `signature`, and on a CPU that
        CompiledModel cannot be loaded on."""
        self.path, self.signature = path, signature
        require_atomics()
        with native_log() as log:
            from ai_edge_litert.compiled_model import CompiledModel, CpuKernelMode, CpuOptions, Options  # logs, too

            atexit.unregister(_mute_exit)
            atexit.register(_mute_exit)
            cpu = CpuOptions(
                num_threads=threads, xnnpack_flags=XNNPACK_FLAGS[compute], kernel_mode=CpuKernelMode[KERNEL_MODES[kernels]]
            )
            self._model: Any = None
            self._inputs: dict[str, Any] = {}
            self._outputs: dict[str, Any] = {}
            failure: InputError | None = None
            try:
                self._open(CompiledModel, Options(cpu_options=cpu))
            except InputError as error:
                failure = error
            except RuntimeError as error:
                failure = unusable(path, "LiteRT", "load", _reason(error, log()))
            if failure is not None:  # outside of the handlers: an error's frames hold the model
                self._release()  # while the runtime's parting words are still caught
                raise failure

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        for name, array in self.signature.bind(feed).items():
            self._inputs[name].write(_writable(array))
        try:
            self._model.run_by_name(self._key, self._inputs, self._outputs)
        except RuntimeError as error:
            raise unusable(self.path, "LiteRT", "run", self._said(error)) from None
        return {tensor.name: self._read(tensor) for tensor in self.signature.outputs}

    def __enter__(self) -> "LiteRTStage":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with native_log():
            self._release()

    def _open(self, compiled: Any, options: Any) -> None:
        """Some files load and fail later, when tensors are laid out or buffers first written."""
        self._model = compiled.from_file(str(self.path), options=options)
        self._key = self._fitting_signature()
        for tensor in self.signature.inputs:
            self._inputs[tensor.name] = self._model.create_input_buffer_by_name(self._key, tensor.name)
            self._inputs[tensor.name].write(_writable(np.zeros(tensor.shape, tensor.dtype)))
        for tensor in self.signature.outputs:
            self._outputs[tensor.name] = self._model.create_output_buffer_by_name(self._key, tensor.name)

    def _said(self, error: RuntimeError) -> str:
        """What the runtime logs of a run that fails; nobody listened the first time, for that takes time in every run."""
        with native_log() as log:
            with suppress(RuntimeError):
                self._model.run_by_name(self._key, self._inputs, self._outputs)
            return _reason(error, log())

    def _release(self) -> None:
        self._inputs, self._outputs = {}, {}
        if self._model is not None:
            self._model.close()
        self._model = None

    def _read(self, tensor: Tensor) -> Array:
        flat = self._outputs[tensor.name].read(int(np.prod(tensor.shape)), np.dtype(tensor.dtype).type)
        return np.array(flat).reshape(tensor.shape)

    def _fitting_signature(self) -> str:
        """The file's only signature whose tensors are the declared ones by name, shape and dtype."""
        keys: list[str] = list(self._model.get_signature_list())
        told = {key: self._unlike(key) for key in keys}
        fitting = [key for key in keys if told[key] is None]
        if len(keys) == 1 and not fitting:
            raise InputError(f"{self.path}: foreign signature, {told[keys[0]]}")
        if len(fitting) != 1:
            raise InputError(f"{self.path}: has {len(keys)} signatures {keys}, {len(fitting)} of which fit; expected exactly one")
        return fitting[0]

    def _unlike(self, key: str) -> str | None:
        """How a signature's tensors differ from the declared ones, if they do."""
        sides = (
            ("inputs", self._model.get_input_tensor_details(key), self.signature.inputs),
            ("outputs", self._model.get_output_tensor_details(key), self.signature.outputs),
        )
        for kind, found, declared in sides:
            in_file = {name: (tuple(one["shape"]), np.dtype(one["dtype"]).name) for name, one in found.items()}
            wanted = {tensor.name: (tensor.shape, tensor.dtype) for tensor in declared}
            if in_file != wanted:
                return f"{kind} are {in_file}, expected {wanted}"
        return None


def _writable(array: Array) -> Array:
    """As the buffers' Python interface takes it: it knows no int64, of which each value is handed over as two int32."""
    whole = np.ascontiguousarray(array)
    return whole.view(np.int32) if whole.dtype == np.int64 else whole


@contextmanager
def native_log() -> Iterator[Any]:
    """Keep what native code writes to stderr off the terminal; yields a function that returns it.

    LiteRT has no switch for its log level and prints some twenty lines for every model it opens.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as sink:

        def text() -> str:
            sink.seek(0)
            return sink.read().decode(errors="replace")

        os.dup2(sink.fileno(), 2)
        try:
            yield text
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def _mute_exit() -> None:
    """LiteRT also logs from static destructors, after Python has said its last word."""
    sys.stderr.flush()
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def _reason(error: Exception, log: str) -> str:
    """The last line the runtime logged as an error, else what it raised."""
    errors = [line for line in log.splitlines() if line.startswith("ERROR")]
    return (errors or str(error).splitlines() or [type(error).__name__])[-1].strip()
