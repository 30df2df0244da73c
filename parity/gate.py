"""The gate: all checks over all cases and variants, one verdict."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litert_pipeline.build.recipes import RECIPES, Recipe
from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.run.probe import require_loadable
from parity import metrics
from parity.backends import VARIANTS, choose_variants
from parity.cases import Case, load_cases
from parity.environment import environment
from parity.judge import Judge
from parity.ladder import teacher_forced
from parity.report import Report, artifact_entries
from parity.verdict import Verdict
from reference.pipeline import Model
from reference.spec.errors import InputError
from reference.spec.files import new_folder
from reference.spec.tensors import ENCODER

Say = Callable[[str], None]
PROCESSES = 2  # at a time; more than one converter per core only slows all


@dataclass(frozen=True, kw_only=True)
class GateOptions:
    """What to judge. Without bundles the gate converts the model itself."""

    model: Path
    bundles: list[Path]
    report: Path | None
    variants: list[str] | None
    cases: list[str] | None
    threads: int
    force: bool


def run_gate(options: GateOptions, say: Say) -> Report:
    """Judge and, with `report`, write the report folder, whole or not at all. Raises InputError for bad input."""
    with ExitStack() as stack:
        if options.report is not None:
            folder = stack.enter_context(new_folder(options.report, options.force))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        all_recipes = {v.recipe for v in VARIANTS.values() if v.recipe}
        chosen = choose_variants(options.variants, all_recipes)  # spelling is told before any work
        if options.bundles:
            bundles = given_bundles(options.bundles)
        else:
            bundles = make_bundles(options.model, folder / "bundles", recipes_of(chosen), say)
        judge = stack.enter_context(Judge.of(options.model, bundles, options.threads))
        spec = judge.model.spec
        say(f"model: {spec.objective}, {spec.window_s:.2f} s at {spec.sample_rate_hz} Hz, coded {spec.coding}")
        cases = load_cases(judge.model.tokenizer, judge.model.spec.seconds, options.cases)
        variants = choose_variants(options.variants, set(bundles))
        used = [bundle for recipe, bundle in bundles.items() if any(VARIANTS[v].recipe == recipe for v in variants)]
        report = Report(
            checks=list(_checks(judge, variants, cases, say)),
            steps=list(_steps(judge, variants, cases)),
            model=_described(judge.model),
            environment=environment(options.threads),
            artifacts=artifact_entries(used),
        )
        if options.report is not None:
            report.write(folder)
    return report


def recipes_of(variants: list[str]) -> set[str]:
    """The recipes whose bundles these variants run."""
    return {recipe for name in variants if (recipe := VARIANTS[name].recipe) is not None}


def _described(model: Model) -> dict[str, Any]:
    """What was judged, for the report."""
    spec = model.spec
    return {
        "weights_sha256": model.files.weights_sha256(),
        "objective": spec.objective,
        "sample_rate_hz": spec.sample_rate_hz,
        "window_s": spec.window_s,
        "latent_frames": spec.latent_frames,
        "coded": spec.coding,
    }


def make_bundles(model: Path, folder: Path, recipes: set[str], say: Say) -> dict[str, Bundle]:
    """Convert and quantize `model` into every one of `recipes`.

    In processes of their own: converters are large, and their settings must not reach the process that judges.
    """
    wanted = [recipe for recipe in RECIPES.values() if recipe.name in recipes]
    converted = list(dict.fromkeys(recipe.source for recipe in wanted))
    quantized = [recipe for recipe in wanted if recipe.quantize]
    say(f"converting: {', '.join(converted)}")
    folder.mkdir(parents=True)
    convert = ["convert", "--model", str(model)]
    _run_together(*([*convert, "--recipe", name, "--out", str(folder / name)] for name in converted))
    if quantized:
        say(f"quantizing: {', '.join(recipe.name for recipe in quantized)}")
    for pair in _pairs(quantized):
        _run_together(
            *(
                ["quantize", str(folder / r.source), "--recipe", r.name, "--out", str(folder / r.name)]
                for r in pair
            )
        )
    return {recipe.name: read_bundle(folder / recipe.name) for recipe in wanted}


def _pairs(recipes: list[Recipe]) -> Iterable[list[Recipe]]:
    for start in range(0, len(recipes), PROCESSES):
        yield recipes[start : start + PROCESSES]


def _run_together(*arguments: list[str]) -> None:
    """Run `litert_pipeline` commands at the same time; when all have ended, raise what the first failed one told."""
    with ExitStack() as stack:
        processes = []
        for line in arguments:
            command = [sys.executable, "-m", "litert_pipeline", *line]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            processes.append(stack.enter_context(process))  # leaving waits, so nobody writes on behind our back
            stack.callback(process.kill)
        told = [process.communicate()[1] for process in processes]
    for process, errors in zip(processes, told, strict=True):
        if process.returncode:
            lines = [line for line in errors.splitlines() if line.startswith("error: ")] or errors.splitlines()[-1:]
            raise InputError(
                (lines or [f"conversion ended with exit code {process.returncode}"])[-1].removeprefix("error: ")
            )


def given_bundles(folders: list[Path]) -> dict[str, Bundle]:
    """The user's bundles by recipe, each proven to open without crashing the runtime."""
    bundles: dict[str, Bundle] = {}
    known = {variant.recipe for variant in VARIANTS.values()}
    for folder in folders:
        bundle = read_bundle(folder)
        recipe = bundle.manifest.recipe
        if recipe not in known or recipe in bundles:
            state = "given twice" if recipe in bundles else "one no variant runs"
            valid = ", ".join(sorted(name for name in known if name))
            raise InputError(f"{folder}: its recipe '{recipe}' is {state}; valid recipes, one bundle each: {valid}")
        require_loadable(bundle)
        bundles[recipe] = bundle
    return bundles


def _checks(judge: Judge, variants: list[str], cases: list[Case], say: Say) -> Iterable[Verdict]:
    recipes = {VARIANTS[variant].recipe for variant in variants}
    for recipe in judge.bundles:
        if recipe in recipes:
            yield from judge.artifacts(recipe)
    for variant in variants:
        say(f"judging {variant}")
        if ENCODER not in judge.stages(variant):
            say(f"{variant}: its bundle has no encoder, so audio-to-audio is not judged")
        for stage in judge.stages(variant):
            for case in cases:
                yield from judge.teacher_forced(stage, variant, case)
            yield judge.determinism(stage, variant, cases[0])
        for case in _free_running(cases):
            yield from judge.free_running(variant, case)


def _free_running(cases: list[Case]) -> list[Case]:
    """The cases marked for it; where the user chose none of those, the first one, so that the ladder is never empty."""
    return [case for case in cases if case.free_running] or cases[:1]


def _steps(judge: Judge, variants: list[str], cases: list[Case]) -> Iterable[dict[str, Any]]:
    """Per-step figures a reader wants beside the judged ones: velocity cosine and SNR for the first case."""
    truth = judge.truth(cases[0])
    for variant in variants:
        outputs = teacher_forced("dit", judge.stage(variant, "dit"), truth)
        for step, output in enumerate(outputs):
            velocity, other = truth[f"v_{step}"], output["velocity"]
            yield {
                "variant": variant,
                "case": cases[0].id,
                "step": step,
                "level": float(truth["levels"][step]),
                "velocity_cosine": _finite(1 - metrics.cosine_distance(velocity, other)),
                "velocity_snr_db": _finite(metrics.snr_db(velocity, other)),
            }


def _finite(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)
