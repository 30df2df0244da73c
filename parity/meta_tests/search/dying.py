"""Jobs of an engine that end their process, for whoever looks at what becomes of the others. Imported by the processes."""

import os
import signal
from pathlib import Path

from parity.search.places import Places
from parity.search.trial import Result, Trial

ONCE, ALWAYS = "once", "always"


def measured_or_killed(trial: Trial, places: Places) -> Result:
    """An empty result; the process of a trial of stage `ONCE` is killed the first time, that of `ALWAYS` each time."""
    mark = Path(places.model) / trial.address
    tries = int(mark.read_text()) if mark.exists() else 0
    mark.write_text(str(tries + 1))
    if trial.stage == ALWAYS or (trial.stage == ONCE and tries == 0):
        os.kill(os.getpid(), signal.SIGKILL)
    return Result(address=trial.address, size_bytes=tries)
