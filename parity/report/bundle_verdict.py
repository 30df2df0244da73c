"""The verdict of one bundle among those of a run: is it faithful, is it close enough, and so may it be published?"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from litert_pipeline.bundle import folder_name
from parity.explain.suspects import suspects
from parity.measure.contents import StageArithmetic
from parity.measure.policy import Closeness, Loaded, Policy
from parity.measure.verdict import DOMAIN, TEACHER_FORCED, Verdict

PUBLISH, REFUSE, NOT_JUDGED = "publish", "refuse", "not judged"


@dataclass(frozen=True, kw_only=True)
class JudgedBundle:
    """A bundle of a run: where it is, what its checks call it, the variants that run it, and what its files store and compute,
    where it was judged."""

    path: str
    name: str
    variants: Sequence[str]
    arithmetic: Sequence[StageArithmetic] = ()

    @property
    def folder(self) -> str:
        """The name of its folder, without those above it: reports are read where they do not exist."""
        return folder_name(Path(self.path))


@dataclass(frozen=True, kw_only=True)
class Shared:
    """A stage whose very file, run in the same way, was judged as that of the variant `judged_as`."""

    variant: str
    stage: str
    judged_as: str


@dataclass(frozen=True, kw_only=True)
class BundleVerdict:
    """What was found of a bundle.

    `faithful`: every check held. `close` are its distances, held to the bars of a policy; none without one. `loaded` are weights
    that were rounded before they were converted, with what the policy says to that. `why` tells most about a refusal, or why
    nothing was judged.
    """

    bundle: JudgedBundle
    verdict: str
    checks: int
    failed: int
    why: str
    close: Sequence[Closeness] = ()
    loaded: Sequence[Loaded] = ()

    @property
    def faithful(self) -> bool:
        """The file is the model it claims to be, at the precision it claims."""
        return self.checks > 0 and self.failed == 0

    @property
    def close_enough(self) -> bool:
        """Every distance is what the policy asks for, and it accepts how the weights were loaded."""
        return all(one.ok for one in self.close) and all(one.ok for one in self.loaded)

    @property
    def answers(self) -> str:
        """Both, in words."""
        if self.verdict == NOT_JUDGED:
            return NOT_JUDGED
        close = "close enough" if self.close_enough else "not close enough"
        return f"{'faithful' if self.faithful else 'not faithful'}{f', {close}' if self.close or self.loaded else ''}"

    def __str__(self) -> str:
        counted = f"{self.checks} checks, {self.failed} failed"
        accepted = "".join(f"; {one}" for one in self.loaded)
        return f"{self.bundle.path} ({self.bundle.name}): {self.why or f'{self.answers}; {counted}{accepted}'}"


def bundle_verdict(
    bundle: JudgedBundle,
    checks: Sequence[Verdict],
    shared: Sequence[Shared],
    left_out: Collection[str],
    policy: Policy | None = None,
) -> BundleVerdict:
    """Of all checks of a run those of this bundle decide: its own, and those of the files it shares with another one."""
    judged = [variant for variant in bundle.variants if variant not in left_out]
    names = {bundle.name, *judged}
    elsewhere = {(stage.judged_as, stage.stage) for stage in shared if stage.variant in judged}
    own = [check for check in checks if check.variant in names or _is_of(check, elsewhere)]
    failed = [check for check in own if not check.ok]
    close = policy.held(bundle.name, own) if policy else []
    loaded = policy.loading.held({stage.stage: stage.loaded for stage in bundle.arithmetic}) if policy else []
    why = _why(bundle, judged, own, failed, [*close, *loaded])
    verdict = NOT_JUDGED if not judged else REFUSE if why else PUBLISH
    return BundleVerdict(
        bundle=bundle, verdict=verdict, checks=len(own), failed=len(failed), why=why, close=close, loaded=loaded
    )


def _why(
    bundle: JudgedBundle, judged: list[str], own: list[Verdict], failed: list[Verdict], asked: list[Closeness | Loaded]
) -> str:
    """Why it is not to be published; nothing if it is."""
    if not judged:
        return f"this machine runs none of {', '.join(bundle.variants)} right"
    if not own:
        return "nothing was measured"
    if failed:
        return str(suspects(failed)[0])
    far = [one for one in asked if not one.ok]
    return f"faithful, but not close enough: {'; '.join(map(str, far))}" if far else ""


def _is_of(check: Verdict, stages: Collection[tuple[str, str]]) -> bool:
    """Whether a check is of one of these stages by itself; what leads from stage to stage is every variant's own."""
    return check.ladder in (TEACHER_FORCED, DOMAIN) and (check.variant, check.stage) in stages
