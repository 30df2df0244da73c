"""Arrays of kits and answers: called by what they hold, so that none is taken for another."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

from parity.device.record.arrays import Arrays, hash_of
from parity.meta_tests.device.kits import path_of
from reference.spec.errors import InputError

SMALLER = 0.9  # of float64 numbers, whose signs and exponents are an eighth


@pytest.fixture(params=[False, True], ids=["plain", "squeezed"])
def arrays(request: pytest.FixtureRequest, tmp_path: Path) -> Arrays:
    return Arrays(folder=tmp_path, squeeze=request.param)


def test_an_array_comes_back_as_it_was(arrays: Arrays) -> None:
    for array in (np.zeros((0, 3), np.float64), np.array(2, np.int32), np.linspace(-1, 1, 12).reshape(3, 4), np.array([np.nan])):
        again = arrays.of(arrays.keep(array))
        assert (again.dtype, again.shape, again.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert again.flags.writeable


def test_what_is_squeezed_is_smaller(tmp_path: Path) -> None:
    sound = np.random.Generator(np.random.Philox(0)).standard_normal(10_000)
    sizes = [
        path_of(tmp_path / str(squeeze), Arrays(folder=tmp_path / str(squeeze), squeeze=squeeze).keep(sound)).stat().st_size
        for squeeze in (False, True)
    ]
    assert sizes[1] < SMALLER * sizes[0]


def test_an_array_that_was_changed_is_seen(arrays: Arrays) -> None:
    name = arrays.keep(np.arange(3, dtype=np.float32))
    path = path_of(arrays.folder, name)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"was changed, its SHA-256 is not the one it is called by|is no array any more"):
        arrays.of(name)


def test_one_flipped_bit_never_makes_another_array(arrays: Arrays) -> None:
    """Wherever it is, in the header too: it is refused in one sentence, or it is in what pads the header."""
    array = np.arange(3, dtype=np.float32)
    name = arrays.keep(array)
    path = path_of(arrays.folder, name)
    whole = path.read_bytes()
    for place, bit in itertools.product(range(len(whole)), range(8)):
        data = bytearray(whole)
        data[place] ^= 1 << bit
        path.write_bytes(bytes(data))
        try:
            assert hash_of(arrays.of(name)) == name
        except InputError as error:
            assert "copy the whole folder again" in str(error)  # noqa: PT017 - which bits are harmless is numpy's business


def test_an_array_that_is_not_there_or_was_cut_is_told(arrays: Arrays) -> None:
    name = arrays.keep(np.arange(3, dtype=np.float32))
    path = path_of(arrays.folder, name)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"is no array any more"):
            arrays.of(name)
    path.unlink()
    with pytest.raises(InputError, match=r"no such file, neither .npy or .squeezed, or an empty one"):
        arrays.of(name)


def test_an_array_gets_its_name_when_all_of_it_is_on_the_disk(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dead battery leaves is not taken for an array."""
    before: list[list[str]] = []
    monkeypatch.setattr(os, "fsync", lambda _: before.append([path.suffix for path in arrays.folder.iterdir()]))
    arrays.keep(np.arange(3, dtype=np.float32))
    assert before == [[".part"]]


def test_a_name_is_of_all_that_an_array_is() -> None:
    x = np.arange(6, dtype=np.float32)
    assert len({hash_of(x), hash_of(x.reshape(2, 3)), hash_of(x.view(np.int32)), hash_of(x + 1)}) == 4
