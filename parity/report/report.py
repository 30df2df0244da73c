"""What a gate run found, as one value. The page, the card, `report.json`, `junit.xml` and the terminal each take this value."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from parity.bundles.assignment_table import Assignment
from parity.device.device import Device
from parity.explain.evidence import Evidence
from parity.explain.inside.module_error import first_fault
from parity.explain.suspects import suspects
from parity.judge.graph import UnseenGraph
from parity.judge.left_out import LeftOut
from parity.measure.policy import Policy
from parity.measure.verdict import Verdict
from parity.report.artifact import Artifact
from parity.report.bundle_verdict import NOT_JUDGED, BundleVerdict, JudgedBundle, Shared, bundle_verdict
from parity.report.latency import Latency
from parity.runtimes.environment import Environment
from reference.spec.errors import InputError


@dataclass(frozen=True, kw_only=True)
class JudgedModel:
    """The model dir that everything was held to, how its cases are `sampled`, the state of stable-audio-tools that this follows
    (`spec`), in which precision its files keep the weights (`stored`), and what the hub calls its `task`."""

    weights_sha256: str
    objective: str
    sample_rate_hz: int
    window_s: float
    latent_frames: int
    coded: str
    spec: str
    sampled: str
    stored: str
    task: str

    def in_words(self) -> dict[str, str]:
        """All of it, for a person."""
        return {name: str(value) for name, value in asdict(self).items()} | {"window_s": f"{self.window_s:.2f}"}


@dataclass(frozen=True, kw_only=True)
class Blame:
    """The stage at fault of one variant, and the module inside it where it could be found."""

    stage: str
    variant: str
    step: int | None
    layer: str | None
    why: str

    def __str__(self) -> str:
        return f"{self.stage}{f', module {self.layer}' if self.layer else ''}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """All checks of a gate run and what explains them. `shared` says which stages were judged under another variant's name."""

    checks: Sequence[Verdict]
    evidence: Evidence
    model: JudgedModel
    environment: Environment
    artifacts: Sequence[Artifact] = ()
    assignments: Sequence[Assignment] = ()
    left_out: Sequence[LeftOut] = ()
    unseen: Sequence[UnseenGraph] = ()
    bundles: Sequence[JudgedBundle] = ()
    shared: Sequence[Shared] = ()
    policy: Policy | None = None
    devices: Sequence[Device] = ()  # where the answers come from, if not from this machine
    covered: Mapping[str, str] = field(default_factory=dict)  # by stage, over what its inputs were drawn
    latency: Sequence[Latency] = ()  # of the judged files, measured elsewhere
    base_model: str | None = None  # the model's id on the hub, where it was judged by that

    @property
    def publish(self) -> bool:
        """Nothing failed, something was measured, and every bundle is close enough."""
        faithful = bool(self.checks) and all(check.ok for check in self.checks)
        return faithful and all(found.close_enough for found in self.verdicts())

    @property
    def word(self) -> str:
        """The verdict of the run."""
        return "PUBLISH" if self.publish else "REFUSE"

    @property
    def failed(self) -> list[Verdict]:
        """The checks that did not hold."""
        return [check for check in self.checks if not check.ok]

    def blame(self) -> list[Blame]:
        """For each variant with a failure the stage at fault."""
        return [
            Blame(stage=check.stage, variant=check.variant, step=check.step, layer=self._layer(check), why=str(check))
            for check in suspects(self.checks)
        ]

    def files(self) -> list[list[Artifact]]:
        """The files that were judged, those with the same bytes together."""
        same: dict[str, list[Artifact]] = {}
        for artifact in self.artifacts:
            same.setdefault(artifact.sha256, []).append(artifact)
        return list(same.values())

    def verdicts(self) -> list[BundleVerdict]:
        """One for each bundle."""
        left_out = {variant.variant for variant in self.left_out}
        return [bundle_verdict(bundle, self.checks, self.shared, left_out, self.policy) for bundle in self.bundles]

    def _layer(self, check: Verdict) -> str | None:
        fault = first_fault(self.evidence.layers.get((check.variant, check.stage), []))
        return None if fault is None else fault.path


def require_no_idle_exemption(report: Report) -> None:
    """Raise InputError if the policy exempts a bundle from a bar it stays within: that would hide its next error."""
    policy, found = report.policy, report.verdicts()
    idle = [line for one in found if policy for line in policy.unneeded(one.bundle.name, one.close)]
    if idle:
        raise InputError(f"{'; '.join(idle)}; take the exemption out of the policy")


def require_all_judged(report: Report) -> None:
    """Raise InputError if a bundle was not judged: whoever asked for it must not take the others' verdict for its own."""
    missed = [found for found in report.verdicts() if found.verdict == NOT_JUDGED]
    if missed:
        raise InputError(f"{'; '.join(map(str, missed))}; judge it on another machine")
