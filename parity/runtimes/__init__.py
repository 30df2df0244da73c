"""Ways to run a stage. Adding one is a file here and a row in RUNTIMES; a bundle's stages go through `Contender`."""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from litert_pipeline.bundle import Bundle
from litert_pipeline.mlx_file import MLX, MLX_AUDIOGEN
from parity.measure.arithmetic import HALF_T5, REFERENCE, SINGLE, Arithmetic
from parity.measure.budget import YARDSTICK
from parity.runtimes import litert, mlx_, mlx_audiogen_, mlx_blas, onnxruntime_, torch_, upstream
from parity.runtimes.host import litert_kernels, onnxruntime_kernels
from parity.runtimes.integer_kernels import IntegerKernels
from parity.runtimes.litert import Open
from reference.spec.files import ReadOnce
from reference.spec.generation import Stage
from reference.spec.stages import ALL_STAGES, CONDITIONER, STAGE_TABLE

if TYPE_CHECKING:
    from reference.pipeline import StageModel

def _present() -> None:
    """What is installed with this project is not missing."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One way to run files of a `format` or, where that is None, the model dir itself.

    `arithmetic` is what its stages are computed in where no file says so, `exceptions` those that are computed otherwise.
    `integer_kernels` tells what its integer kernels do on this machine; None where nothing quantized is judged with it.
    `missing` says why it cannot be run on this machine at all, if it cannot; `here` what it computes with on this machine,
    where that is not all its own. `one_core`: it computes on one core, whatever it is asked for.
    """

    name: str
    format: str | None
    open: Open
    arithmetic: Arithmetic = SINGLE
    exceptions: Mapping[str, Arithmetic] = field(default_factory=dict)
    integer_kernels: Callable[[], IntegerKernels] | None = None
    missing: Callable[[], str | None] = _present
    here: Callable[[], str] | None = None
    one_core: bool = False

    def own_arithmetic(self, stage: str) -> Arithmetic:
        """What a stage of the model dir is computed in."""
        return self.exceptions.get(stage, self.arithmetic)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A runtime that bundles are judged under: all of its format, or those of one `recipe` alone.

    `shown` stands for the recipe in the name of the contender, `compute` is asked for whatever the manifest says. `slow`: where
    nobody asks for it by name, the product's tests of it carry the marker `slow_runtime`.
    """

    runtime: Runtime
    recipe: str | None = None
    shown: str | None = None
    compute: str | None = None
    slow: bool = False


TORCH = Runtime(name="torch", format=None, open=torch_.open_stage, arithmetic=REFERENCE)
UPSTREAM = Runtime(name="upstream", format=None, open=upstream.open_stage, exceptions={CONDITIONER: HALF_T5})
ONNX_RUNTIME = Runtime(name="onnxruntime", format="onnx", open=onnxruntime_.open_stage, integer_kernels=onnxruntime_kernels)
LITERT = Runtime(name="xnnpack", format="litert", open=litert.opener(), integer_kernels=litert_kernels)
BUILTIN = Runtime(name="builtin", format="litert", open=litert.opener(kernels="builtin"))
INTERPRETER = Runtime(name="interpreter", format="litert", open=litert.open_classic, integer_kernels=litert_kernels)

MLX_RUNTIME = Runtime(
    name="mlx", format=MLX, open=mlx_.open_stage, missing=mlx_.missing, here=mlx_blas.here, one_core=True
)
MLX_AUDIOGEN_RUNTIME = Runtime(
    name="mlx-audiogen", format=MLX_AUDIOGEN, open=mlx_audiogen_.open_stage, missing=mlx_audiogen_.missing,
    here=mlx_blas.here,
)  # fmt: skip

# Those of the model dir itself, by the name of their contender.
REFERENCES = {YARDSTICK: TORCH, "torch_upstream": UPSTREAM}
RUNTIMES = (
    Row(runtime=ONNX_RUNTIME),
    Row(runtime=LITERT),
    Row(runtime=BUILTIN, recipe="fp32", shown="fp32_builtin"),
    Row(runtime=INTERPRETER, recipe="fp32", shown="fp32_interpreter"),
    Row(runtime=LITERT, recipe="fp32", shown="fp16", compute="fp16"),
    Row(runtime=MLX_AUDIOGEN_RUNTIME, shown="mlx_audiogen_0.2.0"),
    Row(runtime=MLX_RUNTIME, slow=True),  # on a CPU; its convolutions unfold what they are fed
)


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Something to judge: a bundle (None: the model dir itself), what runs it, and the compute it is asked for.

    `name` is for people; nothing is looked up by its parts. `own` are the stages of the model dir.
    """

    name: str
    runtime: Runtime
    bundle: Bundle | None = None
    compute: str | None = None
    own: Collection[str] = ALL_STAGES

    @property
    def stages(self) -> list[str]:
        """The stages it has: all of them, but a bundle may lack some."""
        present = self.own if self.bundle is None else self.bundle.manifest.stages
        return [stage for stage in STAGE_TABLE if stage in present]

    def size_bytes(self, stage: str) -> int:
        """Of the stage's file; the model dir's own weights are held anyway."""
        return 0 if self.bundle is None else self.bundle.manifest.stages[stage].size_bytes

    def computed_in(self, stage: str) -> str:
        """The compute a stage is run with."""
        assert self.bundle is not None, "a manifest says how its files are to be run"
        return self.compute or self.bundle.manifest.stages[stage].compute

    def open(self, model: "StageModel", stage: str, threads: int) -> AbstractContextManager[Stage]:
        """One stage. Raises InputError if its file cannot be opened or is foreign."""
        return self.runtime.open(model, self.bundle, stage, self.compute, threads)

    def identity(self, stage: str, hashes: ReadOnce[str]) -> Hashable:
        """Equal for contenders that run the very same file in the same way: what one answers the others do."""
        if self.bundle is None:
            return (self.runtime.name, stage)
        file, entry = self.bundle.path(stage), self.bundle.manifest.stages[stage]
        return (self.runtime.name, stage, self.computed_in(stage), repr(entry.binding), hashes.of(file))


def names_of(format_: str, recipe: str) -> Iterator[tuple[str, Row]]:
    """What the contenders of a bundle are called, beside the row that runs them."""
    for row in RUNTIMES:
        if row.runtime.format == format_ and row.recipe in (None, recipe):
            shown = row.shown or recipe
            yield shown if shown.startswith(f"{format_}_") else f"{format_}_{shown}", row


def reference_contenders(stages: Collection[str] = ALL_STAGES) -> dict[str, Contender]:
    """The model dir itself, as the reference and, where that makes a difference, as upstream runs its stages; the yardstick is
    first."""
    return {
        name: Contender(name=name, runtime=runtime, own=stages)
        for name, runtime in REFERENCES.items()
        if not runtime.exceptions or any(stage in stages for stage in runtime.exceptions)
    }
