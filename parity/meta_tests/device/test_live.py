"""A kit that is asked on the spot: limits of FP16 compute are those of what this machine does, found out only if it matters."""

from dataclasses import replace
from pathlib import Path

import pytest

from parity.device.record.kit import read_kit
from parity.device.record.live import Device
from parity.device.record.open_part import OpenParts
from parity.measure.arithmetic import HALF_KINDS
from parity.runtimes.host import half_compute

pytestmark = pytest.mark.xdist_group("kit")  # packed once, not once in every process


def device(folder: Path, halves: str) -> Device:
    """With limits for machines that do `halves`; for all machines where it is empty."""
    kit = read_kit(folder)
    checks = [replace(check, halves=halves) for check in kit.plan.checks]
    own = replace(kit, plan=replace(kit.plan, checks=checks))
    return Device(kit=own, parts=OpenParts(kit=own))


def test_what_fp16_compute_is_here_is_found_out_where_limits_depend_on_it(kit: Path) -> None:
    here = half_compute().kind
    assert here in HALF_KINDS
    asked = device(kit, here)
    assert asked.halves == here
    assert asked.on(1).answers.halves == here


def test_nothing_is_asked_where_no_limit_depends_on_it(kit: Path) -> None:
    assert device(kit, "").halves == ""
