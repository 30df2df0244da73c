"""The plan of a run on a codec: its stages by themselves, then what they make together of a sound of any length."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.judge.codec_rungs import ladder_of, lengths_of
from parity.judge.codec_whole import whole_checks
from parity.judge.judge import Judge
from parity.judge.plan import Asked, Plan
from parity.measure.cases import Case, Drawn, Fed
from parity.measure.codec_cases import cases_of_lengths, codec_cases
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from reference.progress import Say
from reference.spec.errors import InputError
from reference.spec.stages import PRESENT, SAME_ENCODER


@dataclass(frozen=True, kw_only=True)
class CodecPlan(Plan):
    """What is fed to a stage depends on the stage: `fed`."""

    fed: Mapping[str, Sequence[Fed]]

    @classmethod
    def of_codec(
        cls, judge: Judge, variants: list[str], names: list[str] | None = None, sweep: Sweep | None = None
    ) -> "CodecPlan":
        """The plan of a gate run; `names` are the cases, all if left out. Raises InputError for an unknown one."""
        plan = Plan.of(judge, variants, [], sweep)
        spec, encode = judge.stage_model.spec, judge.stage_model.exact(SAME_ENCODER)
        lengths = [frames for frames in lengths_of(judge, plan.variants) if frames < spec.latent_frames]
        fed, more = codec_cases(spec, encode, names), cases_of_lengths(spec, encode, lengths)
        fed = {stage: [*fed[stage], *more[stage]] for stage in fed}
        return cls(
            judge=judge, variants=plan.variants, cases=[], shared=plan.shared, sweep=plan.sweep, refused=plan.refused, fed=fed
        )

    def cases_of(self, stage: str) -> Sequence[Case | Drawn]:
        return self.fed[stage]

    def asked(self, variant: str, stage: str, cases: Sequence[Asked]) -> Sequence[Asked]:
        """Of a file with a signature for each of some lengths what it codes exactly. Raises InputError if that is no case."""
        ladder = ladder_of(self.judge, variant, stage)
        if ladder is None:
            return cases
        ladder.require(self.judge.stage_model.spec.latent_frames)
        found = [case for case in cases if ladder.codes(_frames(case))]
        if not found and any(isinstance(case, Fed) for case in cases):
            told = f"{variant}: {stage} has signatures of {ladder.told} frames, which code none of the cases asked for"
            raise InputError(f"{told}; leave them out")
        return found

    @property
    def covered(self) -> dict[str, str]:
        """With a word on files that were asked less."""
        told = super().covered
        for variant in self.variants:
            for stage in told:
                if (ladder := ladder_of(self.judge, variant, stage)) is not None:
                    told[stage] += f"; of {variant} lengths that signatures of {ladder.told} frames code exactly"
        return told

    def _of_the_whole(self, variant: str, say: Say) -> Iterator[Verdict]:
        yield from whole_checks(self.judge, variant, self.fed)


def _frames(case: Case | Drawn) -> int:
    """How many frames there are of what a stage is fed."""
    assert isinstance(case, Drawn), "a codec is fed, it does not generate"
    return int(case.feeds[0][PRESENT.name].sum())
