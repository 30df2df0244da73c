"""Variants this machine cannot run, or not right. They are left out of a run and named; their files are not refused for it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from parity.bundles.files import Files
from parity.measure.arithmetic import FLOAT
from parity.runtimes import Contender, Runtime
from parity.runtimes.host import half_compute, unable
from parity.runtimes.integer_kernels import IntegerKernels
from reference.spec.errors import InputError

Examine = Callable[[Runtime], IntegerKernels | None]


def own_kernels(runtime: Runtime) -> IntegerKernels | None:
    """What the integer kernels of a runtime do on this machine; None if it has none that are judged."""
    return None if runtime.integer_kernels is None else runtime.integer_kernels()


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A variant that was not judged, and why."""

    variant: str
    why: str

    def __str__(self) -> str:
        return f"{self.variant} is not judged: {self.why}"


def without_unable(
    names: Iterable[str], contenders: Mapping[str, Contender], files: Files, examine: Examine = own_kernels
) -> tuple[list[str], list[LeftOut]]:
    """Those of `names` this machine runs right, and the others.

    Raises InputError if no bundle would be judged any more though one was to be.
    """
    reasons = {name: _unable(contenders[name], files, examine) for name in names}
    left_out = [LeftOut(variant=name, why=why) for name, why in reasons.items() if why is not None]
    able = [name for name, why in reasons.items() if why is None]
    if left_out and all(contenders[name].bundle is None for name in able):
        raise InputError(f"no bundle can be judged here: {'; '.join(map(str, left_out))}")
    return able, left_out


def examined_kernels(
    names: Iterable[str], contenders: Mapping[str, Contender], files: Files, examine: Examine = own_kernels
) -> list[IntegerKernels]:
    """What is known of the integer kernels that contenders run, once for each runtime."""
    found = [examine(contenders[name].runtime) for name in names if multiplies_integers(contenders[name], files)]
    return list(dict.fromkeys(kernels for kernels in found if kernels is not None))


def fp16_compute(names: Iterable[str], contenders: Mapping[str, Contender]) -> str:
    """What FP16 compute is on this machine, in words; nothing where no LiteRT file runs."""
    formats = {contender.runtime.format for name in names if (contender := contenders[name])}
    return str(half_compute()) if "litert" in formats else ""


def multiplies_integers(contender: Contender, files: Files) -> bool:
    """Whether any of its files does. Raises InputError for a file that cannot be read."""
    bundle = contender.bundle
    if bundle is None:
        return False
    return any(files.arithmetic(bundle, stage).activations != FLOAT for stage in contender.stages)


def computed_with(names: Iterable[str], contenders: Mapping[str, Contender]) -> str:
    """What the runtimes of contenders compute with on this machine, in words, of those where that is not all their own."""
    told = {here: here() for name in names if (here := contenders[name].runtime.here) is not None}
    return "; ".join(told.values())


def _unable(contender: Contender, files: Files, examine: Examine) -> str | None:
    if (missing := contender.runtime.missing()) is not None:
        return missing
    return unable(examine(contender.runtime)) if multiplies_integers(contender, files) else None
