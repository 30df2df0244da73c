"""A folder without a manifest, read as a bundle: which file is which stage, how it is fed, what its files store."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from litert_pipeline.binding import Binding
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.bundle import MANIFEST_NAME, SUFFIXES, Bundle, Manifest, StageFile
from litert_pipeline.model_file import model_files, parts_of, require_linked, sha256_of_model, size_of_model
from litert_pipeline.run.litert import LiteRTStage
from parity.bundles.arithmetic import claimed, stored
from parity.bundles.assign import assignments
from parity.bundles.interface import Interface, read_interfaces
from parity.bundles.model_name import named
from parity.bundles.probe import probe_feed, probed
from parity.measure.arithmetic import FP32_COMPUTE, SINGLE, Arithmetic
from parity.runtimes.onnxruntime_ import OnnxStage
from reference.codec_stages import GENERATOR, kind_of
from reference.model_files import SPIECE_NAME
from reference.pipeline import TorchStage, read_modules, read_outline, t5_folder
from reference.spec.errors import InputError
from reference.spec.families.table import samplers_of
from reference.spec.files import sha256_of
from reference.spec.generation import Stage
from reference.spec.kinds import WRITTEN
from reference.spec.stages import ALL_STAGES, GENERATION, STAGE_TABLE, signatures


class _Model:
    """What is known of the model before its weights are read, and one stage of it where probing needs that."""

    def __init__(self, folder: Path) -> None:
        self.files, self.spec, self.tokenizer = read_outline(folder)
        self.spiece = t5_folder(self.files, self.spec) / SPIECE_NAME

    def stage(self, name: str) -> Stage:
        """The float32 reference's."""
        modules, _ = read_modules(self.spec, self.files, (name,))
        return TorchStage(modules[name], signatures(self.spec)[name])


def is_foreign(folder: Path) -> bool:
    """Whether it is a folder of models that no bundle's manifest describes."""
    return folder.is_dir() and not (folder / MANIFEST_NAME).is_file()


def left_aside(bundle: Bundle, others: Iterable[Bundle] = ()) -> list[str]:
    """The names of what lies in a folder and is no part of its bundle, nor of others."""
    parts = (part for one in (bundle, *others) for stage in one.manifest.stages for part in parts_of(one.path(stage)))
    used = {*parts, bundle.tokenizer_path, bundle.folder / WRITTEN}
    around = {folder for part in used for folder in part.parents}
    return [path.name for path in sorted(bundle.folder.iterdir()) if path not in used | around]


def read_foreign(folder: Path, model_dir: Path) -> Bundle:
    """Every `.tflite` or `.onnx` file of `folder` as a stage of the model. Raises InputError saying what does not fit.

    Without `spiece.model` in the folder the model dir's tokenizer is taken.
    """
    require_linked(folder, SUFFIXES.values(), MANIFEST_NAME)
    paths = model_files(folder, SUFFIXES.values())
    if not paths:
        raise InputError(
            f"{folder}: has neither manifest.json nor a .tflite or .onnx file; expected a bundle, such as "
            "'python -m litert_pipeline convert' makes"
        )
    if kind_of(model_dir) is not GENERATOR:
        raise InputError(f"{folder}: has no manifest.json; files of a codec that were made elsewhere are for the gate alone")
    model = _Model(model_dir)
    interfaces = [interface for path in paths for interface in read_interfaces(path)]
    found = {stage: _stage_of(stage, interfaces, model) for stage in ALL_STAGES}
    chosen = {stage: pair for stage, pair in found.items() if pair is not None}
    _check(folder, interfaces, chosen, model_dir)
    (form,) = {interface.format for interface, _ in chosen.values()}
    recipe = recipe_of(form, {stage: stored(interface) for stage, (interface, _) in chosen.items()})
    own = folder / SPIECE_NAME
    spiece = own if own.is_file() else model.spiece.absolute()
    return Bundle(
        folder=folder,
        manifest=Manifest(
            recipe=recipe,
            format=form,
            source=None,
            sampler={"name": samplers_of(model.spec)[0]},  # the model's: its files say nothing of it
            level_shift=model.spec.level_shift,
            sample_rate_hz=model.spec.sample_rate_hz,
            tokenizer_file=str(spiece.relative_to(folder)) if own.is_file() else str(spiece),
            tokenizer_sha256=sha256_of(spiece),
            stages={
                stage: _entry(interface, binding, stage, recipe, model) for stage, (interface, binding) in chosen.items()
            },
        ),
    )


