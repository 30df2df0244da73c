"""Many disturbed generations at once are what each would be alone."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from parity.judge.judge import Judge
from parity.measure.metrics import relative_l2
from parity.test_parity import case_called
from parity.truth import envelope as envelope_module
from parity.truth.disturbed import Disturbed, OwnErrors, batched
from parity.truth.envelope import Distances, envelope
from reference.spec.generation import Stage, generate
from reference.spec.stages import GENERATION, STAGE_TABLE
from reference.spec.tensors import Array, Tensors

DRAWS = 3
SIZE = 1e-3  # of the errors, relative to what they are added to
ROUNDING = 1e-5  # float32 through a whole generation; a wrong sign or step moves it by SIZE
THREADS = (1, 3)


def errors_of(judge: Judge) -> OwnErrors:
    """Noise for every output and step."""
    rng, truth = np.random.default_rng(0), judge.truth(case_called(judge, "drums"))
    arrays: dict[str, list[Array]] = {}
    for stage in GENERATION:
        row = STAGE_TABLE[stage]
        for call in range(row.calls(truth)):
            for name, exact in row.truth(truth, call).items():
                arrays.setdefault(name, []).append(rng.standard_normal(exact.shape))
    return OwnErrors(arrays=arrays, sizes={name: [SIZE] * len(found) for name, found in arrays.items()})


def alone(judge: Judge, errors: OwnErrors, draw: int) -> Tensors:
    """The generation of one draw, stage after stage."""
    case = case_called(judge, "drums")
    rng = np.random.Generator(np.random.Philox(key=[case.seed, draw]))
    signs, calls_of = {}, {}
    for name, arrays in errors.arrays.items():
        signs[name] = [rng.choice((-1.0, 1.0)) for _ in arrays]
        calls_of[name] = rng.permutation(len(arrays)) if draw % 2 else range(len(arrays))

    def disturbed(run: Stage) -> Stage:
        calls = count()

        def moved(feed: Mapping[str, Array]) -> Tensors:
            call, found = next(calls), run(feed)
            for name, array in found.items():
                error = errors.arrays[name][calls_of[name][call]]
                scale = signs[name][call] * SIZE * np.linalg.norm(array) / np.linalg.norm(error)
                found[name] = (array + scale * error).astype(np.float32)
            return found

        return moved

    pipeline = judge.model.pipeline()
    pipeline = replace(pipeline, stages={name: disturbed(pipeline.stages[name]) for name in GENERATION})
    return generate(pipeline, case.request, case.draws(pipeline.latent_shape))


@pytest.fixture(scope="module")
def together(judge: Judge) -> Disturbed:
    return Disturbed(judge.model, case_called(judge, "drums"), errors_of(judge), range(DRAWS))


@pytest.mark.parametrize("draw", range(DRAWS))
def test_a_draw_among_many_is_what_it_is_alone(judge: Judge, together: Disturbed, draw: int) -> None:
    found, expected = together(draw), alone(judge, errors_of(judge), draw)
    for name in ("latents", "audio"):
        assert found[name].shape == expected[name].shape
        assert relative_l2(expected[name], found[name]) <= ROUNDING


def test_another_draw_is_seen_to_be_another(judge: Judge, together: Disturbed) -> None:
    expected = alone(judge, errors_of(judge), 0)
    for name in ("latents", "audio"):
        assert not relative_l2(expected[name], together(1)[name]) <= ROUNDING


@pytest.mark.parametrize("stage", GENERATION)
def test_items_of_a_batch_do_not_reach_each_other(judge: Judge, stage: str) -> None:
    feed = STAGE_TABLE[stage].feed(judge.truth(case_called(judge, "drums")))
    single, several = judge.model.stage(stage)(feed), batched(judge.model, stage, DRAWS)(feed)
    for name, expected in single.items():
        assert all(relative_l2(expected[0], item) <= ROUNDING for item in several[name])


def test_the_number_of_threads_changes_no_bit(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    case, found = case_called(judge, "drums"), []
    monkeypatch.setattr(envelope_module, "DRAWS", DRAWS)
    monkeypatch.setattr(envelope_module, "SHARE", 1)
    distances = Distances(judge.truth(case), judge.model.spec.sample_rate_hz)
    for threads in THREADS:
        monkeypatch.setattr(envelope_module, "THREADS", threads)
        found.append(envelope(judge.truths, case, errors_of(judge), distances, measured=f"by {threads} threads"))
    assert found[0] == found[1]
