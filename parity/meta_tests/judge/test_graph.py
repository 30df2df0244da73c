"""A graph that cannot be compared with the model's is told by the run, stage by stage; one that is compared is not."""

import pytest

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
