"""Look inside one stage of a bundle, whether or not it fails: `python -m parity localize`."""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from litert_pipeline.build.stage import as_converted
from litert_pipeline.bundle import Bundle
from parity.bundles.given import given_bundles
from parity.explain.inside.graphs import OPENERS, Outputs
from parity.explain.inside.localize import conversion_errors, located, rounding_errors
from parity.explain.inside.module_error import ModuleError
from parity.explain.inside.overlays import overlay_paths, write_overlays
from parity.judge.judge import Judge
from parity.measure.cases import Case, Drawn, load_cases
from parity.measure.codec_cases import codec_cases, fills_window
from parity.measure.teacher_forcing import stage_feed
from parity.truth.store import Store
from reference.codec_stages import CodecStages
from reference.progress import Say
from reference.spec.errors import InputError
from reference.spec.files import check_file, check_filled
from reference.spec.stages import SAME_ENCODER, STAGE_TABLE
from reference.spec.tensors import Tensors

USUAL_PROMPT, USUAL_SOUND = "drums", "music"  # the cases of a model that generates, and of a codec


@dataclass(frozen=True, kw_only=True)
class InsideOptions:
    """Which stage of which bundle, on which of the truth's inputs (None: the usual case), and where overlays go."""

    model: Path
    bundle: Path
    stage: str
    case: str | None
    step: int
    out: Path | None
    force: bool


def look_inside(options: InsideOptions, store: Store, say: Say) -> list[ModuleError]:
    """The errors of the stage's modules; with `out` also written as overlays. Raises InputError for bad input."""
    if options.out is not None:
        check_filled(options.out, [options.model, options.bundle])
    bundle, *more = given_bundles([options.bundle], options.model)
    stem = f"{bundle.manifest.recipe}.{options.stage}"
    if options.out is not None:
        for path in overlay_paths(options.out, stem):
            check_file(path, options.force, reads=())
    if more:
        raise InputError(f"{options.bundle}: holds {1 + len(more)} bundles; lay the one to look into in a folder of its own")
    if options.stage not in bundle.manifest.stages:
        raise InputError(
            f"{options.bundle}: has no stage '{options.stage}'; it has {', '.join(bundle.manifest.stages)}"
        )
    _require_named_inputs(bundle, options.stage)
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    try:
        errors = conversion_errors(*_rounding(*_loaded(options, bundle, store, say), bundle, options.stage, say))
    finally:
        torch.set_num_threads(threads)
    if not errors:
        raise InputError(
            f"{bundle.path(options.stage)}: none of its tensors is named after a module of the reference; files "
            "written by litert-torch and torch.onnx have such names"
        )
    if options.out is not None:
        for path in write_overlays(options.out, stem, errors, options.force):
            say(f"wrote {path}")
    return errors


def _require_named_inputs(bundle: Bundle, stage: str) -> None:
    """Raise InputError for a file made elsewhere that is fed under other names: what is inside is not named after our modules
    either."""
    binding = bundle.manifest.stages[stage].binding
    other = [one.theirs.name for one in binding.inputs if one.theirs.name != one.ours.name] if binding is not None else []
    if other:
        raise InputError(
            f"{bundle.path(stage)}: was made elsewhere, from modules of other names (it is fed '{other[0]}'); give a file that "
            "litert-torch or torch.onnx made of the reference's own modules"
        )


def _loaded(
    options: InsideOptions, bundle: Bundle, store: Store, say: Say
) -> tuple[nn.Module, nn.Module, Tensors]:
    """The stage in float64, in float32, and what the truth feeds it; all other stages are let go of on return."""
    stage = options.stage
    with Judge.of(options.model, [bundle], torch.get_num_threads(), store) as judge:
        case, steps = _case(judge, options)
        if not 0 <= options.step < steps:
            raise InputError(f"step is {options.step}, expected 0 to {steps - 1}")
        say(f"the truth of case {case.id}")
        truth = judge.truth(case)
        call = STAGE_TABLE[stage].call_in(truth, options.step)
        inputs = bundle.manifest.stages[stage].signature.bind(stage_feed(stage, truth, call))
        rounded = as_converted(judge.stage_model, stage, bundle.path(stage))
        return judge.stage_model.modules[stage], rounded, inputs


def _case(judge: Judge, options: InsideOptions) -> tuple[Case | Drawn, int]:
    """What leads to the inputs, and in how many steps. Raises InputError for an unknown case."""
    model = judge.stage_model
    if isinstance(model, CodecStages):
        fed = codec_cases(model.spec, model.exact(SAME_ENCODER), [options.case or USUAL_SOUND])[options.stage][0]
        if not fills_window(fed):
            told = f"case {options.case} fills no window, and modules are compared over a whole one"
            raise InputError(f"{told}; take {USUAL_SOUND}")
        return fed, 1
    (case,) = load_cases(judge.model.tokenizer, judge.model.spec, [options.case or USUAL_PROMPT])
    return case, case.request.sampler.steps


def _rounding(
    exact: nn.Module, rounded: nn.Module, inputs: Tensors, bundle: Bundle, stage: str, say: Say
) -> tuple[nn.Module, Outputs, Tensors, dict[str, float]]:
    """What the graph is compared with; the float32 module has done its part then and is let go of on return."""
    path = bundle.path(stage)
    say(f"comparing {path} with the reference, module by module")
    graph = OPENERS[bundle.manifest.format](path, bundle.manifest.stages[stage].signature, rounded)
    outputs = located(rounded, graph, inputs)
    return exact, outputs, inputs, rounding_errors(exact, rounded, outputs, inputs)
