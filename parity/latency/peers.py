"""Other runtimes in the same race: same weights, same inputs, answers held to the budgets of a float variant."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from litert_pipeline.build.export import quiet
from litert_pipeline.build.stage import PLAIN, exportable
from litert_pipeline.run.litert import native_log
from parity.judge.judge import Judge
from parity.latency.entrants import Entrant, of_variant
from parity.measure.budget import YARDSTICK
from reference.pipeline import TorchStage
from reference.progress import Say
from reference.spec.generation import Stage
from reference.spec.stages import signatures
from reference.spec.tensors import Array, Signature, Tensors

FLOAT, INT8 = "onnx_fp32", "onnx_int8"  # whose budgets peers are held to
OPENVINO, EXECUTORCH, COMPILED = "openvino_fp32", "executorch_fp32", "torch_compile"


def peers(judge: Judge, folder: Path, say: Say) -> list[Entrant]:
    """Every runtime that is installed; those that run ONNX files only with such a bundle. Files of theirs go to `folder`."""
    found = [of_variant(judge, YARDSTICK), _peer(COMPILED, YARDSTICK, _compiled(judge))]
    found += [of_variant(judge, variant) for variant in (FLOAT, INT8) if variant in judge.contenders]
    if FLOAT not in judge.contenders:
        say(f"no {FLOAT} bundle: ONNX Runtime and OpenVINO do not take part")
    elif _installed("openvino", say):
        found.append(_peer(OPENVINO, FLOAT, _openvino(judge)))
    if _installed("executorch", say):
        found.append(_peer(EXECUTORCH, YARDSTICK, _executorch(judge, folder)))
    return found


def _installed(package: str, say: Say) -> bool:
    found = find_spec(package) is not None
    if not found:
        say(f"{package} is not installed and does not take part (pip install '.[peers]')")
    return found


def _peer(name: str, budgets: str, opening: Callable[[str, int], AbstractContextManager[Stage]]) -> Entrant:
    return Entrant(name=name, budgets=budgets, open=opening, same=lambda stage: name)


def _compiled(judge: Judge) -> Callable[[str, int], AbstractContextManager[Stage]]:
    """The reference through TorchInductor; weight norm and RoPE tables are folded beforehand, as for any converter."""

    def opening(stage: str, threads: int) -> AbstractContextManager[Stage]:
        module = torch.compile(exportable(judge.model, stage, PLAIN))
        return nullcontext(TorchStage(module, _signature(judge, stage), torch.float32))  # type: ignore[arg-type]

    return opening


def _openvino(judge: Judge) -> Callable[[str, int], AbstractContextManager[Stage]]:
    """The ONNX files in OpenVINO, in float32 even where the CPU has something shorter."""

    def opening(stage: str, threads: int) -> AbstractContextManager[Stage]:
        import openvino

        bundle, core = judge.contenders[FLOAT].bundle, openvino.Core()
        assert bundle is not None, "ONNX Runtime runs a bundle"
        options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        model = core.compile_model(str(bundle.path(stage)), "CPU", options)
        signature = bundle.manifest.stages[stage].signature

        def run(feed: Mapping[str, Array]) -> Tensors:
            answer = model(signature.bind(feed))
            return {tensor.name: np.array(answer[tensor.name]) for tensor in signature.outputs}

        return nullcontext(run)

    return opening


def _executorch(judge: Judge, folder: Path) -> Callable[[str, int], AbstractContextManager[Stage]]:
    """ExecuTorch with all that its XNNPACK backend takes; the file is written once."""

    @contextmanager
    def opening(stage: str, threads: int) -> Iterator[Stage]:
        path, signature = folder / f"{stage}.pte", _signature(judge, stage)
        with quiet():
            if not path.exists():
                path.write_bytes(_exported(exportable(judge.model, stage, PLAIN), signature))
            from executorch.extension.pybindings import portable_lib
            from executorch.runtime import Runtime

            portable_lib._unsafe_reset_threadpool(threads)
            program = Runtime.get().load_program(path)
            method = program.load_method("forward")
        assert method is not None, "every program has it"

        def run(feed: Mapping[str, Array]) -> Tensors:
            with native_log():
                answer = method.execute([torch.from_numpy(array) for array in signature.bind(feed).values()])
            return {t.name: found.numpy().copy() for t, found in zip(signature.outputs, answer, strict=True)}

        yield run

    return opening


def _exported(module: torch.nn.Module, signature: Signature) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    sample = {t.name: torch.ones(t.shape, dtype=getattr(torch, t.dtype)) for t in signature.inputs}
    program = torch.export.export(module, (), kwargs=sample)
    return bytes(to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch().buffer)


def _signature(judge: Judge, stage: str) -> Signature:
    return signatures(judge.model.spec)[stage]
