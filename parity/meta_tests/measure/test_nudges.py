"""Small changes of inputs: every input that can change is changed, and by more than the format it is held in."""

from dataclasses import replace

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from parity.measure.nudges import COARSE, FINE, nudges
from reference.model_files import locate
from reference.spec.config import read_model_spec
from reference.spec.domain import Place
from reference.spec.prompt import PAD_ID
from reference.spec.stages import ALL_STAGES, CONDITIONER, DIT, ENCODER, STAGE_TABLE
from reference.spec.tensors import Tensors

FILES = locate(TINY_MODEL_DIR)
TINY = read_model_spec(FILES.config, FILES.t5_folder)
# Told a second number, whose range is another.
SPEC = replace(TINY, numbers=(replace(TINY.seconds, name="seconds_start", max_s=3 * TINY.seconds.max_s), TINY.seconds))
COUNT = 16
LEAST_CHANGE = 1e-4  # of a level: a hundredth of an INT8 step of a sine that turns once, and there are hundreds
NEVER = {"attention_mask"}  # zeros and ones, which follow from the ids


def feeds(stage: str) -> list[Tensors]:
    """A sweep of a stage; what it draws nothing of is one."""
    row = STAGE_TABLE[stage]
    ones = {port.name: np.ones(port.tensor(SPEC).shape, port.dtype) for port in (*row.inputs, *row.outputs)}
    trace = row.kept([ones], [ones])
    return [row.drawn(Place(index=index, count=COUNT, seed=0, spec=SPEC), trace) for index in range(COUNT)]


@pytest.mark.parametrize("stage", ALL_STAGES)
@pytest.mark.parametrize("half", [False, True])
def test_every_input_is_changed_somewhere_and_nothing_else_with_it(stage: str, half: bool) -> None:
    changed = set()
    for feed in feeds(stage):
        for nudge in nudges(STAGE_TABLE[stage], feed, SPEC, half=half):
            assert [name for name, array in nudge.feed.items() if not np.array_equal(array, feed[name])] == [nudge.port]
            assert nudge.feed[nudge.port].dtype == feed[nudge.port].dtype
            changed.add(nudge.port)
    assert changed == {port.name for port in STAGE_TABLE[stage].inputs} - NEVER


@pytest.mark.parametrize(("half", "format_"), [(False, np.float32), (True, np.float16)])
def test_a_change_is_one_in_the_format_that_inputs_are_rounded_to(half: bool, format_: type) -> None:
    for feed in feeds(DIT):
        for nudge in nudges(STAGE_TABLE[DIT], feed, SPEC, half=half):
            assert np.any(nudge.feed[nudge.port].astype(format_) != feed[nudge.port].astype(format_))


def test_levels_rounded_to_float16_are_the_same_after_some_changes() -> None:
    """Which is how they are found out."""
    levels = [(feed["t"], nudge.feed["t"]) for feed in feeds(DIT) for nudge in nudges(STAGE_TABLE[DIT], feed, SPEC, half=False)
              if nudge.port == "t"]  # fmt: skip
    assert any(before.astype(np.float16) == after.astype(np.float16) for before, after in levels)
    assert FINE < COARSE


@pytest.mark.parametrize("stage", ALL_STAGES)
@pytest.mark.parametrize("half", [False, True])
def test_what_is_changed_is_what_a_stage_may_be_asked(stage: str, half: bool) -> None:
    for feed in feeds(stage):
        for nudge in nudges(STAGE_TABLE[stage], feed, SPEC, half=half):
            value = nudge.feed[nudge.port]
            if nudge.port == "t":
                assert 0 < value[0] <= 1
            elif nudge.port in SPEC.number_names:
                assert SPEC.number(nudge.port).min_s <= value[0] <= SPEC.number(nudge.port).max_s
            elif nudge.port == "input_ids":
                assert np.array_equal(value != PAD_ID, feed[nudge.port] != PAD_ID)
            else:
                assert np.abs(value).max() <= np.abs(feed[nudge.port]).max()


def test_low_levels_are_changed_by_no_less_than_sines_of_them_are_rounded() -> None:
    """Of INT8, in whichever of many sines."""
    changes = [nudge.feed["t"] - feed["t"] for feed in feeds(DIT) for nudge in nudges(STAGE_TABLE[DIT], feed, SPEC, half=False)
               if nudge.port == "t"]  # fmt: skip
    assert min(float(np.abs(change[0])) for change in changes) >= LEAST_CHANGE


def test_seconds_beyond_the_range_and_silence_are_left_alone() -> None:
    """Each number's own range."""
    beyond = {name: np.array([2 * SPEC.seconds.max_s], np.float32) for name in SPEC.number_names}
    changed = {nudge.port for nudge in nudges(STAGE_TABLE[CONDITIONER], feeds(CONDITIONER)[0] | beyond, SPEC, half=False)}
    assert changed & set(SPEC.number_names) == {"seconds_start"}
    silent = feeds(ENCODER)[0]
    assert not silent["audio"].any()
    assert "audio" not in {nudge.port for nudge in nudges(STAGE_TABLE[ENCODER], silent, SPEC, half=False)}
