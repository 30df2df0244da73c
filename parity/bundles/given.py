"""The bundles a run judges: the user's own, or made for the occasion."""

from pathlib import Path

from litert_pipeline.build.conversions import Conversions, described_bundles
from litert_pipeline.build.onnx2tf import find_onnx2tf
from litert_pipeline.build.recipes import RECIPES, Recipe
from litert_pipeline.build.workers import made_bundles, workers
from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.run.probe import require_loadable
from parity.bundles.foreign import is_foreign, read_foreign
from parity.runtimes import VARIANTS, choose_variants
from reference.progress import Say
from reference.spec.errors import InputError


def recipes_of(variants: list[str]) -> set[str]:
    """The recipes whose bundles these variants run."""
    return {recipe for name in variants if (recipe := VARIANTS[name].recipe) is not None}


def chosen_bundles(
    model: Path, given: list[Path], names: list[str] | None, folder: Path, say: Say, conversions: Conversions
) -> tuple[dict[str, Bundle], list[str]]:
    """The bundles to judge by recipe, given or made in `folder`, and the variants to run: `names`, or all they allow.

    Raises InputError for a bad bundle, and for an unknown variant before any work.
    """
    wanted = recipes_of(choose_variants(names, recipes_of(list(VARIANTS))))
    if not given and not names:
        wanted = makeable(wanted, say)
    bundles = given_bundles(given, model) or make_bundles(model, folder, wanted, say, conversions)
    return bundles, choose_variants(names, set(bundles))


def makeable(recipes: set[str], say: Say) -> set[str]:
    """Those of `recipes` whose converter is installed. What is left out is said: nobody asked for it by name."""
    if find_onnx2tf() is not None:
        return recipes
    left_out = {name for name in recipes if any(route.startswith("onnx2tf") for route in RECIPES[name].routes.values())}
    for name in sorted(left_out):
        say(f"not judged: bundle {name}, its converter is not installed ('make onnx2tf' does it)")
    return recipes - left_out


def make_bundles(
    model: Path, folder: Path, recipes: set[str], say: Say, conversions: Conversions
) -> dict[str, Bundle]:
    """Convert and quantize `model` into every one of `recipes`, but for what `conversions` has."""
    folder.mkdir(parents=True)
    wanted = _with_sources(recipes)
    described = described_bundles(model, wanted)
    missing = [recipe for recipe in wanted if not conversions.restore(described[recipe.name], folder / recipe.name)]
    if before := [recipe.name for recipe in wanted if recipe not in missing]:
        say(f"converted before: {', '.join(before)}")
    if missing:
        say(f"converting: {', '.join(recipe.name for recipe in missing)}")
        with workers() as pool:
            for recipe in made_bundles(pool, missing, model, folder):
                conversions.keep(described[recipe.name], folder / recipe.name)
    return {name: read_bundle(folder / name) for name in RECIPES if name in recipes}


def _with_sources(recipes: set[str]) -> list[Recipe]:
    """The recipes and those they start from."""
    wanted = set(recipes)
    while more := {RECIPES[name].source for name in wanted if RECIPES[name].derived} - wanted:
        wanted |= more
    return [recipe for recipe in RECIPES.values() if recipe.name in wanted]


def given_bundles(folders: list[Path], model: Path) -> dict[str, Bundle]:
    """The user's bundles by recipe, each proven to open without crashing the runtime.

    One without a manifest was made elsewhere: its files are matched with the stages of `model`.
    """
    bundles: dict[str, Bundle] = {}
    known = {variant.recipe for variant in VARIANTS.values()}
    for folder in folders:
        require_loadable(folder)
        bundle = read_foreign(folder, model) if is_foreign(folder) else read_bundle(folder)
        recipe = bundle.manifest.recipe
        if recipe not in known or recipe in bundles:
            state = "given twice" if recipe in bundles else "one no variant runs"
            valid = ", ".join(sorted(name for name in known if name))
            raise InputError(f"{folder}: its recipe '{recipe}' is {state}; valid recipes, one bundle each: {valid}")
        bundles[recipe] = bundle
    return bundles
