"""Judge: what contenders answer, held to its limits. The gate asks for everything, a test for one thing."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType

from litert_pipeline.bundle import Bundle
from parity.judge.artifacts import artifact_checks
from parity.judge.bounds import pooled_bounds, stage_bounds
from parity.judge.calibrated import calibrated_checks
from parity.judge.claims import require_same_tensors
from parity.judge.graph import GraphFound
from parity.judge.held import envelope_why, held
from parity.judge.input_order import order_checks
from parity.judge.known_causes import half_precision_t5
from parity.judge.lineup import contenders_of
from parity.judge.panel import Panel
from parity.judge.responses import response_checks
from parity.judge.same_graph import structure_checks
from parity.judge.sources import AnswerSource
from parity.judge.vanishing import vanishing_checks
from parity.judge.weights import weight_checks
from parity.measure.arithmetic import AS_SAVED, STATIC
from parity.measure.bound import Bound, under_any
from parity.measure.cases import Case, Drawn
from parity.measure.limits import BETWEEN, ENVELOPE_FACTOR, SAME_CONDITIONING, unlimited
from parity.measure.pooled import of_cases, pooled
from parity.measure.replay import asked, audio_to_audio, compare
from parity.measure.sweep import SWEPT, Sweep, drawn, over_domain
from parity.measure.teacher_forcing import (
    Measurement,
    measure,
    teacher_forced,
    unequal_numbers,
    unequal_values,
)
from parity.measure.verdict import FREE_RUNNING, REPLAYED, Verdict, repeated
from parity.truth.disturbed import OwnErrors
from parity.truth.envelope import Distances, draws, envelope
from parity.truth.own_errors import own_errors
from parity.truth.store import Store
from parity.truth.traces import Truth
from reference.codec_stages import load_stages
from reference.spec.generation import Stage, generate
from reference.spec.stages import CONDITIONER, GENERATION, STAGE_TABLE
from reference.spec.tensors import Tensors
from reference.threads import process_threads

REPEATS = 3
LARGE_REPEATS = 2  # where a run takes half a minute


@dataclass
class Judge(Panel):
    """The verdicts on all that a panel answers. Use it as a context manager."""

    @classmethod
    def of(cls, model_dir: Path, bundles: Iterable[Bundle], threads: int = 1, store: Store | None = None) -> "Judge":
        """Load the model. Raises InputError for a bad model dir, and for a bundle of a model of another shape."""
        model, bundles = load_stages(model_dir), list(bundles)
        for bundle in bundles:
            require_same_tensors(bundle, model)
        truths, contenders = Truth(model=model, store=store or Store()), contenders_of(bundles, model.spec.stages)
        return cls(truths=truths, contenders=contenders, threads=threads)

    def __enter__(self) -> "Judge":
        """Every runtime gets `threads`; torch's and numpy's are settings of the process, so they last as long as the judge."""
        self._stack.enter_context(process_threads(self.threads))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._stack.close()

    def instead(self, name: str, source: AnswerSource) -> "Judge":
        """A judge that knows what this one has computed and asks `source` for all about one contender or yardstick."""
        return replace(
            self, replaced={**self.replaced, name: source}, shares_stages=True, _answers=self.answered.beside(),
            _stack=ExitStack(), _generated={},
        )

    def of_others(self, bundles: Iterable[Bundle]) -> "Judge":
        """A judge of other bundles of the same model; each knows what the other has computed. Raises InputError as `of`."""
        bundles = list(bundles)
        for bundle in bundles:
            require_same_tensors(bundle, self.stage_model)
        return Judge(
            truths=self.truths, contenders=contenders_of(bundles, self.stage_model.spec.stages), threads=self.threads,
            files=self.files, _answers=self.answered, _weights=self.weights,
        )  # fmt: skip

    def on_threads(self, threads: int) -> "Judge":
        """A judge of the same contenders, their runtimes on so many threads, beside what yardsticks answer this one."""
        return Judge(
            truths=self.truths, contenders=self.contenders, threads=threads, files=self.files, yardsticks=self,
            _weights=self.weights,
        )  # fmt: skip

    def held(self, stage: str, variant: str, case: Case | Drawn, answers: list[Tensors]) -> list[Verdict]:
        """Somebody's answers to what the truth feeds the stage, against the limits of `variant`."""
        truth = self.truths.as_loaded(case, stage, self.loading(variant, stage))
        return [self._held(stage, variant, case, found) for found in measure(stage, truth, answers, self.truths.objective)]

    def teacher_forced(self, stage: str, variant: str, case: Case | Drawn) -> list[Verdict]:
        """The stage fed with the truth's inputs, against its limits."""
        found = self.measured(stage, variant, case, self.loading(variant, stage))
        verdicts = self._with_distances([self._held(stage, variant, case, one) for one in found], stage, variant, case)
        return half_precision_t5(verdicts, self.stage_model, lambda: self.stage(variant, stage), self.truth(case))

    def pooled(self, stage: str, variant: str, cases: Sequence[Case | Drawn]) -> list[Verdict]:
        """The stage's errors over all steps of `cases` as one number; nothing of a stage of which none is pooled."""
        loading = self.loading(variant, stage)
        found = pooled([self.measured(stage, variant, case, loading) for case in cases])
        if found is None:
            return []
        under = partial(Bound.verdict, found=found, stage=stage, variant=variant, case=of_cases(cases))
        return [under_any(pooled_bounds(self, stage, variant, cases), under)]

    def drawn(self, stage: str, case: Case | Drawn, sweep: Sweep) -> list[Drawn]:
        """What a sweep asks of a stage; what it draws nothing of is the case's."""
        count = sweep.count(stage, large=self.stage_model.large)
        return drawn(stage, self.stage_model.spec, self.truth(case), count=count, seed=sweep.seed) if count else []

    def swept(self, variant: str, drawn: Drawn) -> list[Verdict]:
        """The stage fed with what was drawn over its inputs' domains, against the limits of the same errors on the truth."""
        stage, arithmetic = drawn.stage, self.arithmetic(variant, drawn.stage)
        found = [one for one in self.measured(stage, variant, drawn, self.loading(variant, stage)) if one.metric in SWEPT]
        limited = [one for one in found if not unlimited(stage, one.metric, arithmetic)]
        judged = [(self._held(stage, variant, drawn, one), one) for one in limited]
        return [over_domain(verdict, drawn.places, one) for verdict, one in judged]

    def responses(self, stage: str, variant: str, drawn: Sequence[Drawn]) -> list[Verdict]:
        """Whether the stage answers to small changes of what was drawn; nothing where nothing was."""
        return response_checks(self, stage, variant, drawn)

    def graph(self, stage: str, variant: str, cases: Sequence[Case | Drawn]) -> GraphFound:
        """Whether the graph of a file that is quantized, or computed in FP16, is the model's; of other files nothing."""
        if self.arithmetic(variant, stage).activations == STATIC:
            return calibrated_checks(self, stage, variant, cases)
        return structure_checks(self, stage, variant, cases)

    def structure(self, stage: str, variant: str, cases: Sequence[Case | Drawn]) -> list[Verdict]:
        """The verdicts of `graph`."""
        return self.graph(stage, variant, cases).checks

    def kept(self, stage: str, variant: str, cases: Sequence[Case | Drawn]) -> list[Verdict]:
        """Whether a stage that is computed in FP16 keeps its constants there; nothing of another."""
        return vanishing_checks(self, stage, variant, cases)

    def replayed(self, variant: str, case: Case, *, from_audio: bool = False) -> list[Verdict]:
        """What the contender's pipeline does between stages that answer with the truth, beside what the reference does."""
        truth, source = self.truth(case), self.source(variant)
        request = audio_to_audio(case.request, truth) if from_audio else case.request
        expected = asked(self.model.pipeline(), generate, request, case.seed, truth)
        found = asked(self.pipeline(variant), source.generate, request, case.seed, truth)
        name = f"{case.id}, from audio" if from_audio else case.id
        return [
            held(stage, variant, name, one, BETWEEN[stage][one.metric], 0.0, REPLAYED)
            for stage, measurements in compare(expected, found).items()
            for one in measurements
        ]

    def free_running(self, variant: str, case: Case) -> list[Verdict]:
        """The contender feeding itself from prompt to audio, against the envelope of its own errors."""
        truth, generated = self.truth(case), self.generated(variant, case)
        found = Distances(truth, self.model.spec.sample_rate_hz)(generated)
        cloud = envelope(self.truths, case, self._own_errors(variant, case))
        verdicts = [
            Verdict(
                stage=stage, variant=variant, case=case.id, ladder=FREE_RUNNING, metric=metric, value=value,
                limit=ENVELOPE_FACTOR * cloud[stage][metric], why=envelope_why(draws(self.model)),
            )
            for stage, by_metric in found.items()
            for metric, value in by_metric.items()
        ]  # fmt: skip
        return [self._conditioned_alike(variant, case, generated), *verdicts]

    def determinism(self, stage: str, variant: str, case: Case | Drawn) -> Verdict:
        """Identical runs on the truth's inputs must agree bit for bit."""
        repeats = self.repeats or (LARGE_REPEATS if self.stage_model.large else REPEATS)

        def again(run: Stage) -> int:
            answers = self.answers(stage, variant, case)
            return sum(unequal_values(answers, teacher_forced(stage, run, self.truth(case))) for _ in range(repeats - 1))

        def unequal() -> int:
            return self.source(variant).repeated(stage, again)

        found = self.answered.unequal(self._key(stage, variant, case), unequal)
        return repeated(stage, variant, case.id, unequal=found, repeats=repeats)

    def artifacts(self, bundle: Bundle, label: str) -> list[Verdict]:
        """Whether a bundle's files are those its manifest and the model dir say; `label` is what it is called."""
        claims = artifact_checks(bundle, self.stage_model, label, self.files) + order_checks(bundle, label)
        return claims + weight_checks(bundle, label, self.weights)

    def _conditioned_alike(self, variant: str, case: Case, generated: Tensors) -> Verdict:
        """A generation starts from the same tokens, so its conditioning has to be the very one that was judged."""
        answers, row = self.answers(CONDITIONER, variant, case), STAGE_TABLE[CONDITIONER]
        value = sum(unequal_numbers(answer, row.truth(generated, call)) for call, answer in enumerate(answers))
        found = Measurement(metric="unequal_conditioning", value=value)
        return held(CONDITIONER, variant, case.id, found, SAME_CONDITIONING, 0.0, FREE_RUNNING)

    def _held(self, stage: str, variant: str, case: Case | Drawn, found: Measurement) -> Verdict:
        """A measurement against its limits, which may follow what a yardstick measures on the same output."""
        under = partial(Bound.verdict, found=found, stage=stage, variant=variant, case=case.id)
        return under_any(stage_bounds(self, stage, variant, case, found), under)

    def _with_distances(self, verdicts: list[Verdict], stage: str, variant: str, case: Case | Drawn) -> list[Verdict]:
        """Verdicts about weights that a loader rounded, with how far they are from the checkpoint's own answers besides."""
        if self.loading(variant, stage) == AS_SAVED:
            return verdicts
        apart = {(one.metric, one.step): one.value for one in self.measured(stage, variant, case)}
        return [replace(verdict, distance=apart.get((verdict.metric, verdict.step))) for verdict in verdicts]

    def _own_errors(self, variant: str, case: Case) -> OwnErrors:
        """What the contender adds when fed the truth."""
        outputs = {stage: self.answers(stage, variant, case) for stage in GENERATION}
        return own_errors(outputs, self.truth(case), {stage: self.teacher_forced(stage, variant, case) for stage in GENERATION})
