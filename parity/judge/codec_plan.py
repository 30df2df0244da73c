"""The plan of a run on a codec: its stages by themselves, then what they make together of a sound of any length."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parity.judge.codec_whole import whole_checks
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure.cases import Case, Drawn, Fed
from parity.measure.codec_cases import codec_cases
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from reference.progress import Say
from reference.spec.stages import SAME_ENCODER


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
        fed = codec_cases(judge.stage_model.spec, judge.stage_model.exact(SAME_ENCODER), names)
        return cls(
            judge=judge, variants=plan.variants, cases=[], shared=plan.shared, sweep=plan.sweep, refused=plan.refused, fed=fed
        )

    def cases_of(self, stage: str) -> Sequence[Case | Drawn]:
        return self.fed[stage]

    def _of_the_whole(self, variant: str, say: Say) -> Iterator[Verdict]:
        yield from whole_checks(self.judge, variant, self.fed)
