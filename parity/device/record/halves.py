"""What a device does where LiteRT is asked for FP16 compute, by the row that a kit holds."""

from typing import Any

from litert_pipeline.run.litert import LiteRTStage
from parity.device.record.kit import HALF_ROW, Kit
from parity.measure.half_compute import LongRow, recognised
from reference.spec.tensors import Array


def halves(kit: Kit) -> dict[str, Any]:
    """The `kind`, and the shares of two sums that tell it. Raises InputError where CompiledModel cannot be had."""

    def run(row: LongRow) -> Array:
        with LiteRTStage(kit.folder / HALF_ROW, row.signature, compute="fp16") as stage:
            return stage({"x": row.x})["sums"]

    return dict(vars(recognised(run)))
