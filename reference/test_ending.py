"""Whoever ends a program, and however often, finds nothing half-written behind it."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from reference.spec.errors import EXIT_INTERRUPTED, EXIT_SIGNAL, EXIT_TERMINATED, PATIENCE_S, exit_with_one_line

LEAVING = """
import os, signal, sys
from pathlib import Path
from reference.spec.errors import exit_with_one_line
from reference.spec.files import new_folder
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job begins without
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup would have it ignored
with exit_with_one_line(), new_folder(Path(sys.argv[1]), "report", force=False) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), int(sys.argv[2]))
    signal.alarm(30)
    signal.pause()
"""


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGTERM, EXIT_TERMINATED, "terminated"),
        (signal.SIGINT, EXIT_INTERRUPTED, "interrupted"),
        (signal.SIGHUP, EXIT_SIGNAL + signal.SIGHUP, "terminated"),
    ],
    ids=["SIGTERM", "SIGINT", "SIGHUP"],
)
def test_who_is_told_to_end_leaves_nothing_half_written(tmp_path: Path, number: int, code: int, word: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEAVING, str(tmp_path / "out"), str(int(number))], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (code, word)
    assert list(tmp_path.iterdir()) == []


def test_of_a_copy_what_is_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """The system names what is read first."""
    with pytest.raises(SystemExit), exit_with_one_line():
        raise OSError(errno.EFBIG, "File too large", "read", None, "written")
    assert capsys.readouterr().err == "error: written: File too large; choose another path or free it\n"


TWICE = """
import os, shutil, signal, sys
from pathlib import Path
from reference.spec.errors import exit_with_one_line
from reference.spec.files import new_folder
remove = shutil.rmtree
def impatient(*arguments, **options):
    os.kill(os.getpid(), int(sys.argv[2]))  # again, while it is cleaned up
    remove(*arguments, **options)
shutil.rmtree = impatient
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
with exit_with_one_line(), new_folder(Path(sys.argv[1]), "report", force=False) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), int(sys.argv[2]))
    signal.alarm(30)
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_who_is_told_twice_leaves_nothing_either(tmp_path: Path, number: signal.Signals) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE, str(tmp_path / "out"), str(int(number))], capture_output=True, text=True, check=False
    )
    assert done.returncode == EXIT_SIGNAL + number
    assert done.stderr.strip() in ("terminated", "interrupted")
    assert list(tmp_path.iterdir()) == []


def test_who_is_told_again_later_ends_where_the_first_was_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As libraries do that call Python and pass over what it raises."""
    now_s = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now_s[0])

    def work() -> None:
        with exit_with_one_line():
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # too soon
            now_s[0] = PATIENCE_S
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("work goes on")

    with pytest.raises(SystemExit) as left:
        work()
    assert left.value.code == EXIT_TERMINATED


def test_a_signal_that_is_ignored_stays_so() -> None:
    """As after nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with exit_with_one_line():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
