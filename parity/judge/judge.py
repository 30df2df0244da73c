"""Judge: runs every check of the gate. The gate asks for all of them, a test asks for one."""

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import torch

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.open_stages import ONE_AT_A_TIME, Key, Opened
from litert_pipeline.run.pipeline import assembled
from parity.judge.answers import Answers
from parity.judge.artifacts import artifact_checks
from parity.judge.input_order import order_checks
from parity.judge.known_causes import half_precision_t5, never_quantized
from parity.judge.same_file import Alike
from parity.measure.cases import Case
from parity.measure.held import envelope_why, judged
from parity.measure.limits import BETWEEN, BUDGETS, ENVELOPE_FACTOR
from parity.measure.replay import Generate, asked, audio_to_audio, compare
from parity.measure.teacher_forcing import CONDITIONING, Measurement, measure, teacher_forced, unequal_values
from parity.measure.verdict import FREE_RUNNING, REPLAYED, TEACHER_FORCED, Verdict
from parity.runtimes import VARIANTS
from parity.truth.envelope import Distances, OwnErrors, draws, envelope
from parity.truth.own_errors import own_errors
from parity.truth.precision import PRECISIONS, reduced
from parity.truth.store import Store
from parity.truth.traces import Truth
from reference.pipeline import Model, load_model
from reference.spec.errors import InputError
from reference.spec.generation import Pipeline, Stage, generate
from reference.spec.stages import ALL_STAGES, GENERATION, signatures
from reference.spec.tensors import Tensors

REPEATS = 3
LARGE_REPEATS = 2  # where a run takes half a minute


