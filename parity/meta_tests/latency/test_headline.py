"""`python -m parity headline`: figures beside the verdict of the gate that judged these very files."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litert_pipeline.bundle import Bundle
from parity.__main__ import app
from parity.judge.judge import Judge
from parity.latency import peers as peers_module
from parity.latency.entrants import race_stage
from parity.latency.headline import verdict_of
from parity.latency.peers import peers
from parity.meta_tests.of_tiny import OF_TINY
from parity.test_parity import case_called

FOUND = (("litert_int8", True), ("litert_int8", False), ("litert_plain", True), ("litert_fp32", True), ("fp32", False))
CHECKS = [{"variant": name, "ok": ok, "stage": "dit", "ladder": "teacher-forced"} for name, ok in FOUND]
SHARED = [{"variant": "litert_int8_fast", "stage": "dit", "judged_as": "litert_int8"}]
CONTENT = {"checks": CHECKS, "artifacts": [{"sha256": "a"}, {"sha256": "b"}], "shared": SHARED}


def parity(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("name", "hashes", "verdict"),
    [
        ("litert_plain", "ab", "publish (1 checks)"),
        ("litert_int8", "ab", "refuse (1 of 2 failed)"),
        ("litert_int8_fast", "ab", "refuse (1 of 2 failed)"),  # its DiT was judged as litert_int8's
        ("litert_fp32", "ab", "refuse (1 of 2 failed)"),  # its bundle was altered
        ("litert_plain", "ac", "not judged"),
        ("litert_windowed", "ab", "not judged"),
    ],
)
def test_a_verdict_is_that_of_the_same_files(name: str, hashes: str, verdict: str) -> None:
    recipe = name.removeprefix("litert_")
    assert verdict_of(name, recipe, CONTENT, {str(index): sha256 for index, sha256 in enumerate(hashes)}) == verdict


def test_the_headline_is_printed_and_written(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    names = {"plain": "litert_plain", "int8_fast": "litert_int8_fast"}
    chosen = [part for recipe in names for part in ("--bundle", bundles[recipe].folder)]
    report, out = tmp_path / "report.json", tmp_path / "headline.md"
    checks = [{"variant": name, "ok": True, "ladder": "teacher-forced"} for name in names.values()]
    hashes = [{"sha256": entry.sha256} for recipe in names for entry in bundles[recipe].manifest.stages.values()]
    report.write_text(json.dumps({"checks": checks, "environment": {}, "model": {}, "artifacts": hashes}))
    options = ("headline", *OF_TINY, *chosen, "--report", report, "--threads", "1", "--rounds", 2, "--out", out)
    code, output = parity(*options)
    assert code == 0, output
    page, found = out.read_text(), json.loads(out.with_suffix(".json").read_text())
    assert [row["variant"] for row in found["rows"]] == ["litert_plain", "litert_int8_fast"]
    assert all(row["verdict"].startswith("publish") for row in found["rows"])
    assert all(len(row["laps"]["1"]["total_s"]) == 2 for row in found["rows"])
    assert page.count("publish (") == 2
    assert "INT8 DiT: " in page
    assert f"CPU class: {found['machine']['cpu_class']}." in page
    assert "integer dot product" in found["machine"]["cpu_class"]
    assert parity(*options)[0] == 2  # nothing is overwritten
    code, output = parity("headline", *OF_TINY, *chosen, "--report", tmp_path / "none", "--out", tmp_path / "other.md")
    assert (code, output.count("error: ")) == (2, 1), output
    assert not (tmp_path / "other.md").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [(("--threads", "1,x"), "threads is '1,x'"), (("--threads", "0"), "from 1 to 1024"), ((), "none of the bundles is")],
)
def test_bad_options_are_told_in_one_line(
    bundles: Mapping[str, Bundle], tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"checks": [], "environment": {}, "model": {}, "artifacts": []}))
    code, output = parity("headline", *OF_TINY, "--bundle", bundles["onnx_fp32"].folder, "--report", report, *options)
    assert (code, output.count("error: "), words in " ".join(output.split())) == (2, 1, True), output


def test_peers_that_are_not_installed_are_told_and_left_out(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers_module, "find_spec", lambda name: None)
    told: list[str] = []
    found = [entrant.name for entrant in peers(judge, tmp_path, told.append)]
    assert {"torch_fp32", "torch_compile", "onnx_fp32", "onnx_int8"} == set(found)
    assert [line.split()[0] for line in told] == ["openvino", "executorch"]


def test_every_peer_that_is_installed_answers_within_its_budget(judge: Judge, tmp_path: Path) -> None:
    field = [entrant for entrant in peers(judge, tmp_path, lambda _: None) if entrant.name != "torch_compile"]
    for stage in ("conditioner", "decoder"):
        found = race_stage(judge, field, stage, case_called(judge, "drums"), threads=1, rounds=1)
        assert len(found) == len(field)
        for name, timed in found.items():
            assert timed.verdicts, name
            assert not [str(verdict) for verdict in timed.verdicts if not verdict.ok]
