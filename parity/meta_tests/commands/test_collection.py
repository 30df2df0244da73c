"""What `pytest parity/` collects: the product's tests alone, for whatever bundle the gate takes."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fixtures import EMBEDDED_MODEL_DIR, TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity import runtimes, test_parity
from parity.commands.collection import Collection
from parity.judge.judge import Judge
from parity.measure.cases import Case
from parity.measure.policy_file import EMBEDDED, PUBLISH, read_policy
from parity.meta_tests.commands.pytest_process import PytestProcess, pytest_process
from parity.meta_tests.of_tiny import OF_TINY
from parity.meta_tests.test_gate import copied
from parity.runtimes import ONNX_RUNTIME, Row, mlx_
from parity.runtimes.integer_kernels import IntegerKernels

OWN_RECIPE = {
    "name": "mine",
    "quantize": {
        "dit": [
            {
                "regex": ".*",
                "operation": "FULLY_CONNECTED",
                "algorithm_key": "min_max_uniform_quantize",
                "op_config": {
                    "weight_tensor_config": {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
                    "compute_precision": "FLOAT",
                    "explicit_dequantize": True,
                },
            }
        ]
    },
    "compute": {"decoder": "fp16"},
}
# Of the product's tests: a case and what has none, of what runs a bundle.
KEPT = "(drums or equal or trace or latency or manifest) and not torch"
PRODUCT = {"parity/test_parity.py", "parity/test_axes.py", "parity/test_latency.py"}
# What a user types: the words, a part that every id has to have, one that none may have.
SELECTIONS = {
    "parity/ -k dit": (("parity/", "-k", "dit"), "dit", "-conditioner"),
    "parity/ -k conditioner": (("parity/", "-k", "conditioner"), "conditioner", "-dit"),
    "parity/ -k 'decoder and int8'": (("parity/", "-k", "decoder and int8"), "int8", "-dit"),
    "parity/": (("parity/",), "", None),
    "parity/ --cases pad": (("parity/", "--cases", "pad"), "", "drums"),
    "parity/ --benchmark-only": (("parity/", "--benchmark-only"), "", None),
    "parity/ --variants torch_fp32": (("parity/", "--variants", "torch_fp32"), "", "litert"),
}


@pytest.fixture(scope="module")
def pytest_run() -> Iterator[PytestProcess]:
    with pytest_process() as process:
        yield process


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_user_collects_the_products_tests_and_nothing_else(pytest_run: PytestProcess, name: str) -> None:
    arguments, part, unwanted = SELECTIONS[name]
    ids = [line for line in pytest_run(*arguments, "--collect-only").stdout.splitlines() if "::" in line]
    assert {line.partition("::")[0] for line in ids} == PRODUCT
    assert all(part in line for line in ids)
    assert unwanted is None or not any(unwanted in line for line in ids)


@pytest.mark.skipif(mlx_.missing() is not None, reason=f"{mlx_.missing()}")
@pytest.mark.parametrize(("asked", "collected"), [((), False), (("--variants", "mlx_fp32"), True)])
def test_a_slow_runtime_is_tested_where_it_is_asked_for(
    pytest_run: PytestProcess, asked: tuple[str, ...], collected: bool
) -> None:
    ids = [line for line in pytest_run("parity/test_parity.py", "--collect-only", *asked).stdout.splitlines() if "::" in line]
    assert any("mlx_fp32" in line for line in ids) == collected


def foreign_without_encoder(bundles: Mapping[str, Bundle], positional: Path, folder: Path) -> Path:
    """Somebody else's files; no encoder among them."""
    return positional


def own_recipe(bundles: Mapping[str, Bundle], positional: Path, folder: Path) -> Path:
    """A bundle quantized by a recipe of one's own."""
    (folder / "mine.json").write_text(json.dumps(OWN_RECIPE))
    command = [sys.executable, "-m", "litert_pipeline", "quantize", bundles["fp32"].folder]
    subprocess.run([*command, "--recipe", folder / "mine.json", "--out", folder / "mine"], check=True, capture_output=True)
    return folder / "mine"


BUNDLES = {
    "our fp32": lambda bundles, positional, folder: bundles["fp32"].folder,
    "our int8": lambda bundles, positional, folder: bundles["int8"].folder,
    "a foreign one without encoder": foreign_without_encoder,
    "an own recipe": own_recipe,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLES)
