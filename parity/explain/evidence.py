"""What a reader needs beside the verdict: figures that explain it and judge nothing; `gather` measures them."""

from dataclasses import dataclass, field

from parity.explain.activation import Activation
from parity.explain.inside.module_error import Layers
from parity.explain.sounds import Sound
from parity.explain.swap_matrix import SwapMatrix


@dataclass(frozen=True, kw_only=True)
class StepFigures:
    """A DiT's velocity on the truth's state of one step: cosine with the truth's velocity, and SNR."""

    variant: str
    case: str
    step: int
    level: float
    velocity_cosine: float
    velocity_snr_db: float


@dataclass(frozen=True, kw_only=True)
class DecoderFigures:
    """The audio decoded from the truth's latents."""

    variant: str
    case: str
    snr_db: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All of it. `layers` has an entry for every stage that is suspected and every DiT file, under its first variant."""

    steps: list[StepFigures] = field(default_factory=list)
    decoders: list[DecoderFigures] = field(default_factory=list)
    layers: Layers = field(default_factory=dict)
    swaps: list[SwapMatrix] = field(default_factory=list)
    activations: list[Activation] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)

    def warnings(self) -> list[str]:
        """Sentences about what passes today and may not tomorrow."""
        return [str(activation) for activation in self.activations if not activation.safe]
