"""Converted files, kept on disk by the content they follow from: nobody converts the same thing twice."""

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from json import dumps
from pathlib import Path
from typing import Any

from litert_pipeline.build.convert import declared_sampler
from litert_pipeline.build.onnx2tf import find_onnx2tf
from litert_pipeline.build.recipes import RECIPES, Recipe
from litert_pipeline.versions import installed_versions
from reference.codec_stages import outline_of
from reference.spec.entries import Entries
from reference.spec.files import new_folder, sha256_of
from reference.spec.model import ModelSpec
from reference.spec.sources import hash_of, imported
from reference.spec.stages import signatures

FOLDER = "conversions"  # inside a user's cache
LIMIT_BYTES = 2 * 2**30  # some twenty times all bundles of the tiny model
LARGEST_BYTES = 2**28  # what is larger takes long to read, too, and would leave no room for others
PACKAGES = ("reference", "litert_pipeline")
CONVERTING = ("litert_pipeline.build.convert", "litert_pipeline.build.quantize")
# Imported by these but not hashed: what the spec says of a model stands in the description; the others change no file.
NOT_HASHED = ("reference.spec", "reference.progress", "reference.hub", "litert_pipeline.run")
# Hashed all the same: windows, widths and positions are computed there, not written down.
COMPUTING = ("reference.spec.model", "reference.spec.t5_positions")


@dataclass(frozen=True, kw_only=True)
class Conversions:
    """Folders of converted files. Without `entries` none is kept."""

    entries: Entries | None = None

    @classmethod
    def inside(cls, cache: Path | None) -> "Conversions":
        """Those kept in a folder of their own inside a cache, if there is one."""
        return cls(entries=None if cache is None else Entries(folder=cache / FOLDER, limit_bytes=LIMIT_BYTES))

    def made(self, description: Mapping[str, Any], out: Path, make: Callable[[Path], None]) -> None:
        """Put into the new folder `out` what follows from `description`: what is kept, else what `make` writes."""
        if not self.restore(description, out):
            make(out)
            self.keep(description, out)

    def restore(self, description: Mapping[str, Any], out: Path) -> bool:
        """Write what is kept into the new folder `out`; False if there is nothing, or it is damaged."""
        data = None if self.entries is None else self.entries.read(_line(description))
        if data is None:
            return False
        with new_folder(out, "bundle", force=False) as folder, zipfile.ZipFile(io.BytesIO(data)) as kept:
            kept.extractall(folder)
        return True

    def keep(self, description: Mapping[str, Any], folder: Path) -> None:
        """Keep a folder that follows from `description`, unless it is large."""
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if self.entries is None or sum(path.stat().st_size for path in files) > LARGEST_BYTES:
            return
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as kept:
            for path in files:
                kept.write(path, path.relative_to(folder).as_posix())
        self.entries.write(_line(description), buffer.getvalue())


def described_bundles(model: Path, recipes: Iterable[Recipe]) -> dict[str, dict[str, Any]]:
    """All that bundles of named recipes follow from, by recipe. Raises InputError for a bad model dir."""
    start = described(model, CONVERTING)
    return {recipe.name: {**start, "recipes": _chain(recipe), "onnx2tf": _onnx2tf(recipe)} for recipe in recipes}


def described(model: Path, modules: Iterable[str], extra_code: Iterable[Path] = ()) -> dict[str, Any]:
    """All that files follow from that `modules` make of a model: its own files, their code and `extra_code`, the
    installed versions.

    Raises InputError for a bad model dir.
    """
    files, spec, text = outline_of(model)
    return {
        "config": sha256_of(files.config),
        "weights": files.weights_sha256(),
        "t5": {name: sha256_of(path) for name, path in text.items()},
        "spec": repr((spec, signatures(spec), declared_sampler(spec) if isinstance(spec, ModelSpec) else None)),
        "code": hash_of((*code_of(tuple(modules)), *extra_code)),
        "versions": installed_versions(),
    }


@cache
def code_of(modules: tuple[str, ...]) -> tuple[Path, ...]:
    """The files of code that what `modules` convert follows from."""
    files = imported(modules, PACKAGES)
    return tuple(path for name, path in files.items() if name in COMPUTING or not name.startswith(NOT_HASHED))


def _chain(recipe: Recipe) -> list[dict[str, Any]]:
    """A recipe, what it starts from, and so on."""
    return [asdict(recipe), *(_chain(RECIPES[recipe.source]) if recipe.derived else ())]


def _onnx2tf(recipe: Recipe) -> list[str]:
    """What is installed beside the command onnx2tf, where the recipe needs it."""
    command = find_onnx2tf() if any("onnx2tf" in route for route in recipe.routes.values()) else None
    packages = [] if command is None else command.parents[1].glob("lib/python*/site-packages/*.dist-info")
    return sorted(path.name for path in packages)


def _line(description: Mapping[str, Any]) -> str:
    return dumps(description, sort_keys=True)