@dataclass
class Judge:
    """A model, the bundles made from it, and what has been computed so far. Use it as a context manager."""

    truths: Truth
    bundles: Mapping[str, Bundle]  # by recipe
    threads: int = 1
    given: Mapping[Key, Stage] = field(default_factory=dict)  # stages that are not the variant's own
    generators: Mapping[str, Generate] = field(default_factory=dict)  # by variant, where it is not ours
    worn: dict[Key, Stage] = field(default_factory=dict)  # stages that differ in generations
    _stack: ExitStack = field(default_factory=ExitStack)
    _opened: Opened = field(init=False)
    _before: "tuple[Judge, frozenset[Key]] | None" = None  # whom to ask for all stages but these
    _answers: Answers = field(init=False)
    _heard: dict[tuple[str, str], Tensors] = field(default_factory=dict)
    _alike: Alike = field(init=False)

    @classmethod
    def of(
        cls, model_dir: Path, bundles: Mapping[str, Bundle], threads: int = 1, store: Store | None = None
    ) -> "Judge":
        """Load the model. Raises InputError for a bad model dir, and for a bundle of a model of another shape."""
        model = load_model(model_dir)
        for bundle in bundles.values():
            declared = signatures(model.spec)
            for stage, entry in bundle.manifest.stages.items():
                if not entry.signature.same_tensors(declared[stage]):
                    raise InputError(
                        f"{bundle.path(stage)}: foreign signature, its tensors are not those of stage '{stage}' "
                        f"of {model_dir}; judge it with the model it was converted from"
                    )
        return cls(truths=Truth(model=model, store=store or Store()), bundles=bundles, threads=threads)

    def __post_init__(self) -> None:
        self._opened = Opened(held_bytes=ONE_AT_A_TIME) if self.model.large else Opened()
        self._answers = Answers(truths=self.truths, threads=self.threads)
        self._alike = Alike(bundles=self.bundles, replaced=self._replaced)

    def __enter__(self) -> "Judge":
        """Every runtime gets `threads`; torch's count is a setting of the process, so it lasts as long as the judge."""
        self._stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(self.threads)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()
        self._stack.close()

    def release(self) -> None:
        """Close all stages that are open; they are opened again when they are asked for."""
        self._opened.close()

    @property
    def model(self) -> Model:
        """The reference in float32."""
        return self.truths.model

    def truth(self, case: Case) -> Tensors:
        """The float64 trace of a case, and the encoding of its audio."""
        return self.truths.trace(case)

    def whole(self, variant: str) -> bool:
        """Whether all is judged. A large model's reference is not run to the end: it is nobody's to publish, only a yardstick."""
        return VARIANTS[variant].recipe is not None or not self.model.large

    def stages(self, variant: str) -> list[str]:
        """The stages a variant has: all of them, but its bundle may lack the encoder."""
        recipe = VARIANTS[variant].recipe
        present = ALL_STAGES if recipe is None else self.bundles[recipe].manifest.stages
        return [stage for stage in ALL_STAGES if stage in present]

    def stage(self, variant: str, stage: str) -> Stage:
        """A variant's stage, or the reference's at one of `PRECISIONS`; use it before asking for another one.

        Raises InputError if its file cannot be opened or is foreign.
        """
        key = (variant, stage)
        if key in self.given:
            return self.given[key]
        if self._before is not None and key not in self._before[1]:
            return self._before[0].stage(variant, stage)
        if variant in PRECISIONS:
            size_bytes = self.model.weight_bytes(stage)
            return self._opened.stage(key, size_bytes, lambda: nullcontext(reduced(self.model, stage, variant)))
        recipe = VARIANTS[variant].recipe
        size_bytes = 0 if recipe is None else self.bundles[recipe].manifest.stages[stage].size_bytes
        return self._opened.stage(key, size_bytes, lambda: self.opening(variant, stage, self.threads))

    def opening(self, variant: str, stage: str, threads: int) -> AbstractContextManager[Stage]:
        """A variant's own stage, to be opened by whom it is given to."""
        row = VARIANTS[variant]
        return row.open(self.model, None if row.recipe is None else self.bundles[row.recipe], stage, threads)

    def alike(self, variant: str, stage: str) -> str:
        """The first variant that runs the same file in the same way."""
        return self._alike.first(variant, stage)

    def held(self, stage: str, variant: str, case: Case, answers: list[Tensors]) -> list[Verdict]:
        """Somebody's answers to what the truth feeds the stage, against the budgets of `variant`."""
        return [self._held(stage, variant, case, found) for found in measure(stage, self.truth(case), answers)]

    def pipeline(self, variant: str) -> Pipeline:
        """All stages of a variant, ready to generate, with the tokenizer and settings of its bundle."""
        stages = {stage: self._worn(variant, stage) for stage in self.stages(variant)}
        recipe = VARIANTS[variant].recipe
        if recipe is None:
            return replace(self.model.pipeline(), stages=stages)
        return assembled(self.bundles[recipe], stages)

    def _worn(self, variant: str, stage: str) -> Stage:
        """The stage in generations, opened when it is called: not all may fit into memory."""
        return self.worn.get((variant, stage)) or (lambda feed: self.stage(variant, stage)(feed))

    def generator(self, variant: str) -> Generate:
        """What takes the variant from stage to stage."""
        return self.generators.get(variant, generate)

    def instead(
        self,
        variant: str,
        *,
        stages: Mapping[str, Stage] | None = None,
        worn: Mapping[str, Stage] | None = None,
        generator: Generate | None = None,
        bundle: Bundle | None = None,
        changed: tuple[str, ...] = ALL_STAGES,
    ) -> "Judge":
        """A judge that shares what this one has computed and sees one variant otherwise: some stages of it, in
        generations only where they are `worn`, what takes it from stage to stage, or its bundle, of which the
        `changed` stages are opened anew."""
        changed = tuple(stages or ()) if bundle is None else changed
        recipe = VARIANTS[variant].recipe
        judge = Judge(
            truths=self.truths,
            bundles=self.bundles if bundle is None or recipe is None else {**self.bundles, recipe: bundle},
            threads=self.threads,
            given={(variant, stage): run for stage, run in (stages or {}).items()},
            worn=self.worn | {(variant, stage): run for stage, run in (worn or {}).items()},
            generators={**self.generators, **({variant: generator} if generator else {})},
            _before=(self, frozenset((variant, stage) for stage in changed)),
        )
        judge._answers, judge._alike.hashes = self._answers.without(variant, changed), self._alike.hashes
        return judge

    def heard(self, variant: str, case: Case) -> Tensors:
        """The trace of a variant feeding itself from prompt to audio, generated once."""
        if (variant, case.id) not in self._heard:
            own = self.pipeline(variant)
            self._heard[variant, case.id] = self.generator(variant)(own, case.request, case.draws(own.latent_shape))
        return self._heard[variant, case.id]

    def replayed(self, variant: str, case: Case, *, from_audio: bool = False) -> list[Verdict]:
        """What the variant's pipeline does between stages that answer with the truth, beside what the reference does."""
        truth = self.truth(case)
        request = audio_to_audio(case.request, truth) if from_audio else case.request
        expected = asked(self.model.pipeline(), generate, request, case.seed, truth)
        found = asked(self.pipeline(variant), self.generator(variant), request, case.seed, truth)
        return [
            judged(
                stage,
                variant,
                f"{case.id}, from audio" if from_audio else case.id,
                m,
                BETWEEN[stage][m.metric],
                0.0,
                REPLAYED,
            )
            for stage, measurements in compare(expected, found).items()
            for m in measurements
        ]

    def answers(self, stage: str, variant: str, case: Case) -> list[Tensors]:
        """What the stage answers when fed the truth, asked once: one dict, or one per step for the DiT."""
        variant = self._alike.first(variant, stage)
        own = variant in PRECISIONS or VARIANTS[variant].recipe is None
        keep = own and (variant, stage) not in self.given
        return self._answers.of(stage, variant, case, lambda: self.stage(variant, stage), keep=keep)

    def _replaced(self, variant: str, stage: str) -> bool:
        """Whether something stands in for the variant's own file."""
        key = (variant, stage)
        return key in self.given or key in self.worn or (self._before is not None and key in self._before[1])

    def measured(self, stage: str, variant: str, case: Case) -> list[Measurement]:
        """Teacher-forced measurements, taken once."""
        variant = self._alike.first(variant, stage)
        return self._answers.measured(stage, variant, case, lambda: self.answers(stage, variant, case))

    def teacher_forced(self, stage: str, variant: str, case: Case) -> list[Verdict]:
        """The stage fed with the truth's inputs, against its budgets."""
        verdicts = [self._held(stage, variant, case, m) for m in self.measured(stage, variant, case)]
        recipe = VARIANTS[variant].recipe
        if recipe is not None:
            verdicts = never_quantized(verdicts, self.bundles[recipe], stage)
        if stage == "conditioner":
            verdicts = half_precision_t5(verdicts, self.model, self.stage(variant, stage), self.truth(case))
        return verdicts

    def free_running(self, variant: str, case: Case) -> list[Verdict]:
        """The variant feeding itself from prompt to audio, against the envelope of its own errors."""
        truth, heard = self.truth(case), self.heard(variant, case)
        found = Distances(truth, self.model.spec.sample_rate_hz)(heard)
        cloud = envelope(self.truths, case, self._own_errors(variant, case))
        verdicts = [
            Verdict(
                stage=stage, variant=variant, case=case.id, ladder=FREE_RUNNING, metric=metric, value=value,
                limit=ENVELOPE_FACTOR * cloud[stage][metric], why=envelope_why(draws(self.model)),
            )
            for stage, by_metric in found.items()
            for metric, value in by_metric.items()
        ]  # fmt: skip
        conditioning = measure("conditioner", truth, [{name: heard[name] for name in CONDITIONING}])
        return [self._held("conditioner", variant, case, m, FREE_RUNNING) for m in conditioning] + verdicts

    def determinism(self, stage: str, variant: str, case: Case) -> Verdict:
        """Identical runs on the truth's inputs must agree bit for bit."""
        repeats = LARGE_REPEATS if self.model.large else REPEATS
        first = self._alike.first(variant, stage)
        truth = self.truth(case)

        def again() -> int:
            answers = self.answers(stage, first, case)
            runs = (teacher_forced(stage, self.stage(first, stage), truth) for _ in range(repeats - 1))
            return sum(unequal_values(answers, run) for run in runs)

        unequal = self._answers.unequal(stage, first, case, again)
        why = f"{repeats} identical invocations must be bit-equal"
        return Verdict(
            stage=stage, variant=variant, case=case.id, ladder=TEACHER_FORCED, metric="nondeterministic_values",
            value=unequal, limit=0.0, why=why,
        )  # fmt: skip

    def artifacts(self, recipe: str) -> list[Verdict]:
        """Whether a bundle's files are those its manifest and the model dir say."""
        return artifact_checks(self.bundles[recipe], self.model) + order_checks(self.bundles[recipe])

    def _held(self, stage: str, variant: str, case: Case, found: Measurement, ladder: str = TEACHER_FORCED) -> Verdict:
        """A measurement against its budget, which may follow what a yardstick measures on the same output."""
        budget = BUDGETS[variant, stage][found.metric]
        beside = {(m.metric, m.step): m.value for m in self.measured(stage, budget.yardstick, case)}
        yardstick = beside.get((found.metric, found.step), math.nan)  # one that is not finite allows nothing
        return judged(stage, variant, case.id, found, budget, yardstick, ladder)

    def _own_errors(self, variant: str, case: Case) -> OwnErrors:
        """What the variant adds when fed the truth."""
        outputs = {stage: self.answers(stage, variant, case) for stage in GENERATION}
        return own_errors(outputs, self.truth(case), {stage: self.teacher_forced(stage, variant, case) for stage in GENERATION})
