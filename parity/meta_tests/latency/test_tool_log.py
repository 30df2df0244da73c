"""What benchmark_model prints is read run by run, and stands beside our own figures."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from parity.__main__ import app
from parity.latency.tool_log import read_log
from reference.spec.errors import EXIT_NOT_JUDGED, EXIT_OK, InputError

# As the tool of 2026 prints it, with percentiles, and as earlier ones do.
NEW = """INFO: STARTING!
INFO: Graph: [/data/local/tmp/int8/dit.tflite]
INFO: Num threads: [4]
INFO: Initialized session in 55.79 ms.
INFO: Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
INFO: count=2 first=357602 curr=341602 min=341602 max=357602 avg=349602 std=8000 p5=341602 median=349602 p95=357602
INFO: Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
INFO: count=50 first=249964 curr=240143 min=238588 max=252566 avg=2.4027e+05 std=2565 p5=238753 median=239807 p95=247415
INFO: Inference timings in us: Init: 55790, First inference: 357602, Warmup (avg): 349602, Inference (avg): 240270
"""
OLD = """STARTING!
Num threads: [1]
Graph: [/data/local/tmp/decoder.tflite]
Initialized session in 1.461ms.
count=1 curr=3512391
count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=609798
"""
MICRO = 1e-6


def log(folder: Path, text: str) -> Path:
    path = folder / "phone.log"
    path.write_text(text)
    return path


def test_every_run_of_a_log_is_read(tmp_path: Path) -> None:
    new, old = read_log(log(tmp_path, NEW + OLD))
    assert (new.machine, new.stage, new.variant, new.threads, new.noisy) == ("phone", "dit", "int8", 4, False)
    assert new.median_s == pytest.approx(239807 * MICRO), "the median, where it is printed"
    assert (old.stage, old.variant, old.noisy) == ("decoder", "tmp", True)
    assert old.median_s == pytest.approx(2.95034e6 * MICRO)


def test_a_log_stands_in_a_report(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench-report", str(log(tmp_path, NEW)), "--out", str(tmp_path / "report.md")])
    assert result.exit_code == EXIT_OK, result.output
    assert "| phone | 4 | dit | int8 | 240 |" in (tmp_path / "report.md").read_text()


FAILED = "INFO: STARTING!\nINFO: Graph: [a.tflite]\nERROR: Failed to apply XNNPACK delegate\n"
DIED = NEW[: NEW.index("INFO: count=50")] + "Segmentation fault\n"
NO_RUN = "run 1 of benchmark_model in it tells numbers that no run has; give the log as it is printed"
ENDED = "run {} of benchmark_model in it ended before it was measured"
UNREADABLE = {
    "empty": ("", "holds no run of benchmark_model"),
    "failed": (FAILED, ENDED.format(1)),
    "of nothing": (NEW.replace("Graph", "graph"), ENDED.format(1)),
    "died behind the warm-up": (DIED, ENDED.format(1)),
    "the second failed": (NEW + FAILED, ENDED.format(2)),
    "the first died": (DIED + NEW, ENDED.format(1)),
    "threads without end": (NEW.replace("[4]", f"[{'9' * 5000}]"), NO_RUN),
    "threads beyond any": (NEW.replace("[4]", "[1000000]"), NO_RUN),
    "a time beyond any float": (NEW.replace("2.4027e+05", "1e999"), NO_RUN),
    "a median beyond any float": (NEW.replace("median=239807", "median=1e999"), NO_RUN),
    "a number that is none": (NEW.replace("2.4027e+05", "2.4.027"), ENDED.format(1)),
}


@pytest.mark.parametrize(("text", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_holds_no_whole_run_is_told_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_log(log(tmp_path, text))
    assert CliRunner().invoke(app, ["bench-report", str(tmp_path / "none.txt")]).exit_code == EXIT_NOT_JUDGED
