"""A `.tflite` file as it would have been converted from other weights: of another model of the same topology, or as a loader
rounds them. No fault by itself: for tests, which it saves minutes of converting."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.build.convert import source_of, stage_file
from litert_pipeline.bundle import Bundle, write_manifest
from parity.bundles.audit import audit
from parity.bundles.constants_litert import litert_constants
from parity.bundles.forms import Form, forms
from parity.bundles.matching import STORED, match, stored
from parity.faults.file_edits import edit_file
from parity.truth.interpreted import Use
from reference.pipeline import Model, load_model


def rewrite_as_loaded(files: Mapping[str, Path], loading: str, model_dir: Path) -> None:
    """Replace the constants of float32 files of a model, by stage, by those of its rounded weights, each in its own layout."""
    model = load_model(model_dir)
    for stage, path in files.items():
        form = audit(path, forms(model, stage)).form
        (rounded,) = (other for other in form.rounded if other.loading == loading)
        _rewrite(path, form, rounded)


def rewrite_for(files: Mapping[str, Path], model: Model, other: Model) -> None:
    """The same by those of another model, whose modules have the same names and shapes."""
    for stage, path in files.items():
        form = audit(path, forms(model, stage)).form
        _rewrite(path, form, replace(form, model=other))


def bundle_for(source: Bundle, model: Model, other: Model, out: Path) -> None:
    """Write the bundle of float32 files that would have been converted like `source` from the other model instead of `model`."""
    shutil.copytree(source.folder, out)
    files = {stage: out / entry.file for stage, entry in source.manifest.stages.items()}
    rewrite_for(files, model, other)
    stages = {stage: stage_file(files[stage], entry.signature, entry.compute) for stage, entry in source.manifest.stages.items()}
    write_manifest(out, replace(source.manifest, source=source_of(other), stages=stages))


def _rewrite(path: Path, form: Form, other: Form) -> None:
    """Each constant stands for a use; the other module, run the same way, meets its own constant in the same place."""
    by_name = {use.name: use for use in stored(other.module)}

    def theirs(use: Use) -> Use:
        return by_name[use.name] if use.operator == STORED else other.uses.found[use.place]

    found = {
        entry.constant.name: replace(entry, use=theirs(entry.use)).expected().contiguous().numpy()
        for entry in match(litert_constants(path), form.uses, form.module).matches
    }

    def change(graph: Any) -> None:
        for tensor in graph.subgraphs[0].tensors:
            array = found.get(tensor.name.decode())
            if array is not None and graph.buffers[tensor.buffer].data is not None:
                graph.buffers[tensor.buffer].data = np.frombuffer(array.tobytes(), np.uint8)

    edit_file(path, change)
