"""The soak: drawn cases differ from run to run, are the same for the same number, and a wrong model is refused in it."""

import random
import shutil
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litert_pipeline.bundle import Bundle
from parity.__main__ import app
from parity.judge.judge import Judge
from parity.measure.budget import YARDSTICK
from parity.meta_tests.of_tiny import OF_TINY
from parity.meta_tests.test_gate import damage_weights
from parity.soak import BEYOND, MOST_STEPS, drawn_case, drawn_variants
from reference.spec.prompt import Tokenizer

RUNS = 50
FEW_STEPS = 3  # a run that takes three steps and lasts under three seconds


def soak(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["soak", *OF_TINY, *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_cases_are_drawn_wide_and_by_number_alone(judge: Judge) -> None:
    first, again = ([drawn_case(judge.model, random.Random(run), "x") for run in range(RUNS)] for _ in range(2))
    assert [astuple(case) for case in first] == [astuple(case) for case in again]
    tokenizer: Tokenizer = judge.model.tokenizer
    lengths = [tokenizer.count(case.request.prompt) for case in first]
    assert min(lengths) < tokenizer.max_length / 4
    assert max(lengths) > tokenizer.max_length
    assert {case.request.sampler.steps for case in first} == set(range(1, MOST_STEPS + 1))
    most = judge.model.spec.seconds.max_s
    assert most < max(case.request.seconds for case in first) <= BEYOND * most
    assert len({case.seed for case in first}) == RUNS


def test_variants_are_drawn_beside_the_yardstick() -> None:
    variants = [YARDSTICK, *(f"litert_{number}" for number in range(17))]
    drawn = [drawn_variants(variants, 5, random.Random(run)) for run in range(RUNS)]
    assert all(names[0] == YARDSTICK and len(set(names)) == 6 for names in drawn)
    assert set(variants) == {name for names in drawn for name in names}
    assert set(drawn_variants(variants, 99, random.Random(0))) == set(variants)


def test_a_clean_bundle_is_published_and_a_damaged_one_refused(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    options = ("--variants", "litert_fp32", "--runs", 1, "--seed", FEW_STEPS)
    code, output = soak("--bundle", bundles["fp32"].folder, *options)
    assert (code, "1 of 1 runs end PUBLISH" in output) == (0, True), output
    folder = Path(shutil.copytree(bundles["fp32"].folder, tmp_path / "damaged"))
    damage_weights(folder / "dit.tflite")
    code, output = soak("--bundle", folder, *options)
    assert (code, "0 of 1 runs end PUBLISH" in output) == (1, True), output
    assert f"REFUSE run {FEW_STEPS}" in output
    assert "altered_file" in output


@pytest.mark.parametrize("arguments", [("--variants", "typo"), ("--bundle", "nowhere"), ("--runs", "0")])
def test_bad_options_are_refused(arguments: tuple[str, ...]) -> None:
    assert soak(*arguments)[0] == 2


@pytest.mark.parametrize("other", [("--bundle", "b"), ("--variants", "torch_fp32"), ("--drawn", "1"), ("--model", "m")])
@pytest.mark.parametrize("of_mixes", [("--spoiled", "5"), ("--log", "l")])
def test_options_of_mixes_are_not_ignored(of_mixes: tuple[str, str], other: tuple[str, str]) -> None:
    code, output = soak(*of_mixes, *other)
    assert code == 2
    assert "--spoiled and --log are for mixes that are drawn" in " ".join(output.split())
