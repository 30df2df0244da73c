"""One group at a time in each scheme, all else in float: what each costs and saves by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from litert_pipeline.build.recipes import QuantizerRecipe
from parity.measure.race import Times
from parity.search.additive import Additive, Alone
from parity.search.asking import Asker, Question
from parity.search.distance import distance, errors
from parity.search.schemes import UNTOUCHED, Scheme
from parity.search.space import Group
from parity.search.trial import FLOAT, QUANTIZED, Result
from reference.spec.errors import InputError

BYTES, LATENCY = "bytes", "latency"
OBJECTIVES = (BYTES, LATENCY)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A group in a scheme. `seconds` is the time of a call in shares of the float file's, raced in turns; None where it was not
    raced."""

    group: Group
    scheme: Scheme
    result: Result
    seconds: float | None = None

    @property
    def distance(self) -> float:
        """Of the stage, with this group alone stored so; NaN where the quantizer refused."""
        return distance(errors(self.result))


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """All cells, by group and scheme, beside the float file."""

    question: Question
    groups: Sequence[Group]
    schemes: Sequence[Scheme]
    floor: Result
    cells: Mapping[tuple[str, str], Cell]

    def saved_bytes(self, cell: Cell) -> int:
        """How much smaller the file is."""
        return self.floor.size_bytes - cell.result.size_bytes

    def additive(self, objective: str) -> Additive:
        """What mixes are expected to cost; of the schemes those that did something to a group."""
        floor = errors(self.floor)
        alone: dict[str, dict[str, Alone]] = {group.name: {} for group in self.groups}
        for cell in self.cells.values():
            found, saved = errors(cell.result), self._saved(cell, objective)
            if found and cell.result.size_bytes != self.floor.size_bytes:
                alone[cell.group.name][cell.scheme.name] = Alone(errors=found, saved=saved)
        cost = float(self.floor.size_bytes) if objective == BYTES else 1.0
        return Additive(floor=floor, alone=alone, untouched=UNTOUCHED, cost=cost)

    def _saved(self, cell: Cell, objective: str) -> float:
        if objective == BYTES:
            return float(self.saved_bytes(cell))
        assert cell.seconds is not None, "raced where latency is the objective"
        return 1.0 - cell.seconds


def sensitivities(asker: Asker, question: Question, groups: Sequence[Group], schemes: Sequence[Scheme]) -> Sensitivity:
    """Measure them all, and race them where the question asks for speed.

    Raises InputError where the float file itself could not be measured.
    """
    asked = {
        (group.name, scheme.name): group.rules(scheme)
        for group in groups for scheme in schemes if scheme.name != UNTOUCHED and group.takes(scheme)
    }  # fmt: skip
    found = asker.ask([question.trial([]), *map(question.trial, asked.values())], "one at a time")
    floor = found.get(question.trial([]).address)
    if floor is None or not errors(floor):
        why = floor.fault if floor else "its process died"
        raise InputError(f"the float file of {question.about.stage} cannot be measured: {why}; look at it with 'parity gate'")
    seconds = shares_of_float(asker, question, [rules for rules in asked.values() if question.trial(rules).address in found])
    by_group, by_scheme = {group.name: group for group in groups}, {scheme.name: scheme for scheme in schemes}
    cells = {
        (group, scheme): Cell(
            group=by_group[group], scheme=by_scheme[scheme], result=found[address], seconds=seconds.get(address)
        )
        for (group, scheme), rules in asked.items() if (address := question.trial(rules).address) in found
    }  # fmt: skip
    return Sensitivity(question=question, groups=groups, schemes=schemes, floor=floor, cells=cells)


def shares_of_float(asker: Asker, question: Question, recipes: Sequence[QuantizerRecipe]) -> dict[str, float]:
    """The time of a call of each recipe's file in shares of the float file's, by the address of the recipe's trial; nothing
    where the question does not ask for speed."""
    if question.race is None:
        return {}
    found = asker.ask([question.raced(rules) for rules in recipes], "races")
    shares = {}
    for rules in recipes:
        raced = found.get(question.raced(rules).address)
        if raced is not None and raced.seconds:
            quantized, plain = (Times(seconds=raced.seconds[name]).median_s for name in (QUANTIZED, FLOAT))
            shares[question.trial(rules).address] = quantized / plain
    return shares
