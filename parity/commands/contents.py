"""The command that says what a file, or every file of a bundle, is made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import AsJson, ModelDir, print_peak, wide_console
from reference.command_line import print_json
from reference.progress import show_progress, show_table
from reference.spec.errors import InputError

if TYPE_CHECKING:
    from parity.measure.contents import Contents, Part
    from reference.pipeline import StageModel
    from reference.progress import Say

COLUMNS = (
    "tensors",
    "how many",
    "values",
    "stored as",
    "a scale per",
    "symmetric",
    "layers are fed",
    "products of",
    "moved by",
)
LISTED = 20  # sentences of a kind


def contents_command(
    path: Annotated[Path, typer.Argument(help="A .tflite, .onnx or MLX's .safetensors file, or a bundle: a folder of them.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    as_json: AsJson = False,
) -> None:
    """What a converted file stores and computes, tensor by tensor of the model, and what in it is not the model's.

    Read from the file, whoever made it: how weights are stored (float32, float16, int8, int4), what shares a scale (tensor,
    channel, block), how a layer's feed is rounded (not at all: float; per row, per tensor or per block as it comes; or by a
    calibrated scale), and whether products are of integers. Every constant is compared with the checkpoint's tensor it stands
    for; `steps` is the worst distance in steps of its own grid, half of which rounding leaves. `x gain`: a converter multiplied
    the gain of the norm before the layer in.
    """
    console = wide_console(stderr=as_json)
    with show_progress(console) as say:
        found = _read(path, model, say)
    if as_json:
        print_json({"stages": [contents.to_json() for contents in found]})
        return
    for contents in found:
        _show(contents, console)
    print_peak(console)


def _read(path: Path, model_dir: Path, say: "Say") -> "list[Contents]":
    from parity.bundles.audit import READERS, audit
    from parity.bundles.contents import contents_of
    from parity.bundles.forms import forms
    from reference.codec_stages import load_stages

    model = load_stages(model_dir)
    found = []
    for stage, file, others in _files(path, model_dir, model):
        say(f"reading {file}")
        if file.suffix in READERS:
            found.append(contents_of(audit(file, forms(model, stage), others), stage))
    return found


def _files(path: Path, model_dir: Path, model: "StageModel") -> list[tuple[str, Path, set[int]]]:
    """Which file is which stage's, and which subgraphs of it are other stages'. Raises InputError for a file that can be none
    of the model's."""
    from litert_pipeline.mlx_file import SUFFIX, read_described
    from litert_pipeline.model_file import require_model_file
    from parity.bundles.assign import assignments
    from parity.bundles.files import Files
    from parity.bundles.given import given_bundles
    from parity.bundles.interface import READERS, read_interfaces
    from parity.bundles.model_name import named
    from parity.judge.claims import require_same_stages
    from reference.spec.stages import STAGE_TABLE, signatures

    if path.is_dir():
        files, bundles = Files(), given_bundles([path], model_dir)
        for bundle in bundles:
            require_same_stages(bundle, model)
        own = [(bundle, stage) for bundle in bundles for stage in bundle.manifest.stages]
        return [(stage, bundle.path(stage), files.of_others(bundle, stage)) for bundle, stage in own]
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; expected a .tflite or .onnx file, or a bundle")
    require_model_file(path, READERS)
    if path.suffix == SUFFIX:  # nothing of it says what it takes
        return [(read_described(path).stage, path, set())]
    interfaces, declared = read_interfaces(path), signatures(model.spec)
    runs: dict[str, int] = {}
    for one in interfaces:
        fitting = [s for s in model.spec.stages if assignments(one, declared[s], STAGE_TABLE[s].draws)]
        runs |= {stage: one.subgraph for stage in fitting[:1]}
    if not runs:
        takes = ", ".join(map(str, interfaces[0].inputs))
        raise InputError(f"{path}: takes {takes}, which fits no stage of {named(model_dir)}; give the model it was made of")
    return [(stage, path, set(runs.values()) - {own}) for stage, own in runs.items()]


def _show(contents: "Contents", console: Console) -> None:
    table = Table(title=f"{contents.stage}: {contents.file}", title_justify="left")
    for title in COLUMNS:
        table.add_column(title, justify="right" if title in ("how many", "values") else "left")
    for part in contents.parts:
        table.add_row(*_cells(part))
    show_table(console, table)
    loaded = f"weights {contents.loaded}, " if contents.loaded else ""
    console.print(f"{loaded}steps {contents.steps:.6g}, {contents.numbers} constants of the graph's own", highlight=False)
    _list("is not the checkpoint's value", contents.wrong, console)
    _list("is in the checkpoint and not in the file", contents.missing, console)
    _list("is in the file and not the checkpoint's", contents.unexplained, console)


def _cells(part: "Part") -> tuple[str, ...]:
    stored = part.stored
    symmetric = "-" if stored.granularity == "-" else "yes" if stored.symmetric else "no"
    tensors = f"{part.tensors}{' x gain' if part.gain else ''}"
    kept = (stored.storage, stored.granularity, symmetric, stored.fed, stored.products)
    return tensors, str(part.count), f"{part.values:,}", *kept, stored.scheme or "-"


def _list(what: str, sentences: Sequence[str], console: Console) -> None:
    for sentence in sentences[:LISTED]:
        console.print(f"{what}: {sentence}", highlight=False, style="red")
    if len(sentences) > LISTED:
        console.print(f"{what}: {len(sentences) - LISTED} more", highlight=False, style="red")
