"""Who answers, and what has been answered: contenders and yardsticks, asked once for each thing the judge wants to know."""

from collections.abc import Callable, Hashable, Mapping, MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from litert_pipeline.run.open_stages import HELD_BYTES, ONE_AT_A_TIME, OpenStages
from litert_pipeline.run.pipeline import assembled
from parity.bundles.files import Files
from parity.bundles.weights import Weights
from parity.judge.answers import Answers
from parity.judge.sources import AnswerSource, Run, Yardstick, float32_source
from parity.judge.structure import Structure
from parity.measure.arithmetic import AS_SAVED, Arithmetic
from parity.measure.budget import AS_STORED, YARDSTICK
from parity.measure.cases import Case, Drawn
from parity.measure.teacher_forcing import Measurement, stage_feed
from parity.runtimes import Contender
from parity.truth.precision import PRECISIONS
from parity.truth.traces import Truth
from reference.pipeline import Model, StageModel
from reference.spec.generation import Pipeline, Stage
from reference.spec.tensors import Tensors
from reference.threads import process_threads

Learned = tuple[Mapping[Any, Any], ...]  # by what it was asked for: all of `Answers.known`, and what was generated


@dataclass
class Panel:
    """A model, the contenders, and what they have answered so far. Use it as a context manager.

    `replaced` are answer sources that stand in for a contender's own runtime, or for a yardstick, by name. `yardsticks` is who
    asks those instead, a panel of the same model. Of answers from elsewhere, `repeats` says how often equal inputs were asked,
    and `generates` whether anything was generated.
    """

    truths: Truth
    contenders: Mapping[str, Contender]
    threads: int = 1
    replaced: Mapping[str, AnswerSource] = field(default_factory=dict)
    files: Files = field(default_factory=Files)
    open_stages: OpenStages = field(default_factory=OpenStages)
    shares_stages: bool = False  # what is open is another judge's, who goes on using it
    yardsticks: "Panel | None" = None
    repeats: int | None = None
    generates: bool = True
    _answers: Answers | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _generated: dict[tuple[str, str], Tensors] = field(default_factory=dict)
    _weights: Weights | None = None
    structures: Structure = field(default_factory=Structure)

    def __post_init__(self) -> None:
        self._weights = self._weights or Weights(model=self.stage_model, files=self.files)
        self.open_stages.held_bytes = ONE_AT_A_TIME if self.stage_model.large else HELD_BYTES

    def when_left(self, close: Callable[[], None]) -> None:
        """Call `close` when this judge is left."""
        self._stack.callback(close)

    def release(self) -> None:
        """Close all stages that are open and its own; they are opened again when they are asked for."""
        if not self.shares_stages:
            self.open_stages.close()

    @property
    def stage_model(self) -> StageModel:
        """The reference in float32, whatever it is good for."""
        return self.truths.model

    @property
    def model(self) -> Model:
        """The same of a model that generates. Raises InputError for a codec."""
        return self.truths.generator

    @cached_property
    def answered(self) -> Answers:
        """What has been asked so far."""
        return self._answers or Answers(truths=self.truths, threads=self.threads)

    @property
    def learned(self) -> Learned:
        """All that has been asked and generated so far."""
        return tuple(dict(known) for known in self._known)

    def learn(self, learned: Learned) -> None:
        """What another panel of the same contenders has."""
        for known, more in zip(self._known, learned, strict=True):
            known.update(more)

    @property
    def _known(self) -> tuple[MutableMapping[Any, Any], ...]:
        return *self.answered.known, self._generated

    @property
    def weights(self) -> Weights:
        """What the files of all bundles hold, each read once."""
        assert self._weights is not None, "made with the panel"
        return self._weights

    def truth(self, case: Case | Drawn) -> Tensors:
        """The float64 trace of a case, and the encoding of its audio."""
        return self.truths.trace(case)

    def source(self, name: str) -> AnswerSource:
        """Who answers for a contender."""
        if name in self.replaced:
            return self.replaced[name]
        return Run(
            contender=self.contenders[name], model=self.stage_model, threads=self.threads,
            open_stages=self.open_stages, files=self.files,
        )  # fmt: skip

    def _answering(self, name: str, loading: str = AS_SAVED) -> AnswerSource | Yardstick:
        """Who answers for a contender or, at one of `PRECISIONS` or with weights loaded otherwise, the reference."""
        reference = name in PRECISIONS or (name == YARDSTICK and loading != AS_SAVED)
        if reference and name not in self.replaced:
            return Yardstick(precision=name, model=self.stage_model, open_stages=self.open_stages, loading=loading)
        return self.source(name)

    def whole(self, variant: str) -> bool:
        """Whether all is judged. A large model's reference is not run to the end: it is nobody's to publish, only a yardstick."""
        return self.contenders[variant].bundle is not None or not self.stage_model.large

    def stages(self, variant: str) -> list[str]:
        """The stages a contender has: all of them, but its bundle may lack the encoder."""
        return self.source(variant).stages

    def stage(self, variant: str, stage: str) -> Stage:
        """A contender's stage, or the reference's at one of `PRECISIONS`; use it before asking for another one.

        Raises InputError if its file cannot be opened or is foreign.
        """
        return self._answering(variant).stage(stage)

    def arithmetic(self, variant: str, stage: str) -> Arithmetic:
        """What a contender's stage stores and computes, and how its weights were loaded before."""
        return replace(self.source(variant).arithmetic(stage), loaded=self.loading(variant, stage))

    def loading(self, variant: str, stage: str) -> str:
        """What a loader did to the weights that a contender's stage was converted from, as its file shows."""
        bundle = self.source(variant).bundle
        return AS_SAVED if bundle is None else self.weights.contents(bundle, stage).loaded

    def pipeline(self, variant: str) -> Pipeline:
        """All stages of a contender, ready to generate, with the tokenizer and settings of its bundle."""
        source = self.source(variant)
        stages = {stage: source.generating(stage) for stage in source.stages}
        if source.bundle is None:
            return replace(self.model.pipeline(), stages=stages)
        return assembled(source.bundle, stages)

    def generated(self, variant: str, case: Case) -> Tensors:
        """The trace of a contender feeding itself from prompt to audio, generated once."""
        if (variant, case.id) not in self._generated:
            own = self.pipeline(variant)
            found = self.source(variant).generate(own, case.request, case.draws(own.latent_shape))
            self._generated[variant, case.id] = found
        return self._generated[variant, case.id]

    def answers(self, stage: str, variant: str, case: Case | Drawn, loading: str = AS_SAVED) -> list[Tensors]:
        """What the stage answers when fed the truth, asked once: one dict for each call of it. `loading` is of a yardstick's
        weights; a contender's file has its own."""
        source = self._answering(variant, loading)
        follows = variant not in self.replaced and (isinstance(source, Yardstick) or source.bundle is None)
        return self.answered.of(self._key(stage, variant, case, loading), case, lambda: source.stage(stage), keep=follows)

    def in_float32(self, stage: str, variant: str, case: Case | Drawn, call: int) -> Tensors:
        """The answer to one call of a contender's file computed in float32, in whatever it is asked for otherwise. Of a large
        model nothing is computed but that."""
        own = self.source(variant)
        source = float32_source(own, stage)
        assert source is not None, "asked only where there is one"
        if self.stage_model.large and source is not own:
            return source.stage(stage)(stage_feed(stage, self.truth(case), call))
        key = stage, source.identity(stage), case.id
        return self.answered.of(key, case, lambda: source.stage(stage), keep=False)[call]

    def measured(self, stage: str, variant: str, case: Case | Drawn, loading: str = AS_SAVED) -> list[Measurement]:
        """Teacher-forced measurements, taken once, beside what the model answers with weights loaded so."""
        key = self._key(stage, variant, case, loading)
        return self.answered.measured(key, case, loading, lambda: self.answers(stage, variant, case, loading))

    def stores(self, variant: str, stage: str) -> bool:
        """Whether a contender's file is known to hold the checkpoint's weights, in less than float32."""
        bundle = self.source(variant).bundle
        return bundle is not None and self.weights.contents(bundle, stage).reduced

    def beside(self, stage: str, variant: str, yardstick: str, case: Case | Drawn) -> list[Measurement]:
        """What a yardstick measures that a contender's stage is held to; `AS_STORED` is one of the contender's own file."""
        loading = self.loading(variant, stage)
        if yardstick != AS_STORED:
            return self._measured_by_yardstick(stage, yardstick, case, loading)
        bundle = self.source(variant).bundle
        assert bundle is not None, "only a file is stored"
        key = stage, (AS_STORED, self.files.sha256(bundle, stage)), case.id
        opened = partial(self.weights.requantized, bundle, stage)
        return self.answered.measured(key, case, loading, lambda: self.answered.of(key, case, opened, keep=False))

    def _measured_by_yardstick(self, stage: str, name: str, case: Case | Drawn, loading: str) -> list[Measurement]:
        if self.yardsticks is None:
            return self.measured(stage, name, case, loading)
        with process_threads(self.yardsticks.threads):
            return self.yardsticks.measured(stage, name, case, loading)

    def _key(self, stage: str, variant: str, case: Case | Drawn, loading: str = AS_SAVED) -> tuple[str, Hashable, str]:
        return stage, self._answering(variant, loading).identity(stage), case.id
