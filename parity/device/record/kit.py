"""A kit: a plan, the arrays it names and the bundles it is about, in one folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.described import manifest_of
from parity.device.record.arrays import Arrays
from parity.device.record.plan import MANIFEST, Plan, Question, read_plan
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.paths import require_text
from reference.spec.tensors import Tensors

ARRAYS, BUNDLES, RECORDER = "arrays", "bundles", "record.pyz"
HALF_ROW = "half_row.tflite"  # whose answer says what FP16 compute is


@dataclass(frozen=True, kw_only=True)
class Kit:
    """A plan and the folder it lies in. `models`: where the bundles are, by the names the plan has for them."""

    folder: Path
    id: str
    plan: Plan
    models: Path

    @property
    def arrays(self) -> Arrays:
        return Arrays(folder=self.folder / ARRAYS)

    def feeds(self, question: Question) -> Iterator[Tensors]:
        """What a stage is fed, call by call. Raises InputError for an array that was changed."""
        arrays = self.arrays
        return ({name: arrays.of(reference) for name, reference in call.items()} for call in question.calls)

    @cached_property
    def bundles(self) -> Mapping[str, Bundle]:
        """By name. Raises InputError for one that is not there."""
        return {name: self._bundle(name) for name in self.plan.hashes}

    def _bundle(self, name: str) -> Bundle:
        told, folder = self.plan.described.get(name), self.models / name
        return read_bundle(folder) if told is None else Bundle(folder=folder, manifest=manifest_of(told))

    def require_intact(self) -> None:
        """Raise InputError if any file is not the one that was packed, before hours of questions are asked. Arrays have to be
        there; what they hold is looked at when they are read."""
        for name, sha256 in self.plan.files.items():
            inside = self.folder / name
            path = self.models / Path(name).relative_to(BUNDLES) if name.startswith(f"{BUNDLES}/") else inside
            if not path.is_file():
                elsewhere = "; a kit packed with --no-models is told by --models where its bundles are"
                raise InputError(f"{path}: no such file, though the kit names it{elsewhere if path != inside else ''}")
            if sha256_of(path) != sha256:
                raise InputError(f"{path}: its SHA-256 is not the one in {self.folder / MANIFEST}; copy the kit again")
        for reference in self.plan.references():
            self.arrays.require_there(reference)


def read_kit(folder: Path, models: Path | None = None) -> Kit:
    """A kit. Raises InputError as `read_plan`, and for a path that LiteRT cannot be told."""
    for path in filter(None, (folder, models)):
        require_text(path)
    kit_id, plan = read_plan(folder / MANIFEST)
    return Kit(folder=folder, id=kit_id, plan=plan, models=models or folder / BUNDLES)
