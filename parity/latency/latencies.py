"""What the benchmark tests ask for, whoever times: the gate's contenders here, or a kit on a device."""

from dataclasses import dataclass
from typing import Any, Protocol

from parity.latency.laps import Laps
from parity.measure.race import Times
from parity.measure.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Timed:
    """How long somebody took, and what the answers were worth."""

    times: Times
    verdicts: list[Verdict]


class Latencies(Protocol):
    """Races run once for all variants, and everything a figure is worth nothing without."""

    @property
    def quick(self) -> bool:
        """Whether nothing is timed: one round each, for the answers only."""

    @property
    def audio_s(self) -> float:
        """How much sound a generation makes."""

    def stage(self, stage: str, variant: str, threads: int) -> Timed:
        """A variant's calls of a stage, raced against those of the others."""

    def opening(self, stage: str, variant: str, threads: int) -> Times:
        """How long opening a stage takes."""

    def laps(self, variant: str, threads: int) -> Laps:
        """A variant's whole generations."""

    def of_generations(self, variant: str, threads: int) -> list[Verdict]:
        """What can be said here of what a variant generates."""

    def has_files(self, variant: str, stage: str) -> bool:
        """Whether there is a file of the stage to open."""

    def extra(self, variant: str, threads: int) -> dict[str, Any]:
        """Where, with what files."""

    def details(self, stage: str, variant: str, threads: int, times: Times) -> dict[str, Any]:
        """What else is known of a stage that was timed: memory, delegation, rates."""
