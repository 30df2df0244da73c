"""Mixes to bundles: stages of bundles that stand already, some of them run through a tool."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from litert_pipeline.build.convert import copy_model, stage_file
from litert_pipeline.bundle import Bundle, StageFile, read_bundle, write_manifest
from parity.bundles.foreign import read_foreign
from parity.measure.arithmetic import FP32_COMPUTE
from parity.mixes.table import Mix, Part
from parity.mixes.tools import apply
from reference.spec.tensors import Array

Spoil = Callable[[Path], None]  # makes a file wrong


@dataclass
class Kitchen:
    """Makes mixes of one model in `folder`, of its bundles `sources` by recipe. `fed` gives what a stage is calibrated with.
    What a tool makes of a file is made once."""

    model: Path
    sources: Mapping[str, Bundle]
    folder: Path
    fed: Callable[[str], Sequence[Mapping[str, Array]]]
    _made: dict[str, Path] = field(default_factory=dict)

    def bundle(self, mix: Mix, spoiled: Mapping[str, Spoil] | None = None) -> Bundle:
        """The bundle of a mix, in a new folder: LiteRT's with a manifest, ONNX files without, as their tools leave them.
        `spoiled` makes files of some stages wrong; the manifest does not tell. Raises InputError where a tool refuses, or
        leaves what fits no stage."""
        base, folder = self.sources[mix.base], self._new_folder(mix.name)
        stages = {stage: self._stage(mix, stage, folder, (spoiled or {}).get(stage)) for stage in base.manifest.stages}
        if mix.format == "onnx":
            return read_foreign(folder, self.model)
        shutil.copyfile(base.tokenizer_path, folder / base.manifest.tokenizer_file)
        write_manifest(folder, dataclasses.replace(base.manifest, recipe=mix.name, stages=stages))
        return read_bundle(folder)

    def _stage(self, mix: Mix, stage: str, folder: Path, spoil: Spoil | None) -> StageFile:
        """Put a stage's file into the folder of a mix, and describe it."""
        part = mix.parts.get(stage)
        source = self.sources[(part.source if part else "") or mix.base]
        made = source.path(stage) if part is None else self._file(source, stage, part)
        copy_model(made, folder)
        if spoil is not None:
            spoil(folder / made.name)
        compute = mix.compute.get(stage, FP32_COMPUTE)
        return stage_file(folder / made.name, source.manifest.stages[stage].signature, compute)

    def _file(self, source: Bundle, stage: str, part: Part) -> Path:
        """A stage's file as a tool makes it."""
        key = json.dumps([str(source.folder), stage, part.tool, part.options], sort_keys=True)
        if key not in self._made:
            target = self._new_folder(stage) / source.path(stage).name
            apply(part.tool, source.path(stage), target, part.options, lambda: self.fed(stage))
            self._made[key] = target
        return self._made[key]

    def _new_folder(self, name: str) -> Path:
        """One of its own for every file and mix; what failed leaves nothing that stands in the way."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix=f"{name}-", dir=self.folder))
