"""The ways in: into a stage's inputs and outputs, its module, what is between the stages, and files."""

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from litert_pipeline.bundle import Bundle, read_bundle
from parity.faults.bench import Bench, Edit
from parity.judge.judge import Judge
from parity.measure.replay import Generate
from reference.spec.files import sha256_of
from reference.spec.generation import Stage
from reference.spec.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class InStage:
    """`wrong` makes of a stage one that is fed, or that answers, wrongly. It is drawn anew for every injection.

    With `worn` the stage is right on the truth's inputs, and wrong only when the variant feeds itself.
    """

    stage: str
    wrong: Callable[[Stage], Stage]
    worn: bool = False

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge:
        run = judge.stage(variant, self.stage) if judge is not bench.judge else bench.right(variant, self.stage)
        run = judge.worn.get((variant, self.stage), run) if self.worn else run
        faulty = _between(run, self.wrong(run), share)
        if self.worn:
            return judge.instead(variant, worn={self.stage: faulty})
        return judge.instead(variant, stages={self.stage: faulty})


@dataclass(frozen=True, kw_only=True)
class InModule:
    """What a wrong module answers otherwise than the right one, both in float64, added to what the variant answers.

    The same edit can be converted for real, which `parity.faults.converted` does.
    """

    stage: str
    edit: Edit

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge:
        run = judge.stage(variant, self.stage) if judge is not bench.judge else bench.right(variant, self.stage)
        right, wrong = bench.exact(self.stage), bench.wrong(self.stage, self.edit)

        def faulty(feed: Mapping[str, Array]) -> Tensors:
            answers, apart, exact = run(feed), wrong(feed), right(feed)
            return {name: _moved(answers[name], apart[name] - exact[name], share) for name in answers}

        return judge.instead(variant, stages={self.stage: faulty})


@dataclass(frozen=True, kw_only=True)
class InPipeline:
    """`wrong(generate, share)` is a wrong way to go from stage to stage."""

    wrong: Callable[[Generate, float], Generate]

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge:
        return judge.instead(variant, generator=self.wrong(judge.generator(variant), share))


@dataclass(frozen=True, kw_only=True)
class InFile:
    """`damage(folder, bench, share)` alters a copy of the bundle's folder."""

    damage: Callable[[Path, Bench, float], None]

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge:
        recipe = bench.recipe(variant)
        folder = bench.folder / f"damaged-{len(list(bench.folder.iterdir()))}"
        shutil.copytree(judge.bundles[recipe].folder, folder)
        self.damage(folder, bench, share)
        return judge.instead(variant, bundle=read_bundle(folder))


def with_file(bundle: Bundle, stage: str, file: Path) -> Bundle:
    """A bundle whose manifest speaks of another file in the place of a stage's."""
    entry = bundle.manifest.stages[stage]
    placed = dataclasses.replace(
        entry, file=str(file), sha256=sha256_of(file), size_bytes=file.stat().st_size
    )  # absolute, so the folder does not matter
    manifest = dataclasses.replace(bundle.manifest, stages={**bundle.manifest.stages, stage: placed})
    return dataclasses.replace(bundle, manifest=manifest)


def _between(right: Stage, wrong: Stage, share: float) -> Stage:
    """A stage `share` of the way from right to wrong."""
    if share == 1:
        return wrong

    def mixed(feed: Mapping[str, Array]) -> Tensors:
        answers, apart = right(feed), wrong(feed)
        return {name: _moved(array, apart[name].astype(np.float64) - array, share) for name, array in answers.items()}

    return mixed


def _moved(answer: Array, error: Array, share: float) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        moved: Array = (answer.astype(np.float64) + share * error).astype(np.float32)
    return moved
