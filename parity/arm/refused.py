"""Why values are no numbers on some CPU, as far as it is known; and that no recipe computes there what makes them."""

from collections.abc import Iterator, Mapping

from litert_pipeline.build.recipes import RECIPES, Recipe
from parity.arm.asked import Asked, Found
from parity.arm.cell import not_finite
from parity.measure.arithmetic import FP16_COMPUTE
from reference.spec.stages import ALL_STAGES, CONDITIONER

FORMAT = "litert"
FORCED_VARIANT = "litert_fp16"
FORCED = (
    f"`{FORCED_VARIANT}` is no recipe: to see what each stage does it runs all of the fp32 bundle in FP16 compute, whatever its "
    "manifest asks for."
)
OF_CODECS = "That of codecs, fp16, is run by `make test` on neoverse-n2 and sme2-512, where it has to be finite."
# By stage, and a feature of the CPUs it happens on.
CAUSES = {
    (CONDITIONER, "sme2"): (
        "In FP16 compute the conditioner is no number where SME2 kernels run: a BATCH_MATMUL writes half values into a buffer of "
        "floats, among float and half kernels that run mixed. It is so with vectors of 128, 256 and 512 bits, and gone with SME "
        "off or without FP16 compute. Whether silicon does the same is not known."
    )
}


def computed_in_half(recipes: Mapping[str, Recipe] = RECIPES) -> dict[str, list[str]]:
    """The stages of a generating model that LiteRT's recipes compute in FP16, by recipe."""
    own = [recipe for recipe in recipes.values() if recipe.format == FORMAT]
    halves = {one.name: [stage for stage in ALL_STAGES if one.compute.get(stage) == FP16_COMPUTE] for one in own}
    return {name: stages for name, stages in halves.items() if stages}


def not_finite_told(found: Found) -> Iterator[str]:
    """What is known of stages that are no numbers, once each."""
    for (stage, feature), cause in CAUSES.items():
        if any(_has(one, feature) and not_finite(found.checks(FORCED_VARIANT, stage, one.name)) for one in found.whole):
            yield cause


def halves_told(found: Found) -> str:
    """Which recipes compute which stages in FP16, and whether those are finite on all CPUs."""
    asked = computed_in_half()
    told = "; ".join(f"{name}, of {' and '.join(stages)}" for name, stages in asked.items())
    stages = dict.fromkeys(stage for own in asked.values() for stage in own)
    bad = [one.name for one in found.whole for stage in stages if not_finite(found.checks(FORCED_VARIANT, stage, one.name))]
    ends = f"these are no numbers on {', '.join(dict.fromkeys(bad))}" if bad else "these are finite on every CPU above"
    return f"The recipes of LiteRT that ask for FP16 compute are: {told}; {ends}. {OF_CODECS}"


def _has(one: Asked, feature: str) -> bool:
    cpu = one.machine["cpu"]
    assert isinstance(cpu, Mapping)
    return feature in cpu["features"]
