"""Who answers for the stages of a contender: a runtime that opens its files, answers brought from elsewhere, a fault."""

from collections.abc import Callable, Hashable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.open_stages import OpenStages
from parity.bundles.files import Files
from parity.measure.arithmetic import AS_SAVED, FP32_COMPUTE, Arithmetic
from parity.measure.budget import YARDSTICK
from parity.measure.replay import Generate
from parity.runtimes import LITERT, Contender
from parity.runtimes.host import half_compute
from parity.truth.loading import as_loaded
from parity.truth.precision import reduced
from reference.spec.generation import Stage, generate

if TYPE_CHECKING:
    from reference.pipeline import StageModel


class AnswerSource(Protocol):
    """Whoever answers for a contender. The judge asks for nothing else."""

    @property
    def bundle(self) -> Bundle | None:
        """The bundle answers come from; None: the model dir itself."""

    @property
    def stages(self) -> list[str]:
        """The stages there are answers for."""

    @property
    def generate(self) -> Generate:
        """What leads from stage to stage."""

    def stage(self, stage: str) -> Stage:
        """A stage fed the truth's inputs; use it before asking for another one. Raises InputError if it cannot be opened."""

    def generating(self, stage: str) -> Stage:
        """The same in a generation, opened when it is called: not all may fit into memory."""

    def repeated(self, stage: str, count: Callable[[Stage], int]) -> int:
        """How many values differ where the stage is asked again: what `count` finds by asking it. Whoever cannot be asked again
        tells what was found before."""

    def identity(self, stage: str) -> Hashable:
        """Equal for sources that would answer alike, so that they are asked once."""

    def arithmetic(self, stage: str) -> Arithmetic:
        """What the stage stores and computes."""

    def in_float32(self) -> "AnswerSource | None":
        """The same files computed in float32, whatever is asked for: what they err by then is the graphs'. None where nobody
        can run them so."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A contender's runtime opens its files."""

    contender: Contender
    model: "StageModel"
    threads: int
    open_stages: OpenStages
    files: Files

    @property
    def bundle(self) -> Bundle | None:
        return self.contender.bundle

    @property
    def stages(self) -> list[str]:
        return self.contender.stages

    @property
    def generate(self) -> Generate:
        return generate

    def stage(self, stage: str) -> Stage:
        return self.open_stages.stage(
            self.identity(stage), self.contender.size_bytes(stage), lambda: self.contender.open(self.model, stage, self.threads)
        )

    def generating(self, stage: str) -> Stage:
        return lambda feed: self.stage(stage)(feed)

    def repeated(self, stage: str, count: Callable[[Stage], int]) -> int:
        return count(self.stage(stage))

    def identity(self, stage: str) -> Hashable:
        return self.contender.identity(stage, self.files.hashes)

    def arithmetic(self, stage: str) -> Arithmetic:
        if self.contender.bundle is None:
            return self.contender.runtime.own_arithmetic(stage)
        compute = self.contender.computed_in(stage)
        found = self.files.arithmetic(self.contender.bundle, stage, compute)
        by_litert = self.contender.runtime.format == LITERT.format
        return found.on(half_compute().kind) if by_litert and compute != FP32_COMPUTE else found

    def in_float32(self) -> "Run":
        return replace(self, contender=replace(self.contender, compute=FP32_COMPUTE))


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """The reference at reduced precision or, called `YARDSTICK`, in float32, its weights as a loader leaves them: it says how
    large an error is to be expected of a file of that arithmetic."""

    precision: str
    model: "StageModel"
    open_stages: OpenStages
    loading: str = AS_SAVED

    def stage(self, stage: str) -> Stage:
        """The stage at the precision; use it before asking for another one."""
        size_bytes = self.model.weight_bytes(stage)
        return self.open_stages.stage(self.identity(stage), size_bytes, lambda: nullcontext(self._made(stage)))

    def identity(self, stage: str) -> Hashable:
        """Of its answers."""
        return ("reference at", self.precision, stage, self.loading)

    def _made(self, stage: str) -> Stage:
        model = as_loaded(self.model, stage, self.loading)
        return model.stage(stage) if self.precision == YARDSTICK else reduced(model, stage, self.precision)


def float32_source(source: AnswerSource, stage: str) -> AnswerSource | None:
    """Who answers for a stage computed in float32: the source itself, or the same files computed otherwise; None where nobody
    can, as for a file that asks for FP16 itself."""
    plain = source if source.arithmetic(stage).compute == FP32_COMPUTE else source.in_float32()
    return plain if plain is not None and plain.arithmetic(stage).compute == FP32_COMPUTE else None
