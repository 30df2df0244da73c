"""A clean judge, and what injections into it share."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.measure.cases import Case
from parity.measure.sweep import Sweep
from reference.pipeline import Model, TorchStage
from reference.spec.generation import Stage
from reference.spec.stages import signatures
from reference.spec.tensors import Array, Tensors

Edit = Callable[[nn.Module], nn.Module]  # a module to one that is wrong; may change the copy it is given


@dataclass(kw_only=True)
class Bench:
    """`model` is what the judge judges, `folder` takes altered files, `converted` holds files made of wrong modules, by
    fault."""

    judge: Judge
    model: Path
    folder: Path
    converted: dict[str, Path] = field(default_factory=dict)
    _remembered: dict[tuple[str, str], Stage] = field(default_factory=dict)
    _wrong: tuple[Edit, Stage] | None = None

    def right(self, variant: str, stage: str) -> Stage:
        """The clean variant's stage, which computes each answer once."""
        key = (variant, stage)
        if key not in self._remembered:
            self._remembered[key] = Remembered(self.judge.stage(variant, stage))
        return self._remembered[key]

    def exact(self, stage: str) -> Stage:
        """The stage in float64, which computes each answer once."""
        key = ("", stage)
        if key not in self._remembered:
            self._remembered[key] = Remembered(self.judge.model.exact(stage))
        return self._remembered[key]

    def wrong(self, stage: str, edit: Edit) -> Stage:
        """The stage made of an edited module, in float64, which computes each answer once, till the next edit."""
        if self._wrong is None or self._wrong[0] is not edit:
            model = self.judge.model.to(torch.float64, (stage,))
            self._wrong = edit, Remembered(TorchStage(edited(model, stage, edit), signatures(model.spec)[stage]))
        return self._wrong[1]

    def warm(self, variant: str, stage: str, cases: list[Case], *, swept: bool = True) -> None:
        """Ask a clean variant and its yardsticks all that is asked about a stage, so that judges with a fault find that done."""
        for case in cases:
            self.judge.teacher_forced(stage, variant, case)
        self.judge.structure(stage, variant, cases)
        for drawn in self.judge.drawn(stage, cases[0], Sweep()) if swept else ():
            self.judge.swept(variant, drawn)

    def bundle(self, variant: str) -> Bundle:
        """The clean bundle a variant runs."""
        bundle = self.judge.contenders[variant].bundle
        assert bundle is not None, "faults are injected into converted variants"
        return bundle


class Remembered:
    """A stage that gives the same array again for an input it has seen. Answers are read, never written."""

    def __init__(self, run: Stage) -> None:
        self._run, self._answers = run, dict[str, Tensors]()

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        key = sha256(b"".join(name.encode() + feed[name].tobytes() for name in sorted(feed))).hexdigest()
        if key not in self._answers:
            self._answers[key] = self._run(feed)
        return self._answers[key]


def edited(model: Model, stage: str, edit: Edit) -> nn.Module:
    """A wrong copy of the module of a stage."""
    with torch.no_grad():
        return edit(copy.deepcopy(model.modules[stage])).eval().requires_grad_(False)
