"""Read a JSON object strictly: every key is taken, ignored on purpose, or refused by name."""

import json
import math
from pathlib import Path
from typing import Any

from reference.spec.errors import InputError
from reference.spec.files import require_content
from reference.spec.plain_json import parse

MOST = 2**31 - 1  # what an axis of an array is counted with
TOLD_OTHERWISE = {
    "utf-8-sig": "it begins with a byte order mark, which JSON has none of",
    "sys.set_int_max_str_digits": "a number has too many digits",
}  # fmt: skip
MOST_DIGITS = 300  # beyond them a float has no number


class Section:
    """One JSON object, its file and its place in it, so that every complaint can name both."""

    def __init__(self, file: Path, data: Any, where: str = "") -> None:
        if not isinstance(data, dict):
            raise InputError(f"{file}: {where or 'the top level'} must be an object, found {describe(data)}")
        self.file, self.where = file, where
        self._left: dict[str, Any] = dict(data)

    def take(self, key: str, kind: type, *default: Any) -> Any:
        """Remove and return `key`, checked to be a `kind`; without a default the key is required."""
        if key not in self._left:
            if default:
                return default[0]
            raise InputError(f"{self.file}: key '{self.path(key)}' is missing, expected {kind.__name__}")
        value: Any = self._left.pop(key)
        if value is None and default and default[0] is None:
            return None
        if kind is float and type(value) is int and abs(value) < 10**MOST_DIGITS:
            value = float(value)
        if type(value) is not kind:
            raise InputError(f"{self.file}: '{self.path(key)}' must be {kind.__name__}, found {describe(value)}")
        if type(value) is float and not math.isfinite(value):
            raise InputError(f"{self.file}: '{self.path(key)}' must be a finite number, found {value}")
        return value

    def positive(self, key: str, *default: int, most: int = MOST) -> int:
        """Take an int and require it to be at least 1, and at `most` so much."""
        value: int = self.take(key, int, *default)
        if not 1 <= value <= most:
            raise InputError(f"{self.file}: '{self.path(key)}' must be at least 1 and at most {most}, found {describe(value)}")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], *default: str) -> str:
        """Take a string that must be one of `allowed`."""
        value: str = self.take(key, str, *default)
        if value not in allowed:
            raise InputError(
                f"{self.file}: '{self.path(key)}' is '{value}', which is not supported; supported: {', '.join(allowed)}"
            )
        return value

    def peek(self, *keys: str) -> Any:
        """The value under nested `keys`, which stays to be taken; None where there is none."""
        value: Any = self._left
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def section(self, key: str) -> "Section":
        """Take a nested object."""
        if key not in self._left:
            raise InputError(f"{self.file}: key '{self.path(key)}' is missing, expected an object")
        return Section(self.file, self._left.pop(key), self.path(key))

    def optional_section(self, key: str) -> "Section":
        """Take a nested object, an empty one where the key is absent or null."""
        return Section(self.file, self._left.pop(key, None) or {}, self.path(key))

    def sections(self, key: str) -> list["Section"]:
        """Take a list of objects."""
        items = self.take(key, list)
        return [Section(self.file, item, f"{self.path(key)}[{i}]") for i, item in enumerate(items)]

    def numbers(self, key: str, *default: list[int]) -> tuple[int, ...]:
        """Take a list of ints, each at least 1."""
        items: list[Any] = self.take(key, list, *default)
        if not items or not all(type(item) is int and 1 <= item <= MOST for item in items):
            raise InputError(f"{self.file}: '{self.path(key)}' must be a list of positive ints, found {describe(items)}")
        return tuple(items)

    def names(self) -> list[str]:
        """Keys not taken yet, in the file's order."""
        return list(self._left)

    def has(self, key: str) -> bool:
        """Whether `key` is there and not taken yet."""
        return key in self._left

    def filled(self, key: str) -> bool:
        """Whether `key` is there and not null; a null counts as taken."""
        if self._left.get(key) is None:
            self._left.pop(key, None)
        return key in self._left

    def ignore(self, *keys: str) -> None:
        """Drop keys that are known and have no effect on inference."""
        for key in keys:
            self._left.pop(key, None)

    def done(self) -> None:
        """Refuse whatever nobody took: a key we do not know may change the numbers."""
        if self._left:
            names = ", ".join(f"'{self.path(key)}'" for key in sorted(self._left))
            raise InputError(
                f"{self.file}: unknown or unsupported key {names}; this reference would ignore it, so it refuses"
            )

    def path(self, key: str) -> str:
        """Dotted path of `key` from the top of the file."""
        return f"{self.where}.{key}" if self.where else key


def describe(value: Any) -> str:
    """Type and a short form of a value, for messages."""
    text = json.dumps(value, default=str)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


def read_json(path: Path) -> Section:
    """Open `path` as one JSON object. Raises InputError for a missing, unreadable or malformed file."""
    return Section(path, _loaded(path))


def read_json_objects(path: Path) -> list[dict[str, Any]]:
    """A list of JSON objects. Raises InputError as `read_json`."""
    found = _loaded(path)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(f"{path}: the top level must be a list of objects, found {describe(found)}")
    return found


def _loaded(path: Path) -> Any:
    try:
        if path.exists():
            require_content(path)
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a JSON file") from None
    except ValueError as error:  # of text, of JSON, of a number too long, of brackets without end
        raise InputError(f"{path}: not valid JSON ({_why(error)}); expected a JSON file, download or write it again") from None


def _why(error: ValueError) -> str:
    """What is wrong with a text, without advice to who writes Python."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    found = next((words for key, words in TOLD_OTHERWISE.items() if key in str(error)), None)
    return found or str(error)
