"""Answers that were given elsewhere, on a device: found by what was asked, to be judged like those of a runtime here."""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from litert_pipeline.bundle import Bundle
from parity.judge.sources import AnswerSource
from parity.measure.arithmetic import Arithmetic
from parity.measure.replay import Generate
from reference.spec.errors import InputError
from reference.spec.generation import Stage, generate
from reference.spec.tensors import Array, Tensors

Digest = str


def digest_of(feed: Mapping[str, Array]) -> Digest:
    """SHA-256 of what a stage is fed: names, dtypes, shapes and bytes, whatever the order."""
    told = (f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes() for name, array in sorted(feed.items()))
    return hashlib.sha256(b"".join(told)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Answers by stage and by the digest of what was fed; `arithmetics` is what the recorded files store and compute."""

    bundle: Bundle
    arithmetics: Mapping[str, Arithmetic]
    answers: Mapping[str, Mapping[Digest, Tensors]]

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

    def identity(self, stage: str) -> Hashable:
        return ("recorded", stage, tuple(sorted((asked, digest_of(found)) for asked, found in self.answers[stage].items())))

    def arithmetic(self, stage: str) -> Arithmetic:
        return self.arithmetics[stage]

    def _inputs(self, stage: str, feed: Mapping[str, Array]) -> Tensors:
        """What the stage takes of a feed, which may hold more."""
        return self.bundle.manifest.stages[stage].signature.bind(feed)


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """A source that answers as another one does and keeps what it said."""

    source: AnswerSource
    bundle: Bundle
    kept: dict[str, dict[Digest, Tensors]] = field(default_factory=dict)

    @property
    def stages(self) -> list[str]:
        return self.source.stages

    @property
    def generate(self) -> Generate:
        return self.source.generate

    def stage(self, stage: str) -> Stage:
        return self._keeping(stage, self.source.stage(stage))

    def generating(self, stage: str) -> Stage:
        return self._keeping(stage, self.source.generating(stage))

    def identity(self, stage: str) -> Hashable:
        return ("recorder", id(self.kept), stage)

    def arithmetic(self, stage: str) -> Arithmetic:
        return self.source.arithmetic(stage)

    def recorded(self) -> Recorded:
        """All that was asked so far."""
        return Recorded(
            bundle=self.bundle,
            arithmetics={stage: self.arithmetic(stage) for stage in self.stages},
            answers={stage: dict(self.kept.get(stage, {})) for stage in self.stages},
        )

    def _keeping(self, stage: str, run: Stage) -> Stage:
        def kept(feed: Mapping[str, Array]) -> Tensors:
            answer = run(feed)
            asked = digest_of(self.bundle.manifest.stages[stage].signature.bind(feed))
            self.kept.setdefault(stage, {})[asked] = answer
            return answer

        return kept
