"""A policy: how close a converted model has to be, decided by whoever publishes it, with a reason for each bar, and whether its
weights may have been rounded before they were converted."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from parity.measure.arithmetic import AS_SAVED
from parity.measure.closeness import Distance
from parity.measure.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a distance may be; `text` holds the digits that were decided."""

    distance: Distance
    text: str
    why: str

    def holds(self, told: float) -> bool:
        """NaN compares false with everything, so it does not hold."""
        return told >= float(self.text) if self.distance.larger_is_closer else told <= float(self.text)

    def __str__(self) -> str:
        return f"at {'least' if self.distance.larger_is_closer else 'most'} {self.text}"


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """Another bar for one bundle, somebody's and for a time."""

    bundle: str
    bar: Bar
    owner: str
    until: date


@dataclass(frozen=True, kw_only=True)
class Closeness:
    """A distance of a bundle held to a bar; `check` is where it was worst, `exempt` what stood in for the policy's bar."""

    bar: Bar
    told: float
    check: Verdict
    exempt: Exemption | None = None

    @property
    def ok(self) -> bool:
        """Whether the bundle is close enough in this."""
        return (self.exempt.bar if self.exempt else self.bar).holds(self.told)

    @property
    def place(self) -> str:
        """Where it was worst."""
        return f"{self.check.variant}, {self.check.case}" + ("" if self.check.step is None else f" step {self.check.step}")

    @property
    def wanted(self) -> str:
        """What would have to change."""
        if not math.isfinite(self.told):
            return "a number"
        if self.bar.distance.larger_is_closer:
            return f"{float(self.bar.text) - self.told:.1f} more"
        return f"{self.told / float(self.bar.text):.2g} times less"

    def __str__(self) -> str:
        asked = f"{self.bar} is asked for ({self.bar.why})"
        exempt = f"; exempt until {self.exempt.until} by {self.exempt.owner}: {self.exempt.bar}" if self.exempt else ""
        return f"{self.bar.distance.name} is {self.told:.3g} ({self.place}), {asked}{exempt}"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """Stages of a bundle whose weights a loader rounded before they were converted; `ok`: the policy accepts that."""

    how: str
    stages: tuple[str, ...]
    ok: bool
    why: str

    @property
    def wanted(self) -> str:
        """What would have to change."""
        return f"{' and '.join(self.stages)} converted from the checkpoint's own float32 weights"

    def __str__(self) -> str:
        told = f"{self.how} ({', '.join(self.stages)})"
        if self.ok:
            return f"{told}, which is accepted ({self.why})"
        return f"{told}, which is not accepted ({self.why}); asked for is {self.wanted}"


@dataclass(frozen=True, kw_only=True)
class Loading:
    """Which of `ROUNDED_AT_LOAD` a policy accepts, and why these."""

    accepts: Collection[str]
    why: str

    def held(self, loadings: Mapping[str, str]) -> list[Loaded]:
        """What of it a bundle has; `loadings` by stage."""
        stages: dict[str, list[str]] = {}
        for stage, how in loadings.items():
            stages.setdefault(how, []).append(stage)
        return [
            Loaded(how=how, stages=tuple(found), ok=how in self.accepts, why=self.why)
            for how, found in stages.items()
            if how != AS_SAVED
        ]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The bars, the exemptions from them, and how weights may have been loaded. `sha256` is of the file, so that a verdict says
    what it rests on."""

    name: str
    about: str
    bars: tuple[Bar, ...]
    exemptions: tuple[Exemption, ...]
    loading: Loading
    sha256: str

    def held(self, bundle: str, checks: Iterable[Verdict]) -> list[Closeness]:
        """The distances of a bundle, as measured by its checks; those of stages it lacks are left out."""
        checks, found = list(checks), []
        for bar in self.bars:
            worst = bar.distance.worst(checks)
            if worst is not None:
                value, check = worst
                found.append(
                    Closeness(bar=bar, told=bar.distance.told(value), check=check, exempt=self._exempt(bundle, bar))
                )
        return found

    def unneeded(self, bundle: str, found: Iterable[Closeness]) -> list[str]:
        """Exemptions of a bundle that stays within the policy's own bar: they would hide the next error."""
        return [
            f"{bundle} needs no exemption from {one.bar.distance.name}: it is {one.told:.3g}, {one.bar} is asked for"
            for one in found
            if one.exempt and one.bar.holds(one.told)
        ]

    def _exempt(self, bundle: str, bar: Bar) -> Exemption | None:
        return next((one for one in self.exemptions if (one.bundle, one.bar.distance) == (bundle, bar.distance)), None)
