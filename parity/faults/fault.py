"""What a fault is: where it belongs, what goes wrong, who suffered from it, and how it gets in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Protocol

from parity.faults.bench import Bench
from parity.faults.injection import InModule, InStage
from parity.judge.judge import Judge

DERIVED = "derived from the code"  # nobody is known to have published this one
SITES = ("weights", "graph", "wiring", "tokenizer", "sampler", "noise", "runtime", "file")


class Injection(Protocol):
    """Gives a judge of the same model in which one variant misbehaves; may be given one that does already.

    `share` is how much of the fault is injected: 1 is the whole of it, 0.01 a hundredth of the way from right to wrong.
    """

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge: ...


@dataclass(frozen=True, kw_only=True)
class Told:
    """What people are told of a fault, and what goes from process to process.

    `stage` is the one to blame, `site` what is tampered with, `source` a public thread, the file
    whose convention it breaks, or `DERIVED`. `graded` is whether a
    `share` of it means anything; the others are there or not. `hidden`: by arithmetic, why what that rounds hides it in a model.
    """

    name: str
    stage: str
    site: str
    sentence: str
    source: str
    graded: bool = True
    hidden: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Fault(Told):
    """One entry of the catalogue.

    `instead` is how it gets into some variants, by name. `cases` are wanted beside the usual ones, `variants`
    the only ones it can befall, `config` the seeded model that can show it.
    """

    inject: Injection
    instead: Mapping[str, Injection] = field(default_factory=dict)
    cases: tuple[str, ...] = ()
    variants: tuple[str, ...] | None = None
    config: str = "tiny"

    @property
    def told(self) -> Told:
        """What is told of it."""
        return Told(**{told.name: getattr(self, told.name) for told in fields(Told)})

    @property
    def in_generations_only(self) -> bool:
        """Whether it shows only when the variant feeds itself."""
        return isinstance(self.inject, InStage) and self.inject.in_generations

    @property
    def touches(self) -> set[str]:
        """The stage to blame, and where it is really injected."""
        return {self.stage, *([self.inject.stage] if isinstance(self.inject, InStage | InModule) else [])}

    def into(self, variant: str) -> Injection:
        """How it gets into a variant."""
        return self.instead.get(variant, self.inject)

    def befalls(self, variant: str) -> bool:
        """Whether the variant can have it."""
        return self.variants is None or variant in self.variants
