"""What files store and compute is told in report.json, on the page and on the card, as it was read from the files."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.judge.weights import stage_arithmetics
from parity.measure.contents import StageArithmetic
from parity.meta_tests.report.sample import ARITHMETIC, BUNDLE, sample
from parity.report.as_json import to_json
from parity.report.card import card
from parity.report.page import page

WORDS = "90 % int8 per channel, layers fed int8 per row; 10 % float32"
ALL = 1.0 + 1e-9  # of all values; the sum of shares is rounded


def read(bundle: Bundle, judge: Judge) -> dict[str, StageArithmetic]:
    run_by = [contender for contender in contenders_of([bundle]).values() if contender.bundle is not None]
    return {found.stage: found for found in stage_arithmetics(judge, bundle, run_by)}


# a recipe, its stage, what is stored most, how layers are fed, and what products are made of
MOST = {
    "fp32": ("decoder", "float32", "-", "float", "floats"),
    "int8": ("dit", "int8", "channel", "int8 per row", "integers"),
    "int8_weight_only": ("dit", "int8", "channel", "float", "floats"),
    "int4_blockwise": ("dit", "int4", "block of 32", "int8 per row", "integers"),
    "onnx_int8": ("dit", "int8", "channel", "int8 per tensor", "integers"),
}


@pytest.mark.parametrize("recipe", MOST)
def test_the_largest_portion_is_what_the_recipe_makes(bundles: Mapping[str, Bundle], judge: Judge, recipe: str) -> None:
    stage, *expected = MOST[recipe]
    portions = read(bundles[recipe], judge)[stage].portions
    stored = portions[0].stored
    assert [stored.storage, stored.granularity, stored.fed, stored.products] == expected
    shares = [portion.share for portion in portions]
    assert shares == sorted(shares, reverse=True)
    assert 1 <= sum(shares) * ALL <= ALL**2
    assert sum(portion.tensors for portion in portions) > 0


def test_what_a_stage_is_computed_in_is_each_variant_s_own(bundles: Mapping[str, Bundle], judge: Judge) -> None:
    computed = read(bundles["fp32"], judge)["decoder"].compute
    assert {name: computed[name] for name in ("litert_fp32", "litert_fp16")} == {"litert_fp32": "fp32", "litert_fp16": "fp16"}
    assert read(bundles["int8"], judge)["decoder"].computed == "fp16"


def test_programs_find_it_flat() -> None:
    (stage,) = to_json(sample())["bundles"][0]["arithmetic"]
    assert (stage["stage"], stage["file"], stage["compute"]) == ("dit", "dit.tflite", ARITHMETIC.compute)
    assert stage["stored"][0] == {
        "storage": "int8", "granularity": "channel", "symmetric": True, "fed": "int8 per row", "products": "integers",
        "scheme": "", "tensors": 8, "values": 900, "share": 0.9,
    }  # fmt: skip
    json.dumps(stage, allow_nan=False)


def test_people_find_it_on_the_page_and_on_the_card() -> None:
    assert f"| `int8` | dit | {WORDS} | - | fp32 by litert_int8, fp16 by litert_other |" in card(sample())
    text = page(sample())
    assert all(f"<td>{cell}</td>" in text for cell in ("int8", "channel", "int8 per row", "integers"))
    assert '<td class="n">90 %</td>' in text


def test_where_nothing_was_judged_nothing_is_told() -> None:
    assert "What the files store" not in card(sample(bundles=[replace(BUNDLE, arithmetic=[])]))
