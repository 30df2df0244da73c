"""A `.tflite` file as it would have been converted from weights that a loader had rounded. No fault by itself: for tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.bundles.audit import audit
from parity.bundles.constants_litert import litert_constants
from parity.bundles.forms import forms
from parity.bundles.matching import match
from parity.faults.file_edits import edit_file
from reference.pipeline import Model, load_model


def rewrite_as_loaded(files: Mapping[str, Path], loading: str, model_dir: Path) -> None:
    """Replace the constants of float32 files of a model, by stage, by those of its rounded weights, each in its own layout."""
    model = load_model(model_dir)
    for stage, path in files.items():
        _rewrite(path, stage, loading, model)


def _rewrite(path: Path, stage: str, loading: str, model: Model) -> None:
    (form,) = (form for form in audit(path, forms(model, stage)).form.rounded if form.loading == loading)
    found = {
        entry.constant.name: entry.expected().contiguous().numpy()
        for entry in match(litert_constants(path), form.uses, form.module).matches
    }

    def change(graph: Any) -> None:
        for tensor in graph.subgraphs[0].tensors:
            array = found.get(tensor.name.decode())
            if array is not None and graph.buffers[tensor.buffer].data is not None:
                graph.buffers[tensor.buffer].data = np.frombuffer(array.tobytes(), np.uint8)

    edit_file(path, change)
