"""LiteRT's CompiledModel with XNNPACK."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from litert_pipeline.bundle import Bundle
from litert_pipeline.run import pipeline
from reference.pipeline import Model
from reference.spec.generation import Stage


def opener(*, compute: str | None) -> Callable[[Model, Bundle | None, str, int], AbstractContextManager[Stage]]:
    """Open stages in `compute` arithmetic, or in what the bundle's manifest asks for where it is None."""

    def open_stage(model: Model, bundle: Bundle | None, stage: str, threads: int) -> AbstractContextManager[Stage]:
        assert bundle is not None, "a LiteRT variant names a recipe, so its bundle was chosen"
        return pipeline.open_stage(bundle, stage, compute=compute, threads=threads)

    return open_stage
