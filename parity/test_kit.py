"""A kit's questions as tests, on the device it was packed for: `pytest parity/ --kit kit`, where numpy and LiteRT are enough.

What needs the model itself is the host's: `python -m parity judge` of a recording.
"""

from parity.device.record.live import Device
from parity.device.record.plan import CASE, DRAWN, Part, Question
from parity.measure.verdict import Verdict


def assert_within(verdicts: list[Verdict]) -> None:
    assert verdicts
    assert not [str(verdict) for verdict in verdicts if not verdict.ok]


def part_of(device: Device, variant: str, stage: str) -> Part:
    return device.kit.plan.variant(variant).part(stage)


def questions(device: Device, variant: str, stage: str, kind: str) -> list[Question]:
    return [one for one in device.kit.plan.questions_for(part_of(device, variant, stage)) if one.kind == kind]


def test_teacher_forced(device: Device, variant: str, stage: str, threads: int, case: str) -> None:
    (question,) = (one for one in questions(device, variant, stage, CASE) if one.id == case)
    assert_within(list(device.on(threads).of_question(variant, part_of(device, variant, stage), question)))


def test_pooled_over_all_cases(device: Device, variant: str, stage: str, threads: int) -> None:
    """Nothing is pooled of a stage that is asked once a generation."""
    pooled = list(device.on(threads).of_all_cases(variant, part_of(device, variant, stage)))
    assert not [str(verdict) for verdict in pooled if not verdict.ok]


def test_over_the_whole_domain(device: Device, variant: str, stage: str, threads: int) -> None:
    """Nothing of a kit that was packed with `--draws 0`."""
    part, drawn = part_of(device, variant, stage), questions(device, variant, stage, DRAWN)
    verdicts = [verdict for one in drawn for verdict in device.on(threads).of_question(variant, part, one)]
    assert len(verdicts) >= len(drawn)
    assert not [str(verdict) for verdict in verdicts if not verdict.ok]


def test_runs_are_bit_equal(device: Device, variant: str, stage: str, threads: int) -> None:
    assert_within(list(device.on(threads).of_repeats(variant, part_of(device, variant, stage))))
