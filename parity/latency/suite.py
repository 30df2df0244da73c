"""What the benchmark tests share: races run once for all variants, and everything a figure is worth nothing without."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.own_process import run_in_own_process
from parity.judge.judge import Judge
from parity.latency.delegation import delegation
from parity.latency.entrants import of_variant, race_opening, race_stage
from parity.latency.generation import race_generations
from parity.latency.laps import Laps
from parity.latency.latencies import Timed
from parity.latency.machine import machine
from parity.latency.peak import peaks, write_dense
from parity.latency.work import macs
from parity.measure.budget import YARDSTICK
from parity.measure.cases import Case, case_ids, load_cases
from parity.measure.race import Times
from parity.measure.verdict import Verdict
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER

ROUNDS = {CONDITIONER: 20, DIT: 16, DECODER: 10, ENCODER: 10, "opening": 5, "end to end": 5}
LARGE_ROUNDS = {CONDITIONER: 8, DIT: 8, DECODER: 5, ENCODER: 3, "opening": 3, "end to end": 3}


@dataclass
class Suite:
    """The races of a session. `quick`: one round each, for the answers only."""

    judge: Judge
    variants: list[str]
    folder: Path
    quick: bool = False
    _stages: dict[tuple[str, str, int], Timed] = field(default_factory=dict)
    _openings: dict[tuple[str, str, int], Times] = field(default_factory=dict)
    _laps: dict[tuple[str, int], Laps] = field(default_factory=dict)
    _peaks: dict[int, dict[str, float]] = field(default_factory=dict)
    _alone: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def case(self) -> Case:
        """What everybody is given."""
        model = self.judge.model
        return load_cases(model.tokenizer, model.spec, case_ids(free_running=True)[:1])[0]

    @property
    def audio_s(self) -> float:
        """How much sound a generation makes."""
        return self.judge.model.spec.window_s

    def stage(self, stage: str, variant: str, threads: int) -> Timed:
        """A variant's calls of a stage, raced against those of all others that have it."""
        if (stage, variant, threads) not in self._stages:
            entrants = [of_variant(self.judge, name) for name in self._beside(variant) if stage in self.judge.stages(name)]
            raced = race_stage(
                self.judge, entrants, stage, self.case, threads=threads, rounds=self._rounds(stage), warmup=self._warmup
            )
            self._stages |= {(stage, name, threads): timed for name, timed in raced.items()}
        return self._stages[stage, variant, threads]

    def opening(self, stage: str, variant: str, threads: int) -> Times:
        """How long opening a stage takes."""
        if (stage, variant, threads) not in self._openings:
            entrants = [of_variant(self.judge, name) for name in self._beside(variant) if self.has_files(name, stage)]
            raced = race_opening(entrants, stage, threads=threads, rounds=self._rounds("opening"), warmup=self._warmup)
            self._openings |= {(stage, name, threads): times for name, times in raced.items()}
        return self._openings[stage, variant, threads]

    def laps(self, variant: str, threads: int) -> Laps:
        """A variant's whole generations."""
        if (variant, threads) not in self._laps:
            entrants = [of_variant(self.judge, name) for name in self._beside(variant)]
            raced = race_generations(
                self.judge, entrants, self.case, threads=threads, rounds=self._rounds("end to end"), warmup=self._warmup
            )
            self._laps |= {(name, threads): laps for name, laps in raced.items()}
        return self._laps[variant, threads]

    def of_generations(self, variant: str, threads: int) -> list[Verdict]:
        """The verdict on what the variant generates; a large model's reference is only a yardstick."""
        return self.judge.free_running(variant, self.case) if self.judge.whole(variant) else []

    def extra(self, variant: str, threads: int) -> dict[str, Any]:
        """Where, with what files."""
        bundle = self.judge.contenders[variant].bundle
        stages = {} if bundle is None else bundle.manifest.stages
        return {
            **machine(threads),
            "variant": variant,
            "yardstick": YARDSTICK,
            "artifact_sha256": {stage: entry.sha256 for stage, entry in stages.items()},
            "artifact_bytes": {stage: entry.size_bytes for stage, entry in stages.items()},
        }

    def details(self, stage: str, variant: str, threads: int, times: Times) -> dict[str, Any]:
        """How near it comes to what the machine can do, the memory it takes, and what XNNPACK takes of it."""
        peak_bytes, delegated = self.peak_bytes(stage, variant, threads), self.delegation(stage, variant)
        return {**self.rate(stage, times, threads), "peak_bytes": peak_bytes, "delegation": delegated}

    def rate(self, stage: str, times: Times, threads: int) -> dict[str, Any]:
        """Multiplications a second, and which part of what the machine does in one large layer that is."""
        work = macs(self.judge.model.spec)[stage]
        rate = work / times.median_s
        shares = {f"share_of_{name}_peak": rate / peak for name, peak in self._peak(threads).items()}
        return {"gmac": work / 1e9, "gmac_per_s": rate / 1e9, **shares}

    def peak_bytes(self, stage: str, variant: str, threads: int) -> int | None:
        """The most memory a stage of a LiteRT bundle takes in a process of its own; None for other runtimes."""
        bundle = self._litert(variant)
        if bundle is None:
            return None
        key = (str(bundle.folder), stage, threads)
        if key not in self._alone:
            self._alone[key] = run_in_own_process(bundle.folder, stage=stage, threads=threads)
        return int(self._alone[key]["peak_bytes"])

    def delegation(self, stage: str, variant: str) -> dict[str, int] | None:
        """What XNNPACK takes of a stage's file; None for other runtimes."""
        bundle = self._litert(variant)
        return None if bundle is None else delegation(bundle.path(stage))

    def has_files(self, variant: str, stage: str) -> bool:
        """Whether there is a file of the stage to open; the reference has none."""
        contender = self.judge.contenders[variant]
        return contender.bundle is not None and stage in contender.stages

    def _litert(self, variant: str) -> Bundle | None:
        """The variant's bundle where it is LiteRT's."""
        bundle = self.judge.contenders[variant].bundle
        return bundle if bundle is not None and bundle.manifest.format == "litert" else None

    def _beside(self, variant: str) -> list[str]:
        """Whom a variant is raced against, itself among them: nobody where nothing is timed, for tests of others may be run by
        another process."""
        return [variant] if self.quick else self.variants

    def _rounds(self, what: str) -> int:
        if self.quick:
            return 1
        return (LARGE_ROUNDS if self.judge.model.large else ROUNDS)[what]

    @property
    def _warmup(self) -> int:
        return 0 if self.quick else 1

    def _peak(self, threads: int) -> dict[str, float]:
        if threads not in self._peaks:
            files = {name: self.folder / f"dense_{name}.tflite" for name in ("fp32", "int8")}
            if not files["int8"].exists():
                files = write_dense(self.folder)
            self._peaks[threads] = peaks(files, threads)
        return self._peaks[threads]
