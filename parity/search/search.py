"""The search: mixes are proposed, measured whole, and the best of them held to the whole gate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from parity.measure.metrics import correlation
from parity.measure.policy import Policy
from parity.search.additive import greedy_path
from parity.search.asking import Asker, Question
from parity.search.distance import bar_of, share_of_bar
from parity.search.front import Values, dominates, front, knee, spread
from parity.search.point import GateVerdict, Mixes, Point, own_recipes
from parity.search.schemes import UNTOUCHED
from parity.search.sensitivity import Sensitivity, shares_of_float
from parity.search.study import BATCH, Proposal, Proposer

ASKED_PER_TRIAL = 4  # proposals of mixes that are known already cost nothing; but so many in all are enough
BEYOND = 1.25  # of the bar: how far the greedy path is followed past what is allowed, for expectations may err

Gate = Callable[[Sequence[Point]], Mapping[str, GateVerdict]]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a search is for: how many mixes are measured, how many of the best the gate is asked about at most."""

    policy: Policy
    objective: str
    budget: int
    seed: int
    most_points: int


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found. `points` are the front that may be published, `refused` what was on it until the gate was asked,
    `own` this project's recipes; `measured` is everything."""

    wanted: Wanted
    sensitivity: Sensitivity
    measured: Sequence[Point]
    own: Sequence[Point]
    points: Sequence[Point]
    refused: Sequence[Point] = field(default=())

    @property
    def knee(self) -> Point | None:
        """The point of the front that gives most for what it costs."""
        values = [point.values(self.wanted.objective) for point in self.points]
        return self.points[knee(values)] if values else None

    @property
    def told(self) -> list[tuple[float, float]]:
        """(expected, measured) distances of all mixes."""
        return [(one.expected, one.distance) for one in self.measured if np.isfinite([one.expected, one.distance]).all()]

    @property
    def correlations(self) -> tuple[float, float]:
        """Of what was expected with what was measured: of distances, and of their logarithms; 0 of a single pair."""
        if len(self.told) < 2:
            return 0.0, 0.0
        expected, measured = np.array(self.told).T
        return correlation(expected, measured), correlation(np.log(expected), np.log(measured))

    def beside(self, own: Point) -> str:
        """How a recipe of this project stands to the front, in a sentence."""
        objective = self.wanted.objective
        better = [point for point in self.points if dominates(point.values(objective), own.values(objective))]
        equal = [point for point in self.points if point.values(objective) == own.values(objective)]
        if better:
            return f"{own.name} is dominated by {best_of(better, objective).name}, which is closer and no larger or slower"
        if equal:
            return f"{own.name} is on the front: {equal[0].name} is as close and as large"
        why = "" if own.close_enough else f": its worst error is {own.share:.0%} of what the policy allows"
        return f"{own.name} is not dominated by what may be published{why}"


def best_of(points: Sequence[Point], objective: str) -> Point:
    """The closest."""
    return min(points, key=lambda point: point.values(objective))


def run_search(asker: Asker, sensitivity: Sensitivity, proposer: Proposer, wanted: Wanted, gate: Gate) -> Found:
    """Measure as many mixes as the budget has, and judge the best. Raises InputError as `Engine.map`."""
    question = sensitivity.question
    mixes = mixes_of(sensitivity, wanted)
    proposer.suggest(warm_start(sensitivity, wanted))
    measured = _measured(asker, mixes, proposer, wanted)
    own = _own(asker, question, mixes)
    points, refused = judged_front([*measured, *own], wanted, gate)
    return Found(wanted=wanted, sensitivity=sensitivity, measured=measured, own=own, points=points, refused=refused)


def mixes_of(sensitivity: Sensitivity, wanted: Wanted) -> Mixes:
    """How mixes become points, held to the policy's bar for the stage."""
    return Mixes(
        question=sensitivity.question, groups=sensitivity.groups, expected=sensitivity.additive(wanted.objective),
        bar=bar_of(wanted.policy, sensitivity.question.about.stage),
    )  # fmt: skip


def options_of(sensitivity: Sensitivity, objective: str) -> dict[str, list[str]]:
    """The schemes of each group that a mix is drawn from: all that were measured of it, and leaving it as it is."""
    expected = sensitivity.additive(objective)
    return {group.name: [UNTOUCHED, *sorted(expected.alone[group.name])] for group in sensitivity.groups}


