"""Processes that convert: they stay, take job after job, and import torch and the converters once.

Converters are large, and their settings must not reach the process that judges.
"""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import AbstractContextManager
from pathlib import Path

from litert_pipeline.build.convert import convert
from litert_pipeline.build.quantize import quantize
from litert_pipeline.build.recipes import RECIPES, Recipe
from litert_pipeline.bundle import read_bundle
from reference.spec.processes import processes

PROCESSES = 2  # more than one converter per core only slows all


def workers() -> AbstractContextManager[Executor]:
    """Processes to hand jobs to. What a job raises, its future raises; InputError if a process dies."""
    return processes(PROCESSES, "conversion", "convert")


def made_bundles(pool: Executor, recipes: list[Recipe], model: Path, folder: Path) -> Iterator[Recipe]:
    """Make bundles of a model, `folder`/NAME each, and give every recipe when its bundle stands.

    One is begun as soon as the bundle stands that it starts from: that has to be there, or to be among `recipes`.
    """
    waiting, running = list(recipes), dict[Future[None], Recipe]()
    while waiting or running:
        ready = [recipe for recipe in waiting if not recipe.derived or (folder / recipe.source).exists()]
        waiting = [recipe for recipe in waiting if recipe not in ready]
        running |= {pool.submit(make_bundle, recipe.name, model, folder): recipe for recipe in ready}
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            future.result()
            yield running.pop(future)


def make_bundle(name: str, model: Path, folder: Path) -> None:
    """Make the bundle `folder`/`name`, from the one of its source recipe beside it where it is derived."""
    recipe = RECIPES[name]
    source = folder / recipe.source
    if recipe.quantize:
        quantize(source, folder / name, recipe)
    else:
        convert(model, folder / name, recipe, base=read_bundle(source) if recipe.derived else None)

