"""What a reader needs beside the verdict: figures that explain it and judge nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from parity import metrics
from parity.activations import Activation, t5_activations
from parity.blame import Layers, localized
from parity.bundles import Say
from parity.cases import Case
from parity.judge import Judge
from parity.ladder import teacher_forced
from parity.listening import Sound, truth_sound, variant_sound
from parity.swap import SwapMatrix, swap_matrix
from parity.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All of it. `layers` has an entry for every stage that is suspected."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    layers: Layers = field(default_factory=dict)
    swaps: list[SwapMatrix] = field(default_factory=list)
    activations: list[Activation] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)

    def warnings(self) -> list[str]:
        """Sentences about what passes today and may not tomorrow."""
        return [str(activation) for activation in self.activations if not activation.safe]


def gather(judge: Judge, checks: list[Verdict], variants: list[str], cases: list[Case], say: Say) -> Evidence:
    """The evidence of a gate run; `cases[0]` is the one shown step by step, mixed and played."""
    shown = cases[0]
    say("swapping stages")
    return Evidence(
        steps=list(_steps(judge, variants, shown)),
        layers=localized(judge, checks, cases, say),
        swaps=[swap_matrix(judge, variant, shown) for variant in variants],
        activations=t5_activations(judge.model, [(case.id, case.request.prompt, case.request.seconds) for case in cases]),
        sounds=list(_sounds(judge, variants, shown)),
    )


def _steps(judge: Judge, variants: list[str], case: Case) -> Iterable[dict[str, Any]]:
    """Per-step figures beside the judged ones: velocity cosine and SNR."""
    truth = judge.truth(case)
    for variant in variants:
        outputs = teacher_forced("dit", judge.stage(variant, "dit"), truth)
        for step, output in enumerate(outputs):
            velocity, other = truth[f"v_{step}"], output["velocity"]
            yield {
                "variant": variant,
                "case": case.id,
                "step": step,
                "level": float(truth["levels"][step]),
                "velocity_cosine": _finite(1 - metrics.cosine_distance(velocity, other)),
                "velocity_snr_db": _finite(metrics.snr_db(velocity, other)),
            }


def _sounds(judge: Judge, variants: list[str], case: Case) -> Iterable[Sound]:
    truth, rate_hz = judge.truth(case)["audio"][0], judge.model.spec.sample_rate_hz
    yield truth_sound(case.id, truth, rate_hz)
    for variant in variants:
        yield variant_sound(variant, case.id, truth, judge.heard(variant, case)["audio"][0], rate_hz)


def _finite(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)
