"""A gate that is right on smooth seeded weights only is not believed on trained ones: rough models are not refused."""

from pathlib import Path

import pytest

from fixtures.make_model import make_model
from fixtures.plugins.with_model import OneAtATime
from fixtures.rough import ROUGH
from litert_pipeline.build.conversions import Conversions
from parity.bundles.given import make_bundles
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure.sweep import Sweep
from parity.test_parity import case_called
from parity.truth.store import Store

OF_TRANSFORMERS = {"fp32", "int8", "int8_weight_only", "int4_blockwise", "fp16_weights"}
# Roughness that is in norms, which an autoencoder has none of, leaves its files what they are of the smooth model.
RECIPES = {"wide-gains": OF_TRANSFORMERS, "outliers": OF_TRANSFORMERS, "heavy": {*OF_TRANSFORMERS, "int8_decoder"}}


def judged(judge: Judge) -> list[str]:
    """The yardstick, and of each bundle's contenders the first: the others run the same weights."""
    first = {id(contender.bundle): name for name, contender in reversed(judge.contenders.items())}
    return sorted(first.values(), key=list(judge.contenders).index)


def test_all_that_is_rough_is_judged() -> None:
    assert RECIPES.keys() == ROUGH.keys() - {"gains"}  # which are wide ones, less so


@pytest.mark.parametrize("shard", RECIPES)
def test_a_rough_model_is_not_refused_at_any_precision(
    shard: str, tmp_path: Path, conversions: Conversions, one_at_a_time: OneAtATime
) -> None:
    model = tmp_path / "model"
    make_model(model, "tiny", seed=0, rough=shard)
    with one_at_a_time(f"rough {shard}"):
        bundles = make_bundles(model, tmp_path / "bundles", RECIPES[shard], lambda _: None, conversions)
    with Judge.of(model, bundles.values(), store=Store()) as judge:
        plan = Plan.of(judge, judged(judge), [case_called(judge, "drums")], Sweep(draws=4))
        checks = list(plan.checks(lambda _: None))
    assert len({check.variant for check in checks} & judge.contenders.keys()) == len(RECIPES[shard]) + 1
    assert [str(check) for check in checks if not check.ok] == []
