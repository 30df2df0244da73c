"""Variants this machine cannot run right. They are left out of a run and named; their files are not refused for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from litert_pipeline.build.recipes import RECIPES
from parity.runtimes import VARIANTS
from parity.runtimes.host import integer_kernels, unable
from parity.runtimes.integer_kernels import IntegerKernels
from reference.spec.errors import InputError

Examine = Callable[[str], IntegerKernels | None]  # by engine


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A variant that was not judged, and why."""

    variant: str
    why: str

    def __str__(self) -> str:
        return f"{self.variant} is not judged: {self.why}"


def without_unable(variants: Iterable[str], examine: Examine = integer_kernels) -> tuple[list[str], list[LeftOut]]:
    """Those of `variants` this machine runs right, and the others.

    Raises InputError if no bundle would be judged any more though one was to be.
    """
    reasons = {variant: _unable(variant, examine) for variant in variants}
    left_out = [LeftOut(variant=variant, why=why) for variant, why in reasons.items() if why is not None]
    able = [variant for variant, why in reasons.items() if why is None]
    if left_out and all(VARIANTS[variant].recipe is None for variant in able):
        raise InputError(f"no bundle can be judged here: {'; '.join(map(str, left_out))}")
    return able, left_out


def examined_kernels(variants: Iterable[str], examine: Examine = integer_kernels) -> list[IntegerKernels]:
    """What is known of the integer kernels that `variants` run, once for each runtime."""
    engines = dict.fromkeys(VARIANTS[variant].engine for variant in variants if _in_integers(variant))
    return list(dict.fromkeys(kernels for engine in engines if (kernels := examine(engine)) is not None))


def _unable(variant: str, examine: Examine) -> str | None:
    return unable(examine(VARIANTS[variant].engine)) if _in_integers(variant) else None


def _in_integers(variant: str) -> bool:
    """Whether any of its files multiplies integers."""
    recipe = VARIANTS[variant].recipe
    return recipe is not None and RECIPES[recipe].multiplies_integers
