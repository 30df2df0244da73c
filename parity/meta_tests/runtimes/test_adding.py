"""Adding a runtime is a function that opens a stage and a row: nothing else has to know of it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

import pytest

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.pipeline import open_stage
from parity import runtimes
from parity.faults.injection import Injected
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.judge.plan import Plan
from parity.runtimes import RUNTIMES, Row, Runtime
from parity.test_parity import assert_ok, case_called
from reference.spec.generation import Stage

NAME = "litert_fp32_toy"
opened: list[str] = []


def toy(model: object, bundle: Bundle | None, stage: str, compute: str | None, threads: int) -> AbstractContextManager[Stage]:
    """The file of somebody's runtime: here it is LiteRT under another name."""
    assert bundle is not None
    opened.append(stage)
    return open_stage(bundle, stage, threads=threads)


@pytest.fixture
def with_toy(monkeypatch: pytest.MonkeyPatch, judge: Judge, bundles: Mapping[str, Bundle]) -> Judge:
    row = Row(runtime=Runtime(name="toy", format="litert", open=toy), recipe="fp32", shown="fp32_toy")
    monkeypatch.setattr(runtimes, "RUNTIMES", (*RUNTIMES, row))
    return Judge(truths=judge.truths, contenders=contenders_of([bundles["fp32"]]))


def test_a_runtime_with_a_row_is_judged_whole(with_toy: Judge) -> None:
    opened.clear()
    checks = list(Plan.of(with_toy, [NAME], [case_called(with_toy, "drums")]).checks(lambda _: None))
    assert_ok([check for check in checks if check.variant == NAME])
    assert set(opened) == set(with_toy.stages(NAME))


def test_a_runtime_with_a_row_is_refused_where_it_errs(with_toy: Judge) -> None:
    run = with_toy.stage(NAME, "dit")
    wrong = Injected(clean=with_toy.source(NAME), wrong={"dit": lambda feed: {"velocity": -run(feed)["velocity"]}})
    checks = with_toy.instead(NAME, wrong).teacher_forced("dit", NAME, case_called(with_toy, "drums"))
    assert not any(check.ok for check in checks if check.metric == "denoised_error")
