"""Answers that were given elsewhere, on a device: found by what was asked, to be judged like those of a runtime here."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from litert_pipeline.bundle import Bundle
from parity.measure.arithmetic import Arithmetic
from parity.measure.asked import Digest, digest_of
from parity.measure.replay import Generate
from reference.spec.errors import InputError
from reference.spec.generation import Stage, generate
from reference.spec.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Answers by stage and by the digest of what was fed; `arithmetics` is what the recorded files store and compute.

    `unequal`: by stage, how many values differed where it was asked again. `files`: by stage, equal for those of one device that
    ran the very same file; without, those whose answers are equal are taken for one.
    """

    bundle: Bundle
    arithmetics: Mapping[str, Arithmetic]
    answers: Mapping[str, Mapping[Digest, Tensors]]
    unequal: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, Hashable] = field(default_factory=dict)

    @property
    def stages(self) -> list[str]:
        return list(self.answers)

    @property
    def generate(self) -> Generate:
        return generate

    def stage(self, stage: str) -> Stage:
        def found(feed: Mapping[str, Array]) -> Tensors:
            own = self._inputs(stage, feed)
            digest = digest_of(own)
            if digest not in self.answers[stage]:
                raise InputError(
                    f"{self.bundle.path(stage)}: no answer was recorded for these inputs ({', '.join(own)}), "
                    f"digest {digest[:12]}; record the same cases with the same kit"
                )
            return self.answers[stage][digest]

        return found

    def generating(self, stage: str) -> Stage:
        return self.stage(stage)

    def repeated(self, stage: str, count: Callable[[Stage], int]) -> int:
        if stage not in self.unequal:
            raise InputError(f"{self.bundle.path(stage)}: was not asked again on the device; record again")
        return self.unequal[stage]

    def identity(self, stage: str) -> Hashable:
        if stage in self.files:
            return ("recorded", self.files[stage])
        return ("recorded", stage, tuple(sorted((asked, digest_of(found)) for asked, found in self.answers[stage].items())))

    def arithmetic(self, stage: str) -> Arithmetic:
        return self.arithmetics[stage]

    def in_float32(self) -> None:
        """What was recorded is all there is."""

    def _inputs(self, stage: str, feed: Mapping[str, Array]) -> Tensors:
        """What the stage takes of a feed, which may hold more."""
        return self.bundle.manifest.stages[stage].signature.bind(feed)
