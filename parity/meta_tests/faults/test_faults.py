"""The gate is proven by sabotage: what is injected is caught and blamed, what is harmless is not."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch
from _pytest.mark import ParameterSet
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from litert_pipeline.build.stage import PLAIN, exportable
from parity.faults.arithmetics import STRICT
from parity.faults.bench import Bench, Edit, edited
from parity.faults.beside import OnModel
from parity.faults.catalogue import CATALOGUE, CONDITIONER, DECODER, DIT, ENCODER, FILES, GENERATIONS, SAMPLER, STORED
from parity.faults.catalogue.domain import DOMAIN
from parity.faults.catalogue.sampler import euler_step
from parity.faults.catalogue.shapes import SHAPES
from parity.faults.checks import injected
from parity.faults.edits import everywhere, weights
from parity.faults.fault import SITES, Fault
from parity.faults.injection import InFile, InModule, InPipeline, InStage
from parity.faults.mutation import PAIRS, SHARES, cases_for, mildest, pairs, run_fault
from parity.faults.outcome import Outcome, blamed
from parity.faults.run import OWN_CONFIG, row_in_words
from parity.faults.table import page
from parity.faults.wiring import WrongTokenizer, sampled_by
from parity.faults.wrong_sampler import WrongSampler
from parity.judge.judge import Judge
from parity.measure.metrics import relative_l2
from parity.measure.teacher_forcing import stage_feed
from parity.measure.verdict import FREE_RUNNING
from parity.test_parity import case_called
from reference.pipeline import TorchStage
from reference.spec.generation import Request
from reference.spec.stages import ALL_STAGES, STAGE_TABLE, signatures

LEAST_FAULTS = 100
QUICK = [name for name, fault in CATALOGUE.items() if fault.config == OWN_CONFIG and fault.befalls(STRICT.variant)]
WHOLE = 1.0
REWRITTEN = 1e-6  # of the fault: as far as folding constants may move it in float64
# One token is the least that can be wrong, and a byte of a file.
NOTHING = [
    name
    for name, fault in CATALOGUE.items()
    if isinstance(fault.inject, InStage | InPipeline) and fault.graded and fault.site != "tokenizer"
]


def few(all_names: Iterable[str]) -> list[ParameterSet]:
    """Of every stage, and of every way in, one fault in every run; the others are for `make faults-test`."""
    names = list(all_names)
    first = {(CATALOGUE[name].stage, type(CATALOGUE[name].inject)): name for name in reversed(names)}
    return [pytest.param(name, marks=() if name in first.values() else pytest.mark.faults) for name in names]


@pytest.mark.parametrize("name", few(QUICK))
def test_a_fault_is_caught_and_the_right_stage_blamed(bench: Bench, name: str) -> None:
    fault = CATALOGUE[name]
    found = injected(bench, [fault], STRICT.variant, cases_for(bench, [fault]))
    assert found.blames(fault.stage), found.first or found.error
    accused = {check.stage for check in found.failed if check.ladder != FREE_RUNNING}
    assert accused <= {fault.stage}


def test_the_catalogue_is_whole() -> None:
    parts = (CONDITIONER, DIT, SAMPLER, DECODER, ENCODER, SHAPES, DOMAIN, GENERATIONS, FILES, STORED)
    assert len(CATALOGUE) == sum(map(len, parts)) >= LEAST_FAULTS
    assert {fault.site for fault in CATALOGUE.values()} == set(SITES)
    assert {fault.stage for fault in CATALOGUE.values()} == {*ALL_STAGES, "sampler", "bundle"}
    assert all(fault.sentence and fault.source for fault in CATALOGUE.values())


def harmless(stage: str) -> Fault:
    return Fault(
        name="harmless", stage=stage, site="graph", sentence="nothing changes", source="none",
        inject=InModule(stage=stage, edit=lambda module: module),
    )  # fmt: skip


@pytest.mark.parametrize("stage", [
    stage if not STAGE_TABLE[stage].whole_sound else pytest.param(stage, marks=pytest.mark.faults) for stage in ALL_STAGES
])  # fmt: skip
def test_a_fault_that_is_none_is_missed_and_told_so(bench: Bench, stage: str) -> None:
    """What is caught is the fault and not the way it is injected."""
    row = run_fault(bench, harmless(stage), STRICT.variant)
    assert not row.caught
    assert row.threshold is None
    assert row_in_words(row).startswith("MISSED harmless")
    assert Outcome(rows=[row]).complaints() == [
        "fp32: 0 of 1 faults caught and blamed on the right stage", "litert_fp32: wrong graph missed: harmless"
    ]
    assert "**missed**" in page(OnModel(model="one", outcome=Outcome(rows=[row])))


def test_a_fault_blamed_on_another_stage_does_not_count(bench: Bench) -> None:
    wrong = replace(CATALOGUE["polarity"], stage="dit")
    row = run_fault(bench, wrong, STRICT.variant)
    assert row.caught
    assert not row.blamed
    assert "WRONGLY blamed on decoder" in row_in_words(row)
    assert blamed([row]) == 0


def test_a_clean_variant_that_is_refused_is_a_complaint(bench: Bench, judge: Judge) -> None:
    faulty = CATALOGUE["polarity"].inject(bench, judge, STRICT.variant, 1.0)
    failed = [c for c in faulty.teacher_forced("decoder", STRICT.variant, case_called(judge, "drums")) if not c.ok]
    assert Outcome(clean=failed).complaints()[0].startswith("refused without a fault: decoder/litert_fp32")


@pytest.mark.parametrize("name", ["gain", "glu_halves_swapped", "noise_scaled", "seconds_dropped", "encoder_scale"])
def test_less_of_a_fault_is_a_smaller_error(bench: Bench, name: str) -> None:
    fault = CATALOGUE[name]
    cases = cases_for(bench, [fault])
    nearest = [injected(bench, [fault], STRICT.variant, cases, share, deep=False).nearest for share in (1.0, 0.1, 0.01)]
    assert nearest[0] > nearest[1] > nearest[2] > 0


@pytest.mark.parametrize("name", few(NOTHING))
def test_a_share_of_nothing_is_no_fault(bench: Bench, name: str) -> None:
    fault = CATALOGUE[name]
    assert not injected(bench, [fault], STRICT.variant, cases_for(bench, [fault]), 0.0, deep=fault.in_generations_only).caught


@given(st.integers(min_value=0, max_value=len(SHARES) - 1))
def test_the_mildest_share_is_found(last: int) -> None:
    assert mildest(SHARES, lambda share: share >= SHARES[last]) == SHARES[last]


@pytest.mark.parametrize("name", few(name for name in QUICK if isinstance(CATALOGUE[name].inject, InModule)))
def test_an_edit_is_the_same_every_time_and_survives_the_rewrites(judge: Judge, name: str) -> None:
    """What is converted in another process is what is added to the clean file's answers."""
    inject = CATALOGUE[name].inject
    assert isinstance(inject, InModule)
    case = case_called(judge, CATALOGUE[name].cases[0] if CATALOGUE[name].cases else "drums")
    feed, signature = stage_feed(inject.stage, judge.truth(case)), signatures(judge.model.spec)[inject.stage]
    exact = judge.model.to(torch.float64, (inject.stage,))
    once, again = (edited(exact, inject.stage, inject.edit) for _ in range(2))
    rewritten = exportable(replace(exact, modules={inject.stage: again}), inject.stage, PLAIN)
    right = exact.stage(inject.stage)(feed)
    wrong, written = (TorchStage(module, signature, torch.float64)(feed) for module in (once, rewritten))
    for output, array in right.items():
        assert np.array_equal(np.isfinite(wrong[output]), np.isfinite(written[output]))
        if np.isfinite(wrong[output]).all():
            assert (
                relative_l2(wrong[output], written[output])
                <= REWRITTEN * relative_l2(array, wrong[output]) + REWRITTEN**2
            )


