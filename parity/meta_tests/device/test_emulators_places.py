"""Where the emulators of this user's cache lie: each can be written though the other is there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from parity.device.arm_python import arm_folder
from parity.device.emulator import emulator_folder
from reference.spec.files import check_folder, new_folder

PLACES = {"the emulator": emulator_folder, "Python for Arm": arm_folder}


@pytest.mark.parametrize(("first", "second"), [tuple(PLACES), tuple(reversed(PLACES))])
def test_one_is_no_part_of_the_other(first: str, second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else neither is ever there on a new machine, and what they run is skipped."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    there: Callable[[], Path] = PLACES[first]
    with new_folder(there(), "set of emulators", force=True) as folder:
        (folder / "program").touch()
    check_folder(PLACES[second](), "Python for Arm", force=True)
