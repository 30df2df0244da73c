"""In which forms a stage's module may have been handed to a converter: as the reference has it, or rewritten."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from torch import nn

from litert_pipeline.build.stage import exportable
from parity.truth.interpreted import Use, Uses, uses_of
from parity.truth.precision import half
from reference.pipeline import Model
from reference.spec.stages import signatures
from reference.spec.tensors import Signature


@dataclass(frozen=True)
class Form:
    """A stage's module as `rewrite` makes it. It is made, and looked through, when it is first asked for."""

    model: Model
    stage: str
    rewrite: Callable[[Model, str], nn.Module]

    @property
    def signature(self) -> Signature:
        return signatures(self.model.spec)[self.stage]

    @cached_property
    def module(self) -> nn.Module:
        return self.rewrite(self.model, self.stage)

    @cached_property
    def uses(self) -> Uses:
        """All its constants."""
        return uses_of(self.module, self.signature)

    @cached_property
    def halved(self) -> Mapping[int, Use]:
        """The same by place, with every stored tensor rounded to float16 first, as stable-audio-tools loads some."""
        module = copy.deepcopy(self.model.modules[self.stage])
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point():
                tensor.data = half(tensor.data)
        rounded = self.rewrite(replace(self.model, modules={self.stage: module}), self.stage)
        return {use.place: use for use in uses_of(rounded, self.signature).found}


def forms(model: Model, stage: str) -> tuple[Form, ...]:
    """The reference's own, and what our converter is given."""
    return Form(model, stage, _as_it_is), Form(model, stage, exportable)


def _as_it_is(model: Model, stage: str) -> nn.Module:
    return model.modules[stage]
