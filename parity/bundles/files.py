"""What is known of the files of bundles: at full size each takes seconds to read, and many ask."""

from dataclasses import dataclass, field
from pathlib import Path

from litert_pipeline.bundle import Bundle
from litert_pipeline.model_file import parts_of, sha256_of_model
from parity.bundles.arithmetic import stored
from parity.bundles.interface import read_interface
from parity.measure.arithmetic import FP32_COMPUTE, Arithmetic
from reference.spec.files import ReadOnce


def _stored_in(path: Path) -> Arithmetic:
    return stored(read_interface(path))


@dataclass(frozen=True, kw_only=True)
class Files:
    """Hashes, and what files store, each read once."""

    hashes: ReadOnce[str] = field(default_factory=lambda: ReadOnce(sha256_of_model, parts_of))
    stored: ReadOnce[Arithmetic] = field(default_factory=lambda: ReadOnce(_stored_in, parts_of))

    def sha256(self, bundle: Bundle, stage: str) -> str:
        """Of a stage's file and its external data. Raises InputError if it cannot be read."""
        return self.hashes.of(bundle.path(stage))

    def arithmetic(self, bundle: Bundle, stage: str, compute: str = FP32_COMPUTE) -> Arithmetic:
        """Of a stage's file, run with `compute`. Raises InputError if it cannot be read."""
        return self.stored.of(bundle.path(stage)).computed_in(compute)
