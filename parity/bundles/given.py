"""The bundles a run judges: the user's own, or made for the occasion."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from litert_pipeline.build.conversions import Conversions, described_bundles
from litert_pipeline.build.onnx2tf import find_onnx2tf
from litert_pipeline.build.recipes import RECIPES, Recipe
from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.run.probe import require_loadable
from parity.bundles.foreign import is_foreign, read_foreign
from parity.runtimes import VARIANTS, choose_variants
from reference.progress import Say
from reference.spec.errors import InputError, raise_process_error

PROCESSES = 2  # at a time; more than one converter per core only slows all


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
    """Convert and quantize `model` into every one of `recipes`, but for what `conversions` has.

    In processes of their own: converters are large, and their settings must not reach the process that judges.
    """
    folder.mkdir(parents=True)
    levels = list(_levels(recipes))
    described = described_bundles(model, (recipe for level in levels for recipe in level))
    for level in levels:
        missing = [recipe for recipe in level if not conversions.restore(described[recipe.name], folder / recipe.name)]
        _tell(level, missing, say)
        for pair in _pairs(missing):
            _run_together(*(_making(recipe, model, folder) for recipe in pair))
        for recipe in missing:
            conversions.keep(described[recipe.name], folder / recipe.name)
    return {name: read_bundle(folder / name) for name in RECIPES if name in recipes}


def _tell(level: list[Recipe], missing: list[Recipe], say: Say) -> None:
    """Say which recipes are converted and which were before."""
    names, before = ([recipe.name for recipe in level if (recipe in missing) == new] for new in (True, False))
    if before:
        say(f"converted before: {', '.join(before)}")
    if names:
        say(f"{'from these' if level[0].derived else 'converting'}: {', '.join(names)}")


def _levels(recipes: set[str]) -> Iterator[list[Recipe]]:
    """The recipes and those they start from, in groups of which each starts from those before it."""
    wanted = set(recipes)
    while more := {RECIPES[name].source for name in wanted if RECIPES[name].derived} - wanted:
        wanted |= more
    done: set[str] = set()
    while wanted - done:
        level = [r for r in RECIPES.values() if r.name in wanted - done and (not r.derived or r.source in done)]
        yield level
        done |= {recipe.name for recipe in level}


def _making(recipe: Recipe, model: Path, folder: Path) -> list[str]:
    """The command that makes a bundle, from the one of its source recipe where it is derived."""
    source = str(folder / recipe.source)
    start = ["quantize", source] if recipe.quantize else ["convert", "--model", str(model)]
    base = ["--base", source] if recipe.routes else []
    return [*start, *base, "--recipe", recipe.name, "--out", str(folder / recipe.name)]


def _pairs(recipes: list[Recipe]) -> Iterable[list[Recipe]]:
    for start in range(0, len(recipes), PROCESSES):
        yield recipes[start : start + PROCESSES]


def _run_together(*arguments: list[str]) -> None:
    """Run `litert_pipeline` commands at the same time; when all have ended, raise what the first failed one told."""
    with ExitStack() as stack:
        processes = []
        for line in arguments:
            command = [sys.executable, "-m", "litert_pipeline", *line]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            processes.append(stack.enter_context(process))  # leaving waits, so nobody writes on behind our back
            stack.callback(process.kill)
        told = [process.communicate()[1] for process in processes]
    for process, errors in zip(processes, told, strict=True):
        raise_process_error(process.returncode, errors, "conversion")


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
