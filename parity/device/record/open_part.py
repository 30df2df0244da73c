"""Open stages of a kit with the runtimes their variants are run by."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from litert_pipeline.run.classic import open_classic_stage
from litert_pipeline.run.open_stages import OpenStages
from litert_pipeline.run.pipeline import CLASSIC, open_stage
from parity.device.record.kit import Kit
from parity.device.record.plan import Variant
from reference.spec.errors import InputError
from reference.spec.generation import Stage

KERNELS = ("xnnpack", "builtin", CLASSIC)  # as the rows of runtimes are called
RACE_BYTES = 2**30  # of files that are open together to be timed in turns
HELD_BYTES = 2**27  # of files: all stages of small models; of large ones one at a time, for a phone has little


def open_part(kit: Kit, variant: Variant, stage: str, threads: int) -> AbstractContextManager[Stage]:
    """A stage. Raises InputError if its file cannot be opened."""
    bundle = kit.bundles[variant.bundle]
    if variant.kernels == CLASSIC:
        return open_classic_stage(bundle, stage, threads=threads)
    return open_stage(bundle, stage, compute=variant.compute, threads=threads, kernels=variant.kernels)


class Unreachable(InputError):
    """Who is asked cannot be reached: no other question would fare better."""


Opener = Callable[[Kit, Variant, str, int], AbstractContextManager[Stage]]


@dataclass(frozen=True, kw_only=True)
class OpenParts:
    """Stages that are open, as many as fit; `opened` opens one."""

    kit: Kit
    opened: Opener = open_part
    held: OpenStages = field(default_factory=lambda: OpenStages(held_bytes=HELD_BYTES))

    def stage(self, variant: Variant, stage: str, threads: int) -> Stage:
        """A stage, opened if it is not; use it before asking for the next. Raises InputError as `open_part`."""
        size_bytes = self.size_bytes(variant, stage)
        return self.held.stage((variant.name, stage, threads), size_bytes, lambda: self.opened(self.kit, variant, stage, threads))

    def size_bytes(self, variant: Variant, stage: str) -> int:
        """Of its file."""
        return self.kit.bundles[variant.bundle].manifest.stages[stage].size_bytes

    def in_turns(self, variants: Sequence[Variant], stage: str) -> list[list[Variant]]:
        """Who is timed together, in turns: all where their files fit into memory side by side, else each by itself."""
        together = sum(self.size_bytes(variant, stage) for variant in variants) <= RACE_BYTES
        return [list(variants)] if together else [[variant] for variant in variants]
