"""The bundles a run judges: the user's own, or made for the occasion."""

from collections.abc import Iterable
from pathlib import Path

from litert_pipeline.build.conversions import Conversions, described_bundles
from litert_pipeline.build.installed import require_installed
from litert_pipeline.build.onnx2tf import find_onnx2tf
from litert_pipeline.build.recipes import RECIPES, Recipe
from litert_pipeline.build.workers import made_bundles, workers
from litert_pipeline.bundle import SUFFIXES, Bundle, read_bundle
from litert_pipeline.model_file import model_files
from litert_pipeline.run.probe import require_loadable
from parity.bundles.foreign import is_foreign, read_foreign
from parity.bundles.foreign_codec import read_foreign_codec
from parity.bundles.interface import read_interface
from parity.runtimes import REFERENCES, names_of
from reference.codec_stages import GENERATOR, kind_of, outline_of
from reference.progress import Say
from reference.spec.errors import InputError


def recipes_run_by(names: Iterable[str]) -> set[str]:
    """The recipes whose bundles contenders of these names run. Raises InputError for a name that is nobody's."""
    runs = {name: recipe.name for recipe in RECIPES.values() for name, _ in names_of(recipe.format, recipe.name)}
    for name in names:
        if name not in runs and name not in REFERENCES:
            raise InputError(f"variant '{name}' is unknown; valid variants: {', '.join([*REFERENCES, *runs])}")
    return {runs[name] for name in names if name in runs}


def chosen_bundles(
    model: Path, given: list[Path], names: list[str] | None, folder: Path, say: Say, conversions: Conversions
) -> list[Bundle]:
    """The bundles to judge: those given or, made in `folder`, those that the contenders called `names` run, or all.

    Raises InputError for a bad bundle and, where bundles are made, for an unknown name before any work.
    """
    if given:
        return given_bundles(given, model)
    stages = outline_of(model)[1].stages
    fitting = {name for name, recipe in RECIPES.items() if recipe.fits(stages)}
    wanted = makeable(fitting, say) if names is None else recipes_run_by(names)
    return list(make_bundles(model, folder, wanted, say, conversions).values())


def makeable(recipes: set[str], say: Say) -> set[str]:
    """Those of `recipes` whose converter and runtime are installed. What is left out is said: nobody asked for it by name."""
    reasons = {name: why for name in sorted(recipes) if (why := _unmakeable(RECIPES[name])) is not None}
    for name, why in reasons.items():
        say(f"not judged: bundle {name}, {why}")
    return recipes - reasons.keys()


def _unmakeable(recipe: Recipe) -> str | None:
    """Why a bundle cannot be made, or nothing here would run it; None if neither is so."""
    if any(route.startswith("onnx2tf") for route in recipe.routes.values()) and find_onnx2tf() is None:
        return "its converter is not installed ('make onnx2tf' does it)"
    missing = [row.runtime.missing() for _, row in names_of(recipe.format, recipe.name)]
    return missing[0] if missing and None not in missing else None


def make_bundles(
    model: Path, folder: Path, recipes: set[str], say: Say, conversions: Conversions
) -> dict[str, Bundle]:
    """Convert and quantize `model` into every one of `recipes`, but for what `conversions` has.

    Raises InputError if what that takes is not installed.
    """
    folder.mkdir(parents=True)
    wanted = _with_sources(recipes)
    described = described_bundles(model, wanted)
    missing = [recipe for recipe in wanted if not conversions.restore(described[recipe.name], folder / recipe.name)]
    if before := [recipe.name for recipe in wanted if recipe not in missing]:
        say(f"converted before: {', '.join(before)}")
    if missing:
        require_installed(missing)
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


def given_bundles(folders: list[Path], model: Path) -> list[Bundle]:
    """The user's bundles, each proven to open without crashing the runtime.

    One without a manifest was made elsewhere: its files are matched with the stages of `model`.
    Raises InputError for a bad bundle, and for one that is given twice.
    """
    bundles: list[Bundle] = []
    for folder in folders:
        if any(folder.resolve() == other.folder.resolve() for other in bundles):
            raise InputError(f"{folder}: is given twice; give each bundle once")
        _require_loadable(folder)
        bundles += _of_elsewhere(folder, model) if is_foreign(folder) else [read_bundle(folder)]
    return bundles


def _of_elsewhere(folder: Path, model: Path) -> list[Bundle]:
    return [read_foreign(folder, model)] if kind_of(model) is GENERATOR else read_foreign_codec(folder, model)


def _require_loadable(folder: Path) -> None:
    """Raise InputError for a file that cannot be opened, unless it is for want of operators: that is a verdict, not an error."""
    try:
        require_loadable(folder)
    except InputError:
        if not any(map(_wants_operators, model_files(folder, SUFFIXES.values()))):
            raise


def _wants_operators(path: Path) -> bool:
    """Whether a file holds operators the runtime does not ship; of a damaged one the runtime's own sentence says more."""
    try:
        return bool(read_interface(path).operators.custom)
    except InputError:
        return False
