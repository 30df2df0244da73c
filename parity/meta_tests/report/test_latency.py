"""`gate --latency FILE`: times of the judged files stand in the report; times of others are told before any work."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from parity.__main__ import app
from parity.latency.bench_report import latency_of, read_benches
from parity.meta_tests.latency.test_bench_report import entry, written
from parity.meta_tests.report.sample import LATENCY, sample
from parity.report.latency import of_judged
from reference.spec.errors import InputError


def test_latencies_of_variants_that_are_not_judged_are_left_out() -> None:
    other = replace(LATENCY, variant="litert_fp32", sha256={"dit": "another"})
    assert of_judged([LATENCY, other], ["litert_int8", "torch_fp32"], {"ab"}) == [LATENCY]
    assert of_judged([], ["litert_int8"], {"ab"}) == []


@pytest.mark.parametrize(("name", "sha256", "words"), [
    ("litert_int4", "ab", "the latencies given are of litert_int4, none of which is judged"),
    ("litert_int8", "cd", "the latency of litert_int8 was measured with other files than are judged (dit)"),
], ids=["another variant", "another file"])  # fmt: skip
def test_latencies_of_other_files_are_refused(name: str, sha256: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        of_judged([replace(LATENCY, variant=name, sha256={"dit": sha256})], ["litert_int8"], {"ab"})
    assert words in str(caught.value)


def test_what_pytest_measured_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path / "b.json", entry("torch_fp32", 3.0), entry("litert_int8", 0.5, artifact_sha256={"dit": "ab"}, peak_bytes=7)
    )
    found = latency_of(read_benches(path)[1])
    assert (found.variant, found.ratio, found.sha256, found.peak_bytes) == ("litert_int8", 6.0, {"dit": "ab"}, 7)


def test_the_command_hands_them_to_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[Any] = []

    def run(options: Any, *others: Any) -> Any:
        handed.extend(options.latency)
        return sample()

    monkeypatch.setattr("parity.gate.run_gate", run)
    path = written(tmp_path / "b.json", entry("litert_int8", 0.5))
    result = CliRunner().invoke(app, ["gate", "--latency", str(path)])
    assert result.exit_code == 0, result.output
    assert [one.variant for one in handed] == ["litert_int8"]


def test_a_file_that_holds_no_latency_is_told_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps({"benchmarks": []}))
    result = CliRunner().invoke(app, ["gate", "--latency", str(path)])
    assert (result.exit_code, f"error: {path}: holds no latency of a variant" in result.stderr) == (2, True)
