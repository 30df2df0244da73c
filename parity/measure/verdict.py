"""A verdict: one measured value, the limits it was held to, and a sentence that says so."""

import math
from dataclasses import asdict, dataclass
from typing import Any

ARTIFACT, REPLAYED, TEACHER_FORCED, FREE_RUNNING = "artifact", "replayed", "teacher-forced", "free-running"
DOMAIN = "domain"  # a stage fed with what is drawn over its inputs' domains
LADDERS = (ARTIFACT, REPLAYED, TEACHER_FORCED, DOMAIN, FREE_RUNNING)  # in the order they are judged


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One check. `low_limit` guards the other side: an error too small to be true. `distance`: the value measured from the
    checkpoint's own answers, where `value` is from those of weights that a loader rounded."""

    stage: str
    variant: str
    case: str
    ladder: str
    metric: str
    value: float
    limit: float
    low_limit: float = 0.0
    step: int | None = None
    why: str = ""
    distance: float | None = None

    @property
    def from_checkpoint(self) -> float:
        """How far it is from what the checkpoint's weights answer."""
        return self.value if self.distance is None else self.distance

    @property
    def ok(self) -> bool:
        """NaN compares false with everything, so it fails."""
        return self.low_limit <= self.value <= self.limit

    @property
    def id(self) -> str:
        """Unique name of the check within a run."""
        step = "" if self.step is None else f"-step{self.step}"
        return f"{self.ladder}/{self.stage}/{self.variant}/{self.case}/{self.metric}{step}"

    @property
    def share_of_limit(self) -> float:
        """value / limit; beyond 1 (or NaN) the check failed. Used to find the worst of many."""
        if math.isnan(self.value) or self.value < self.low_limit:
            return math.inf
        return self.value / self.limit if self.limit > 0 else (0.0 if self.value == 0 else math.inf)

    def __str__(self) -> str:
        where = f"{self.stage}/{self.variant}/{self.case}" + ("" if self.step is None else f" step {self.step}")
        if self.value < self.low_limit:
            allowed = f"expected at least {self.low_limit:.3g}"
        else:
            allowed = f"allowed at most {self.limit:.3g}"
        return f"{where}, {self.ladder}: {self.metric} is {self.value:.3g}, {allowed} ({self.why})"

    def to_json(self) -> dict[str, Any]:
        """As it stands in `report.json`; a value that is not finite becomes a string, JSON has no NaN."""
        fields = {name: json_number(value) for name, value in asdict(self).items()}
        return {"id": self.id, **fields, "ok": self.ok}


def repeated(stage: str, variant: str, case: str, *, unequal: int, repeats: int) -> Verdict:
    """How many values differ between runs on equal inputs, `repeats` in all."""
    return Verdict(
        stage=stage, variant=variant, case=case, ladder=TEACHER_FORCED, metric="nondeterministic_values",
        value=float(unequal), limit=0.0, why=f"{repeats} identical invocations must be bit-equal",
    )  # fmt: skip


def json_number(value: Any) -> Any:
    """A number as JSON can hold it: one that is not finite becomes a string."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
