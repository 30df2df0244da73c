"""Variants that run the very same file in the same way: what one answers the others do, so it is asked once.

Recipes copy the files of stages they do not touch, so half of what a gate would run it has run before.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from litert_pipeline.bundle import Bundle
from parity.runtimes import VARIANTS
from reference.spec.files import FileHashes


@dataclass
class Alike:
    """Bundles by recipe. `replaced(variant, stage)`: something stands in for the variant's own file."""

    bundles: Mapping[str, Bundle]
    replaced: Callable[[str, str], bool]
    hashes: FileHashes = field(default_factory=FileHashes)

    def first(self, variant: str, stage: str) -> str:
        """The first variant that is like this one in this stage; itself where none is."""
        wanted = self._execution(variant, stage)
        if wanted is None:
            return variant
        return next(other for other in VARIANTS if self._execution(other, stage) == wanted)

    def _execution(self, variant: str, stage: str) -> tuple[str, ...] | None:
        """What runs the stage, how, how it is fed, and the file's own hash, whatever its manifest says."""
        row = VARIANTS.get(variant)
        bundle = self.bundles.get(row.recipe) if row is not None and row.recipe is not None else None
        if row is None or bundle is None or stage not in bundle.manifest.stages or self.replaced(variant, stage):
            return None
        entry = bundle.manifest.stages[stage]
        return (*row.execution(entry), repr(entry.binding), self.hashes.of(bundle.path(stage)))
