"""Faults of modules as files: the wrong module really converted, and quantized where a recipe asks for it."""

from dataclasses import replace
from pathlib import Path

from litert_pipeline.build.conversions import CONVERTING, Conversions, described
from litert_pipeline.build.export import write_litert
from litert_pipeline.build.quantize import QUANTIZERS
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.build.stage import PLAIN, exportable
from litert_pipeline.build.workers import workers
from parity.faults.bench import Bench, edited
from parity.faults.catalogue import CATALOGUE
from parity.faults.fault import Fault
from parity.faults.injection import InModule, of_bundle, with_file
from parity.judge.judge import Judge
from reference.pipeline import load_model
from reference.progress import Say
from reference.spec.stages import signatures

PLAIN_SOURCE = "fp32"  # the recipe of bundles whose modules are converted as they stand
HERE = Path(__file__).parent
EDITING = ("edits.py", "bench.py", "converted.py")  # what a wrong module follows from, beside the catalogue


def convert_all(faults: list[Fault], model: Path, folder: Path, say: Say, conversions: Conversions) -> dict[str, Path]:
    """A `.tflite` of every fault that is one of a module, by its name; in processes of their own, as converters are.

    What `conversions` has is taken from there.
    """
    stages = {fault.name: fault.inject.stage for fault in faults if isinstance(fault.inject, InModule)}
    code = [*sorted((HERE / "catalogue").glob("*.py")), *(HERE / name for name in EDITING)]
    start = described(model, CONVERTING, code)
    missing = [name for name in stages if not conversions.restore({**start, "fault": name}, folder / name)]
    say(f"converting {len(missing)} wrong modules, {len(stages) - len(missing)} were converted before")
    with workers() as pool:
        for done, name in enumerate(pool.map(_convert, missing, [model] * len(missing), [folder] * len(missing)), start=1):
            say(f"converted {name}, {done} of {len(missing)}")
            conversions.keep({**start, "fault": name}, folder / name)
    return {name: folder / name / _file_name(stage) for name, stage in stages.items()}


def from_plain(bench: Bench, fault: Fault, variant: str) -> bool:
    """Whether the contender's file of the stage is made from plainly converted ones, which a wrong module can be."""
    return isinstance(fault.into(variant), InModule) and RECIPES[bench.bundle(variant).manifest.recipe].source == PLAIN_SOURCE


def as_file(bench: Bench, fault: Fault, variant: str) -> Judge:
    """A judge that sees the converted wrong module in the place of the variant's own file."""
    assert isinstance(fault.inject, InModule)
    bundle, stage, file = bench.bundle(variant), fault.inject.stage, bench.converted[fault.name]
    recipe = bundle.manifest.recipe
    quantizer = RECIPES[recipe].quantize.get(stage)
    if quantizer is not None:
        quantized = file.parent / recipe / file.name
        if not quantized.exists():
            quantized.parent.mkdir()
            QUANTIZERS["litert"](file, quantized, quantizer, recipe)
        file = quantized
    return of_bundle(bench.judge, variant, with_file(bundle, stage, file))


def _file_name(stage: str) -> str:
    return f"{stage}.tflite"


def _convert(name: str, model_dir: Path, folder: Path) -> str:
    """Convert the module of one fault; returns the fault's name."""
    fault, model = CATALOGUE[name], load_model(model_dir)
    assert isinstance(fault.inject, InModule)
    stage = fault.inject.stage
    path = folder / name / _file_name(stage)
    path.parent.mkdir()
    wrong = replace(model, modules={**model.modules, stage: edited(model, stage, fault.inject.edit)})
    # A wrong part knows only the order of axes that the reference has.
    write_litert(exportable(wrong, stage, PLAIN), signatures(model.spec)[stage], path)
    return name
