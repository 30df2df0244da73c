"""The headline: what each way to ship the model costs in time, memory and bytes, with the gate's verdict beside it."""

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litert_pipeline.run.own_process import run_in_own_process
from parity.bundles.given import given_bundles
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.latency.entrants import of_variant, race_stage
from parity.latency.generation import race_generations
from parity.latency.laps import Laps
from parity.latency.latencies import Timed
from parity.latency.machine import machine
from parity.latency.peak import peaks, write_dense
from parity.latency.peers import peers
from parity.latency.work import macs
from parity.measure.cases import Case, load_cases
from parity.measure.verdict import TEACHER_FORCED
from parity.report.headroom import read_report
from parity.runtimes.cpu_class import cpu_class
from parity.truth.store import Store
from reference.progress import Say
from reference.spec.errors import InputError
from reference.spec.stages import GENERATION

BASE = "litert_plain"  # what all others are compared with
LABELS = {
    "litert_plain": "FP32 as litert-torch converts it",
    "litert_fp32": "FP32, channels last",
    "litert_windowed": "FP32, channels last, windows",
    "litert_int8": "the mission's mix: INT8 DiT, FP16-compute decoder",
    "litert_int8_fast": "our best: INT8 DiT and decoder, windows",
}


@dataclass(frozen=True, kw_only=True)
class HeadlineOptions:
    """What to time. `report` is a gate's, for the verdicts; `peers`: other runtimes, too, stage by stage."""

    model: Path
    bundles: list[Path]
    report: Path
    threads: list[int]
    rounds: int
    case: str
    peers: bool = False


@dataclass(frozen=True, kw_only=True)
class Row:
    """A variant. Laps, peak memory and rows are by number of threads."""

    name: str
    verdict: str
    size_bytes: dict[str, int]
    peak_bytes: int
    laps: Mapping[int, Laps]

    @property
    def label(self) -> str:
        return LABELS.get(self.name, self.name)


@dataclass(frozen=True, kw_only=True)
class Headline:
    """All rows, and against what machine they were measured."""

    rows: list[Row]
    peers: Mapping[int, Mapping[str, Mapping[str, Timed]]]  # by threads, stage, name
    peaks: Mapping[int, Mapping[str, float]]
    macs: Mapping[str, int]
    machine: dict[str, Any]
    audio_s: float
    steps: int


def run_headline(options: HeadlineOptions, store: Store, say: Say) -> Headline:
    """Race the variants of the given bundles. Raises InputError for a bad bundle, report or case."""
    bundles = given_bundles(options.bundles, options.model)
    content = read_report(options.report)
    names = [name for name in contenders_of(bundles) if name in LABELS]
    if not names:
        given, wanted = sorted(bundle.manifest.recipe for bundle in bundles), [name.removeprefix("litert_") for name in LABELS]
        raise InputError(
            f"none of the bundles is of the headline: given {', '.join(given)}, expected some of {', '.join(wanted)}"
        )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        judge = stack.enter_context(Judge.of(options.model, bundles, max(options.threads), store))
        (case,) = load_cases(judge.model.tokenizer, judge.model.spec, [options.case])
        if case.request.guidance.scale != 1:
            raise InputError(f"{options.model}: is sampled with guidance; the headline counts one call of the DiT a step")
        laps = {threads: _generations(judge, names, case, threads, options.rounds, say) for threads in options.threads}
        rows = [_row(judge, name, content, {threads: found[name] for threads, found in laps.items()}, say) for name in names]
        against = _against_peers(judge, case, options, folder, say) if options.peers else {}
        say("the machine's peak")
        dense = write_dense(folder)
        return Headline(
            rows=rows,
            peers=against,
            peaks={threads: peaks(dense, threads) for threads in options.threads},
            macs=macs(judge.model.spec),
            machine={**machine(max(options.threads)), "cpu_class": str(cpu_class())},
            audio_s=judge.model.spec.window_s,
            steps=case.request.sampler.steps,
        )


