"""A stage in a process of its own: what opening it and a first call take, and whether the runtime survives that."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from parity.device.record.kit import Kit
from parity.device.record.open_part import open_part
from reference.spec.errors import InputError, raise_process_error
from reference.spec.memory import peak_resident_bytes

SIGNALS: Mapping[int, str] = {
    signal.SIGILL: "an illegal instruction: one that this CPU does not have",
    signal.SIGKILL: "SIGKILL (out of memory?)",
}
ALONE = "--alone"  # the option of the recorder that makes it such a process


class Crashed(InputError):
    """The runtime ended its process: whatever asks for that stage again would end its own."""


def alone(kit: Kit, variant: str, stage: str, recorder: Sequence[str] = ()) -> Mapping[str, Any]:
    """`open_s`, `first_call_s` and `peak_bytes` (resident), on the kit's first number of threads. `recorder`: how Python runs the
    recorder, as this process does if left out.

    Raises InputError for a file that cannot be opened, Crashed for a runtime that ends its process, with the signal's name.
    """
    asked = ["--kit", str(kit.folder), "--models", str(kit.models), ALONE, f"{variant}/{stage}"]
    done = subprocess.run([sys.executable, *(recorder or sys.argv[:1]), *asked], capture_output=True, text=True, check=False)
    if done.returncode < 0:
        raise Crashed(f"{variant}/{stage}: crashed, LiteRT ended its process with {_called(-done.returncode)}")
    raise_process_error(done.returncode, done.stderr, f"opening {variant}/{stage} alone")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def in_own_process(kit: Kit, part: str) -> None:
    """What that process does: a line of JSON."""
    name, stage = part.rsplit("/", 1)
    variant = kit.plan.variant(name)
    feed = next(kit.feeds(kit.plan.first_case(stage)))
    started = time.perf_counter()
    with open_part(kit, variant, stage, kit.plan.threads[0]) as run:
        opened = time.perf_counter()
        run(feed)
        called = time.perf_counter()
    print(json.dumps({"open_s": opened - started, "first_call_s": called - opened, "peak_bytes": peak_resident_bytes()}))


def _called(number: int) -> str:
    """A signal in words; illegal instruction is what a CPU says that lacks one."""
    if number in SIGNALS:
        return SIGNALS[number]
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
