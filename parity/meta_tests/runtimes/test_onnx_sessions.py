"""ONNX Runtime is told to multiply exactly where the test of its kernels says so, whoever opens the session, and nowhere else."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from typer.testing import CliRunner

from litert_pipeline.build.stage import as_converted
from litert_pipeline.bundle import Bundle
from parity.__main__ import app
from parity.explain.inside.graphs import onnx as graphs
from parity.judge.judge import Judge
from parity.measure.teacher_forcing import stage_feed
from parity.runtimes import host, onnx_products, onnxruntime_
from parity.runtimes.integer_kernels import IntegerKernels
from parity.runtimes.onnx_sessions import EXACT_PRODUCTS, new_session
from parity.test_parity import case_called
from reference.spec.privacy import NO_TELEMETRY
from reference.spec.stages import DIT
from reference.spec.tensors import Array

OPTION, VALUE = EXACT_PRODUCTS
KERNELS = {
    True: IntegerKernels(runtime="ONNX Runtime", wrong=0.25, wrong_with_option=0.0),
    False: IntegerKernels(runtime="ONNX Runtime", wrong=0.0),
}


@pytest.mark.parametrize("exact", [True, False])
def test_a_session_has_the_option_where_it_is_asked_for(bundles: Mapping[str, Bundle], exact: bool) -> None:
    options = new_session(bundles["onnx_int8"].path(DIT), exact=exact).get_session_options()
    if exact:
        assert options.get_session_config_entry(OPTION) == VALUE
    else:
        with pytest.raises(RuntimeError, match=OPTION):
            options.get_session_config_entry(OPTION)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each session that is opened from now on was asked to multiply exactly."""
    found: list[bool] = []

    def noted(*arguments: Any, exact: bool, **options: Any) -> onnxruntime.InferenceSession:
        found.append(exact)
        return new_session(*arguments, exact=exact, **options)

    for module in (onnxruntime_, graphs):
        monkeypatch.setattr(module, "new_session", noted)
    return found


@pytest.mark.parametrize("needed", KERNELS)
def test_a_stage_is_opened_as_the_kernels_need_it(
    bundles: Mapping[str, Bundle], asked: list[bool], monkeypatch: pytest.MonkeyPatch, needed: bool
) -> None:
    monkeypatch.setattr(onnxruntime_, "onnxruntime_kernels", lambda: KERNELS[needed])
    with onnxruntime_.open_stage(None, bundles["onnx_int8"], DIT, None, 1):
        assert asked == [needed]


@pytest.mark.parametrize("needed", KERNELS)
def test_the_inside_of_a_file_is_run_as_the_kernels_need_it(
    judge: Judge, bundles: Mapping[str, Bundle], asked: list[bool], monkeypatch: pytest.MonkeyPatch, needed: bool
) -> None:
    monkeypatch.setattr(graphs, "onnxruntime_kernels", lambda: KERNELS[needed])
    bundle = bundles["onnx_fp32"]
    entry = bundle.manifest.stages[DIT]
    graph = graphs.OnnxGraph(bundle.path(DIT), entry.own_signature, as_converted(judge.model, DIT, bundle.path(DIT)))
    graph.run(graph.tensors[:1], stage_feed(DIT, judge.truth(case_called(judge, "drums"))))
    assert asked == [needed]


def test_the_kernels_are_tested_as_they_come_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "wrong_in_onnxruntime", lambda *, exact: 0.0 if exact else 0.25)
    assert host.onnxruntime_kernels.__wrapped__() == KERNELS[True]


@pytest.mark.parametrize("way", [1, 5], ids=["the product alone", "all that quantization writes"])
def test_one_way_to_multiply_that_errs_is_noticed(monkeypatch: pytest.MonkeyPatch, way: int) -> None:
    """Fused and alone are kernels of their own; `way` is how many nodes the one that errs has. Told to multiply exactly, every
    CPU starts from none."""
    right = onnx_products._run

    def erring(nodes: list[Any], *arguments: Any) -> Array:
        return right(nodes, *arguments) + (len(nodes) == way)

    monkeypatch.setattr(onnx_products, "_run", erring)
    assert onnx_products.wrong_in_onnxruntime(exact=True) == pytest.approx(0.5)


def test_nothing_is_kept_about_the_models_that_are_judged(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    """onnxruntime's telemetry writes into the cache when it is imported, except under the variables of continuous integration."""
    start = "from pathlib import Path; from parity.runtimes.onnx_sessions import new_session; import sys; "
    quietly = f"{start}new_session(Path(sys.argv[1]), exact=False)"
    written = {}
    for name, code in (("ours", quietly), ("others", "import onnxruntime")):
        home = {"HOME": str(tmp_path / name), "XDG_CACHE_HOME": str(tmp_path / name / "cache")}
        environment = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ} | home
        subprocess.run([sys.executable, "-c", code, bundles["onnx_fp32"].path("dit")], env=environment, check=True)
        written[name] = [path.name for path in (tmp_path / name).rglob("*") if path.is_file()]
    assert written["ours"] == []
    assert written["others"], "onnxruntime keeps nothing any more: forbid_telemetry() has nothing to forbid"


def test_every_command_forbids_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NO_TELEMETRY)
    CliRunner().invoke(app, ["contract", "--bundle", "nowhere"])
    assert os.environ[NO_TELEMETRY] == "1"
