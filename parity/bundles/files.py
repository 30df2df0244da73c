"""What is known of the files of bundles: at full size each takes seconds to read, and many ask."""

from dataclasses import dataclass, field

from litert_pipeline.bundle import Bundle, StageFile
from litert_pipeline.model_file import parts_of, sha256_of_model
from litert_pipeline.rungs import Rungs
from parity.bundles.arithmetic import stored
from parity.bundles.interface import Interface, read_interfaces
from parity.bundles.purity import NORMAL, Operators
from parity.measure.arithmetic import FP32_COMPUTE, Arithmetic
from reference.spec.files import ReadOnce


@dataclass(frozen=True, kw_only=True)
class Files:
    """Hashes, and what files store, each read once."""

    hashes: ReadOnce[str] = field(default_factory=lambda: ReadOnce(sha256_of_model, parts_of))
    interfaces: ReadOnce[tuple[Interface, ...]] = field(default_factory=lambda: ReadOnce(read_interfaces, parts_of))

    def sha256(self, bundle: Bundle, stage: str) -> str:
        """Of a stage's file and its external data. Raises InputError if it cannot be read."""
        return self.hashes.of(bundle.path(stage))

    def arithmetic(self, bundle: Bundle, stage: str, compute: str = FP32_COMPUTE) -> Arithmetic:
        """Of a stage's file, run with `compute`. Raises InputError if it cannot be read."""
        found = stored(self.interface(bundle, stage))
        return found if compute == FP32_COMPUTE else found.computed_in(compute)

    def impure(self, bundle: Bundle, stage: str) -> Operators:
        """The operators of a stage's file that are not pure, but for draws that are handed in. Raises as `arithmetic`."""
        entries = bundle.manifest.stages
        bindings = [entry.binding for entry in entries.values() if entry.file == entries[stage].file]
        tapped = sum(len(binding.drawn) for binding in bindings if binding is not None)
        return self.interface(bundle, stage).operators.without([NORMAL] * tapped)

    def interface(self, bundle: Bundle, stage: str) -> Interface:
        """Of the signature a stage is run by; the file's first where none fits, for then it cannot be opened. Raises as
        `arithmetic`."""
        found, entry = self.interfaces.of(bundle.path(stage)), bundle.manifest.stages[stage]
        return next((interface for interface in found if _fits(interface, entry)), found[0])

    def of_others(self, bundle: Bundle, stage: str) -> set[int]:
        """The subgraphs of a stage's file that only other stages of the bundle run, and those of a codec's other lengths: these
        are held to what they answer. Raises as `arithmetic`."""
        entries = bundle.manifest.stages
        if isinstance(entries[stage].binding, Rungs):
            rungs = {interface.subgraph for interface in self.interfaces.of(bundle.path(stage))}
            return rungs - {self.interface(bundle, stage).subgraph}
        others = [other for other in entries if other != stage and entries[other].file == entries[stage].file]
        found = {self.interface(bundle, other).subgraph for other in others}
        return found - {self.interface(bundle, stage).subgraph} if found else found


def _fits(interface: Interface, entry: StageFile) -> bool:
    """Whether a signature has the very tensors that a stage is run by."""
    drawn = () if entry.binding is None else entry.binding.drawn
    handed_in = {match.theirs.name for match in drawn}
    wanted = {tensor.name: (tensor.shape, tensor.dtype) for tensor in entry.own_signature.inputs if tensor.name not in handed_in}
    wanted |= {tensor.name: (tensor.shape, tensor.dtype) for tensor in entry.own_signature.outputs}
    return wanted == {tensor.name: (tensor.shape, tensor.dtype) for tensor in (*interface.inputs, *interface.outputs)}