def warm_start(sensitivity: Sensitivity, wanted: Wanted) -> list[dict[str, str]]:
    """Mixes to begin with: each scheme everywhere it can be, and half of the budget along the greedy path, as far as the policy
    lets expect."""
    mixes, groups = mixes_of(sensitivity, wanted), [group.name for group in sensitivity.groups]
    known = mixes.expected.alone
    schemes = sorted({scheme for found in known.values() for scheme in found})
    uniform = [{group: scheme if scheme in known[group] else UNTOUCHED for group in groups} for scheme in schemes]
    path = [chosen for chosen in greedy_path(mixes.expected, groups)[1:]
            if share_of_bar(mixes.expected.errors(chosen), mixes.bar) <= BEYOND]  # fmt: skip
    kept = [path[place] for place in spread(len(path), max(2, wanted.budget // 2))]
    return [*uniform, *kept][: wanted.budget]


def _measured(asker: Asker, mixes: Mixes, proposer: Proposer, wanted: Wanted) -> list[Point]:
    """Points until the budget is spent, those of an earlier run of the study first."""
    found: dict[str, Point] = {}
    _take(found, asker, mixes, [Proposal(chosen=chosen) for chosen in proposer.finished()])
    asked = len(found)
    while len(found) < wanted.budget and asked < ASKED_PER_TRIAL * wanted.budget:
        proposals = proposer.batch(min(BATCH, wanted.budget - len(found)))
        asked += len(proposals)
        for proposal, point in _take(found, asker, mixes, proposals):
            fine = point is not None and np.isfinite(point.values(wanted.objective)).all()
            proposer.tell(proposal, point.values(wanted.objective) if point is not None and fine else None)
        asker.say(f"search: {len(found)} of {wanted.budget} mixes")
    return list(found.values())


def _take(
    found: dict[str, Point], asker: Asker, mixes: Mixes, proposals: Sequence[Proposal]
) -> list[tuple[Proposal, Point | None]]:
    """Measure proposals and add what is new; each with its point, None of what was lost."""
    recipes = [mixes.rules(proposal.chosen) for proposal in proposals]
    trials = [mixes.question.trial(rules) for rules in recipes]
    results = asker.ask(trials, "mixes")
    there = [rules for rules, trial in zip(recipes, trials, strict=True) if trial.address in results]
    seconds = shares_of_float(asker, mixes.question, there)
    told: list[tuple[Proposal, Point | None]] = []
    for proposal, trial in zip(proposals, trials, strict=True):
        result = results.get(trial.address)
        if result is not None and trial.address not in found:
            found[trial.address] = mixes.point(proposal.chosen, result, seconds.get(trial.address))
        told.append((proposal, found.get(trial.address)))
    return told


def _own(asker: Asker, question: Question, mixes: Mixes) -> list[Point]:
    """This project's recipes, measured in the same way."""
    recipes = own_recipes(question.about.stage)
    results = asker.ask([question.trial(rules) for rules in recipes.values()], "recipes of this project")
    known = {name: rules for name, rules in recipes.items() if question.trial(rules).address in results}
    seconds = shares_of_float(asker, question, list(known.values()))
    return [
        mixes.named(name, rules, results[address], seconds.get(address))
        for name, rules in known.items() if (address := question.trial(rules).address)
    ]  # fmt: skip


def judged_front(measured: Sequence[Point], wanted: Wanted, gate: Gate) -> tuple[list[Point], list[Point]]:
    """The front of what may be published, at most so many points of it, each judged; and what the gate refused on the way, whose
    place another point took."""
    verdicts: dict[str, GateVerdict] = {}
    fine = [point for point in _once(measured) if point.rules and point.close_enough and not point.result.fault]
    while True:
        left = [point for point in fine if point.name not in verdicts or verdicts[point.name].publish]
        best = _thinned(front(left, lambda point: point.values(wanted.objective)), wanted)
        new = [point for point in best if point.name not in verdicts]
        if not new:
            refused = [point.judged(verdicts[point.name]) for point in fine if not _publishable(point, verdicts)]
            return [point.judged(verdicts[point.name]) for point in best], refused
        verdicts |= gate(new)


def _publishable(point: Point, verdicts: Mapping[str, GateVerdict]) -> bool:
    return point.name not in verdicts or verdicts[point.name].publish


def _once(points: Sequence[Point]) -> list[Point]:
    """Equal files once: the first of them, so a mix before a recipe that says the same in other words."""
    return list({point.result.sha256: point for point in reversed(points)}.values())[::-1]


def _thinned(best: list[Point], wanted: Wanted) -> list[Point]:
    values: list[Values] = [point.values(wanted.objective) for point in best]
    always = [knee(values)] if values else []
    return [best[place] for place in spread(len(best), wanted.most_points, always)]
