"""The verdict of one bundle among those of a run."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from parity.explain.suspects import suspects
from parity.measure.verdict import TEACHER_FORCED, Verdict

PUBLISH, REFUSE, NOT_JUDGED = "publish", "refuse", "not judged"


@dataclass(frozen=True, kw_only=True)
class JudgedBundle:
    """A bundle of a run: where it is, what its checks call it, and the variants that run it."""

    path: str
    name: str
    variants: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A stage whose very file, run in the same way, was judged as that of the variant `judged_as`."""

    variant: str
    stage: str
    judged_as: str


@dataclass(frozen=True, kw_only=True)
class BundleVerdict:
    """What was found of a bundle; `why` is the check that tells most about a refusal, or why nothing was judged."""

    bundle: JudgedBundle
    verdict: str
    checks: int
    failed: int
    why: str

    def __str__(self) -> str:
        counted = f"{self.checks} checks, {self.failed} failed"
        return f"{self.bundle.path} ({self.bundle.name}): {self.why or counted}"


def bundle_verdict(
    bundle: JudgedBundle, checks: Sequence[Verdict], shared: Sequence[Shared], left_out: Collection[str]
) -> BundleVerdict:
    """Of all checks of a run those of this bundle decide: its own, and those of the files it shares with another one."""
    judged = [variant for variant in bundle.variants if variant not in left_out]
    names = {bundle.name, *judged}
    elsewhere = {(stage.judged_as, stage.stage) for stage in shared if stage.variant in judged}
    own = [check for check in checks if check.variant in names or _is_of(check, elsewhere)]
    failed = [check for check in own if not check.ok]
    if not judged:
        verdict, why = NOT_JUDGED, f"this machine runs none of {', '.join(bundle.variants)} right"
    else:
        verdict = PUBLISH if own and not failed else REFUSE
        why = str(suspects(failed)[0]) if failed else "" if own else "nothing was measured"
    return BundleVerdict(bundle=bundle, verdict=verdict, checks=len(own), failed=len(failed), why=why)


def _is_of(check: Verdict, stages: Collection[tuple[str, str]]) -> bool:
    """Whether a check is of one of these stages by itself; what leads from stage to stage is every variant's own."""
    return check.ladder == TEACHER_FORCED and (check.variant, check.stage) in stages
