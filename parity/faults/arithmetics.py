"""The arithmetics that faults are injected at: which contender has each, and in which of its stages."""

from collections.abc import Iterable
from dataclasses import dataclass

from parity.faults.fault import Fault, Told
from reference.spec.errors import InputError
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, ENCODER


@dataclass(frozen=True, kw_only=True)
class Target:
    """One arithmetic. `variant` is a contender that has it in `stages`; its other stages are the very files of `others`, run in
    the same way, so what is injected there is injected into them. `between`: what leads from stage to stage, and the bundle as a
    whole, are judged here; neither knows of arithmetic."""

    name: str
    title: str
    variant: str
    stages: tuple[str, ...]
    others: tuple[tuple[str, str], ...] = ()  # stage, and the target that has it
    between: bool = False

    def judges(self, fault: Fault) -> bool:
        """Whether the fault is injected here. A generation hangs on all of a contender's stages, so its faults are everywhere."""
        if not fault.befalls(self.variant):
            return False
        return fault.in_generations_only or self.owner_of(fault) == self.name

    def owner_of(self, fault: Told) -> str:
        """The target at which the fault is injected for this one, by name."""
        if fault.stage in self.stages or (self.between and fault.stage not in ALL_STAGES):
            return self.name
        return dict(self.others).get(fault.stage, STRICT.name)


STRICT = Target(name="fp32", title="FP32", variant="litert_fp32", stages=ALL_STAGES, between=True)
HALF = Target(name="fp16", title="FP16 compute", variant="litert_fp16", stages=ALL_STAGES)
TARGETS = {
    target.name: target
    for target in (
        STRICT,
        Target(name="fp16_weights", title="FP16 weights", variant="litert_fp16_weights", stages=ALL_STAGES),
        HALF,
        Target(
            name="int8", title="INT8 dynamic", variant="litert_int8", stages=(DIT,),
            others=((CONDITIONER, STRICT.name), (DECODER, HALF.name), (ENCODER, HALF.name)),
        ),
        Target(name="int8_weight_only", title="INT8 weight-only", variant="litert_int8_weight_only", stages=(DIT,)),
        Target(name="int4", title="INT4", variant="litert_int4_blockwise", stages=(DIT,)),
        Target(name="int8_decoder", title="INT8 decoder", variant="litert_int8_decoder", stages=(DECODER,)),
    )
}  # fmt: skip


def chosen_targets(names: list[str] | None) -> list[Target]:
    """The arithmetics called `names`, or all. Raises InputError for an unknown one, listing the valid."""
    unknown = [name for name in names or [] if name not in TARGETS]
    if unknown:
        raise InputError(f"arithmetic {', '.join(unknown)} is unknown; valid arithmetics: {', '.join(TARGETS)}")
    return [target for target in TARGETS.values() if names is None or target.name in names]


def judged_by(targets: Iterable[Target], variants: Iterable[str]) -> list[Target]:
    """Those of `targets` whose contender is among `variants`. Raises InputError where none is."""
    targets, there = list(targets), set(variants)
    found = [target for target in targets if target.variant in there]
    if not found:
        wanted = ", ".join(target.variant for target in targets)
        raise InputError(f"faults: the bundles hold none of {wanted}; found {', '.join(sorted(there))}; give another bundle")
    return found


def arithmetic_of(variant: str) -> str:
    """The name of a variant's arithmetic."""
    return next(name for name, target in TARGETS.items() if target.variant == variant)


def title_of(variant: str) -> str:
    """What it is called on pages."""
    return TARGETS[arithmetic_of(variant)].title
