"""Inputs drawn over their whole domains for one stage, to be answered and judged as if a generation had led there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.measure.cases import Drawn
from parity.measure.teacher_forcing import NONFINITE, Measurement
from parity.measure.verdict import DOMAIN, Verdict
from reference.spec.domain import Domain, Place
from reference.spec.model import StageSpec
from reference.spec.stages import STAGE_TABLE, StageRow
from reference.spec.tensors import Array, Tensors

DRAWS, LARGE_DRAWS = 16, 4  # places of a stage, of a model held whole and of a large one
LEAST_CALLS = 3  # to tell a response from
SOUND_SHARE = 3  # one place in so many is drawn for a stage of whole sounds, whose float64 truth takes seconds, or half a minute
RESPONSE = "response_error"
# Held everywhere in the domain.
SWEPT = (NONFINITE, "relative_l2.prompt_rows", "relative_l2.seconds", "denoised_error", "relative_l2", RESPONSE)


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """How many places of a stage are drawn, from which seed; None follows the size of the model, 0 draws none."""

    draws: int | None = None
    seed: int = 0

    def count(self, stage: str, *, large: bool) -> int:
        """How many places a stage of a model gets."""
        draws = self.draws if self.draws is not None else LARGE_DRAWS if large else DRAWS
        return -(-draws // SOUND_SHARE) if STAGE_TABLE[stage].whole_sound else draws


def drawn(stage: str, spec: StageSpec, trace: Mapping[str, Array], *, count: int, seed: int) -> list[Drawn]:
    """What is to be asked of a stage at `count` places: all as one for a stage of the sampler, one by one for any other.

    `trace` has what no domain is known of: what other stages answer.
    """
    row = STAGE_TABLE[stage]
    places = [Place(index=index, count=count, seed=seed, spec=spec) for index in range(count)]
    feeds = [row.drawn(place, trace) for place in places]
    ports = _drawn_ports(row, feeds)
    told = [", ".join(filter(None, (domain.told(feed[name]) for name, domain in ports.items()))) for feed in feeds]
    if row.per_step:
        return [Drawn(stage=stage, feeds=feeds, places=told)] if feeds else []
    return [Drawn(stage=stage, feeds=[feed], places=[words]) for feed, words in zip(feeds, told, strict=True)]


def response(drawn: Drawn, truth: Mapping[str, Array], answers: list[Tensors]) -> list[Measurement]:
    """How far the answers' differences from their mean over all calls are wrong, where most, relative to the truth's.

    What is wrong in all calls alike cancels, as most of what rounded weights do: so an input that is ignored or rounded is seen
    where the error as a whole hides it. Nothing of a single call, or where an answer is no number.
    """
    row = STAGE_TABLE[drawn.stage]
    if len(answers) < LEAST_CALLS or not all(np.isfinite(array).all() for answer in answers for array in answer.values()):
        return []
    exact = _apart_from_mean([row.truth(truth, call) for call in range(len(answers))])
    wrong = _apart_from_mean(answers) - exact
    worst = np.linalg.norm(wrong, axis=1).max() / np.sqrt(np.mean(np.sum(np.square(exact), axis=1)))
    return [Measurement(metric=RESPONSE, value=float(worst))]


def over_domain(verdict: Verdict, places: Sequence[str], found: Measurement) -> Verdict:
    """A verdict on what was drawn, by the place it was drawn at; without a lower side: what is far from all truths may happen to
    be exact."""
    where = f"{len(places)} calls" if found.metric == RESPONSE else places[found.step or 0]
    return replace(verdict, ladder=DOMAIN, case=where, step=None, low_limit=0.0)


def _apart_from_mean(calls: list[Tensors]) -> Array:
    """(call, value) of all outputs, in float64."""
    flat = np.stack([np.concatenate([call[name].astype(np.float64).ravel() for name in sorted(call)]) for call in calls])
    apart: Array = flat - flat.mean(axis=0)
    return apart


def covered(sweeps: list[Drawn]) -> str:
    """What the inputs of one stage cover, in words."""
    feeds = [feed for one in sweeps for feed in one.feeds]
    ports = _drawn_ports(STAGE_TABLE[sweeps[0].stage], feeds) if sweeps else {}
    return ", ".join(filter(None, (domain.covered([feed[name] for feed in feeds]) for name, domain in ports.items())))


def _drawn_ports(row: StageRow, feeds: Sequence[Tensors]) -> dict[str, Domain]:
    """The domains of those inputs that were drawn, by name."""
    return {port.name: port.domain for port in row.inputs if port.domain and all(port.name in feed for feed in feeds)}
