"""Bundles of Stable Audio Open 1.0, LiteRT and ONNX, FP32 and INT8: converted, judged, run; `make open1-test`."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import litert_pipeline.__main__
import parity.__main__
import reference.__main__
from litert_pipeline.bundle import MANIFEST_NAME, Bundle
from parity.measure import metrics
from parity.measure.verdict import FREE_RUNNING, TEACHER_FORCED
from parity.meta_tests.open1.test_faults import VARIANTS
from parity.meta_tests.open1.test_judged import SIGMA_MAX_LEVEL
from parity.meta_tests.test_gate import copied, damage_weights, gate, rewrite_manifest
from reference.spec.files import sha256_of
from reference.spec.sampling.releases import V0_0_19, V0_0_20
from reference.spec.sampling.samplers import GUIDED
from reference.spec.stages import DIT, GENERATION

pytestmark = [pytest.mark.xdist_group("open1"), pytest.mark.open1]
ONNX = "onnx_fp32"
COARSE = "onnx_int8"  # layers' feeds are rounded by the tensor: where guidance of 7 may lead with that is for a policy to say
TWO_FLOAT_RUNS = 1e-4  # of latents between two float32 runs of 4 steps, guided by 7


def test_sound_bundles_are_faithful_and_the_report_says_how_they_were_sampled(
    open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    report = tmp_path / "report"
    bundles = [word for bundle in open1_bundles.values() for word in ("--bundle", bundle.folder)]
    asked = ("--cases", "drums,empty", "--policy", "preview", "--variants", ",".join(VARIANTS))
    code, output = gate("--model", open1, *bundles, *asked, "--report", report)
    content = json.loads((report / "report.json").read_text())
    verdicts = {bundle["name"]: bundle for bundle in content["bundles"]}
    assert all(verdict["faithful"] for verdict in verdicts.values()), output
    assert all(verdict["close_enough"] for name, verdict in verdicts.items() if name != COARSE), output
    assert code == (0 if verdicts[COARSE]["close_enough"] else 1)
    assert content["model"]["spec"] == V0_0_19.name
    assert content["model"]["sampled"] == "dpmpp-3m-sde, 4 steps, cfg 7"
    seen = {(check["stage"], check["variant"], check["ladder"]) for check in content["checks"]}
    for variant in VARIANTS:
        assert {(DIT, variant, TEACHER_FORCED), *((stage, variant, FREE_RUNNING) for stage in GENERATION)} <= seen
        steps = [entry for entry in content["dit_steps"] if entry["variant"] == variant]
        assert steps[0]["level"] == pytest.approx(SIGMA_MAX_LEVEL)
        assert [entry["step"] for entry in steps] == list(range(GUIDED.few_steps))


def test_both_pipelines_generate_the_same(open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    asked = (
        "generate", "tight drum loop", "--seconds", "4", "--seconds-start", "1.5", "--steps", "4", "--negative-prompt", "noise",
        "--negative-start", "3",
    )  # fmt: skip
    apps = {"reference": (reference.__main__.app, "--model", open1), "litert": (litert_pipeline.__main__.app, "--bundle", None)}
    for name, (app, option, folder) in apps.items():
        files = ("--out", tmp_path / f"{name}.wav", "--trace", tmp_path / f"{name}.npz")
        result = CliRunner().invoke(app, [*map(str, (*asked, option, folder or open1_bundles["fp32"].folder, *files))])
        assert result.exit_code == 0, result.output
    ours, theirs = (np.load(tmp_path / f"{name}.npz") for name in apps)
    assert set(ours.files) == set(theirs.files)
    assert {"u_0", "negative_seconds_start", "negative_global_cond"} <= set(ours.files)
    assert metrics.relative_l2(ours["latents"], theirs["latents"]) <= TWO_FLOAT_RUNS


def test_a_bundle_made_for_another_release_is_told(open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(open1_bundles[ONNX], tmp_path)
    rewrite_manifest(folder, lambda manifest: manifest["sampler"].update(spec=V0_0_20.name))
    code, output = gate("--model", open1, "--bundle", folder, "--cases", "empty", "--variants", ONNX)
    assert code == 1
    assert f"sampler.spec is {V0_0_20.name}, expected {V0_0_19.name}" in " ".join(output.replace("│", " ").split())


def test_damaged_weights_are_refused_and_the_module_inside_is_named(
    open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    """Whichever half of a guided step is the worse one."""
    folder, report = copied(open1_bundles["fp32"], tmp_path), tmp_path / "report"
    damage_weights(folder / "dit.tflite")
    rewrite_manifest(folder, lambda manifest: manifest["stages"]["dit"].update(sha256=sha256_of(folder / "dit.tflite")))
    asked = ("--bundle", folder, "--cases", "drums", "--variants", "litert_fp32", "--report", report)
    code, output = gate("--model", open1, *asked)
    assert code == 1, output
    blame = json.loads((report / "report.json").read_text())["blame"]
    assert {entry["stage"] for entry in blame} == {DIT}
    assert [entry["layer"] for entry in blame if entry["layer"]]


@pytest.mark.parametrize(("command", "words"), [
    ("pack", "the model is sampled with guidance, whose second call and negative prompt a kit does not ask for yet"),
    ("headline", "is sampled with guidance; the headline counts one call of the DiT a step"),
])  # fmt: skip
def test_what_does_not_know_guidance_yet_says_so(
    open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path, command: str, words: str
) -> None:
    report, out = tmp_path / "report.json", tmp_path / "out"
    report.write_text(json.dumps({"checks": [], "environment": {}, "model": {}, "artifacts": []}))
    extra = ("--report", report) if command == "headline" else ()
    line = (command, "--model", open1, "--bundle", open1_bundles["int8"].folder, "--out", out, *extra)
    result = CliRunner().invoke(parity.__main__.app, [str(word) for word in line])
    assert (result.exit_code, words in " ".join(result.output.split())) == (2, True), result.output
    assert not out.exists()


def rename_inputs(path: Path, names: Mapping[str, str]) -> None:
    """The graph's inputs under other names; what computes with them stays."""
    model = onnx.load(path)
    for entry in model.graph.input:
        entry.name = names.get(entry.name, entry.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    onnx.save(model, path)


def test_numbers_that_change_places_in_the_file_are_refused_and_the_conditioner_named(
    open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    """A real file, right in all but which input is called what, and a manifest that speaks of it."""
    folder = copied(open1_bundles[ONNX], tmp_path)
    file = folder / "conditioner.onnx"
    rename_inputs(file, {"seconds_start": "seconds_total", "seconds_total": "seconds_start"})
    stands = {"sha256": sha256_of(file), "size_bytes": file.stat().st_size}
    rewrite_manifest(folder, lambda manifest: manifest["stages"]["conditioner"].update(stands))
    report = tmp_path / "report"
    code, output = gate("--model", open1, "--bundle", folder, "--cases", "drums", "--variants", ONNX, "--report", report)
    assert code == 1, output
    blame = json.loads((report / "report.json").read_text())["blame"]
    assert [entry["stage"] for entry in blame] == ["conditioner"]
    assert MANIFEST_NAME in {path.name for path in folder.iterdir()}


def test_a_file_from_elsewhere_is_told_its_numbers_apart(
    open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    """Without a manifest both numbers look alike: they are found by what the file answers."""
    for names, code in (({}, 0), ({"seconds_start": "seconds_total", "seconds_total": "seconds_start"}, 1)):
        folder = copied(open1_bundles[ONNX], tmp_path / f"exit {code}")
        (folder / MANIFEST_NAME).unlink()
        rename_inputs(folder / "conditioner.onnx", names)
        found, output = gate("--model", open1, "--bundle", folder, "--cases", "empty", "--variants", ONNX, "--draws", "0")
        assert found == code, output
        assert ("swapped_inputs" in output) == bool(code)
