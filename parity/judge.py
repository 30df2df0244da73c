"""Judge: runs every check of the gate. The gate asks for all of them, a test asks for one."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

import numpy as np
import torch

from litert_pipeline.build.convert import source_of
from litert_pipeline.bundle import Bundle
from parity.backends import VARIANTS, YARDSTICK
from parity.budgets import BUDGETS, ENVELOPE_FACTOR, Budget
from parity.cases import Case
from parity.envelope import DRAWS, QUANTILE, Distances, OwnErrors, envelope
from parity.ladder import CONDITIONING, Measurement, measure, teacher_forced, unequal_values
from parity.recognise import with_known_cause
from parity.store import Store
from parity.truth import Truth
from parity.verdict import ARTIFACT, FREE_RUNNING, TEACHER_FORCED, Verdict
from reference.model_files import SPIECE_NAME
from reference.pipeline import Model, load_model
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.generation import Pipeline, Stage, generate
from reference.spec.noise import philox
from reference.spec.tensors import ALL_STAGES, STAGES, Array, Tensors, signatures

REPEATS = 3
ENVELOPE_WHY = (
    f"{ENVELOPE_FACTOR:g}x what {QUANTILE:.0%} of {DRAWS} generations disturbed by the variant's own error stay below"
)


@dataclass
class Judge:
    """A model, the bundles made from it, and what has been computed so far. Use it as a context manager."""

    truths: Truth
    bundles: Mapping[str, Bundle]  # by recipe
    threads: int = 1
    _stack: ExitStack = field(default_factory=ExitStack)
    opened: dict[tuple[str, str], Stage] = field(default_factory=dict)  # by (variant, stage)
    _forced: dict[tuple[str, str, str], list[Measurement]] = field(default_factory=dict)
    _heard: dict[tuple[str, str], Tensors] = field(default_factory=dict)

    @classmethod
    def of(cls, model_dir: Path, bundles: Mapping[str, Bundle], threads: int = 1, store: Store | None = None) -> "Judge":
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

    def __enter__(self) -> "Judge":
        """Every runtime gets `threads`; torch's count is a setting of the process, so it lasts as long as the judge."""
        self._stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(self.threads)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.opened.clear()
        self._stack.close()

    @property
    def model(self) -> Model:
        """The reference in float32."""
        return self.truths.model

    def truth(self, case: Case) -> Tensors:
        """The float64 trace of a case, and the encoding of its audio."""
        return self.truths.trace(case)

    def stages(self, variant: str) -> list[str]:
        """The stages a variant has: all of them, but its bundle may lack the encoder."""
        recipe = VARIANTS[variant].recipe
        present = ALL_STAGES if recipe is None else self.bundles[recipe].manifest.stages
        return [stage for stage in ALL_STAGES if stage in present]

    def stage(self, variant: str, stage: str) -> Stage:
        """A variant's stage, opened once. Raises InputError if its file cannot be opened or is foreign."""
        if (variant, stage) not in self.opened:
            row = VARIANTS[variant]
            bundle = None if row.recipe is None else self.bundles[row.recipe]
            opened = self._stack.enter_context(row.open(self.model, bundle, stage, self.threads))
            self.opened[variant, stage] = opened
        return self.opened[variant, stage]

    def pipeline(self, variant: str) -> Pipeline:
        """All stages of a variant, ready to generate."""
        return replace(self.model.pipeline(), stages={stage: self.stage(variant, stage) for stage in STAGES})

    def heard(self, variant: str, case: Case) -> Tensors:
        """The trace of a variant feeding itself from prompt to audio, generated once."""
        if (variant, case.id) not in self._heard:
            own = self.pipeline(variant)
            self._heard[variant, case.id] = generate(own, case.request, philox(own.latent_shape, case.seed))
        return self._heard[variant, case.id]

    def measured(self, stage: str, variant: str, case: Case) -> list[Measurement]:
        """Teacher-forced measurements, taken once."""
        key = (stage, variant, case.id)
        if key not in self._forced:
            truth = self.truth(case)
            self._forced[key] = measure(stage, truth, teacher_forced(stage, self.stage(variant, stage), truth))
        return self._forced[key]

    def teacher_forced(self, stage: str, variant: str, case: Case) -> list[Verdict]:
        """The stage fed with the truth's inputs, against its budgets."""
        yardstick = {(m.metric, m.step): m.value for m in self.measured(stage, YARDSTICK, case)}
        verdicts = [
            _judged(stage, variant, case, m, BUDGETS[variant, stage][m.metric], yardstick[m.metric, m.step])
            for m in self.measured(stage, variant, case)
        ]
        if stage == "conditioner":
            return with_known_cause(verdicts, self.model, self.stage(variant, stage), self.truth(case))
        return verdicts

    def free_running(self, variant: str, case: Case) -> list[Verdict]:
        """The variant feeding itself from prompt to audio, against the envelope of its own errors."""
        truth, heard = self.truth(case), self.heard(variant, case)
        found = Distances(truth, self.model.spec.sample_rate_hz)(heard)
        cloud = envelope(self.truths, case, self._own_errors(variant, case))
        verdicts = [
            Verdict(
                stage=stage, variant=variant, case=case.id, ladder=FREE_RUNNING, metric=metric, value=value,
                limit=ENVELOPE_FACTOR * cloud[stage][metric], why=ENVELOPE_WHY,
            )
            for stage, by_metric in found.items()
            for metric, value in by_metric.items()
        ]  # fmt: skip
        conditioning = measure("conditioner", truth, [{name: heard[name] for name in CONDITIONING}])
        yardstick = {m.metric: m.value for m in self.measured("conditioner", YARDSTICK, case)}
        return [
            _judged(
                "conditioner",
                variant,
                case,
                m,
                BUDGETS[variant, "conditioner"][m.metric],
                yardstick[m.metric],
                FREE_RUNNING,
            )
            for m in conditioning
        ] + verdicts

    def determinism(self, stage: str, variant: str, case: Case) -> Verdict:
        """Three identical runs on the truth's inputs must agree bit for bit."""
        run, truth = self.stage(variant, stage), self.truth(case)
        first = teacher_forced(stage, run, truth)
        unequal = sum(unequal_values(first, teacher_forced(stage, run, truth)) for _ in range(REPEATS - 1))
        why = f"{REPEATS} identical invocations must be bit-equal"
        return Verdict(
            stage=stage, variant=variant, case=case.id, ladder=TEACHER_FORCED, metric="nondeterministic_values",
            value=unequal, limit=0.0, why=why,
        )  # fmt: skip

    def artifacts(self, recipe: str) -> list[Verdict]:
        """Whether a bundle's files are those its manifest and the model dir say."""
        bundle = self.bundles[recipe]
        tokenizer = self.model.t5_folder / SPIECE_NAME
        faults = {
            ("conditioner", "foreign_tokenizer"): sha256_of(bundle.tokenizer_path) != sha256_of(tokenizer),
            ("bundle", "foreign_model"): bundle.manifest.source != source_of(self.model),
        }
        for stage, entry in bundle.manifest.stages.items():
            faults[stage, "altered_file"] = bundle.altered(stage)
            if entry.source_sha256 is not None:
                faults[stage, "not_quantized"] = sha256_of(bundle.path(stage)) == entry.source_sha256
        return [
            Verdict(
                stage=stage, variant=recipe, case="-", ladder=ARTIFACT, metric=metric,
                value=float(fault), limit=0.0, why=ARTIFACT_REASONS[metric],
            )
            for (stage, metric), fault in faults.items()
        ]  # fmt: skip

    def _own_errors(self, variant: str, case: Case) -> OwnErrors:
        """What the variant adds when fed the truth; nothing where it is not finite, which fails elsewhere."""
        truth = self.truth(case)
        arrays: dict[str, list[Array]] = {}
        sizes: dict[str, list[float]] = {}
        for stage in STAGES:
            outputs = teacher_forced(stage, self.stage(variant, stage), truth)
            verdicts = self.teacher_forced(stage, variant, case)
            for tensor in signatures(self.model.spec)[stage].outputs:
                exact = [truth[f"v_{step}"] for step in range(len(outputs))] if stage == "dit" else [truth[tensor.name]]
                errors = (output[tensor.name] - wanted for output, wanted in zip(outputs, exact, strict=True))
                arrays[tensor.name] = [error if np.isfinite(error).all() else np.zeros_like(error) for error in errors]
                metric = f"relative_l2.{tensor.name}" if stage == "conditioner" else "relative_l2"
                sizes[tensor.name] = [min(v.limit, v.value) for v in verdicts if v.metric == metric]
        return OwnErrors(arrays=arrays, sizes=sizes)


ARTIFACT_REASONS = {
    "altered_file": "the file's SHA-256 must be the one in the manifest",
    "not_quantized": "a quantized file must differ from the file it was made from",
    "foreign_tokenizer": "the bundle's SentencePiece model must be the model dir's",
    "foreign_model": "config, weights and T5 the bundle was converted from must be the model dir's",
}


def _judged(
    stage: str,
    variant: str,
    case: Case,
    found: Measurement,
    budget: Budget,
    yardstick: float,
    ladder: str = TEACHER_FORCED,
) -> Verdict:
    low_limit, limit = budget.limits(yardstick)
    return Verdict(
        stage=stage, variant=variant, case=case.id, ladder=ladder, metric=found.metric, step=found.step,
        value=found.value, limit=limit, low_limit=low_limit, why=budget.why,
    )  # fmt: skip
