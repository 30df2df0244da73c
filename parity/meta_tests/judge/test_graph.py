"""A graph that cannot be compared with the model's is told by the run, stage by stage; one that is compared is not."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from parity.judge import same_graph
from parity.judge.graph import GraphFound, UnseenGraph
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure.sweep import Sweep
from parity.test_parity import case_called

VARIANT, WHY = "litert_fp32", "nobody knows how"


def unknown(self: Judge, stage: str, variant: str, cases: object) -> GraphFound:
    return GraphFound(unseen=WHY if stage == "dit" else "")


def test_a_run_keeps_what_it_could_not_compare(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judge, "graph", unknown)
    plan = Plan.of(judge, [VARIANT], [case_called(judge, "drums")], Sweep(draws=0))
    checks = list(plan.checks(lambda _: None))
    assert plan.unseen == [UnseenGraph(variant=VARIANT, stage="dit", why=WHY)]
    assert all(check.ok for check in checks)


@pytest.mark.parametrize(("large", "changed", "why"), [
    (False, {"emulated": False}, "how all its layers round what they are fed is not known"),
    (True, {}, "rounding what its layers are fed takes too much memory"),
    (True, {"held": {}}, ""),
], ids=["fed as nobody knows", "large", "large, nothing rounded"])  # fmt: skip
def test_what_stands_in_the_way_is_told(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, large: bool, changed: dict[str, object], why: str
) -> None:
    """No input or output is small enough here."""
    rebuilt = replace(judge.weights.rebuilt(judge.source("litert_int8").bundle, "dit"), **changed)
    monkeypatch.setattr(same_graph, "MOST_VALUES", 1)
    panel = SimpleNamespace(stage_model=SimpleNamespace(spec=judge.model.spec, large=large))
    told = same_graph.obstacle(panel, "dit", rebuilt)
    assert told.startswith(why)
    assert bool(told) == bool(why)
