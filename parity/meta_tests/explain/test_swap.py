"""The swap matrix blames the stage that is wrong, and its shares add up."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.explain.swap import swap_matrix
from parity.explain.swap_matrix import SwapMatrix
from parity.faults.catalogue import CATALOGUE
from parity.judge.judge import Judge
from parity.meta_tests.judge.test_judge import VARIANT, with_fault
from parity.test_parity import case_called
from reference.spec.stages import GENERATION

SUBSETS = [frozenset(mix) for count in range(len(GENERATION) + 1) for mix in combinations(GENERATION, count)]
ROUNDING_DB = 1e-9
SHARE_OF_ALL = 0.9  # what the wrong stage contributes at least; the others are float32 and correct
HEARD = ["seconds_dropped", "velocity_sign", "layer_skipped", "channels_swapped", "gain"]


@given(st.lists(st.floats(min_value=0, max_value=60), min_size=len(SUBSETS) - 1, max_size=len(SUBSETS) - 1))
def test_shares_add_up_to_the_distance_of_the_whole_variant(distances: list[float]) -> None:
    by_subset = dict(zip(SUBSETS, [0.0, *distances], strict=True))
    matrix = SwapMatrix(variant="v", case="c", distance_db=by_subset)
    assert sum(matrix.share_db.values()) == pytest.approx(by_subset[frozenset(GENERATION)], abs=ROUNDING_DB)


def test_a_stage_that_changes_nothing_has_no_share() -> None:
    matrix = SwapMatrix(variant="v", case="c", distance_db={subset: float("dit" in subset) for subset in SUBSETS})
    assert matrix.share_db == pytest.approx({"conditioner": 0.0, "dit": 1.0, "decoder": 0.0}, abs=ROUNDING_DB)


@pytest.mark.parametrize("name", HEARD)
def test_the_wrong_stage_has_the_share(judge: Judge, name: str) -> None:
    stage = CATALOGUE[name].stage
    matrix = swap_matrix(with_fault(judge, name), VARIANT, case_called(judge, "drums"))
    assert set(matrix.distance_db) == set(SUBSETS)
    assert matrix.distance_db[frozenset()] == 0
    assert matrix.share_db[stage] >= SHARE_OF_ALL * matrix.distance_db[frozenset(GENERATION)]
    alone = matrix.distance_db[frozenset([stage])]
    assert alone > max(matrix.distance_db[frozenset(GENERATION) - {stage}], ROUNDING_DB)


def test_what_is_not_a_number_stays_none(judge: Judge) -> None:
    matrix = swap_matrix(with_fault(judge, "all_nan"), VARIANT, case_called(judge, "drums"))
    assert np.isnan(matrix.share_db["dit"])
