"""A gate that is right on smooth seeded weights only is not believed on trained ones: rough models are not refused."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from fixtures.make_model import make_model
from fixtures.rough import ROUGH
from litert_pipeline.build.conversions import Conversions, described_bundles
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.bundle import Bundle, read_bundle
from parity.bundles.given import make_bundles
from parity.faults.other_weights import bundle_for
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure.sweep import Sweep
from parity.meta_tests.judge.test_upstream_rounded import assert_same_constants
from parity.meta_tests.more import few
from parity.test_parity import case_called
from parity.truth.store import Store
from reference.pipeline import load_model

OF_TRANSFORMERS = {"fp32", "int8", "int8_weight_only", "int4_blockwise", "fp16_weights"}
# Roughness that is in norms, which an autoencoder has none of, leaves its files what they are of the smooth model.
JUDGED = {"wide-gains": OF_TRANSFORMERS, "outliers": OF_TRANSFORMERS, "heavy": {*OF_TRANSFORMERS, "int8_decoder"}}
# A few files of each in every run, those that were once refused among them; the others by `make more`.
FEW = {"wide-gains": {"int8", "int8_weight_only"}, "heavy": {"int4_blockwise", "int8_decoder"}, "outliers": set[str]()}
SHARDS = {
    **{rough: FEW[rough] for rough in JUDGED if FEW[rough]},
    **{f"{rough}, the others": JUDGED[rough] - FEW[rough] for rough in JUDGED},
}


def judged(judge: Judge) -> list[str]:
    """The yardstick, and of each bundle's contenders the first: the others run the same weights."""
    first = {id(contender.bundle): name for name, contender in reversed(judge.contenders.items())}
    return sorted(first.values(), key=list(judge.contenders).index)


def test_all_that_is_rough_is_judged() -> None:
    assert JUDGED.keys() == ROUGH.keys() - {"gains"}  # which are wide ones, less so
    assert FEW.keys() == JUDGED.keys()
    assert all(FEW[rough] < recipes for rough, recipes in JUDGED.items())


def sources(recipes: set[str]) -> set[str]:
    """The recipes of the bundles that these start from."""
    return {"fp32", *(RECIPES[recipe].source for recipe in recipes)}


def keep_converted(conversions: Conversions, folder: Path, bundles: Mapping[str, Bundle], recipes: set[str]) -> None:
    """Keep what converting the model in `folder` would give, without a minute of converting: the smooth model's files with
    its weights instead. `test_rewritten_files_are_those_that_converting_gives` holds them to it."""
    smooth, rough = load_model(TINY_MODEL_DIR), load_model(folder)
    for name, description in described_bundles(folder, [RECIPES[source] for source in sources(recipes)]).items():
        bundle_for(bundles[name], smooth, rough, folder.with_name(name))
        conversions.keep(description, folder.with_name(name))


@pytest.mark.parametrize("shard", few(SHARDS, [rough for rough in SHARDS if rough in JUDGED]))
def test_a_rough_model_is_not_refused_at_any_precision(shard: str, tmp_path: Path, bundles: Mapping[str, Bundle]) -> None:
    folder, conversions, recipes = tmp_path / "model", Conversions.inside(tmp_path / "kept"), SHARDS[shard]
    make_model(folder, "tiny", seed=0, rough=shard.partition(",")[0])
    keep_converted(conversions, folder, bundles, recipes)
    made = make_bundles(folder, tmp_path / "bundles", recipes, lambda _: None, conversions)
    with Judge.of(folder, made.values(), store=Store()) as judge:
        plan = Plan.of(judge, judged(judge), [case_called(judge, "drums")], Sweep(draws=4))
        checks = list(plan.checks(lambda _: None))
    assert len({check.variant for check in checks} & judge.contenders.keys()) == len(recipes) + 1
    assert [str(check) for check in checks if not check.ok] == []


@pytest.mark.rounded
@pytest.mark.parametrize("rough", JUDGED)
def test_rewritten_files_are_those_that_converting_gives(bundles: Mapping[str, Bundle], tmp_path: Path, rough: str) -> None:
    folder, smooth = tmp_path / "model", load_model(TINY_MODEL_DIR)
    make_model(folder, "tiny", seed=0, rough=rough)
    made = make_bundles(folder, tmp_path / "converted", sources(JUDGED[rough]), lambda _: None, Conversions())
    for name, theirs in made.items():
        bundle_for(bundles[name], smooth, load_model(folder), tmp_path / name)
        ours = read_bundle(tmp_path / name)
        assert ours.manifest.source == theirs.manifest.source
        for stage in theirs.manifest.stages:
            assert_same_constants(theirs.path(stage), ours.path(stage))
