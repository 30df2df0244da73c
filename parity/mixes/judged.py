"""A mix judged as the gate judges a bundle."""

from dataclasses import dataclass

from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.judge.left_out import without_unable
from parity.judge.lineup import labelled
from parity.judge.plan import Plan
from parity.measure.cases import Case
from parity.measure.policy import Policy
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from parity.report.bundle_verdict import BundleVerdict, JudgedBundle, bundle_verdict


@dataclass(frozen=True, kw_only=True)
class JudgedMix:
    """A bundle's verdict, all checks it is made of, what each stage stores and computes, and why graphs were not compared."""

    verdict: BundleVerdict
    checks: list[Verdict]
    arithmetic: dict[str, str]
    unseen: dict[str, str]

    @property
    def failed(self) -> list[str]:
        """In words."""
        return [str(check) for check in self.checks if not check.ok]


def judged(judge: Judge, bundle: Bundle, cases: list[Case], sweep: Sweep, policy: Policy) -> JudgedMix:
    """Every check of the gate, by a judge that shares what `judge` knows of the model."""
    with judge.of_others([bundle]) as own:
        ((label, _),) = labelled(own.contenders)
        names = [name for name, contender in own.contenders.items() if contender.bundle is bundle]
        able, left_out = without_unable(names, own.contenders, own.files)
        plan = Plan.of(own, able, cases, sweep)
        checks = list(plan.checks(lambda _: None))
        described = JudgedBundle(path=str(bundle.folder), name=label, variants=names)
        return JudgedMix(
            verdict=bundle_verdict(described, checks, [], [one.variant for one in left_out], policy),
            checks=checks,
            arithmetic={stage: str(own.arithmetic(names[0], stage)) for stage in own.stages(names[0])},
            unseen={one.stage: one.why for one in plan.unseen},
        )
