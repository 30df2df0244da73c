"""The races of the benchmark tests: who is raced against whom."""

from pathlib import Path

import pytest

from parity.judge.judge import Judge
from parity.latency.entrants import Entrant
from parity.latency.suite import Suite
from parity.measure.race import Times


@pytest.mark.parametrize("quick", [False, True], ids=["timed", "for the answers only"])
def test_variants_are_raced_together_where_they_are_timed(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    raced: list[list[str]] = []

    def noted(entrants: list[Entrant], *_: object, **__: object) -> dict[str, Times]:
        raced.append([entrant.name for entrant in entrants])
        return dict.fromkeys(raced[-1], Times(seconds=(1.0,)))

    monkeypatch.setattr("parity.latency.suite.race_opening", noted)
    names = ["litert_fp32", "litert_int8"]
    found = Suite(judge=judge, variants=names, folder=tmp_path, quick=quick)
    assert all(found.opening("dit", name, 1).seconds for name in names)
    assert raced == ([[name] for name in names] if quick else [names])
