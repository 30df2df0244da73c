"""What LiteRT's `benchmark_model` printed on a device, as latencies beside ours.

Source of the lines: google-ai-edge/LiteRT `tflite/tools/benchmark/benchmark_model.cc`. A log does not say which machine it is
of: the file's name does. No answer was judged there, and the runs of one graph follow each other, not in turns with others.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from parity.latency.bench_report import Bench, read_benches
from parity.measure.race import NOISY_SPREAD
from reference.spec.errors import InputError

SUFFIXES = (".log", ".txt")
TOOL, START = "benchmark_model", "STARTING!"
GRAPH = re.compile(r"Graph: \[(?P<path>[^\]]+)\]")
THREADS = re.compile(r"Num threads: \[(?P<count>\d+)\]")
BEGUN = "Running benchmark for"  # stands above each line of runs; earlier tools say nothing
NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
RUNS = re.compile(rf"count=\d+ .*?\bavg=(?P<avg>{NUMBER}) std=(?P<std>{NUMBER})(?:.*\bmedian=(?P<median>{NUMBER}))?")
MICRO = 1e-6
MOST_DIGITS = 6  # of a number of threads
NO_YARDSTICK = "none"
NORMAL_IQR = 1.349  # standard deviations, which is what is printed


def read_any(path: Path) -> list[Bench]:
    """A benchmark file of ours, or such a log by its suffix. Raises InputError if it is neither."""
    return read_log(path) if path.suffix in SUFFIXES else read_benches(path)


def read_log(path: Path) -> list[Bench]:
    """One latency for each run of the tool in a log: of its last line of runs, those before are warming up. Raises InputError for
    a file without one, and for a run that ended before it was measured."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a benchmark file or a log") from None
    found = list(_runs(path, text))
    if not found:
        expected = f"expected all that it printed, from '{START}' to 'count=... avg=...'"
        raise InputError(f"{path}: holds no run of {TOOL}; {expected}")
    return found


def _runs(path: Path, text: str) -> Iterator[Bench]:
    for number, told in enumerate(text.split(START)[1:], start=1):
        graph, threads, runs = GRAPH.search(told), THREADS.search(told), list(RUNS.finditer(told))
        if graph is None or not runs or told.rfind(BEGUN) > runs[-1].start():
            raise InputError(f"{path}: run {number} of {TOOL} in it ended before it was measured; give the log of a whole run")
        told_threads = threads["count"] if threads else "1"
        if len(told_threads) > MOST_DIGITS or not all(math.isfinite(float(value)) for value in runs[-1].groups("0")):
            raise InputError(f"{path}: run {number} of {TOOL} in it tells numbers that no run has; give the log as it is printed")
        yield _bench(path.stem, PurePosixPath(graph["path"]), int(told_threads), runs[-1])


def _bench(machine: str, graph: PurePosixPath, threads: int, run: re.Match[str]) -> Bench:
    median_s, iqr_s = MICRO * float(run["median"] or run["avg"]), MICRO * NORMAL_IQR * float(run["std"])
    return Bench(
        machine=machine, machine_id=machine, features=(), threads=threads, stage=graph.stem, variant=graph.parent.name or "-",
        yardstick=NO_YARDSTICK, median_s=median_s, iqr_s=iqr_s, noisy=iqr_s > NOISY_SPREAD * median_s,
        ratio=None, gmac_per_s=None, peak_share=None, peak_bytes=None,
    )  # fmt: skip
