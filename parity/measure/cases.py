"""The cases: prompts, seconds and seeds from a TOML file, resolved against the model at hand; and what is drawn for one stage."""

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fixtures import PROMPTS_FILE
from reference.spec.errors import InputError
from reference.spec.generation import Request
from reference.spec.model import SecondsSpec
from reference.spec.noise import open_noise
from reference.spec.prompt import Tokenizer
from reference.spec.sampling.objective import State
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.tensors import Tensors

REQUIRED, OPTIONAL = {"text", "seconds", "seed"}, {"tokens", "free_running"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One generation to compare. `noise` is the stream it draws from, by its command-line name."""

    id: str
    request: Request
    seed: int
    free_running: bool
    noise: str = "philox"

    def draws(self, shape: tuple[int, ...]) -> Iterator[State]:
        """The noise of a run of it."""
        return open_noise(self.noise, shape, self.seed)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The calls of one stage: a place each, as long as a trace holds them together. `places` says in words what was drawn."""

    stage: str
    feeds: list[Tensors] = field(repr=False)
    places: list[str]

    @property
    def id(self) -> str:
        """What it is called."""
        return self.digest

    @cached_property
    def digest(self) -> str:
        """Equal for equal inputs only."""
        digest = hashlib.sha256()
        for feed in self.feeds:
            for name in sorted(feed):
                digest.update(f"{name} {feed[name].dtype} {feed[name].shape}".encode() + feed[name].tobytes())
        return f"{self.stage} {digest.hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class Fed(Drawn):
    """A call of one stage that has a name: what it is fed is no place of a sweep, but what some sound leads to."""

    name: str

    @property
    def id(self) -> str:
        return self.name


def case_ids(path: Path = PROMPTS_FILE, *, free_running: bool = False) -> list[str]:
    """Names of all cases, or of those judged free-running, in the file's order."""
    return [name for name, entry in _read(path).items() if entry.get("free_running", False) or not free_running]


def load_cases(tokenizer: Tokenizer, seconds: SecondsSpec, ids: list[str] | None = None, steps: int = 8) -> list[Case]:
    """The cases called `ids` (all of them by default). Raises InputError for an unknown one, listing the valid."""
    table = _read(PROMPTS_FILE)
    chosen = list(table) if ids is None else ids
    unknown = [name for name in chosen if name not in table]
    if unknown:
        raise InputError(f"case {', '.join(unknown)} is unknown; valid cases: {', '.join(table)}")
    return [
        Case(
            id=name,
            request=Request(
                prompt=_prompt(table[name], tokenizer),
                seconds=_seconds(table[name]["seconds"], seconds),
                sampler=SamplerSpec(steps=steps),
            ),
            seed=table[name]["seed"],
            free_running=table[name].get("free_running", False),
        )
        for name in chosen
    ]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    if sys.version_info >= (3, 11):  # only here: a device that is fed what is ready has neither
        import tomllib
    else:
        import tomli as tomllib

    table = tomllib.loads(path.read_text(encoding="utf-8"))
    for name, entry in table.items():
        if not REQUIRED <= entry.keys() <= REQUIRED | OPTIONAL:
            expected = f"{sorted(REQUIRED)} and perhaps {sorted(OPTIONAL)}"
            raise InputError(f"{path}: case '{name}' has keys {sorted(entry)}, expected {expected}")
    return table


def _prompt(entry: dict[str, Any], tokenizer: Tokenizer) -> str:
    """The text, repeated word by word until it has the wanted number of tokens."""
    text: str = entry["text"]
    if "tokens" not in entry:
        return text
    wanted = _relative(entry["tokens"], {"max_length": tokenizer.max_length})
    words = text.split()
    prompt = ""
    for index in range(int(wanted)):
        if tokenizer.count(prompt) >= wanted:
            break
        prompt = f"{prompt} {words[index % len(words)]}".strip()
    if tokenizer.count(prompt) != wanted:
        raise InputError(
            f"words of '{text}' give {tokenizer.count(prompt)} tokens, never exactly {wanted:g}; use short words"
        )
    return prompt


def _seconds(value: float | str, spec: SecondsSpec) -> float:
    return _relative(value, {"min": spec.min_s, "max": spec.max_s}) if isinstance(value, str) else float(value)


def _relative(text: str, names: dict[str, float]) -> float:
    """`name`, `N*name`, and either with `+N` or `-N` behind it."""
    match = re.fullmatch(r"(?:(\d+)\*)?([a-z_]+)([+-]\d+)?", text)
    if match is None or match[2] not in names:
        raise InputError(
            f"'{text}' is not understood; expected {' or '.join(names)}, with N* before or +N or -N after it or not"
        )
    return float(match[1] or 1) * names[match[2]] + float(match[3] or 0)
