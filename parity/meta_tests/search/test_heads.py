"""Two heads on one study, at the same time: neither loses a proposal, and nobody's numbers become another's."""

from collections import Counter
from pathlib import Path

import pytest

from parity.meta_tests.search.heads import BATCHES, EACH, OPTIONS, searched, values_of
from parity.search.store import Results
from parity.search.study import Proposer
from reference.spec.processes import processes

pytest.importorskip("optuna", reason="the extra 'search' is not installed")
pytestmark = pytest.mark.search


def test_two_heads_share_a_study_and_a_folder_of_results(tmp_path: Path) -> None:
    url, folder = f"sqlite:///{tmp_path / 'study'}", tmp_path / "results"
    with processes(2, "a head", "search") as pool:
        heads = [pool.submit(searched, url, folder, seed) for seed in (0, 1)]
        asked = [mix for head in heads for mix in head.result()]
    study = Proposer.opened(url, "shared", OPTIONS, seed=0).study
    assert [one.number for one in study.trials] == list(range(2 * BATCHES * EACH))
    assert all(tuple(one.values) == values_of(one.params) for one in study.trials)
    assert _counted(one.params for one in study.trials) == _counted(asked)
    assert len(list(Results(folder=folder).all())) == len(_counted(asked))


def _counted(mixes: object) -> Counter[str]:
    return Counter(str(sorted(mix.items())) for mix in mixes)  # type: ignore[attr-defined]
