"""What travels to another machine: all that a trial needs, each file once, and nothing that arrives otherwise than sent."""

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.search.measured import measure
from parity.search.parcel import Packer, Parcel, unpacked
from parity.search.places import Places, measuring_code, node
from parity.search.trial import Trial, recipe_text
from parity.truth.store import Store
from parity.truth.traces import Truth
from reference.spec.errors import InputError

FLOAT = recipe_text([])


class Post:
    """Bytes by a number each, and how often each was taken."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.taken: list[int] = []

    def put(self, data: bytes) -> int:
        self.sent.append(data)
        return len(self.sent) - 1

    def get(self, number: int) -> bytes:
        self.taken.append(number)
        return self.sent[number]


@pytest.fixture(scope="module")
def places(float_bundle: Bundle) -> Places:
    return Places(model=TINY_MODEL_DIR, bundle=float_bundle.folder, cache=Store.of_user().folder)


def asked(places: Places, **changed: object) -> Trial:
    """A trial of one step of the DiT's float file."""
    here = node(places)
    trial = Trial(
        model=here.model, file=here.bundle.manifest.stages["dit"].sha256, code=measuring_code(), stage="dit", recipe=FLOAT,
        cases=("drums",), steps=(0,), draws=1,
    )  # fmt: skip
    return replace(trial, **changed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sent(places: Places) -> tuple[Parcel, Post]:
    post = Post()
    return Packer(places=places, put=post.put).parcel([asked(places)]), post


def test_elsewhere_a_trial_has_the_same_answer_and_no_truth_is_computed(
    places: Places, sent: tuple[Parcel, Post], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel, post = sent
    there = unpacked(parcel, tmp_path, post.get)
    assert there.bundle.is_relative_to(tmp_path)
    trial = asked(places)
    here = measure(trial, places)
    assert not here.fault
    monkeypatch.setattr(Truth, "_computed", None)
    assert measure(trial, there) == here


def test_nothing_is_sent_or_written_twice(places: Places, tmp_path: Path) -> None:
    post = Post()
    packer = Packer(places=places, put=post.put)
    first = packer.parcel([asked(places)])
    there = unpacked(first, tmp_path, post.get)
    count = len(post.sent)
    assert post.taken == list(range(count))
    again = packer.parcel([asked(places, steps=(1,))])
    assert (again, len(post.sent)) == (first, count)
    more = packer.parcel([asked(places, cases=("pad",), draws=0)])
    assert len(post.sent) == count + 1
    assert unpacked(more, tmp_path, post.get) == there
    assert post.taken == list(range(count + 1))


def test_what_is_damaged_there_is_written_again(sent: tuple[Parcel, Post], tmp_path: Path) -> None:
    parcel, post = sent
    there = unpacked(parcel, tmp_path, post.get)
    path = there.bundle / "manifest.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    unpacked(parcel, tmp_path, post.get)
    assert path.read_bytes() == whole


def test_what_arrives_otherwise_is_refused(sent: tuple[Parcel, Post], tmp_path: Path) -> None:
    parcel, post = sent
    with pytest.raises(InputError, match="another SHA-256"):
        unpacked(parcel, tmp_path, lambda number: post.sent[number][:-1])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