def verdict_of(variant: str, recipe: str, content: Mapping[str, Any], sha256: Mapping[str, str]) -> str:
    """What a gate's report says of a variant whose files have these hashes, and of its bundle, which is of `recipe`.

    What a file showed that was judged under another variant's name counts, too.
    """
    names = (variant, recipe)
    shared = [found for found in content["shared"] if found["variant"] == variant]
    elsewhere = {(found["judged_as"], found["stage"], TEACHER_FORCED) for found in shared}
    checks = [
        check
        for check in content["checks"]
        if check["variant"] in names or (check["variant"], check.get("stage"), check.get("ladder")) in elsewhere
    ]
    judged = {artifact["sha256"] for artifact in content["artifacts"]}
    if not checks or not set(sha256.values()) <= judged:
        return "not judged"
    failed = sum(not check["ok"] for check in checks)
    return f"refuse ({failed} of {len(checks)} failed)" if failed else f"publish ({len(checks)} checks)"


def _generations(judge: Judge, names: list[str], case: Case, threads: int, rounds: int, say: Say) -> dict[str, Laps]:
    say(f"{len(names)} variants generate {1 + rounds} times in turns, {threads} threads")
    return race_generations(judge, [of_variant(judge, name) for name in names], case, threads=threads, rounds=rounds)


def _row(judge: Judge, name: str, content: Mapping[str, Any], laps: Mapping[int, Laps], say: Say) -> Row:
    bundle = judge.contenders[name].bundle
    assert bundle is not None, "every variant of the headline runs a bundle"
    say(f"{name} alone, for its memory")
    entries = {stage: bundle.manifest.stages[stage] for stage in GENERATION}
    return Row(
        name=name,
        verdict=verdict_of(name, bundle.manifest.recipe, content, {stage: entry.sha256 for stage, entry in entries.items()}),
        size_bytes={stage: entry.size_bytes for stage, entry in entries.items()},
        peak_bytes=run_in_own_process(bundle.folder, threads=max(laps))["peak_bytes"],
        laps=laps,
    )


def _against_peers(
    judge: Judge, case: Case, options: HeadlineOptions, folder: Path, say: Say
) -> dict[int, dict[str, dict[str, Timed]]]:
    """Stage by stage, for all of them together would not fit into memory."""
    ours = [of_variant(judge, name) for name in judge.contenders if name in LABELS]
    field = ours + peers(judge, folder, say)
    found: dict[int, dict[str, dict[str, Timed]]] = {}
    for threads in options.threads:
        for stage in GENERATION:
            say(f"{stage} of {', '.join(entrant.name for entrant in field)}, {threads} threads")
            timed = race_stage(judge, field, stage, case, threads=threads, rounds=options.rounds)
            found.setdefault(threads, {})[stage] = timed
    return found


def to_json(headline: Headline) -> str:
    """All that was measured, for another day."""
    rows = [
        {
            "variant": row.name,
            "label": row.label,
            "verdict": row.verdict,
            "size_bytes": row.size_bytes,
            "peak_bytes": row.peak_bytes,
            "laps": {
                threads: {
                    "total_s": laps.total.seconds,
                    "stage_s": {stage: times.seconds for stage, times in laps.stages.items()},
                    "overhead": laps.overhead,
                    "deterministic": laps.deterministic,
                }
                for threads, laps in row.laps.items()
            },
        }
        for row in headline.rows
    ]
    raced = {
        threads: {
            stage: {name: {"seconds": t.times.seconds, "ok": all(v.ok for v in t.verdicts)} for name, t in timed.items()}
            for stage, timed in stages.items()
        }
        for threads, stages in headline.peers.items()
    }
    content = {
        "rows": rows, "peers": raced, "peaks": headline.peaks, "macs": headline.macs, "machine": headline.machine,
        "audio_s": headline.audio_s, "steps": headline.steps,
    }  # fmt: skip
    return json.dumps(content, indent=1) + "\n"
