"""Whether a file's graph was compared with the model's, and what came of it."""

from dataclasses import dataclass, field

from parity.measure.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class GraphFound:
    """Verdicts on a graph or, where it could not be compared, why. Both are empty where the limits of floats are enough."""

    checks: list[Verdict] = field(default_factory=list)
    unseen: str = ""


@dataclass(frozen=True, kw_only=True)
class UnseenGraph:
    """A stage that is judged by the size of its errors alone: a graph that is a little wrong may hide in its rounding."""

    variant: str
    stage: str
    why: str

    def __str__(self) -> str:
        return f"{self.variant}: the graph of its {self.stage} is not compared with the model's: {self.why}"
