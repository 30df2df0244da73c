"""Faults of the VAE's encoder, which audio-to-audio needs."""

from typing import Any

import torch
from torch import Tensor

from parity.faults.edits import answer, weights
from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InModule


def noise_ignored(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    answers: dict[str, Tensor] = right(encoder_noise=torch.zeros_like(inputs["encoder_noise"]))
    return answers


def scale_exponentiated(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    """The bottleneck's scale taken for a log-variance, as most VAEs have it."""
    mean, scale = self._mean_and_scale(inputs["audio"]).chunk(2, dim=1)
    return {"init_latents": mean + (scale / 2).exp() * inputs["encoder_noise"]}


ENCODER = (
    Fault(
        name="encoder_noise_ignored", stage="encoder", site="graph", sentence="the mean is returned whatever the noise",
        source="ML-examples model.py: randn in the graph; optimum#2021",
        inject=InModule(stage="encoder", edit=answer(noise_ignored)),
    ),
    Fault(
        name="encoder_scale", stage="encoder", site="graph", sentence="the scale is taken for a log-variance",
        source="stable-audio-tools models/bottleneck.py",
        inject=InModule(stage="encoder", edit=answer(scale_exponentiated)),
    ),
    Fault(
        name="encoder_weights", stage="encoder", site="weights", sentence="kernels were rounded to bfloat16",
        source=DERIVED,
        inject=InModule(stage="encoder", edit=weights(lambda w: w.bfloat16().to(w.dtype), "weight")),
    ),
)  # fmt: skip
