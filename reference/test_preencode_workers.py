"""A data set encoded by several processes: the same bytes, each item once, and no process is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from fixtures.data_set import GOOD, REJECTED, write_data_set
from fixtures.plain_codec import DIES, SHAPE, UNOPENED, Manner, noting_codec, read_notes
from reference.__main__ import app
from reference.spec.codec.items import Json, PreEncoding
from reference.spec.codec.preencode import PreEncoder
from reference.spec.codec.recipe import Recipe, Shard
from reference.spec.codec.verbs import Windows
from reference.spec.codec.workers import workers
from reference.spec.errors import InputError
from reference.spec.only_writer import only_writer

SAMPLE_SIZE = 40 * SHAPE.ratio - 100
QUICK, SLOW = Manner(), Manner(takes_s=0.2)
ENDS_S = 20.0  # in which a process notices that nobody waits for it
# The data set `data` by two slow processes: python -c DRIVER data out notes
DRIVER = """
import sys
from pathlib import Path
from reference.test_preencode_workers import SLOW, encoded
if __name__ == "__main__":
    encoded(*map(Path, sys.argv[1:4]), count=2, manner=SLOW)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data_set(folder)
    return folder


def encoded(data: Path, out: Path, notes: Path, *, count: int, manner: Manner = QUICK) -> Json:
    """The manifest of what so many processes made."""
    recipe = Recipe(weights="w", sample_size=SAMPLE_SIZE, split=True)
    plan = PreEncoding(windows=Windows(), recipe=recipe, data=data, out=out)
    with workers(count, partial(noting_codec, notes, manner), plan) as hands:
        return PreEncoder(shape=SHAPE, plan=plan, hands=hands).run(Shard(), quiet)


def quiet(text: str) -> None:
    """Nobody listens."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def by_one(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one worker makes: `out`, and its `notes`."""
    folder = tmp_path_factory.mktemp("one")
    encoded(data, folder / "out", folder / "notes", count=1)
    return folder


@pytest.mark.parametrize("count", [2, 3])
def test_more_workers_write_the_same_bytes_and_encode_nothing_twice(
    data: Path, by_one: Path, tmp_path: Path, count: int
) -> None:
    manifest = encoded(data, tmp_path / "out", tmp_path / "notes", count=count)
    assert contents(tmp_path / "out") == contents(by_one / "out")
    assert [item["relpath"] for item in manifest["items"].values()] == [*GOOD[:3], *3 * ["c long.wav"], GOOD[4]]
    assert list(manifest["rejected"]) == sorted(REJECTED)
    noted, alone = read_notes(tmp_path / "notes"), read_notes(by_one / "notes")
    assert sorted(what for _, what in noted) == sorted(what for _, what in alone)
    assert set(Counter(what for _, what in noted).values()) == {1}
    assert len(noted) == len(manifest["items"]) + 1  # and silence
    assert 2 <= len({process for process, _ in noted} - {os.getpid()}) <= count
    assert active_children() == []


def alive(process: int) -> bool:
    """Whether it runs; one that has ended and was not waited for does not."""
    status = Path(f"/proc/{process}/stat")
    if status.exists():
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return not Path("/proc/self").exists()


def waited(condition: partial[bool]) -> bool:
    """Whether it comes true in time."""
    end_s = time.monotonic() + ENDS_S
    while not condition() and time.monotonic() < end_s:
        time.sleep(0.02)
    return condition()


def holds_some(out: Path, count: int) -> bool:
    return len(list(out.glob("0*.json"))) >= count


def none_alive(processes: set[int]) -> bool:
    return not any(alive(process) for process in processes)


def test_killed_and_begun_again_it_ends_with_the_same_bytes(data: Path, by_one: Path, tmp_path: Path) -> None:
    out, notes = tmp_path / "out", tmp_path / "notes"
    with subprocess.Popen([sys.executable, "-c", DRIVER, str(data), str(out), str(notes)]) as driver:
        assert waited(partial(holds_some, out, 2))
        driver.send_signal(signal.SIGKILL)
    assert waited(partial(none_alive, {process for process, _ in read_notes(notes)}))
    there = {path.stem for path in out.glob("0*.json")}
    before = read_notes(notes)
    manifest = encoded(data, out, notes, count=2)
    assert 2 <= len(there) < len(manifest["items"])
    assert contents(out) == contents(by_one / "out")
    assert len(read_notes(notes)) - len(before) == len(manifest["items"]) - len(there)


def test_a_worker_that_dies_is_told_and_the_rest_is_done_later(data: Path, by_one: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a worker ended before its time"):
        encoded(data, tmp_path / "out", tmp_path / "notes", count=2, manner=Manner(fault=DIES))
    assert active_children() == []
    encoded(data, tmp_path / "out", tmp_path / "notes", count=2)
    assert contents(tmp_path / "out") == contents(by_one / "out")


def test_what_goes_wrong_in_a_worker_is_told_in_its_own_words(data: Path, by_one: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the codec cannot be opened"):
        encoded(data, tmp_path / "out", tmp_path / "notes", count=2, manner=Manner(fault=UNOPENED))
    shutil.copytree(by_one / "out", tmp_path / "changed")
    (tmp_path / "changed" / "0000000000.json").write_text("{}")
    with pytest.raises(InputError, match=r"0000000000\.json: is of another sound"):
        encoded(data, tmp_path / "changed", tmp_path / "notes", count=2)
    assert active_children() == []


def test_of_a_file_in_pieces_what_is_silent_is_left_out_and_the_rest_is_there(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    audio = np.random.default_rng(0).uniform(-0.2, 0.2, (3 * SAMPLE_SIZE, 2))
    audio[SAMPLE_SIZE : 2 * SAMPLE_SIZE] = 0
    soundfile.write(tmp_path / "data" / "a.wav", audio, SHAPE.sample_rate_hz)
    (tmp_path / "data" / "a.txt").write_text("noise")
    manifest = encoded(tmp_path / "data", tmp_path / "out", tmp_path / "notes", count=1)
    assert list(manifest["items"]) == ["0000000000", "0000000002"]
    assert list(manifest["rejected"]) == ["a.wav from 0.2 s"]


def test_a_shard_that_somebody_encodes_is_left_to_them(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with only_writer(tmp_path / "out" / "manifest.json"), pytest.raises(InputError, match="another process is writing it"):
        encoded(data, tmp_path / "out", tmp_path / "notes", count=1)


def test_the_reference_writes_the_same_bytes_in_two_processes(data: Path, tmp_path: Path) -> None:
    from fixtures.make_codec import make_codec  # brings torch, which the driver does without

    make_codec(tmp_path / "model", "same-tiny", seed=0)
    for count in ("1", "2"):
        paths = ["--data-dir", str(data), "--output-path", str(tmp_path / count), "--model", str(tmp_path / "model")]
        options = ["--sample-size", str(SAMPLE_SIZE), "--workers", count, "--chunk-size", "16", "--overlap", "8"]
        result = CliRunner().invoke(app, ["codec", "pre-encode", *paths, *options])
        assert result.exit_code == 0, result.output
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
