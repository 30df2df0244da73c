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
from reference.spec import audiogen
from reference.spec.errors import InputError
from reference.spec.generation import Request
from reference.spec.model import SECONDS_START, SECONDS_TOTAL, ModelSpec
from reference.spec.noise import open_noise
from reference.spec.prompt import Tokenizer
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import OBJECTIVES, State
from reference.spec.sampling.samplers import usual_sampler
from reference.spec.tensors import Tensors

REQUIRED = {"text", "seconds", "seed"}
OPTIONAL = {"tokens", "free_running", "start", "negative", "negative_seconds", "negative_start"}


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
        return open_noise(self.noise, shape, self.seed, init_audio=self.request.init_audio is not None)

    @property
    def encoder_draws_unseen(self) -> bool:
        """Whether it starts from audio that an app's encoder encodes, whose file keeps what it draws to itself."""
        return self.request.init_audio is not None and self.noise in audiogen.STREAMS


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


def case_ids(asked: list[str] | None = None, *, free_running: bool = False) -> list[str]:
    """Names of the cases `asked` for (all of them by default), or of those among them that are judged free-running.

    Raises InputError for an unknown one, listing the valid.
    """
    return [name for name in _asked(asked) if not free_running or _read()[name].get("free_running", False)]


def load_cases(tokenizer: Tokenizer, spec: ModelSpec, ids: list[str] | None = None) -> list[Case]:
    """The cases called `ids` (all of them by default), as a model is asked them: sampled in few steps as it usually is, with
    usual guidance, and told what it is told. Raises InputError for an unknown one, listing the valid."""
    table, chosen = _read(), _asked(ids)
    return [
        Case(
            id=name,
            request=_request(table[name], tokenizer, spec),
            seed=table[name]["seed"],
            free_running=table[name].get("free_running", False),
        )
        for name in chosen
    ]


def _asked(ids: list[str] | None) -> list[str]:
    table = _read()
    unknown = [name for name in ids or () if name not in table]
    if unknown:
        raise InputError(f"case {', '.join(unknown)} is unknown; valid cases: {', '.join(table)}")
    return list(table) if ids is None else ids


def _request(entry: dict[str, Any], tokenizer: Tokenizer, spec: ModelSpec) -> Request:
    objective = OBJECTIVES[spec.objective]
    usual = usual_sampler(objective, 1).usual
    told = {"seconds": SECONDS_TOTAL, "start": SECONDS_START, "negative_seconds": SECONDS_TOTAL, "negative_start": SECONDS_START}
    numbers = {
        key: _number(entry[key], spec, number) for key, number in told.items() if key in entry and number in spec.number_names
    }
    guidance = Guidance(scale=usual.cfg_scale)
    if guidance.scale != 1 and "negative" in entry:
        guidance = Guidance(
            scale=usual.cfg_scale, negative_prompt=entry["negative"],
            negative_seconds=numbers.get("negative_seconds"), negative_start=numbers.get("negative_start"),
        )  # fmt: skip
    return Request(
        prompt=_prompt(entry, tokenizer),
        seconds=numbers["seconds"],
        seconds_start=numbers.get("start", 0.0),
        sampler=usual_sampler(objective, usual.few_steps),
        guidance=guidance,
    )


def _read(path: Path = PROMPTS_FILE) -> dict[str, dict[str, Any]]:
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


def _number(value: float | str, spec: ModelSpec, name: str) -> float:
    """A number, or one relative to what the model says of the number called `name`."""
    number = spec.number(name)
    return _relative(value, {"min": number.min_s, "max": number.max_s}) if isinstance(value, str) else float(value)


def _relative(text: str, names: dict[str, float]) -> float:
    """`name`, `N*name`, and either with `+N` or `-N` behind it."""
    match = re.fullmatch(r"(?:(\d+)\*)?([a-z_]+)([+-]\d+)?", text)
    if match is None or match[2] not in names:
        raise InputError(
            f"'{text}' is not understood; expected {' or '.join(names)}, with N* before or +N or -N after it or not"
        )
    return float(match[1] or 1) * names[match[2]] + float(match[3] or 0)
