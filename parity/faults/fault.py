"""What a fault is: where it belongs, what goes wrong, who suffered from it, and how it gets in."""

from dataclasses import dataclass
from typing import Protocol

from parity.faults.bench import Bench
from parity.faults.injection import InStage
from parity.judge.judge import Judge

DERIVED = "derived from the code"  # nobody is known to have published this one
SITES = ("weights", "graph", "wiring", "tokenizer", "sampler", "noise", "runtime", "file")


class Injection(Protocol):
    """Gives a judge of the same model in which one variant misbehaves; may be given one that does already.

    `share` is how much of the fault is injected: 1 is the whole of it, 0.01 a hundredth of the way from right to wrong.
    """

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge: ...


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One entry of the catalogue.

    `stage` is the one to blame, `site` what is tampered with, `source` a public thread, the file
    whose convention it breaks, or `DERIVED`. `graded` is whether a
    `share` of it means anything; the others are there or not. `cases` are wanted beside the usual ones, `variants`
    the only ones it can befall, `config` the seeded model that can show it.
    """

    name: str
    stage: str
    site: str
    sentence: str
    source: str
    inject: Injection
    graded: bool = True
    cases: tuple[str, ...] = ()
    variants: tuple[str, ...] | None = None
    config: str = "tiny"

    @property
    def in_generations_only(self) -> bool:
        """Whether it shows only when the variant feeds itself."""
        return isinstance(self.inject, InStage) and self.inject.in_generations

    def befalls(self, variant: str) -> bool:
        """Whether the variant can have it."""
        return self.variants is None or variant in self.variants
