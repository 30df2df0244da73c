"""A model file and what belongs to it: an `.onnx` file may keep its weights in files beside it.

Such a file is the same model only with the same data, so what identifies it covers all of its parts.
"""

import hashlib
import mmap
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reference.spec.errors import InputError
from reference.spec.files import require_content, sha256_of
from reference.spec.paths import require_text

ONNX = ".onnx"
VARINT, WIDE, BYTES, NARROW = 0, 1, 2, 5  # how a field of a protobuf message is written
FIXED_BYTES = {WIDE: 8, NARROW: 4}
EXTERNAL = 1  # TensorProto.DataLocation
LOCATION, ENTRY = 14, 13  # fields of TensorProto: where its data is, and the pairs that say more

# Fields that lead from a model to its tensors, by the kind of message. Source: onnx.proto.
TENSOR = "tensor"
LEADING: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: TENSOR, 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: TENSOR, 6: "graph", 10: TENSOR, 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: TENSOR, 2: TENSOR},
}


@dataclass(frozen=True, kw_only=True)
class External:
    """Data of a tensor in another file: that file's name beside the model, and how many of its bytes are needed."""

    location: str
    needed_bytes: int


def model_files(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files of a folder with one of these endings, in order: no folders, and nothing hidden, such as `._dit.tflite`. Where
    there is no folder, none. Raises InputError for a path that no runtime can be told."""
    named = (path for path in sorted(folder.glob("*")) if path.suffix in suffixes and not path.name.startswith("."))
    found = [path for path in named if path.is_file()]
    for path in found:
        require_text(path)
    return found


def require_linked(folder: Path, suffixes: Collection[str], *names: str) -> None:
    """Raise InputError for a link of one of these endings or names that leads nowhere, as an emptied cache leaves."""
    wanted = {path for path in folder.glob("*") if path.suffix in suffixes and not path.name.startswith(".")}
    for link in sorted(wanted | {folder / name for name in names}):
        if link.is_symlink() and not link.exists():
            raise InputError(f"{link}: is a link to {link.readlink()}, which is not there; download or copy it again")


def require_bytes(path: Path) -> None:
    """Raise InputError for a file that cannot be read, holds nothing, or only says where its content is kept (Git LFS)."""
    require_content(path)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: is empty, expected a model; its download or copy was cut off, get it again")


def require_model_file(path: Path, suffixes: Collection[str]) -> None:
    """Raise InputError for a file whose name has none of these endings, and as `require_bytes`."""
    if path.suffix not in suffixes:
        renamed = f"; rename it to {path.stem}{path.suffix.lower()}" if path.suffix.lower() in suffixes else ""
        found = f"ends in '{path.suffix}'" if path.suffix else "has no ending"
        raise InputError(f"{path}: its name {found}, expected a model file, {' or '.join(suffixes)}{renamed}")
    require_bytes(path)


def parts_of(path: Path) -> tuple[Path, ...]:
    """A model file and the files beside it that hold its data, by name.

    Raises InputError for data that is missing, cut off, or said to be outside the file's folder, and for an ONNX model that
    is damaged.
    """
    if path.suffix != ONNX:
        return (path,)
    needed: dict[str, int] = {}
    for found in _externals(path):
        needed[found.location] = max(found.needed_bytes, needed.get(found.location, 0))
    return (path, *(_beside(path, location, needed[location]) for location in sorted(needed)))


def sha256_of_model(path: Path) -> str:
    """Hex SHA-256 of a model file, together with its external data where it has any. Raises InputError as `parts_of`."""
    own, *data = parts_of(path)
    if not data:
        return sha256_of(own)
    folder = path.parent
    lines = (f"{sha256_of(part)} {part.relative_to(folder).as_posix()}\n" for part in data)
    return hashlib.sha256("".join((f"{sha256_of(own)}\n", *lines)).encode()).hexdigest()


def size_of_model(path: Path) -> int:
    """Bytes of a model file and of its external data. Raises InputError as `parts_of`."""
    return sum(part.stat().st_size for part in parts_of(path))


def _beside(path: Path, location: str, needed_bytes: int) -> Path:
    place = PurePosixPath(location)
    if not location or place.is_absolute() or ".." in place.parts or "\\" in location or "\0" in location:
        raise InputError(
            f"{path}: keeps data in '{location}', expected a file in its own folder; save the model with its data beside it"
        )
    data = path.parent / place
    if not data.is_file():
        raise InputError(f"{data}: no such file, though {path.name} keeps its data there; copy both")
    require_content(data)
    found = data.stat().st_size
    if found < needed_bytes:
        raise InputError(
            f"{data}: is {found} bytes, {path.name} needs {needed_bytes} of it; it is truncated or another model's, copy both"
        )
    return data


def _externals(path: Path) -> Iterator[External]:
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from _tensors(data, 0, len(data), "model")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected an ONNX model") from None
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: is a damaged ONNX model ({error}); copy or convert it again") from None


def _tensors(data: mmap.mmap, start: int, end: int, kind: str) -> Iterator[External]:
    """External data of all tensors in a message; what does not lead to one is stepped over."""
    for number, where, stop in _fields(data, start, end):
        inner = LEADING[kind].get(number)
        if inner == TENSOR:
            yield from _external(data, where, stop)
        elif inner is not None:
            yield from _tensors(data, where, stop, inner)


def _external(data: mmap.mmap, start: int, end: int) -> Iterator[External]:
    fields = list(_fields(data, start, end))
    if not any(number == LOCATION and _varint(data, where)[0] == EXTERNAL for number, where, _ in fields):
        return
    pairs = dict(_pair(data, where, stop) for number, where, stop in fields if number == ENTRY)
    needed = int(pairs.get("offset", 0)) + int(pairs.get("length", 0))
    yield External(location=pairs.get("location", ""), needed_bytes=needed)


def _pair(data: mmap.mmap, start: int, end: int) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    found = {number: data[where:stop].decode() for number, where, stop in _fields(data, start, end)}
    return found.get(1, ""), found.get(2, "")


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of every field of the message that lies between `start` and `end`."""
    while start < end:
        tag, where = _varint(data, start)
        kind = tag & 7
        if kind == VARINT:
            stop = _varint(data, where)[1]
        elif kind == BYTES:
            length, where = _varint(data, where)
            stop = where + length
        elif kind in FIXED_BYTES:
            stop = where + FIXED_BYTES[kind]
        else:
            raise ValueError(f"a field of kind {kind} at byte {start}")
        if stop > end:
            raise ValueError(f"a field at byte {start} ends behind its message")
        yield tag >> 3, where, stop
        start = stop


def _varint(data: mmap.mmap, start: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = 0
    for count in range(10):
        byte = data[start + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value, start + count + 1
    raise ValueError(f"a number at byte {start} has no end")
