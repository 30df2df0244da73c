"""The evidence of a gate run."""

from collections.abc import Iterable
from dataclasses import replace

from parity.explain.activations import t5_activations
from parity.explain.blame import dit_layers, localized
from parity.explain.evidence import DecoderFigures, Evidence, StepFigures
from parity.explain.sounds import Sound, truth_sound, variant_sound
from parity.explain.swap import swap_matrix
from parity.explain.swap_matrix import SwapMatrix
from parity.judge.judge import Judge
from parity.judge.plan import free_running_cases
from parity.measure import metrics
from parity.measure.cases import Case
from parity.measure.verdict import FREE_RUNNING, Verdict
from reference.progress import Say, numbered
from reference.spec.stages import DECODER, DIT, STAGE_TABLE


def gather(judge: Judge, checks: list[Verdict], variants: list[str], cases: list[Case], say: Say) -> Evidence:
    """The evidence of a gate run; `cases[0]` is the one shown step by step, mixed and played."""
    shown = cases[0]
    generating = [variant for variant in variants if judge.whole(variant)]
    return replace(
        gather_for_terminal(judge, checks, variants, cases, say),
        steps=list(_steps(judge, variants, shown)),
        decoders=list(_decoders(judge, variants, shown)),
        swaps=list(_swaps(judge, _worth_swapping(judge, checks, generating), shown, say)),
        sounds=list(_sounds(judge, generating, shown)),
    )


def gather_recorded(judge: Judge, variants: list[str], cases: list[Case]) -> Evidence:
    """As much of it as follows from answers that were recorded elsewhere: nothing is run to explain them."""
    shown, whole = cases[0], [variant for variant in variants if judge.whole(variant)]
    played = free_running_cases(cases)[:1] if judge.generates else []
    return Evidence(
        steps=list(_steps(judge, variants, shown)),
        decoders=list(_decoders(judge, variants, shown)),
        sounds=[sound for case in played for sound in _sounds(judge, whole, case)],
    )


def gather_for_terminal(judge: Judge, checks: list[Verdict], variants: list[str], cases: list[Case], say: Say) -> Evidence:
    """As much of it as is told where no report is written: what is wrong inside, and warnings."""
    return Evidence(
        layers=dit_layers(judge, variants, cases[0], say) | localized(judge, checks, lambda _: cases, say),
        activations=t5_activations(judge.model, [(case.id, case.request.prompt) for case in cases]),
    )


def _steps(judge: Judge, variants: list[str], case: Case) -> Iterable[StepFigures]:
    """Per-step figures beside the judged ones: velocity cosine and SNR, of a guided step that of the prompt's own."""
    truth, row = judge.truth(case), STAGE_TABLE[DIT]
    asked = [(call, place.step) for call, place in enumerate(row.places(truth)) if place.step is not None and not place.away]
    for variant in variants:
        answers = judge.answers(DIT, variant, case)
        for call, step in asked:
            velocity, other = row.truth(truth, call)["velocity"], answers[call]["velocity"]
            yield StepFigures(
                variant=variant,
                case=case.id,
                step=step,
                level=float(truth["levels"][step]),
                velocity_cosine=1 - metrics.cosine_distance(velocity, other),
                velocity_snr_db=metrics.snr_db(velocity, other),
            )


def _decoders(judge: Judge, variants: list[str], case: Case) -> Iterable[DecoderFigures]:
    truth = judge.truth(case)["audio"]
    for variant in variants:
        (output,) = judge.answers(DECODER, variant, case)
        yield DecoderFigures(variant=variant, case=case.id, snr_db=metrics.snr_db(truth, output["audio"]))


def _worth_swapping(judge: Judge, checks: list[Verdict], variants: list[str]) -> list[str]:
    """All variants; where a matrix takes minutes, those that drift too far, and whose stage at fault is looked for."""
    adrift = {check.variant for check in checks if check.ladder == FREE_RUNNING and not check.ok}
    return [variant for variant in variants if variant in adrift or not judge.model.large]


def _swaps(judge: Judge, variants: list[str], case: Case, say: Say) -> Iterable[SwapMatrix]:
    for place, variant in numbered(variants):
        say(f"swapping stages of {variant}, {place}")
        yield swap_matrix(judge, variant, case)


def _sounds(judge: Judge, variants: list[str], case: Case) -> Iterable[Sound]:
    truth, rate_hz = judge.truth(case)["audio"][0], judge.model.spec.sample_rate_hz
    yield truth_sound(case.id, truth, rate_hz)
    for variant in variants:
        yield variant_sound(variant, case.id, truth, judge.generated(variant, case)["audio"][0], rate_hz)
