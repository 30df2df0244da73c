"""A kit's questions, asked on a phone that `adb` reaches: the same journal, and the same verdicts, as `record.pyz`'s."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from parity.device.android import TOOL, Phone, answering, open_on
from parity.device.record.cpu import HWCAP2_BITS, HWCAP_BITS, model
from parity.device.record.kit import HALF_ROW, Kit
from parity.device.record.machine import MILLI
from parity.device.record.recorder import Respondent
from parity.measure.arithmetic import FP16_COMPUTE
from parity.measure.half_compute import recognised
from reference.spec.errors import InputError
from reference.spec.files import sha256_of

ZONES = "/sys/class/thermal/thermal_zone*/temp"


def on_phone(phone: Phone) -> Respondent:
    """Who answers: the phone, which is not timed. Nothing of this machine is told as the phone's."""
    return Respondent(
        machine=partial(machine_of, phone), halves=partial(_halves, phone), opened=partial(open_on, phone),
        temperature_c=partial(temperature_of, phone), here=False,
    )  # fmt: skip


def untimed(kit: Kit) -> Kit:
    """The kit without its races: every call opens the file anew there."""
    return replace(kit, plan=replace(kit.plan, rounds=0))


def machine_of(phone: Phone) -> dict[str, Any]:
    """What Android tells of the phone and its CPU; vectors' lengths no command there knows."""
    cpuinfo = phone.shell("cat", "/proc/cpuinfo")
    with TemporaryDirectory() as folder:
        (Path(folder) / "cpuinfo").write_text(cpuinfo, encoding="utf-8")
        named = model(Path(folder) / "cpuinfo")
    properties = [phone.shell("getprop", name).strip() for name in ("ro.product.model", "ro.build.version.release")]
    return {
        "cpu": {"model": named, "features": features_in(cpuinfo), "vector_bytes": {}},
        "architecture": phone.shell("uname", "-m").strip(),
        "cores": sum(line.startswith("processor") for line in cpuinfo.splitlines()),
        "affinity": None,
        "memory_bytes": None,
        "system": "{}, Android {}".format(*properties),
        "python": "none there",
        "versions": {TOOL: sha256_of(phone.tool)[:12]},
        "governor": _optional(phone, "cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "temperature_c": temperature_of(phone),
    }


def features_in(cpuinfo: str) -> list[str]:
    """Those this project's kernels care about, by their names in the kernel's list, which every core has."""
    told = [set(line.partition(":")[2].split()) for line in cpuinfo.splitlines() if line.startswith("Features")]
    common = set.intersection(*told) if told else set()
    return [name for name in (*HWCAP_BITS, *HWCAP2_BITS) if name in common]


def temperature_of(phone: Phone) -> float | None:
    """The hottest reading the shell may see."""
    read = _optional(phone, f"cat {ZONES}")
    return max((int(text) / MILLI for text in (read or "").split() if text.lstrip("-").isdigit()), default=None)


def _optional(phone: Phone, line: str) -> str | None:
    """What a line prints, None where the phone does not allow it."""
    try:
        return phone.line(line).strip() or None
    except InputError:
        return None


def _halves(phone: Phone, kit: Kit) -> Mapping[str, Any] | None:
    """What FP16 compute is there, by the kit's row; None where that cannot be found out."""
    run = answering(phone, kit.folder / HALF_ROW, FP16_COMPUTE)
    try:
        return dict(vars(recognised(lambda row: run({"x": row.x})["sums"])))
    except InputError:
        return None
