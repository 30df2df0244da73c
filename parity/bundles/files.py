"""What is known of the files of bundles: at full size each takes seconds to read, and many ask."""

from dataclasses import dataclass, field

from litert_pipeline.bundle import Bundle
from litert_pipeline.model_file import parts_of, sha256_of_model
from parity.bundles.arithmetic import stored
from parity.bundles.interface import Interface, read_interface
from parity.bundles.purity import NORMAL, Operators
from parity.measure.arithmetic import FP32_COMPUTE, Arithmetic
from reference.spec.files import ReadOnce


@dataclass(frozen=True, kw_only=True)
class Files:
    """Hashes, and what files store, each read once."""

    hashes: ReadOnce[str] = field(default_factory=lambda: ReadOnce(sha256_of_model, parts_of))
    interfaces: ReadOnce[Interface] = field(default_factory=lambda: ReadOnce(read_interface, parts_of))

    def sha256(self, bundle: Bundle, stage: str) -> str:
        """Of a stage's file and its external data. Raises InputError if it cannot be read."""
        return self.hashes.of(bundle.path(stage))

    def arithmetic(self, bundle: Bundle, stage: str, compute: str = FP32_COMPUTE) -> Arithmetic:
        """Of a stage's file, run with `compute`. Raises InputError if it cannot be read."""
        return stored(self.interfaces.of(bundle.path(stage))).computed_in(compute)

    def impure(self, bundle: Bundle, stage: str) -> Operators:
        """The operators of a stage's file that are not pure, but for draws that are handed in. Raises as `arithmetic`."""
        binding = bundle.manifest.stages[stage].binding
        tapped = len(binding.drawn) if binding is not None else 0
        return self.interfaces.of(bundle.path(stage)).operators.without([NORMAL] * tapped)
