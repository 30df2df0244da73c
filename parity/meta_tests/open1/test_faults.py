"""What goes wrong with two numbers, guidance and the v objective is refused, and the right stage named."""

import json
from collections.abc import Mapping
from pathlib import Path

import onnx
import pytest

from litert_pipeline.bundle import MANIFEST_NAME, Bundle
from parity.faults.bench import Bench
from parity.faults.catalogue.open1 import OPEN1, sigma_of
from parity.faults.checks import injected
from parity.faults.fault import Fault
from parity.measure.verdict import FREE_RUNNING
from parity.meta_tests.open1.test_judged import CASES, FP32, INT8
from parity.meta_tests.test_gate import copied, gate, rewrite_manifest
from parity.test_parity import case_called
from reference.spec.files import sha256_of
from reference.spec.sampling.scale import Sigmas

pytestmark = pytest.mark.xdist_group("open1")
FAULTS = {fault.name: fault for fault in OPEN1}
CLOSE = 1e-4  # of a sigma of 500, whose level float32 rounds


@pytest.mark.parametrize("variant", [FP32, INT8])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_and_the_right_stage_blamed(open1_bench: Bench, name: str, variant: str) -> None:
    fault = FAULTS[name]
    found = injected(open1_bench, [fault], variant, [case_called(open1_bench.judge, case) for case in CASES])
    assert found.blames(fault.stage), found.first or found.error
    assert {check.stage for check in found.failed if check.ladder != FREE_RUNNING} <= {fault.stage}


def test_nothing_is_caught_where_nothing_is_wrong(open1_bench: Bench) -> None:
    fault = next(fault for fault in OPEN1 if fault.graded)
    nothing = Fault(**vars(fault) | {"inject": lambda bench, judge, variant, share: judge})
    cases = [case_called(open1_bench.judge, case) for case in CASES]
    assert not injected(open1_bench, [nothing], FP32, cases, deep=False).caught


@pytest.mark.parametrize("sigma", [500.0, 7.0, 0.3])
def test_a_sigma_and_its_level_are_one(sigma: float) -> None:
    assert sigma_of(Sigmas().level(sigma)) == pytest.approx(sigma, rel=CLOSE)
    assert Sigmas().stop(Sigmas().level(sigma)) == pytest.approx(sigma, rel=CLOSE)


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
    folder = copied(open1_bundles[FP32], tmp_path)
    file = folder / "conditioner.onnx"
    rename_inputs(file, {"seconds_start": "seconds_total", "seconds_total": "seconds_start"})
    stands = {"sha256": sha256_of(file), "size_bytes": file.stat().st_size}
    rewrite_manifest(folder, lambda manifest: manifest["stages"]["conditioner"].update(stands))
    report = tmp_path / "report"
    code, output = gate("--model", open1, "--bundle", folder, "--cases", "drums", "--variants", FP32, "--report", report)
    assert code == 1, output
    blame = json.loads((report / "report.json").read_text())["blame"]
    assert [entry["stage"] for entry in blame] == ["conditioner"]
    assert MANIFEST_NAME in {path.name for path in folder.iterdir()}


def test_a_file_from_elsewhere_is_told_its_numbers_apart(
    open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    """Without a manifest both numbers look alike: they are found by what the file answers."""
    for names, code in (({}, 0), ({"seconds_start": "seconds_total", "seconds_total": "seconds_start"}, 1)):
        folder = copied(open1_bundles[FP32], tmp_path / f"exit {code}")
        (folder / MANIFEST_NAME).unlink()
        rename_inputs(folder / "conditioner.onnx", names)
        found, output = gate("--model", open1, "--bundle", folder, "--cases", "empty", "--variants", FP32, "--draws", "0")
        assert found == code, output
        assert ("swapped_inputs" in output) == bool(code)
