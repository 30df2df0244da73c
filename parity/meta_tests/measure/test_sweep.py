"""What is drawn for a stage is judged like a case, and its response where the error as a whole hides it."""

import numpy as np
import pytest

from parity.faults.injection import Injected
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.judge.responses import UNANSWERED
from parity.measure.budget import YARDSTICK
from parity.measure.cases import Drawn
from parity.measure.sweep import DRAWS, LARGE_DRAWS, RESPONSE, SOUND_SHARE, Sweep, covered, response
from parity.measure.verdict import DOMAIN
from parity.test_parity import case_called
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, ENCODER, STAGE_TABLE
from reference.spec.tensors import Array, Tensors

VARIANT = "litert_fp32"
SMALL = Sweep(draws=3, seed=5)
ROUNDED = 1e-9  # float64 bookkeeping over float32 answers
NOISE = 0.3  # of an error that is the same in all calls, beside responses of 0.03


@pytest.mark.parametrize(
    ("sweep", "stage", "large", "count"),
    [
        (Sweep(), DIT, False, DRAWS),
        (Sweep(), DIT, True, LARGE_DRAWS),
        (Sweep(), ENCODER, False, -(-DRAWS // SOUND_SHARE)),
        (Sweep(draws=7), CONDITIONER, True, 7),
        (Sweep(draws=7), DECODER, False, 3),
        (Sweep(draws=1), DECODER, False, 1),
        (Sweep(draws=0), ENCODER, False, 0),
    ],
)
def test_how_many_places_a_stage_gets(sweep: Sweep, stage: str, large: bool, count: int) -> None:
    assert sweep.count(stage, large=large) == count


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_what_is_drawn_is_judged_and_told(judge: Judge, stage: str) -> None:
    drawn = judge.drawn(stage, case_called(judge, "drums"), SMALL)
    checks = [check for one in drawn for check in judge.swept(YARDSTICK, one)]
    assert all(check.ok and check.ladder == DOMAIN and check.low_limit == 0 for check in checks)
    assert len({check.id for check in checks}) == len(checks) >= len(drawn)
    assert str(SMALL.count(stage, large=False)) in covered(drawn) or "sigma" in covered(drawn)


def test_nothing_is_drawn_where_that_is_asked_for(judge: Judge) -> None:
    plan = Plan(judge=judge, variants=[YARDSTICK], cases=[case_called(judge, "drums")], sweep=Sweep(draws=0))
    assert plan.covered == {}
    assert all(check.ladder != DOMAIN for check in plan.checks(lambda _: None))


def test_a_plan_says_what_it_covers_and_from_which_seed(judge: Judge) -> None:
    plan = Plan(judge=judge, variants=[YARDSTICK], cases=[case_called(judge, "drums")], sweep=SMALL)
    assert list(plan.covered) == list(ALL_STAGES)
    assert all("(seed 5)" in words for words in plan.covered.values())


@pytest.mark.parametrize("whole", [True, False], ids=["what is judged whole", "a large model's yardstick"])
def test_small_changes_are_asked_of_what_is_judged_whole(judge: Judge, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    """Of a large model they take half a minute each, and its reference is nobody's to publish."""
    monkeypatch.setattr(Judge, "whole", lambda self, variant: whole)
    plan = Plan(judge=judge, variants=[YARDSTICK], cases=[case_called(judge, "drums")], sweep=SMALL)
    asked = {check.stage for check in plan.checks(lambda _: None) if check.metric == UNANSWERED}
    assert asked == (set(ALL_STAGES) if whole else set())


def test_a_wrong_answer_is_refused_at_its_place(judge: Judge) -> None:
    (drawn,) = judge.drawn(DIT, case_called(judge, "drums"), SMALL)
    run, worst = judge.stage(VARIANT, DIT), float(drawn.feeds[1]["t"][0])

    def wrong(feed: Tensors) -> Tensors:
        return {name: array * np.float32(1 + (float(feed["t"][0]) == worst)) for name, array in run(feed).items()}

    source = Injected(clean=judge.source(VARIANT), wrong={DIT: wrong})  # type: ignore[dict-item]
    failed = [check for check in judge.instead(VARIANT, source).swept(VARIANT, drawn) if not check.ok]
    assert {check.case for check in failed} == {drawn.places[1], "3 calls"}


def test_how_the_reference_responds_is_for_others_to_be_held_to(judge: Judge) -> None:
    """What rounding the whole answer is worth of its response depends on the model, so that has no limit."""
    (drawn,) = judge.drawn(DIT, case_called(judge, "drums"), SMALL)
    told = {variant: {check.metric for check in judge.swept(variant, drawn)} for variant in (YARDSTICK, VARIANT)}
    assert told[VARIANT] - told[YARDSTICK] == {RESPONSE}


def test_inputs_tell_sweeps_apart(judge: Judge) -> None:
    case = case_called(judge, "drums")
    ids = [one.id for stage in ALL_STAGES for seed in (0, 1) for one in judge.drawn(stage, case, Sweep(draws=3, seed=seed))]
    assert len(set(ids)) == len(ids)


def answers(*levels: float, noise: Array) -> list[Tensors]:
    """Velocities that are noise, the same in all calls, and a tenth of it that grows with the level."""
    return [{"velocity": (noise + 0.1 * level * np.roll(noise, 1)).reshape(1, 4, 25)} for level in levels]


def test_a_response_is_seen_below_an_error_that_all_calls_share() -> None:
    rng = np.random.Generator(np.random.Philox(3))
    exact, error = rng.standard_normal((2, 100))
    levels = (0.1, 0.4, 0.7, 1.0)
    feeds = [{"x": np.zeros((1, 4, 25)), "t": np.array([level])} for level in levels]
    others = {"cross_attention_cond": np.zeros(1), "global_cond": np.zeros(1)}
    drawn = Drawn(stage=DIT, feeds=[feed | others for feed in feeds], places=list(map(str, levels)))
    truth = STAGE_TABLE[DIT].kept(drawn.feeds, answers(*levels, noise=exact))

    def found(given: list[Tensors]) -> float:
        (one,) = response(drawn, truth, given)
        assert one.metric == RESPONSE
        return one.value

    wrong = [{"velocity": one["velocity"] + NOISE * error.reshape(1, 4, 25)} for one in answers(*levels, noise=exact)]
    assert found(answers(*levels, noise=exact)) == 0
    assert found(wrong) == pytest.approx(0, abs=ROUNDED)
    assert found(answers(0.1, 0.4, 0.4, 1.0, noise=exact)) > NOISE
    assert found(answers(0.5, 0.5, 0.5, 0.5, noise=exact)) > 1
    wrong[2]["velocity"][0, 0, 0] = np.nan
    assert response(drawn, truth, wrong) == []
