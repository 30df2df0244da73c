"""The ways in: into a stage's inputs and outputs, its module, what is between the stages, and files."""

import dataclasses
import shutil
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.run.open_stages import OpenStages
from parity.faults.bench import Bench, Edit
from parity.judge.judge import Judge
from parity.judge.sources import AnswerSource, Run
from parity.measure.arithmetic import Arithmetic
from parity.measure.replay import Generate
from reference.spec.files import sha256_of
from reference.spec.generation import Stage
from reference.spec.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class Injected:
    """A source of answers with something wrong: some stages, the same in generations only, or what leads between them."""

    clean: AnswerSource
    wrong: Mapping[str, Stage] = field(default_factory=dict)
    wrong_in_generations: Mapping[str, Stage] = field(default_factory=dict)
    wrong_way: Generate | None = None
    _token: object = field(default_factory=object)  # like no other source

    @property
    def bundle(self) -> Bundle | None:
        return self.clean.bundle

    @property
    def stages(self) -> list[str]:
        return self.clean.stages

    @property
    def generate(self) -> Generate:
        return self.wrong_way or self.clean.generate

    def stage(self, stage: str) -> Stage:
        return self.wrong.get(stage) or self.clean.stage(stage)

    def generating(self, stage: str) -> Stage:
        return self.wrong_in_generations.get(stage) or self.wrong.get(stage) or self.clean.generating(stage)

    def repeated(self, stage: str, count: Callable[[Stage], int]) -> int:
        return count(self.stage(stage))

    def identity(self, stage: str) -> Hashable:
        return (self._token, stage) if stage in self.wrong else self.clean.identity(stage)

    def arithmetic(self, stage: str) -> Arithmetic:
        return self.clean.arithmetic(stage)

    def in_float32(self) -> None:
        """What is wrong is added to answers in the arithmetic that is asked for."""


@dataclass(frozen=True, kw_only=True)
class InStage:
    """`wrong` makes of a stage one that is fed, or that answers, wrongly. It is drawn anew for every injection.

    `in_generations`: the stage is right on the truth's inputs, and wrong only when the variant feeds itself.
    """

    stage: str
    wrong: Callable[[Stage], Stage]
    in_generations: bool = False

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge:
        source = judge.source(variant)
        run = _right(bench, judge, variant, self.stage)
        if self.in_generations and judge is not bench.judge:
            run = source.generating(self.stage)
        faulty = {self.stage: _between(run, self.wrong(run), share)}
        if self.in_generations:
            return judge.instead(variant, Injected(clean=source, wrong_in_generations=faulty))
        return judge.instead(variant, Injected(clean=source, wrong=faulty))


@dataclass(frozen=True, kw_only=True)
class InModule:
    """What a wrong module answers otherwise than the right one, both in float64, added to what the variant answers.

    The same edit can be converted for real, which `parity.faults.converted` does.
    """

    stage: str
    edit: Edit

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge:
        run = _right(bench, judge, variant, self.stage)
        right, wrong = bench.exact(self.stage), bench.wrong(self.stage, self.edit)

        def faulty(feed: Mapping[str, Array]) -> Tensors:
            answers, apart, exact = run(feed), wrong(feed), right(feed)
            return {name: _moved(answers[name], apart[name] - exact[name], share) for name in answers}

        return judge.instead(variant, Injected(clean=judge.source(variant), wrong={self.stage: faulty}))


@dataclass(frozen=True, kw_only=True)
class InPipeline:
    """`wrong(generate, share)` is a wrong way to go from stage to stage."""

    wrong: Callable[[Generate, float], Generate]

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge:
        source = judge.source(variant)
        return judge.instead(variant, Injected(clean=source, wrong_way=self.wrong(source.generate, share)))


@dataclass(frozen=True, kw_only=True)
class InFile:
    """`damage(folder, bench, share)` alters a copy of the bundle's folder."""

    damage: Callable[[Path, Bench, float], None]

    def __call__(self, bench: Bench, judge: Judge, variant: str, share: float) -> Judge:
        folder = bench.folder / f"damaged-{len(list(bench.folder.iterdir()))}"
        shutil.copytree(bench.bundle(variant).folder, folder)
        self.damage(folder, bench, share)
        return of_bundle(judge, variant, read_bundle(folder))


def of_bundle(judge: Judge, variant: str, bundle: Bundle) -> Judge:
    """A judge that sees another bundle in the place of a variant's own, and closes its stages when it is left."""
    contender, open_stages = dataclasses.replace(judge.contenders[variant], bundle=bundle), OpenStages()
    source = Run(
        contender=contender, model=judge.stage_model, threads=judge.threads, open_stages=open_stages, files=judge.files
    )
    other = judge.instead(variant, source)
    other.when_left(open_stages.close)
    return other


def _right(bench: Bench, judge: Judge, variant: str, stage: str) -> Stage:
    """The stage as it is without the fault about to be injected; that of a clean judge computes each answer once."""
    return bench.right(variant, stage) if judge is bench.judge else judge.stage(variant, stage)


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
