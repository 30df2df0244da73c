"""The PyTorch reference in float32."""

from contextlib import AbstractContextManager, nullcontext

from litert_pipeline.bundle import Bundle
from reference.pipeline import Model
from reference.spec.generation import Stage


def open_stage(model: Model, bundle: Bundle | None, stage: str, threads: int) -> AbstractContextManager[Stage]:
    """A stage of the model dir; needs no bundle. Threads are a setting of the process, made by the judge."""
    return nullcontext(model.stage(stage))
