"""The cache: what is read back is what was computed; a stale or damaged entry is computed again; the size is bounded."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import parity
from litert_pipeline.build.channels_last import LastConv
from litert_pipeline.build.rewrites import PlainConv
from parity.judge.judge import Judge
from parity.test_parity import case_called
from parity.truth import store as store_module
from parity.truth.store import Store
from parity.truth.traces import Truth
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.tensors import Tensors

VALUES = 1000


class Counted:
    """Computes the same arrays every time and counts how often it was asked to."""

    def __init__(self, values: int = VALUES) -> None:
        self.times, self.values = 0, values

    def __call__(self) -> Tensors:
        self.times += 1
        return {"a": np.arange(self.values, dtype=np.float64), "ids": np.array([[1, 2]], np.int32)}


def only_entry(folder: Path) -> Path:
    (entry,) = folder.iterdir()
    return entry


def test_an_entry_is_computed_once_and_comes_back_bit_for_bit(tmp_path: Path) -> None:
    compute = Counted()
    first, again = (Store(folder=tmp_path).kept({"case": "x"}, compute) for _ in range(2))
    assert compute.times == 1
    assert first.keys() == again.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert first[name].dtype == again[name].dtype


def test_without_a_folder_nothing_is_kept() -> None:
    compute = Counted()
    for _ in range(2):
        Store().kept({}, compute)
    assert compute.times == 2


def cut_off(entry: Path) -> None:
    entry.write_bytes(entry.read_bytes()[: entry.stat().st_size // 2])


def flipped(share: float) -> Callable[[Path], None]:
    """Flip a bit so far into the file: in its hash, its arrays, or the directory at its end."""

    def spoil(entry: Path) -> None:
        data = bytearray(entry.read_bytes())
        data[int(share * (len(data) - 1))] ^= 1
        entry.write_bytes(data)

    return spoil


def empty(entry: Path) -> None:
    entry.write_bytes(b"")


def another_ones(entry: Path) -> None:
    """A sound entry of something else under this one's name."""
    other = entry.parent / "other"
    Store(folder=other).kept({"case": "another"}, lambda: {"a": np.zeros(3)})
    only_entry(other).replace(entry)
    other.rmdir()


SPOILT = {function.__name__: function for function in (cut_off, empty, another_ones)}
SPOILT |= {f"bit flipped at {share:g}": flipped(share) for share in (0, 0.01, 0.3, 0.9, 0.97, 0.99, 1)}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_damaged_or_foreign_entry_is_computed_again_and_replaced(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    compute, store = Counted(), Store(folder=tmp_path)
    store.kept({"case": "x"}, compute)
    spoil(only_entry(tmp_path))
    np.testing.assert_array_equal(store.kept({"case": "x"}, compute)["a"], compute()["a"])
    assert compute.times == 3  # once at first, once because of the damage, once to compare with
    store.kept({"case": "x"}, compute)
    assert compute.times == 3


def test_other_code_makes_an_entry_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compute, store = Counted(), Store(folder=tmp_path)
    store.kept({}, compute)
    monkeypatch.setattr(store_module, "code_version", lambda: "another")
    store.kept({}, compute)
    assert compute.times == 2


def own_imports(name: str) -> list[str]:
    """The modules of parity that one of them imports at its top, as paths without their ending."""
    folder, found = Path(parity.__file__).parent, []
    for line in re.findall(r"^from parity.*? import (?:\([^)]*\)|.*)$", (folder / f"{name}.py").read_text(), re.MULTILINE):
        module, _, names = line.removeprefix("from parity").removeprefix(".").partition(" import ")
        path = module.replace(".", "/")
        inner = [f"{path}/{word}".lstrip("/") for word in re.findall(r"\w+", names)]
        found += [path] if (folder / f"{path}.py").is_file() else [one for one in inner if (folder / f"{one}.py").is_file()]
    return found


def test_the_code_an_entry_follows_from_is_all_there_is() -> None:
    """Every module of parity that is imported where entries are computed is hashed, or computes no number of theirs.

    Kept are truths, envelopes (of a device's sound, too), and answers of the reference, at reduced precision or upstream's.
    """
    seen, waiting = set[str](), ["truth/traces", "truth/envelope", "device/recording", "truth/precision", "runtimes/upstream"]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [module for module in own_imports(name) if not module.startswith("runtimes")]
    computing_nothing = {"measure/arithmetic", "measure/cases", "truth/store"}
    assert seen - computing_nothing == {name.removesuffix(".py") for name in store_module.OWN_MODULES}


def test_the_longest_unused_entries_go_first(tmp_path: Path) -> None:
    store = Store(folder=tmp_path, limit_bytes=3 * VALUES * 8)  # two entries and a half
    computed = {name: Counted() for name in "abc"}
    for age_s, name in enumerate("aba"):
        store.kept({"case": name}, computed[name])
        newest = max(tmp_path.iterdir(), key=lambda entry: entry.stat().st_mtime_ns)
        os.utime(newest, (age_s, age_s))  # in the order of use, however coarse the file system's clock
    for name in "ca":
        store.kept({"case": name}, computed[name])
    assert sum(entry.stat().st_size for entry in tmp_path.iterdir()) <= store.limit_bytes
    assert {name: compute.times for name, compute in computed.items()} == {"a": 1, "b": 1, "c": 1}
    store.kept({"case": "b"}, computed["b"])
    assert computed["b"].times == 2


def test_an_entry_larger_than_the_limit_is_still_kept_until_the_next(tmp_path: Path) -> None:
    compute, store = Counted(), Store(folder=tmp_path, limit_bytes=1)
    for _ in range(2):
        store.kept({"case": "x"}, compute)
    assert compute.times == 1


def test_a_folder_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    compute = Counted()
    for _ in range(2):
        Store(folder=tmp_path / "file" / "cache").kept({}, compute)
    assert compute.times == 2


@pytest.mark.parametrize("change", ["seed", "prompt", "seconds", "steps", "weights"])
def test_a_truth_of_something_else_is_not_taken(judge: Judge, change: str) -> None:
    case = case_called(judge, "drums")
    request = case.request
    other = {
        "seed": replace(case, seed=case.seed + 1),
        "prompt": replace(case, request=replace(request, prompt="other")),
        "seconds": replace(case, request=replace(request, seconds=request.seconds + 1)),
        "steps": replace(case, request=replace(request, sampler=SamplerSpec(steps=3))),
        "weights": case,
    }[change]
    truth = Truth(model=judge.model, store=Store())
    if change == "weights":
        truth.__dict__["_source"] = {"weights_sha256": "another"}
    assert truth.described(other) != Truth(model=judge.model, store=Store()).described(case)


def test_a_kept_truth_equals_a_computed_one(judge: Judge, tmp_path: Path) -> None:
    case = case_called(judge, "drums")
    store = Store(folder=tmp_path)
    computed, kept = (Truth(model=judge.model, store=store).trace(case) for _ in range(2))
    assert only_entry(tmp_path)
    assert {name: array.tobytes() for name, array in computed.items()} == {n: a.tobytes() for n, a in kept.items()}
    assert all(kept[name].dtype == array.dtype for name, array in computed.items())


def test_the_forms_in_which_the_vae_is_reduced_are_hashed() -> None:
    """Answers at reduced precision are those of the rewritten module."""
    hashed = {path.stem for path in store_module.hashed_files()}
    assert {LastConv.__module__.split(".")[-1], PlainConv.__module__.split(".")[-1]} <= hashed
