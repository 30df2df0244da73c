"""LiteRT: CompiledModel with XNNPACK or LiteRT's own kernels, and the classic Interpreter."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from litert_pipeline.bundle import Bundle
from litert_pipeline.run import pipeline
from litert_pipeline.run.classic import open_interpreter
from litert_pipeline.run.tapped import runnable
from reference.spec.generation import Stage

# model, bundle (None: the model dir itself), stage, compute (None: what the manifest asks for), threads
Open = Callable[[Any, Bundle | None, str, str | None, int], AbstractContextManager[Stage]]


def opener(*, kernels: str = "xnnpack") -> Open:
    """Open stages with `kernels`."""

    def open_stage(
        model: object, bundle: Bundle | None, stage: str, compute: str | None, threads: int
    ) -> AbstractContextManager[Stage]:
        assert bundle is not None, "LiteRT runs a bundle"
        return pipeline.open_stage(bundle, stage, compute=compute, threads=threads, kernels=kernels)

    return open_stage


@contextmanager
def open_classic(
    model: object, bundle: Bundle | None, stage: str, compute: str | None, threads: int
) -> Iterator[Stage]:
    """A stage with the Interpreter that CompiledModel succeeds, XNNPACK by default as there; its compute cannot be chosen."""
    assert bundle is not None, "LiteRT runs a bundle"
    entry = bundle.manifest.stages[stage]
    with (
        runnable(bundle.path(stage), entry) as path,
        open_interpreter(path, entry.own_signature, threads=threads) as run,
    ):
        yield entry.translated(run)
