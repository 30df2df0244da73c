"""What a bundle says about itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from litert_pipeline import mlx_file
from litert_pipeline.binding import Binding
from reference.spec.codec.shape import CodecShape
from reference.spec.generation import Stage
from reference.spec.sampling.schedule import LevelShift
from reference.spec.tensors import Signature

# Of the files of a bundle, by its format.
SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", mlx_file.MLX: mlx_file.SUFFIX, mlx_file.MLX_AUDIOGEN: mlx_file.SUFFIX}
FORMATS = tuple(SUFFIXES)
COMPUTES = ("fp32", "fp16")


@dataclass(frozen=True, kw_only=True)
class StageFile:
    """One converted stage: the file, what it and its external data should hash to, how to run it, its tensors.

    `compute` is the arithmetic the recipe wants at run time. `binding` says how a file made elsewhere is fed; our own have the
    tensors of `signature`.
    """

    file: str
    sha256: str
    size_bytes: int
    compute: str
    signature: Signature
    binding: Binding | None = None

    @property
    def own_signature(self) -> Signature:
        """What the file itself takes and returns."""
        return self.signature if self.binding is None else self.binding.signature

    def translated(self, run: Stage) -> Stage:
        """The stage whose file is `run`."""
        return run if self.binding is None else self.binding.around(run, self.signature)


@dataclass(frozen=True, kw_only=True)
class Source:
    """The model dir a bundle was made from, by the SHA-256 of its files; a codec reads no text."""

    config_sha256: str
    weights_sha256: str
    t5_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything a bundle says about itself. The stage `encoder` may be missing: only audio-to-audio needs it.

    All of it can be held to the files and to the model dir (`parity.judge.claims`); what cannot be is not written. Of a bundle
    made elsewhere `source` is not known, and `recipe` is what its files look like. A bundle either generates, then it has a
    sampler and a tokenizer, or it is of a `codec`, then it has neither.
    """

    recipe: str
    format: str
    source: Source | None
    sample_rate_hz: int
    stages: Mapping[str, StageFile]
    sampler: Mapping[str, Any] = field(default_factory=dict)
    level_shift: LevelShift | None = None
    tokenizer_file: str = ""
    tokenizer_sha256: str = ""
    codec: CodecShape | None = None