def test_the_products_tests_pass_on_any_bundle(
    pytest_run: PytestProcess, bundles: Mapping[str, Bundle], positional: Path, tmp_path: Path, name: str
) -> None:
    folder = BUNDLES[name](bundles, positional, tmp_path)
    done = pytest_run("parity/", "--benchmark-disable", *OF_TINY, "--bundle", folder, "-k", KEPT)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
    assert " failed" not in done.stdout


@pytest.mark.parametrize("name", [PUBLISH, EMBEDDED])
def test_the_header_says_what_is_asked(pytest_run: PytestProcess, bundles: Mapping[str, Bundle], name: str) -> None:
    given = (*OF_TINY, "--bundle", bundles["int4_blockwise"].folder) if name == PUBLISH else ()
    assert f"policy {name}" in pytest_run("parity/test_parity.py", "--collect-only", "-k", "close_enough", *given, "-v").stdout


@pytest.mark.parametrize(("bundle", "model"), [(False, TINY_MODEL_DIR), (True, EMBEDDED_MODEL_DIR)], ids=["none", "a bundle"])
def test_the_model_is_that_of_the_bundles(
    pytest_run: PytestProcess, bundles: Mapping[str, Bundle], bundle: bool, model: Path
) -> None:
    given = ("--bundle", bundles["fp32"].folder) if bundle else ()
    assert f"model {model}, " in pytest_run("parity/test_parity.py", "--collect-only", *given, "-v").stdout


@pytest.mark.xdist_group("variant litert_int4_blockwise")  # whose answers it shares
def test_what_is_not_close_enough_fails(judge: Judge, cases: list[Case]) -> None:
    with pytest.raises(AssertionError, match=r"at most 0\.10 is asked for"):
        test_parity.test_close_enough(judge, "litert_int4_blockwise", read_policy(PUBLISH, date.today()), cases)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--bundle", "no/such/folder"), "no/such/folder: no such folder"),
        ((*OF_TINY, "--bundle", "FP32", "--variants", "torch_fp32"), "none of the variants asked for runs it"),
        (("--policy", "lenient"), "lenient: no such policy"),
        (("--cases", "drums,gong"), "case gong is unknown; valid cases: drums"),
        (("--variants", "int9"), "variant 'int9' is unknown; valid variants: torch_fp32"),
        (("--variants", ""), "'' lacks a name; expected names, comma-separated"),
        (("--variants", "torch_fp32,"), "'torch_fp32,' lacks a name"),
    ],
    ids=["no bundle", "nothing of the bundle", "unknown policy", "unknown case", "unknown variant", "no variant", "half a list"],
)  # fmt: skip
def test_bad_options_are_one_line(
    pytest_run: PytestProcess, bundles: Mapping[str, Bundle], arguments: tuple[str, ...], words: str
) -> None:
    given = [str(bundles["fp32"].folder) if word == "FP32" else word for word in arguments]
    done = pytest_run("parity/test_parity.py", *given)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    errors = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR")]
    assert len(errors) == 1
    assert words in errors[0]


def test_tests_of_the_gate_take_no_bundle(pytest_run: PytestProcess, bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    done = pytest_run("parity/meta_tests/measure", "--bundle", copied(bundles["fp32"], tmp_path), "--collect-only")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "is for the product's tests; run parity/meta_tests without it" in done.stdout + done.stderr


@pytest.mark.parametrize("given", [True, False], ids=["bundles that are given", "bundles that can be made"])
def test_what_the_machine_cannot_run_right_is_not_collected(
    bundles: Mapping[str, Bundle], monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    folders = [bundles[name].folder for name in ("onnx_fp32", "onnx_int8")] if given else []
    assert "onnx_int8" in Collection(TINY_MODEL_DIR, folders, None).stages
    wrong = replace(ONNX_RUNTIME, integer_kernels=lambda: IntegerKernels(runtime="ONNX Runtime", wrong=0.25))
    monkeypatch.setattr(runtimes, "RUNTIMES", (Row(runtime=wrong), *runtimes.RUNTIMES[1:]))
    found = Collection(TINY_MODEL_DIR, folders, None).stages
    assert "onnx_int8" not in found
    assert "onnx_fp32" in found
