"""What trials need on another machine: model, bundle and truths, file by file. A file travels once, and is written there once."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from parity.measure.cases import Case, Drawn, load_cases
from parity.measure.sweep import drawn
from parity.search.places import Node, Places, node
from parity.search.trial import Trial, digest
from parity.truth.store import Store
from reference.model_files import T5_FILES
from reference.pipeline import Model
from reference.spec.errors import InputError
from reference.spec.files import new_file, sha256_of

MODEL, BUNDLE, TRUTHS = "model", "bundle", "truths"  # folders of a parcel
CHUNK_BYTES = 2**26  # of a file, which may be larger than what one message holds
Reference = Any  # whatever stands for bytes that were handed over


@dataclass(frozen=True, kw_only=True)
class Item:
    """A file: its place in the parcel, its SHA-256, and what its chunks are had by."""

    place: str
    sha256: str
    chunks: tuple[Reference, ...]


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """`name` follows from model and bundle alone, so that truths are added to what is there. `weights` is the model's file,
    `threads` what a runtime is given."""

    name: str
    weights: str
    threads: int
    items: tuple[Item, ...]


@dataclass(kw_only=True)
class Packer:
    """Packs what trials need; `put` hands bytes over and returns what they are had by. No file is handed over twice."""

    places: Places
    put: Callable[[bytes], Reference]
    _fixed: dict[str, Item] = field(default_factory=dict)
    _truths: dict[str, Item] = field(default_factory=dict)
    _known: set[tuple[object, ...]] = field(default_factory=set)

    def parcel(self, trials: Iterable[Trial]) -> Parcel:
        """Model, bundle, and truths of all that was asked for so far. Raises InputError for a bad model dir or bundle."""
        here = node(self.places)
        if not self._fixed:
            self._fixed = {place: self._item(place, path) for place, path in _files(here)}
        for trial in trials:
            if (fed := (trial.stage, trial.cases, trial.draws, trial.seed)) not in self._known:
                self._pack_truths(here, trial)
                self._known.add(fed)
        return Parcel(
            name=digest({place: item.sha256 for place, item in self._fixed.items()}),
            weights=_model_place(here, here.truths.model.files.weights),
            threads=self.places.threads,
            items=(*self._fixed.values(), *self._truths.values()),
        )

    def _pack_truths(self, here: Node, trial: Trial) -> None:
        """Those a trial needs, as a store keeps them; computed here where they are not known."""
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder=Path(folder))
            for one in _asked(here, trial):
                store.kept(here.truths.described(one), lambda one=one: here.truths.trace(one))  # type: ignore[misc]
            for path in sorted(Path(folder).iterdir()):
                place = f"{TRUTHS}/{path.name}"
                self._truths.setdefault(place, self._item(place, path))

    def _item(self, place: str, path: Path) -> Item:
        return Item(place=place, sha256=sha256_of(path), chunks=tuple(self.put(chunk) for chunk in _chunks(path)))


def unpacked(parcel: Parcel, folder: Path, get: Callable[[Reference], bytes]) -> Places:
    """Write into `folder`, a cache, what of a parcel is not there or damaged; several processes may do so at once.

    Raises InputError where what arrived is not what was sent.
    """
    own = folder / parcel.name
    for item in parcel.items:
        path = own / item.place
        if not _sound(path, item.sha256):
            _write(path, item, get)
    return Places(model=own / parcel.weights, bundle=own / BUNDLE, cache=own / TRUTHS, threads=parcel.threads)


def _write(path: Path, item: Item, get: Callable[[Reference], bytes]) -> None:
    found = hashlib.sha256()
    with new_file(path, force=True) as temporary, temporary.open("wb") as stream:
        for chunk in item.chunks:
            data = get(chunk)
            found.update(data)
            stream.write(data)
        if found.hexdigest() != item.sha256:
            raise InputError(f"{path}: arrived with another SHA-256 than it was sent with; start the search again")


def _sound(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    status = path.stat()
    return _hash_of(path, status.st_size, status.st_mtime_ns) == sha256


@cache
def _hash_of(path: Path, size_bytes: int, written_ns: int) -> str:
    """Read again only when a file was written again."""
    return sha256_of(path)


def _files(here: Node) -> Iterator[tuple[str, Path]]:
    """All of the model dir that is read, and the whole bundle, by their places."""
    model, bundle = here.truths.model, here.bundle.folder
    files = {model.files.config, model.files.weights, *model.files.companions}
    if isinstance(model, Model):
        files |= {path for name in T5_FILES if (path := model.t5_folder / name).is_file()}
    yield from ((_model_place(here, path), path) for path in sorted({*files, *model.text_files().values()}))
    shown = (path for path in sorted(bundle.rglob("*")) if path.is_file() and not path.name.startswith("."))
    yield from ((f"{BUNDLE}/{path.relative_to(bundle).as_posix()}", path) for path in shown)


def _model_place(here: Node, path: Path) -> str:
    """Where a file of the model goes: beside the config as it is here; T5 that lies elsewhere, where the config looks for it."""
    model = here.truths.model
    if path.is_relative_to(model.files.config.parent):
        return f"{MODEL}/{path.relative_to(model.files.config.parent).as_posix()}"
    assert isinstance(model, Model), "only a generating model has a text encoder"
    return f"{MODEL}/{model.spec.prompt.t5_name.rstrip('/').rsplit('/', 1)[-1]}/{path.name}"


def _asked(here: Node, trial: Trial) -> Iterator[Case | Drawn]:
    """What a trial's stage is asked (`Node.fed` has the answers)."""
    spec = here.truths.generator.spec
    cases = load_cases(here.truths.generator.tokenizer, spec, list(trial.cases))
    yield from cases
    if trial.draws:
        yield from drawn(trial.stage, spec, here.truths.trace(cases[0]), count=trial.draws, seed=trial.seed)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk
