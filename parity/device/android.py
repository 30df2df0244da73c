"""A phone on the end of `adb`: LiteRT's own `benchmark_model` answers there for each call of a stage, from raw files.

Source of the options and of how outputs are written: google-ai-edge/LiteRT `tflite/tools/benchmark/benchmark_tflite_model.cc`.
Names and order of inputs are the graph's; all outputs are written behind each other, in the graph's order. The tool runs the
classic Interpreter with the XNNPACK delegate, not CompiledModel.
"""

import math
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np

from litert_pipeline.run.tapped import runnable
from parity.bundles.interface import FileTensor, read_interface
from parity.device.record.kit import Kit
from parity.device.record.open_part import Unreachable
from parity.device.record.plan import Variant
from parity.measure.arithmetic import FP16_COMPUTE
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.generation import Stage
from reference.spec.tensors import Array, Tensors

THERE = PurePosixPath("/data/local/tmp/stable-audio-parity")  # where Android lets a shell keep and run files
TOOL, OUT = "benchmark_model", "out.bin"
REACHED = ("get-state",)  # what adb answers with 0 where the device is there
NOT_DELEGATED = "builtin"  # kernels of a variant


@dataclass(frozen=True, kw_only=True)
class Phone:
    """A device that `adb` reaches; `serial` says which of several. `tool`: a `benchmark_model` for it, a file here."""

    tool: Path
    adb: str = "adb"
    serial: str | None = None
    _there: dict[str, PurePosixPath] = field(default_factory=dict)

    def shell(self, *words: str) -> str:
        """What a command prints there. Raises InputError if it fails."""
        return self.line(shlex.join(words))

    def line(self, text: str) -> str:
        """The same of a line that the phone's shell reads: it gets one text, whatever words adb was given."""
        return self._adb("shell", text)

    def put(self, path: Path, name: str) -> PurePosixPath:
        """A file, copied to the phone under a name."""
        if not self._there:
            self.shell("mkdir", "-p", str(THERE))
        self._adb("push", str(path), str(THERE / name))
        self._there[name] = THERE / name
        return THERE / name

    def kept(self, path: Path) -> PurePosixPath:
        """The same once only, for files that stay: the name follows from what they hold."""
        name = sha256_of(path)[:16] + path.suffix
        return self._there.get(name) or self.put(path, name)

    def take(self, name: str, folder: Path) -> Path:
        """A file of the phone's, copied here."""
        self._adb("pull", str(THERE / name), str(folder / name))
        return folder / name

    def benchmark(self, graph: Path, *options: str) -> str:
        """What the tool prints of a graph. Raises InputError if it ends otherwise than it should."""
        if TOOL not in self._there:
            self.shell("chmod", "755", str(self.put(self.tool, TOOL)))
        return self.shell(str(THERE / TOOL), f"--graph={self.kept(graph)}", *options)

    def _adb(self, *words: str) -> str:
        command = [self.adb, *(() if self.serial is None else ("-s", self.serial)), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            advice = "install Android's platform tools, or say where adb is with --adb"
            raise InputError(f"{self.adb}: cannot be run ({error.strerror}); {advice}") from None
        if done.returncode:
            kind = InputError if words == REACHED or self._reached() else Unreachable
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise kind(f"adb {words[0]} ended with {done.returncode} and said: {said}; look whether 'adb devices' lists it")
        return done.stdout

    def _reached(self) -> bool:
        try:
            self._adb(*REACHED)
        except InputError:
            return False
        return True


@contextmanager
def open_on(phone: Phone, kit: Kit, variant: Variant, stage: str, threads: int) -> Iterator[Stage]:
    """A stage of a kit, answered on the phone. When it is called it raises InputError for whatever fails there."""
    bundle = kit.bundles[variant.bundle]
    entry = bundle.manifest.stages[stage]
    with runnable(bundle.path(stage), entry) as path:
        yield entry.translated(answering(phone, path, variant.compute or entry.compute, threads, variant.kernels))


def answering(phone: Phone, path: Path, compute: str, threads: int = 1, kernels: str = "xnnpack") -> Stage:
    """A LiteRT file as a function of its own tensors, by their names. Each call opens it anew there."""
    graph = read_interface(path)
    inputs, outputs = (sorted(tensors, key=lambda tensor: tensor.position) for tensors in (graph.inputs, graph.outputs))
    usual = [
        f"--num_threads={threads}", "--num_runs=1", "--warmup_runs=1", "--min_secs=0", "--warmup_min_secs=0",
        f"--use_xnnpack={_flag(kernels != NOT_DELEGATED)}", f"--xnnpack_force_fp16={_flag(compute == FP16_COMPUTE)}",
    ]  # fmt: skip

    def run(feed: Mapping[str, Array]) -> Tensors:
        with TemporaryDirectory() as folder:
            told = _fed(phone, inputs, feed, Path(folder))
            phone.shell("rm", "-f", str(THERE / OUT))  # else the last call's would be taken for this one's
            phone.benchmark(path, *usual, *told, f"--output_filepath={THERE / OUT}")
            return _parted(_written(phone, path, Path(folder)), outputs, path)

    return run


def _written(phone: Phone, path: Path, folder: Path) -> bytes:
    """What the tool wrote of its outputs. Raises InputError if there is nothing."""
    try:
        return phone.take(OUT, folder).read_bytes()
    except Unreachable:
        raise
    except InputError as error:
        raise InputError(f"{path}: {TOOL} ended with 0 and wrote no outputs ({error}); take a newer one") from None


def _fed(phone: Phone, inputs: list[FileTensor], feed: Mapping[str, Array], folder: Path) -> list[str]:
    """The options that hand over a call's inputs."""
    files = []
    for place, tensor in enumerate(inputs):
        raw = folder / f"in_{place}.bin"
        raw.write_bytes(np.ascontiguousarray(feed[tensor.name], np.dtype(tensor.dtype).newbyteorder("<")).tobytes())
        files.append(f"{_escaped(tensor.tensor_name)}:{phone.put(raw, raw.name)}")
    shapes = [",".join(str(axis) for axis in feed[tensor.name].shape) for tensor in inputs]
    return [
        f"--input_layer={','.join(tensor.tensor_name for tensor in inputs)}",
        f"--input_layer_shape={':'.join(shapes)}",
        f"--input_layer_value_files={','.join(files)}",
    ]


def _escaped(name: str) -> str:
    """Behind a name stands ':' and its file, so one in the name is doubled."""
    return name.replace(":", "::")


def _parted(data: bytes, outputs: list[FileTensor], path: Path) -> Tensors:
    """The tensors that lie behind each other in what the tool wrote."""
    shapes = [_closed(tensor, path) for tensor in outputs]
    sizes = [math.prod(shape) * np.dtype(tensor.dtype).itemsize for tensor, shape in zip(outputs, shapes, strict=True)]
    if sum(sizes) != len(data):
        raise InputError(f"{path}: {TOOL} wrote {len(data)} bytes of its outputs, expected {sum(sizes)}; take a newer one")
    parts = (data[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True))
    return {
        tensor.name: np.frombuffer(part, tensor.dtype).reshape(shape).copy()
        for tensor, shape, part in zip(outputs, shapes, parts, strict=True)
    }


def _closed(tensor: FileTensor, path: Path) -> list[int]:
    """Its shape, which the tool does not write."""
    if None in tensor.shape:
        raise InputError(f"{path}: output {tensor} has an open axis, and {TOOL} writes no shapes; convert it with fixed ones")
    return [axis for axis in tensor.shape if axis is not None]


def _flag(value: bool) -> str:
    return str(value).lower()
