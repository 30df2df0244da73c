"""The PyTorch reference in float32."""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from litert_pipeline.bundle import Bundle
from reference.spec.generation import Stage

if TYPE_CHECKING:
    from reference.pipeline import StageModel


def open_stage(
    model: "StageModel", bundle: Bundle | None, stage: str, compute: str | None, threads: int
) -> AbstractContextManager[Stage]:
    """A stage of the model dir; needs no bundle. Threads are a setting of the process, made by the judge."""
    return nullcontext(model.stage(stage))