def _stage_of(stage: str, interfaces: list[Interface], model: _Model) -> tuple[Interface, Binding] | None:
    """The file that can be this stage, and how it is fed."""
    signature = signatures(model.spec)[stage]
    draws, numbers = STAGE_TABLE[stage].draws, len(model.spec.numbers)
    fitting = [(one, ways) for one in interfaces if (ways := assignments(one, signature, draws, numbers))]
    if len(fitting) > 1:
        names = ", ".join(f"{interface.path.name} {interface.key}".strip() for interface, _ in fitting)
        raise InputError(f"{fitting[0][0].path.parent}: {names} all fit stage '{stage}'; keep one of them in the folder")
    if not fitting:
        return None
    ((interface, ways),) = fitting
    if len(ways) == 1 or ways[0].drawn or interface.operators.custom:  # the last cannot be run
        return interface, ways[0]
    feed = probe_feed(signature, model.tokenizer)
    with _opened(interface, ways[0]) as run:
        return interface, probed(ways, run, model.stage(stage), signature, feed)


def _opened(interface: Interface, way: Binding) -> AbstractContextManager[Stage]:
    if interface.format == "onnx":
        return nullcontext(OnnxStage(interface.path, way.signature, threads=1))
    return LiteRTStage(interface.path, way.signature)


def _check(
    folder: Path, interfaces: list[Interface], chosen: dict[str, tuple[Interface, Binding]], model_dir: Path
) -> None:
    used = {interface.path for interface, _ in chosen.values()}
    for interface in interfaces:
        if interface.path not in used:
            takes, gives = (", ".join(map(str, tensors)) for tensors in (interface.inputs, interface.outputs))
            raise InputError(f"{interface.path}: takes {takes} and gives {gives}, which fits no stage of {named(model_dir)}")
    missing = [stage for stage in GENERATION if stage not in chosen]
    if missing:
        expected = f"expected one per stage{_skipped(folder)}"
        raise InputError(f"{folder}: no file fits stage {', '.join(missing)} of {named(model_dir)}; {expected}")
    formats = {interface.format for interface, _ in chosen.values()}
    if len(formats) > 1:
        raise InputError(f"{folder}: mixes .tflite and .onnx files; put them into folders of their own")


def _skipped(folder: Path) -> str:
    """What was not looked at for an ending in capitals, and what to do, in words."""
    endings = SUFFIXES.values()
    names = [path.name for path in sorted(folder.glob("*")) if path.suffix not in endings and path.suffix.lower() in endings]
    return f" ({', '.join(names)} skipped: endings are in small letters, rename it)" if names else ""


def recipe_of(form: str, found: dict[str, Arithmetic]) -> str:
    """The recipe whose files store the same or, where there is none, what is stored small."""
    for recipe in RECIPES.values():
        if recipe.format == form and all(claimed(recipe, stage) == arithmetic for stage, arithmetic in found.items()):
            return recipe.name
    small = [f"{stage}_{arithmetic.weights}" for stage, arithmetic in found.items() if arithmetic != SINGLE]
    return "_".join(small)


def compute_of(recipe: str, stage: str) -> str:
    """What files are computed in that look like a recipe's."""
    return RECIPES[recipe].compute.get(stage, FP32_COMPUTE) if recipe in RECIPES else FP32_COMPUTE


def _entry(interface: Interface, binding: Binding, stage: str, recipe: str, model: _Model) -> StageFile:
    return StageFile(
        file=interface.path.name,
        sha256=sha256_of_model(interface.path),
        size_bytes=size_of_model(interface.path),
        compute=compute_of(recipe, stage),
        signature=signatures(model.spec)[stage],
        binding=binding,
    )
