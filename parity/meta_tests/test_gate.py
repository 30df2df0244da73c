"""The gate itself: it publishes what is right, refuses what is not, blames the right stage, and says what it cannot judge."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from fixtures import POLICIES_DIR, TINY_MODEL_DIR
from litert_pipeline.bundle import MANIFEST_NAME, Bundle
from parity.__main__ import app
from parity.explain.inside.overlays import OVERLAYS
from parity.faults.catalogue.files import other_pieces
from parity.measure.closeness import DISTANCES
from parity.measure.sweep import DRAWS
from parity.measure.verdict import ARTIFACT, FREE_RUNNING, TEACHER_FORCED
from parity.meta_tests.of_tiny import OF_TINY
from parity.meta_tests.report.sample import sample
from parity.report.headroom import headrooms
from reference.spec.files import sha256_of
from reference.spec.stages import ENCODER, GENERATION

DAMAGED_BYTES = 4096
FEW_DRAWS = ("--draws", "2")  # where a test is not about what is drawn


def gate(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["gate", *OF_TINY, *FEW_DRAWS, *map(str, arguments)])  # the last --draws counts
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def copied(bundle: Bundle, folder: Path) -> Path:
    return Path(shutil.copytree(bundle.folder, folder / bundle.folder.name))


def damage_weights(path: Path) -> None:
    """Overwrite a range in the middle of the file, where the weights are, with other plausible floats."""
    data = bytearray(path.read_bytes())
    start = len(data) // 2 // 4 * 4
    noise = np.random.Generator(np.random.Philox(0)).standard_normal(DAMAGED_BYTES // 4, dtype=np.float32)
    data[start : start + DAMAGED_BYTES] = noise.tobytes()
    path.write_bytes(data)


def rewrite_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_clean_bundle_is_published_with_a_full_report(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    judged = ("--bundle", bundles["fp32"].folder, "--variants", "litert_fp32,litert_fp16", "--cases", "drums")
    code, output = gate(*judged, "--report", tmp_path / "report", "--draws", DRAWS)
    assert code == 0, output
    assert "PUBLISH" in output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["verdict"] == "publish"
    assert report["blame"] == []
    seen = {(check["stage"], check["variant"], check["ladder"]) for check in report["checks"]}
    for variant in ("torch_fp32", "litert_fp32", "litert_fp16"):
        assert {(stage, variant, ladder) for stage in GENERATION for ladder in (TEACHER_FORCED, FREE_RUNNING)} <= seen
        assert (ENCODER, variant, TEACHER_FORCED) in seen
    assert len({check["id"] for check in report["checks"]}) == len(report["checks"])
    for entry in report["artifacts"]:
        assert sha256_of(bundles["fp32"].folder.parent / entry["path"]) == entry["sha256"]
    shown = CliRunner().invoke(app, ["headroom", str(tmp_path / "report")])
    assert all(row.budget in shown.output for row in headrooms(report["checks"]))
    variants = list(dict.fromkeys(check["variant"] for check in report["checks"] if check["ladder"] != ARTIFACT))
    assert [matrix["variant"] for matrix in report["swap"]] == variants
    assert report["t5_activations"]
    assert report["warnings"] == []
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<audio") == page.count("<img") == 1 + len(variants)
    suite = ElementTree.parse(tmp_path / "report" / "junit.xml").getroot()
    (judged,) = report["bundles"]
    assert (judged["faithful"], judged["close_enough"]) == (True, True)
    assert {distance["name"] for distance in judged["distances"]} == set(DISTANCES)
    assert int(suite.attrib["tests"]) == len(report["checks"]) + len(judged["distances"])


@pytest.mark.parametrize(
    ("policy", "code", "words"),
    [
        ((), 1, "faithful, but not close enough: dit_denoised_error is 0.2"),
        (("--policy", "preview"), 0, "faithful, close enough"),
        (("--policy", "lenient"), 2, "lenient: no such policy; expected a TOML file or one of"),
    ],
    ids=["as it comes", "preview", "unknown"],
)
def test_int4_is_faithful_and_whether_it_is_close_enough_is_the_policy_s(
    bundles: Mapping[str, Bundle], policy: tuple[str, ...], code: int, words: str
) -> None:
    found = gate("--bundle", bundles["int4_blockwise"].folder, "--cases", "drums", *policy)
    assert (found[0], words in " ".join(found[1].split())) == (code, True), found[1]


def test_an_exemption_nobody_needs_is_told_after_the_verdict(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    exemption = 'bundle = "fp32"\ndistance = "dit_denoised_error"\nat_most = "0.3"\nwhy = "?"\nowner = "?"\nuntil = 9999-12-31\n'
    policy = tmp_path / "policy.toml"
    policy.write_text((POLICIES_DIR / "publish.toml").read_text() + f"\n[[exemptions]]\n{exemption}")
    code, output = gate("--bundle", bundles["fp32"].folder, "--cases", "pad", "--variants", "litert_fp32", "--policy", policy)
    assert (code, "fp32 needs no exemption from dit_denoised_error" in output) == (2, True), output
    assert output.index("faithful, close enough") < output.index("needs no exemption")


@pytest.mark.parametrize("manifest", ["stale manifest", "manifest made to match"])
@pytest.mark.parametrize("stage", ["dit", pytest.param("decoder", marks=pytest.mark.more)])
def test_damaged_weights_are_refused_and_blamed(
    bundles: Mapping[str, Bundle], tmp_path: Path, stage: str, manifest: str
) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    file = folder / f"{stage}.tflite"
    damage_weights(file)
    if manifest == "manifest made to match":
        rewrite_manifest(folder, lambda m: m["stages"][stage].update(sha256=sha256_of(file)))
    report = tmp_path / "report"
    code, output = gate("--bundle", folder, "--variants", "litert_fp32", "--cases", "drums", "--report", report)
    assert code == 1, output
    assert "REFUSE" in output
    content = json.loads((report / "report.json").read_text())
    assert content["verdict"] == "refuse"
    assert {blamed["stage"] for blamed in content["blame"]} == {stage}
    named = {blamed["layer"] for blamed in content["blame"]} - {None}
    assert named
    assert named <= {error["path"] for error in content["layers"] if not error["ok"]}
    page = (report / "report.html").read_text()
    assert page.index("REFUSE") < page.index("Who is at fault") < page.index("Stage by variant")
    assert all(layer in page for layer in named)
    overlays = {path.name for path in (report / "overlays").iterdir()}
    assert overlays == {f"litert_fp32.{inside}.{name}.json" for inside in {stage, "dit"} for name in OVERLAYS}
    failed = {check["ladder"] for check in content["checks"] if not check["ok"] and check["stage"] == stage}
    assert TEACHER_FORCED in failed


def test_the_truth_is_kept_unless_told_otherwise(
    bundles: Mapping[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    arguments = ("--variants", "torch_fp32", "--cases", "pad", "--draws", "0")
    assert gate(*arguments, "--no-cache")[0] == 0
    assert list(tmp_path.rglob("*.entry")) == []
    assert gate(*arguments)[0] == 0
    kept = {path: path.stat().st_ino for path in tmp_path.rglob("*.entry")}
    assert len(kept) == 2  # the truth and its envelope
    assert gate(*arguments)[0] == 0
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*.entry")} == kept  # read, not written again


def test_int8_file_that_is_its_own_source_is_refused(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(bundles["int8"], tmp_path)
    shutil.copyfile(bundles["fp32"].path("dit"), folder / "dit.tflite")
    size = (folder / "dit.tflite").stat().st_size
    rewrite_manifest(
        folder, lambda m: m["stages"]["dit"].update(sha256=sha256_of(folder / "dit.tflite"), size_bytes=size)
    )
    code, output = gate("--bundle", folder, "--cases", "drums", "--report", tmp_path / "report")
    assert code == 1, output
    checks = json.loads((tmp_path / "report" / "report.json").read_text())["checks"]
    failed = {check["metric"] for check in checks if not check["ok"]}
    assert "other_arithmetic" in failed
    assert "found float32 weights, expected int8 weights, activations int8 per row of recipe int8" in output


def test_bundle_of_another_model_is_refused(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    rewrite_manifest(folder, lambda m: m["source"].update(weights_sha256="0" * 64))
    code, output = gate("--bundle", folder, "--variants", "litert_fp32", "--cases", "drums")
    assert code == 1
    assert "foreign_model" in output


def test_foreign_tokenizer_is_refused_and_blamed(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    other_pieces(folder)
    report = tmp_path / "report"
    code, output = gate("--bundle", folder, "--variants", "litert_fp32", "--cases", "drums", "--report", report)
    assert code == 1, output
    blame = json.loads((report / "report.json").read_text())["blame"]
    assert [entry["stage"] for entry in blame] == ["conditioner"]
    assert "foreign_tokenizer" in blame[0]["why"]


def test_a_run_that_measured_nothing_is_not_published() -> None:
    assert not sample(checks=[]).publish


def test_a_failed_run_keeps_the_report_it_was_told_to_replace(tmp_path: Path) -> None:
    report = tmp_path / "report"
    report.mkdir()
    (report / "report.json").write_text("old")
    code, _ = gate("--bundle", "no_such_dir", "--report", report, "--force")
    assert code == 2
    assert (report / "report.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_existing_report_is_kept_without_force(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    code, output = gate("--model", TINY_MODEL_DIR, "--report", tmp_path / "report")
    assert code == 2
    assert "--force" in output