@pytest.mark.faults
def test_the_same_place_twice_holds_both_faults(bench: Bench) -> None:
    both = [CATALOGUE[name] for name in ("generating_fade", "generating_whistle")]
    alone = [injected(bench, [fault], STRICT.variant, cases_for(bench, [])).nearest for fault in both]
    assert injected(bench, both, STRICT.variant, cases_for(bench, [])).nearest not in alone


def test_a_sampler_wrong_in_two_ways_is(judge: Judge) -> None:
    seen: list[Request] = []
    run = sampled_by(step=euler_step)(lambda pipeline, request, noise: seen.append(request), 1.0)
    run = sampled_by(level_given=lambda now, after: after)(run, 1.0)
    run(judge.model.pipeline(), case_called(judge, "drums").request, iter(()))
    sampler = seen[0].sampler
    assert isinstance(sampler, WrongSampler)
    assert sampler.step is euler_step
    assert sampler.level_given is not None


def test_two_faults_that_undo_each_other_in_part_are_still_caught(bench: Bench) -> None:
    """Both turn the sound upside down or nearly so: stages are judged apart, so nothing cancels."""
    both = [CATALOGUE["velocity_sign"], CATALOGUE["polarity"]]
    found = injected(bench, both, STRICT.variant, cases_for(bench, both))
    assert {check.stage for check in found.failed} >= {"dit", "decoder"}
    assert found.blames("dit")


def test_a_fault_that_makes_judging_impossible_names_the_file(bench: Bench) -> None:
    found = injected(bench, [CATALOGUE["truncated_file"]], STRICT.variant, cases_for(bench, []))
    assert found.error is not None
    assert found.blames("dit")
    assert not found.blames("decoder")


def test_a_wrong_tokenizer_changes_as_many_tokens_as_it_is_told(judge: Judge) -> None:
    right = judge.model.tokenizer
    text = "tight drum loop with dry snare"
    for share, changed in ((1.0, right.count(text) - 1), (0.5, round((right.count(text) - 1) / 2)), (1e-6, 1)):
        wrong = WrongTokenizer(right, lambda ids, *_: [token + (token > 1) for token in ids], share)
        assert np.count_nonzero(wrong(text)[0] != right(text)[0]) == changed


def test_two_faults_of_the_sampler_are_never_drawn_together() -> None:
    """There is but one sampler to put a fault into."""
    sampler = [fault for fault in CATALOGUE.values() if fault.site == "sampler" and not isinstance(fault.inject, InFile)]
    assert len(sampler) > 1
    assert pairs(sampler) == []
    other = CATALOGUE["rope_before_norm"]
    assert other.site != "sampler"
    assert len(pairs([*sampler, other])) == min(PAIRS, len(sampler))


EMPTY_EDITS: dict[str, Edit] = {
    "no such kind": everywhere(nn.Bilinear, lambda part: None),
    "no such weight": weights(torch.neg, "no.such.weight"),
}


@pytest.mark.parametrize("name", EMPTY_EDITS)
def test_an_edit_that_finds_nothing_to_change_says_so(judge: Judge, name: str) -> None:
    """Else a fault would be counted as missed that was never there."""
    with pytest.raises(ValueError, match="no "):
        edited(judge.model, "dit", EMPTY_EDITS[name])
