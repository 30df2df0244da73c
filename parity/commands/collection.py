"""What pytest collects: which variants and stages there are to test, for the bundles given or for those that can be made."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from litert_pipeline.build.recipes import RECIPES, Recipe
from litert_pipeline.bundle import Bundle
from parity.bundles.files import Files
from parity.bundles.given import given_bundles, makeable
from parity.judge.left_out import own_kernels, without_unable
from parity.judge.lineup import chosen, contenders_of
from parity.runtimes import REFERENCES, names_of
from parity.runtimes.host import unable
from reference.spec.errors import InputError
from reference.spec.stages import ALL_STAGES


@dataclass
class Collection:
    """The options of a run, and what follows from them. Bundles are read once, when a test asks for a variant."""

    model: Path
    folders: list[Path]
    names: list[str] | None

    @cached_property
    def given(self) -> list[Bundle]:
        """The bundles of the user. Raises InputError for a bad one."""
        return given_bundles(self.folders, self.model)

    @cached_property
    def left_out(self) -> list[str]:
        """Sentences about bundles that cannot be made here."""
        left_out: list[str] = []
        makeable(set(RECIPES), left_out.append)
        return left_out

    @property
    def recipes(self) -> set[str]:
        """The recipes to make bundles of where none is given."""
        return makeable(set(RECIPES), lambda _: None)

    @cached_property
    def stages(self) -> Mapping[str, list[str]]:
        """The stages of each variant to test. Raises InputError for a name that is nobody's."""
        if self.folders:
            contenders = contenders_of(self.given)
            able, _ = without_unable(chosen(self.names, contenders), contenders, Files())
            return {name: contenders[name].stages for name in able}
        made = [name for recipe in RECIPES.values() if recipe.name in self.recipes for name in _runnable(recipe)]
        valid = [*REFERENCES, *made]
        unknown = [name for name in self.names or [] if name not in valid]
        if unknown:
            raise InputError(f"variant '{', '.join(unknown)}' is unknown; valid variants: {', '.join(valid)}")
        return {name: list(ALL_STAGES) for name in valid if self.names is None or name in self.names or name == valid[0]}

    def pairs(self) -> list[tuple[str, str]]:
        """Every variant with every stage it has."""
        return [(variant, stage) for variant, stages in self.stages.items() for stage in stages]

    def slow(self, variant: str | None) -> bool:
        """Whether a variant, if there is one, is run by a slow runtime and nobody asked for it."""
        if self.folders or self.names:
            return False
        rows = [row for recipe in RECIPES.values() for name, row in names_of(recipe.format, recipe.name) if name == variant]
        return any(row.slow for row in rows)


def _runnable(recipe: Recipe) -> list[str]:
    """The variants of a recipe that this machine runs right."""
    return [
        name
        for name, row in names_of(recipe.format, recipe.name)
        if not recipe.multiplies_integers or unable(own_kernels(row.runtime)) is None
    ]
