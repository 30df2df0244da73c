"""A kit that asks each question once and lets nothing generate, as the Arm matrix's does, is judged with all that it holds."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.device.pack import PackOptions, pack
from parity.device.record.plan import Part, Plan, Variant
from parity.judge_answers import AnswersOptions, run_judge_answers
from parity.measure.policy_file import chosen_policy
from parity.measure.sweep import Sweep
from parity.measure.verdict import FREE_RUNNING
from parity.meta_tests.device.kits import CASE, RECIPE, VARIANT, run_recorder
from parity.truth.store import Store
from reference.spec.errors import EXIT_OK
from reference.spec.stages import CONDITIONER, DIT


def test_a_report_is_written_of_it(
    bundles: Mapping[str, Bundle], tmp_path: Path, one_at_a_time: Callable[[str], AbstractContextManager[None]]
) -> None:
    kit, answers, report = (tmp_path / name for name in ("kit", "answers", "report"))
    options = PackOptions(
        model=TINY_MODEL_DIR, bundles=[bundles[RECIPE].folder], out=kit, variants=[VARIANT], cases=[CASE], threads=(1,), rounds=0,
        models=True, force=False, sweep=Sweep(draws=0), repeats=1, generations=False,
    )  # fmt: skip
    with one_at_a_time("kit"):
        pack(options, Store.of_user(), lambda _: None)
    run = run_recorder(kit, answers)
    assert run.code == EXIT_OK, run.out + run.errors
    judged = run_judge_answers(
        AnswersOptions(
            answers=[answers], model=TINY_MODEL_DIR, bundles=[kit / "bundles" / RECIPE], report=report, force=False,
            policy=chosen_policy(None, date(2026, 11, 27), made_here=False),
        ),
        Store.of_user(), lambda _: None, lambda _: None,
    )  # fmt: skip
    assert judged.publish
    assert not [check for check in judged.checks if check.ladder == FREE_RUNNING]
    assert (report / "report.html").is_file()


def variant(name: str) -> Variant:
    parts = [Part(stage=stage, judged_as=name, loading="", half=False, changes=False) for stage in (CONDITIONER, DIT)]
    return Variant(name=name, bundle="fp32", kernels="litert", compute=None, parts=parts)


def test_a_part_of_a_plan_is_about_the_named_stages_of_the_named_variants() -> None:
    plan = Plan(
        model="", objective="", threads=(1,), repeats=1, rounds=3, draws=0, seed=0, cases=[],
        variants=[variant("a"), variant("b")],
        questions=[], rights=[], checks=[], generations=[], hashes={}, files={},
    )  # fmt: skip
    (few,) = plan.only({"b": [DIT]}).variants
    assert (few.name, [part.stage for part in few.parts]) == ("b", [DIT])
    assert plan.only({"b": [DIT]}).rounds == 0
