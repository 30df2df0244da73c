"""Benchmark files of several machines as one table, and one held to an earlier one."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from parity.latency.bench_page import html, markdown
from parity.latency.bench_report import read_benches, slower, told_apart
from parity.meta_tests.latency.test_headline import parity
from reference.spec.errors import InputError

LIMIT = 1.2


def entry(variant: str, median_s: float, **extra: Any) -> dict[str, Any]:
    """A latency as the suite writes it, so far as it is read."""
    known = {
        "variant": variant, "yardstick": "torch_fp32", "cpu_model": "A CPU", "machine_id": "a", "threads": 1, "stage": "dit",
        "median_s": median_s, "iqr_s": 0.01 * median_s, "noisy": False,
    }  # fmt: skip
    return {"extra_info": {**known, **extra}}


ODD: list[tuple[str, Any]] = [  # what no benchmark measured
    ("median_s", 0), ("median_s", -1.0), ("median_s", 1e300), ("median_s", math.nan), ("median_s", "1"), ("iqr_s", -1e-3),
    ("iqr_s", None), ("threads", 0), ("threads", 10**12), ("threads", True), ("noisy", "no"), ("stage", ["dit"]),
    ("machine_id", 1), ("cpu_features", "sme"), ("gmac_per_s", -1), ("share_of_int8_peak", math.inf), ("peak_bytes", 1.5),
    ("variant", 7),
]  # fmt: skip


def written(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"benchmarks": list(entries)}))
    return path


def test_a_ratio_is_to_the_yardstick_of_the_same_machine_stage_and_threads(tmp_path: Path) -> None:
    others = [entry("torch_fp32", 9.0, machine_id="b"), entry("torch_fp32", 8.0, threads=2), entry("litert_int8", 1.0, stage="x")]
    path = written(tmp_path / "b.json", entry("torch_fp32", 3.0), entry("litert_int8", 0.5), *others)
    assert [bench.ratio for bench in read_benches(path)] == [1.0, 6.0, 1.0, 1.0, None]


@pytest.mark.parametrize(
    ("before", "now", "lost"),
    [
        ((3.0, 1.0), (3.0, 1.3), 1),
        ((3.0, 1.0), (3.0, 1.1), 0),
        ((3.0, 1.0), (6.0, 2.0), 0),  # a slower day
        ((3.0, 1.0), (6.0, 3.0), 1),
        ((3.0, 1.0), (3.0, 0.5), 0),
    ],
)
def test_a_stage_that_lost_its_ratio_is_named(
    tmp_path: Path, before: tuple[float, float], now: tuple[float, float], lost: int
) -> None:
    files = [
        written(tmp_path / f"{name}.json", entry("torch_fp32", yardstick), entry("litert_int8", own))
        for name, (yardstick, own) in (("before", before), ("now", now))
    ]
    earlier, later = (read_benches(file) for file in files)
    assert len(slower(later, earlier, LIMIT)) == lost
    code, output = parity("bench-report", files[1], "--baseline", files[0])
    assert (code, "slower dit of litert_int8, 1 threads" in output) == (lost, bool(lost)), output


def test_machines_of_one_name_are_told_apart_by_their_features(tmp_path: Path) -> None:
    features = {"a": ["i8mm", "sme"], "b": ["i8mm"]}
    entries = [entry("litert_int8", 1.0, machine_id=name, cpu_features=found) for name, found in features.items()]
    benches = read_benches(written(tmp_path / "b.json", *entries))
    assert [bench.machine for bench in told_apart(benches)] == ["A CPU (sme)", "A CPU (without)"]
    assert [bench.machine for bench in told_apart(benches[:1])] == ["A CPU"]


def test_no_machine_begins_a_line_nor_a_cell_of_its_own(tmp_path: Path) -> None:
    benches = read_benches(written(tmp_path / "b.json", entry("torch_fp32", 1.0, cpu_model="a\n::error::b|c <!--")))
    assert "| a ::error::b\\|c &lt;!-- | 1 |" in markdown(benches)


def test_a_yardstick_that_is_not_the_reference_is_named(tmp_path: Path) -> None:
    entries = [entry(name, median_s, yardstick="litert_fp32") for name, median_s in (("litert_fp32", 3.0), ("litert_int8", 1.0))]
    told = markdown(read_benches(written(tmp_path / "b.json", *entries)))
    assert "| 3.00 of litert_fp32's |" in told


def test_noise_is_no_figure_and_no_evidence(tmp_path: Path) -> None:
    path = written(tmp_path / "b.json", entry("torch_fp32", 3.0), entry("litert_int8", 1.2345, noisy=True))
    benches = read_benches(path)
    assert "noisy" in markdown(benches)
    assert "1.23e+03" not in markdown(benches)
    only = [bench for bench in benches if bench.noisy]
    with pytest.raises(InputError, match="every figure is noisy"):
        slower(only, benches, LIMIT)


def test_the_page_has_pictures_and_nothing_from_elsewhere(tmp_path: Path) -> None:
    parts = {"conditioner": 0.1, "dit": 1.0, "decoder": 2.0}
    generations = [
        entry(variant, 3.1 / threads, stage="end to end", threads=threads, stage_s=parts)
        for variant in ("torch_fp32", "litert_<b>int8</b>")
        for threads in (1, 2)
    ]
    page = html(read_benches(written(tmp_path / "b.json", *generations)))
    assert page.count("data:image/png;base64,") == 2
    assert "http" not in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"benchmarks": []}, "holds no latency"),
        ({"benchmarks": [{"extra_info": {}}]}, "holds no latency"),
        ({"benchmarks": [3, {"extra_info": 3}, {"extra_info": "variant"}]}, "holds no latency"),
        ({"other": 1}, "benchmarks"),
        ({"benchmarks": [{"extra_info": {"variant": "torch_fp32"}}]}, "'benchmarks[0].extra_info.cpu_model' is missing"),
    ],
)
def test_what_is_no_benchmark_is_told_in_one_line(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps(content))
    code, output = parity("bench-report", path)
    assert (code, output.count("error: "), words in output) == (2, 1, True), output


ODD_PARTS: list[tuple[str, Any]] = [  # of a generation, and of its files
    ("stage_s", -1e-3), ("stage_s", None), ("stage_s", "1"), ("artifact_sha256", 1), ("artifact_sha256", None),
]  # fmt: skip
PLACES = [(key, value, key) for key, value in ODD] + [(key, {"dit": value}, rf"{key}\.dit") for key, value in ODD_PARTS]


@pytest.mark.parametrize(("key", "value", "place"), PLACES, ids=str)
def test_what_no_benchmark_measured_is_told(tmp_path: Path, key: str, value: Any, place: str) -> None:
    odd = entry("litert_int8", 1.0)
    odd["extra_info"][key] = value
    path = written(tmp_path / "b.json", entry("torch_fp32", 3.0), odd)
    with pytest.raises(InputError, match=rf"b\.json: 'benchmarks\[1\]\.extra_info\.{place}' must .*: run the benchmark again"):
        read_benches(path)


def test_other_suffixes_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = written(tmp_path / "b.json", entry("torch_fp32", 3.0))
    code, output = parity("bench-report", path, "--out", tmp_path / "table.pdf")
    assert (code, "expected .md or .html" in output) == (2, True), output
    for suffix in ("md", "html"):
        assert parity("bench-report", path, "--out", tmp_path / f"table.{suffix}")[0] == 0
    assert {file.name for file in tmp_path.iterdir()} == {"b.json", "table.md", "table.html"}
