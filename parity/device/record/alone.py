"""A stage in a process of its own: what opening it and a first call take, and whether the runtime survives that."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from litert_pipeline.run.supervised import called
from parity.device.record.halves import halves
from parity.device.record.kit import Kit
from parity.device.record.open_part import open_part
from reference.spec.errors import InputError, raise_process_error
from reference.spec.memory import peak_resident_bytes

HALVES = "FP16 compute"  # what is asked there instead of a part
ALONE = "--alone"  # the option of the recorder that makes it such a process
AS_MODULE = ("-m", "parity.device.record")  # how Python runs the recorder where it is not a zip


class Crashed(InputError):
    """The runtime ended its process: whatever asks for that stage again would end its own."""


def alone(kit: Kit, variant: str, stage: str, recorder: Sequence[str] = ()) -> Mapping[str, Any]:
    """`open_s`, `first_call_s` and `peak_bytes` (resident), on the kit's first number of threads. `recorder`: how Python runs the
    recorder, as this process does if left out.

    Raises InputError for a file that cannot be opened, Crashed for a runtime that ends its process, with the signal's name.
    """
    return _told_alone(kit, f"{variant}/{stage}", recorder)


def halves_alone(kit: Kit, recorder: Sequence[str] = ()) -> Mapping[str, Any] | None:
    """What FP16 compute is here (`halves`), asked first of all; None where the runtime cannot be loaded, or dies."""
    try:
        return _told_alone(kit, HALVES, recorder)
    except InputError:
        return None


def _told_alone(kit: Kit, what: str, recorder: Sequence[str]) -> Mapping[str, Any]:
    asked = ["--kit", str(kit.folder), "--models", str(kit.models), ALONE, what]
    done = subprocess.run([sys.executable, *(recorder or sys.argv[:1]), *asked], capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise Crashed(f"{what}: crashed, LiteRT ended its process with {called(-done.returncode)}")
    raise_process_error(done.returncode, done.stderr, f"opening {what} alone")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def in_own_process(kit: Kit, what: str) -> None:
    """What that process does: a line of JSON."""
    print(json.dumps(halves(kit) if what == HALVES else _opened_alone(kit, what)))


def _opened_alone(kit: Kit, part: str) -> dict[str, Any]:
    name, stage = part.rsplit("/", 1)
    variant = kit.plan.variant(name)
    feed = next(kit.feeds(kit.plan.first_case(stage)))
    started = time.perf_counter()
    with open_part(kit, variant, stage, kit.plan.threads[0]) as run:
        opened = time.perf_counter()
        run(feed)
        answered = time.perf_counter()
    return {"open_s": opened - started, "first_call_s": answered - opened, "peak_bytes": peak_resident_bytes()}
