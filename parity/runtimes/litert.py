"""LiteRT: CompiledModel with XNNPACK or LiteRT's own kernels, and the classic Interpreter."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from litert_pipeline.bundle import Bundle
from litert_pipeline.run import pipeline
from litert_pipeline.run.classic import open_classic_stage
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


def open_classic(
    model: object, bundle: Bundle | None, stage: str, compute: str | None, threads: int
) -> AbstractContextManager[Stage]:
    """A stage with the classic Interpreter; its compute cannot be chosen."""
    assert bundle is not None, "LiteRT runs a bundle"
    return open_classic_stage(bundle, stage, threads=threads)
