"""The plan of a kit: what a device is asked, what right answers are, and how far they may be off and why.

`manifest.json` says it all and names arrays by their hashes; the kit's id is the hash of that file's content.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from parity.device.record.arrays import Reference
from parity.measure.bound import Bound
from parity.measure.verdict import json_number
from reference.spec.errors import InputError

FORMAT = 4  # of kits and of answers
MANIFEST = "manifest.json"
CASE, DRAWN, CHANGES = "case", "drawn", "changes"  # what questions are: the truth's own inputs, drawn ones, changed ones


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a stage is fed, call by call; `id` is its own among those to the stage, of a case the case's.

    `places` says in words what was drawn. `half`: of changes, whether they are those for stages that compute in float16.
    """

    id: str
    stage: str
    kind: str
    calls: Sequence[Mapping[str, Reference]]
    places: Sequence[str] = ()
    half: bool = False


@dataclass(frozen=True, kw_only=True)
class Right:
    """The truth about a question as measures take it, with weights as a loader leaves them."""

    stage: str
    question: str
    loading: str
    arrays: Mapping[str, Reference]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One stage of a variant. `judged_as`: the variant that runs the very same file in the same way; often itself."""

    stage: str
    judged_as: str
    loading: str
    half: bool
    changes: bool


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Files of a bundle and how they are run. `compute` is asked for whatever the bundle's manifest says."""

    name: str
    bundle: str
    kernels: str
    compute: str | None
    parts: Sequence[Part]

    def part(self, stage: str) -> Part:
        """One of its stages."""
        return next(part for part in self.parts if part.stage == stage)


@dataclass(frozen=True, kw_only=True)
class Check:
    """What a number may be: any of `bounds` will do, the first that does is told. `question` is none where the number is of all
    cases together. `halves`: what a machine does for FP16 compute that is held to it; every one where it is empty."""

    variant: str
    stage: str
    question: str | None
    metric: str
    step: int | None
    bounds: Sequence[Bound]
    halves: str = ""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """A generation from prompt to audio. `tokens` are the prompt's: a device needs no tokenizer."""

    case: str
    prompt: str
    seconds: float
    seed: int
    noise: str
    sampler: str
    steps: int
    tokens: Mapping[str, Reference]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a kit says. `files`: SHA-256 of every file but the arrays, by its path in the kit; `hashes`: of each bundle's
    stages; `described`: what is known of bundles that have no manifest. `repeats`: how often equal inputs are asked; `rounds`
    of the race, none where it is 0. `draws` and `seed` are those of the sweep."""

    model: str
    objective: str
    threads: Sequence[int]
    repeats: int
    rounds: int
    draws: int | None
    seed: int
    cases: Sequence[str]
    variants: Sequence[Variant]
    questions: Sequence[Question]
    rights: Sequence[Right]
    checks: Sequence[Check]
    generations: Sequence[Generation]
    hashes: Mapping[str, Mapping[str, str]]
    files: Mapping[str, str]
    described: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def right(self) -> Mapping[tuple[str, str, str], Right]:
        """Truths by stage, question and loading."""
        return {(right.stage, right.question, right.loading): right for right in self.rights}

    @property
    def repeated_on(self) -> Sequence[int]:
        """The numbers of threads on which the first case is asked again."""
        return self.threads if self.repeats > 1 else self.threads[1:]

    @property
    def own_parts(self) -> list[tuple[Variant, Part]]:
        """The stages that are asked, each file once."""
        return [(variant, part) for variant in self.variants for part in variant.parts if part.judged_as == variant.name]

    def references(self) -> set[Reference]:
        """All arrays that are needed."""
        fed = (call for question in self.questions for call in question.calls)
        others = (one for part in (self.rights, self.generations) for one in map(_arrays, part))
        return {reference for arrays in (*fed, *others) for reference in arrays.values()}

    def variant(self, name: str) -> Variant:
        """One of the variants."""
        return next(one for one in self.variants if one.name == name)

    def only(self, stages: Mapping[str, Collection[str]]) -> "Plan":
        """The same about these stages of variants by name, and none of others; nothing is timed or generated."""
        named = [one for one in self.variants if one.name in stages]
        few = [replace(one, parts=[part for part in one.parts if part.stage in stages[one.name]]) for one in named]
        return replace(self, variants=few, generations=[], rounds=0)

    def first_case(self, stage: str) -> Question:
        """What is asked again, and timed: the truth's own inputs."""
        return next(one for one in self.questions if one.stage == stage and one.kind == CASE)

    def questions_for(self, part: Part) -> list[Question]:
        """What a stage is asked."""
        return [question for question in self.questions if question.stage == part.stage and _meant(question, part)]


def _arrays(one: Right | Generation) -> Mapping[str, Reference]:
    return one.arrays if isinstance(one, Right) else one.tokens


def _meant(question: Question, part: Part) -> bool:
    return question.kind != CHANGES or (part.changes and question.half == part.half)


def id_of(content: Mapping[str, Any]) -> str:
    """The hash of all that a manifest says but the id."""
    told = {name: value for name, value in content.items() if name != "kit_id"}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def write_plan(plan: Plan, folder: Path) -> str:
    """Write `manifest.json`; the kit's id."""
    content = {"format": FORMAT, **asdict(plan), "checks": [_check_json(check) for check in plan.checks]}
    kit_id = id_of(content)
    text = json.dumps({"kit_id": kit_id, **content}, allow_nan=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return kit_id


def read_plan(path: Path) -> tuple[str, Plan]:
    """The id and the plan in a `manifest.json`. Raises InputError for one of another format, or that was edited."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected the manifest of a kit") from None
    except ValueError as error:
        raise InputError(f"{path}: is no JSON ({error}); copy the kit again") from None
    if not isinstance(content, dict) or not isinstance(content.get("kit_id"), str):
        raise InputError(f"{path}: is no kit's; expected what 'python -m parity pack' wrote")
    if content.get("format") != FORMAT:
        raise InputError(f"{path}: is of kit format {content.get('format')}, this version reads {FORMAT}; pack and record again")
    if content["kit_id"] != id_of(content):
        raise InputError(f"{path}: was edited, its content is not that of kit {content['kit_id'][:12]}; copy the kit again")
    return content["kit_id"], _plan(content)


def _check_json(check: Check) -> dict[str, Any]:
    bounds = [[json_number(bound.low_limit), json_number(bound.limit), bound.why] for bound in check.bounds]
    return {**asdict(check), "bounds": bounds}


def _plan(content: Mapping[str, Any]) -> Plan:
    own = {name: value for name, value in content.items() if name not in ("format", "kit_id")}
    return Plan(**{
        **own,
        "variants": [Variant(**{**one, "parts": [Part(**part) for part in one["parts"]]}) for one in own["variants"]],
        "questions": [Question(**one) for one in own["questions"]],
        "rights": [Right(**one) for one in own["rights"]],
        "checks": [Check(**{**one, "bounds": [_bound(*bound) for bound in one["bounds"]]}) for one in own["checks"]],
        "generations": [Generation(**one) for one in own["generations"]],
    })  # fmt: skip


def _bound(low_limit: float | str, limit: float | str, why: str) -> Bound:
    return Bound(low_limit=float(low_limit), limit=float(limit), why=why)
