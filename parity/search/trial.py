"""A trial: one stage, quantized in one way and measured. Its description holds all that the numbers follow from, so that equal
descriptions have equal answers, whoever measures them, wherever and in whatever order."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from litert_pipeline.build.recipes import QuantizerRecipe
from parity.measure.contents import Part, Stored

FLOAT, QUANTIZED = "float", "quantized"  # the two files of a race


@dataclass(frozen=True, kw_only=True)
class Race:
    """That speed is what is measured: the quantized file beside the float one, call by call in turns.

    `machine` is where, in words that stand for all machines of its kind: seconds of another one say nothing here.
    """

    machine: str
    threads: int
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is to be measured.

    `model` and `file` are hashes of the model dir and of the float file that is quantized, `code` of what measures. `recipe` is
    the official quantizer's list of rules as JSON text, `compute` the arithmetic the file is run with. Fed are the `cases`, at
    the sampler's `steps` (all where there are none), and `draws` places over what the inputs may be, drawn from `seed`.
    `race`: speed is measured instead of distance.
    """

    model: str
    file: str
    code: str
    stage: str
    recipe: str
    compute: str = "fp32"
    cases: tuple[str, ...] = ()
    steps: tuple[int, ...] = ()
    draws: int = 0
    seed: int = 0
    race: Race | None = None

    @property
    def address(self) -> str:
        """The SHA-256 of all of it."""
        return digest(self.to_json())

    @property
    def rules(self) -> QuantizerRecipe:
        """The recipe as the quantizer reads it; no rules leave the file as it is."""
        rules: QuantizerRecipe = json.loads(self.recipe)
        return rules

    def to_json(self) -> dict[str, Any]:
        """As it is stored and sent."""
        return {**asdict(self), "cases": list(self.cases), "steps": list(self.steps)}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Trial":
        """From what `to_json` gave. Raises TypeError or KeyError for anything else."""
        race = told["race"] and Race(**told["race"])
        return cls(**{**told, "cases": tuple(told["cases"]), "steps": tuple(told["steps"]), "race": race})


@dataclass(frozen=True, kw_only=True)
class Number:
    """One measurement of a case, at a sampler step where it is of one."""

    case: str
    metric: str
    value: float
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a trial found.

    `size_bytes` and `sha256` are of the quantized file, `stored` what its operators' constants are stored as. `numbers` are
    distances, `seconds` the rounds of a race by file; a trial has one of the two. `fault`: in words why there is nothing of
    all this; the same happens each time.
    """

    address: str
    size_bytes: int = 0
    sha256: str = ""
    stored: tuple[Part, ...] = ()
    numbers: tuple[Number, ...] = ()
    seconds: dict[str, tuple[float, ...]] = field(default_factory=dict)
    fault: str = ""

    def to_json(self) -> dict[str, Any]:
        """As it is stored and sent: numbers that are none are words, for JSON has no room for them."""
        numbers = [{**asdict(one), "value": _told(one.value)} for one in self.numbers]
        seconds = {name: list(rounds) for name, rounds in self.seconds.items()}
        stored = [{**asdict(part), "stored": asdict(part.stored)} for part in self.stored]
        return {**asdict(self), "stored": stored, "numbers": numbers, "seconds": seconds}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Result":
        """From what `to_json` gave. Raises TypeError, ValueError or KeyError for anything else."""
        read = {
            "stored": tuple(Part(**{**part, "stored": Stored(**part["stored"])}) for part in told["stored"]),
            "numbers": tuple(Number(**{**one, "value": float(one["value"])}) for one in told["numbers"]),
            "seconds": {name: tuple(rounds) for name, rounds in told["seconds"].items()},
        }
        return cls(**{**told, **read})


def recipe_text(rules: QuantizerRecipe) -> str:
    """A recipe as trials hold it: equal rules are equal text."""
    return json.dumps(rules, sort_keys=True)


def digest(told: Any) -> str:
    """The SHA-256 of a value that JSON can hold, however its keys are ordered."""
    return hashlib.sha256(json.dumps(told, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _told(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)
