"""A share of a fault of weights: weights that are so much of the way from right to wrong, converted and quantized as right ones.

What a wrong module answers otherwise shows what such a fault does; in a file it is found by what is stored, from far less on.
"""

import copy
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from torch import nn

from litert_pipeline.build.quantize import QUANTIZERS
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.bundle import read_bundle
from parity.bundles.audit import audit
from parity.bundles.constants_litert import litert_constants
from parity.bundles.forms import forms
from parity.bundles.matching import match
from parity.faults.arithmetics import STRICT
from parity.faults.bench import Bench, Edit, edited
from parity.faults.catalogue.files import noted
from parity.faults.file_edits import Change, edit_file
from parity.faults.injection import InFile
from reference.pipeline import Model
from reference.spec.tensors import Array


def in_weights(edit: Edit, stage: str) -> InFile:
    """`edit` changes weights of a stage alone, and leaves them like what they were: what is stored is known by that. The
    file is one that a recipe made of a plainly converted stage."""

    def damage(folder: Path, bench: Bench, share: float) -> None:
        recipe = read_bundle(folder).manifest.recipe
        with TemporaryDirectory() as name:
            plain = Path(name) / f"{stage}.tflite"
            shutil.copyfile(bench.bundle(STRICT.variant).path(stage), plain)
            edit_file(plain, _stored(_constants(plain, bench.judge.model, stage, partly(edit, share))))
            (folder / plain.name).unlink()
            QUANTIZERS["litert"](plain, folder / plain.name, RECIPES[recipe].quantize[stage], recipe)
        noted(folder, stage)

    return InFile(damage=damage)


def partly(edit: Edit, share: float) -> Edit:
    """The same edit with every weight `share` of the way."""

    def changed(module: nn.Module) -> nn.Module:
        right = copy.deepcopy(module.state_dict())
        wrong = edit(module)
        for name, tensor in wrong.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(right[name].double() + share * (tensor.double() - right[name].double()))
        return wrong

    return changed


def _constants(plain: Path, model: Model, stage: str, edit: Edit) -> Mapping[str, Array]:
    """What the constants of a float32 file would be of an edited module, by name."""
    form = audit(plain, forms(model, stage)).form
    wrong = replace(form, model=replace(model, modules={**model.modules, stage: edited(model, stage, edit)}))
    found = match(litert_constants(plain), wrong.uses, wrong.module).matches
    return {entry.constant.name: entry.expected().contiguous().numpy() for entry in found}


def _stored(arrays: Mapping[str, Array]) -> Change:
    """Other values for the float32 constants of these names."""

    def change(graph: Any) -> None:
        for tensor in graph.subgraphs[0].tensors:
            array = arrays.get(tensor.name.decode())
            if array is not None and graph.buffers[tensor.buffer].data is not None:
                graph.buffers[tensor.buffer].data = np.frombuffer(array.astype("<f4").tobytes(), np.uint8)

    return change
