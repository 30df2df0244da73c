"""The truth: the reference in float64, from the checkpoint's own weights."""

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from litert_pipeline.build.convert import source_of
from parity.measure.arithmetic import AS_SAVED
from parity.measure.cases import Case, Drawn
from parity.truth.loading import as_loaded
from parity.truth.store import Store
from reference.pipeline import Model, StageModel
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.generation import Pipeline, generate
from reference.spec.noise import philox
from reference.spec.sampling.objective import OBJECTIVES, Objective
from reference.spec.stages import STAGE_TABLE, stage_rows
from reference.spec.tensors import Tensors

ENCODER_SEED_OFFSET = 2**31  # the encoder is judged on noise no generation of the same case uses


@dataclass
class Truth:
    """A model's float64 traces, each computed once and kept in `store`."""

    model: StageModel
    store: Store
    _traces: dict[str, Tensors] = field(default_factory=dict)

    @property
    def generator(self) -> Model:
        """The model, which generates. Raises InputError for a codec."""
        if not isinstance(self.model, Model):
            raise InputError(f"{self.model.files.config}: is of a codec, which generates nothing; judge it with 'parity gate'")
        return self.model

    @property
    def objective(self) -> Objective | None:
        """What the model was trained to answer; None of a codec."""
        return OBJECTIVES[self.model.spec.objective] if isinstance(self.model, Model) else None

    def pipeline(self) -> Pipeline:
        """All stages in float64, ready to generate."""
        model = self.generator
        return replace(model.pipeline(), stages={stage: model.exact(stage) for stage in model.spec.stages})

    def trace(self, case: Case | Drawn) -> Tensors:
        """The float64 trace of a case, and what the optional stages make of it: the encoding of its audio; or that of what
        was drawn for one stage, with what it was fed and what it answers."""
        if case.id not in self._traces:
            self._traces[case.id] = self.store.kept(self.described(case), lambda: self._computed(case))
        return self._traces[case.id]

    def as_loaded(self, case: Case | Drawn, stage: str, loading: str) -> Tensors:
        """The same, the stage answering with weights as a loader leaves them to what the truth feeds it."""
        if loading == AS_SAVED:
            return self.trace(case)
        key = f"{case.id}, {stage} {loading}"
        if key not in self._traces:
            described = {**self.described(case), "stage": stage, "loaded": loading}
            trace = self.trace(case)
            self._traces[key] = {**trace, **self.store.kept(described, lambda: self._reloaded(stage, loading, trace))}
        return self._traces[key]

    def described(self, case: Case | Drawn) -> dict[str, Any]:
        """Everything a case's trace follows from but the code. Not the CPU: in float64 they differ by 1e-15."""
        if isinstance(case, Drawn):
            return {"kind": "truth of what was drawn", "model": self._source, "drawn": case.digest}
        request = asdict(case.request)
        init_audio = request.pop("init_audio")
        request["init_audio_sha256"] = None if init_audio is None else sha256(init_audio.tobytes()).hexdigest()
        return {"kind": "truth", "model": self._source, "request": request, "seed": case.seed, "noise": case.noise}

    @cached_property
    def _source(self) -> dict[str, str]:
        tokenizer = self.model.text_files().get("tokenizer")
        read_with = {} if tokenizer is None else {"tokenizer_sha256": sha256_of(tokenizer)}
        return {**asdict(source_of(self.model)), **read_with, "spec": repr(self.model.spec)}

    def _computed(self, case: Case | Drawn) -> Tensors:
        if isinstance(case, Drawn):
            return self._answered(case)
        pipeline = self.pipeline()
        trace = generate(pipeline, case.request, case.draws(pipeline.latent_shape))
        noise = philox(pipeline.latent_shape, case.seed + ENCODER_SEED_OFFSET)
        for row in stage_rows(self.model.spec).values():
            if row.optional:
                trace |= dict(zip(row.draws, noise, strict=False))
                trace |= pipeline.stages[row.name](row.feed(trace))
        return trace

    def _answered(self, drawn: Drawn) -> Tensors:
        """The stage's own answers."""
        row, run = STAGE_TABLE[drawn.stage], self.model.exact(drawn.stage)
        return row.kept(drawn.feeds, [run(feed) for feed in drawn.feeds])

    def _reloaded(self, stage: str, loading: str, trace: Tensors) -> Tensors:
        """What of a trace is otherwise where a stage has weights as a loader leaves them."""
        row, run = STAGE_TABLE[stage], as_loaded(self.model, stage, loading).exact(stage)
        answered: Tensors = {}
        for call, place in enumerate(row.places(trace)):
            answer = run(row.feed(trace, call))
            for port in row.outputs:
                port.keep(answered, place, answer[port.name])
        return answered
