"""In which forms a stage's module may have been handed to a converter: as the reference has it, or rewritten; and with which
weights, the checkpoint's or what a loader made of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from torch import nn

from litert_pipeline.build.same_folded import fold_bottleneck
from litert_pipeline.build.stage import exportable
from parity.measure.arithmetic import AS_SAVED
from parity.truth.interpreted import Uses, uses_of
from parity.truth.loading import as_loaded, loadings
from reference.pipeline import StageModel
from reference.spec.stages import CODEC_STAGES, signatures
from reference.spec.tensors import Signature


@dataclass(frozen=True)
class Form:
    """A stage's module as `rewrite` makes it of loaded weights. It is made, and looked through, when it is first asked for."""

    model: StageModel
    stage: str
    rewrite: Callable[[StageModel, str], nn.Module]
    loading: str = AS_SAVED

    @property
    def signature(self) -> Signature:
        return signatures(self.model.spec)[self.stage]

    @cached_property
    def module(self) -> nn.Module:
        return self.rewrite(as_loaded(self.model, self.stage, self.loading), self.stage)

    @cached_property
    def uses(self) -> Uses:
        """All its constants."""
        return uses_of(self.module, self.signature)

    @cached_property
    def rounded(self) -> tuple["Form", ...]:
        """The same of weights that were rounded when they were loaded, in every way in which a loader does."""
        return tuple(replace(self, loading=loading) for loading in loadings(self.model.modules[self.stage]))


def forms(model: StageModel, stage: str) -> tuple[Form, ...]:
    """The reference's own, and what our converter is given. A codec's own has a length that follows from what it is fed, which is
    no one graph; others multiply its bottleneck into a layer."""
    converted = Form(model, stage, exportable)
    return (converted, Form(model, stage, _folded)) if stage in CODEC_STAGES else (Form(model, stage, _as_it_is), converted)


def _folded(model: StageModel, stage: str) -> nn.Module:
    return fold_bottleneck(exportable(model, stage))


def _as_it_is(model: StageModel, stage: str) -> nn.Module:
    return model.modules[stage]
