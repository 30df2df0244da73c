"""LiteRT: CompiledModel with XNNPACK or LiteRT's own kernels, and the classic Interpreter."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from litert_pipeline.bundle import Bundle
from litert_pipeline.run import pipeline
from litert_pipeline.run.classic import open_interpreter
from reference.pipeline import Model
from reference.spec.generation import Stage

Open = Callable[[Model, Bundle | None, str, int], AbstractContextManager[Stage]]


def opener(*, compute: str | None, kernels: str = "xnnpack") -> Open:
    """Open stages in `compute` arithmetic, or in what the bundle's manifest asks for where it is None."""

    def open_stage(model: Model, bundle: Bundle | None, stage: str, threads: int) -> AbstractContextManager[Stage]:
        assert bundle is not None, "a LiteRT variant names a recipe, so its bundle was chosen"
        return pipeline.open_stage(bundle, stage, compute=compute, threads=threads, kernels=kernels)

    return open_stage


@contextmanager
def open_classic(model: Model, bundle: Bundle | None, stage: str, threads: int) -> Iterator[Stage]:
    """A stage with the Interpreter that CompiledModel succeeds, XNNPACK by default as there."""
    assert bundle is not None, "a LiteRT variant names a recipe, so its bundle was chosen"
    entry = bundle.manifest.stages[stage]
    with open_interpreter(bundle.path(stage), entry.own_signature, threads=threads) as run:
        yield entry.translated(run)
