"""What a run judges, by the kind of model: what leads from stage to stage, and what is told of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from parity.explain.blame import localized
from parity.explain.evidence import DecoderFigures, Evidence
from parity.explain.gather import gather, gather_for_terminal
from parity.judge.codec_plan import CodecPlan
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure import metrics
from parity.measure.cases import case_ids, load_cases
from parity.measure.codec_cases import WINDOWS, fills_window
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from parity.report.report import JudgedModel
from reference.codec_stages import CodecStages
from reference.model.stored import stored_in_words
from reference.pipeline import Model, StageModel
from reference.progress import Say
from reference.spec.stages import SAME_DECODER, STAGE_TABLE

CODECS_SPEC = "stable-audio-tools 0.0.20"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """`plan` takes a judge, contenders, names of cases (None: all) and a sweep; `evidence` explains checks, `fully` for a
    report; `described` is of the model, for the report."""

    plan: Callable[[Judge, list[str], list[str] | None, Sweep], Plan]
    evidence: Callable[[Judge, list[Verdict], Plan, bool, Say], Evidence]
    described: Callable[[StageModel], JudgedModel]


def _plan(judge: Judge, variants: list[str], names: list[str] | None, sweep: Sweep) -> Plan:
    return Plan.of(judge, variants, load_cases(judge.model.tokenizer, judge.model.spec, names), sweep)


def _evidence(judge: Judge, checks: list[Verdict], plan: Plan, fully: bool, say: Say) -> Evidence:
    return (gather if fully else gather_for_terminal)(judge, checks, plan.variants, plan.cases, say)


def _described(model: StageModel) -> JudgedModel:
    assert isinstance(model, Model)
    request = load_cases(model.tokenizer, model.spec)[0].request  # all cases are sampled alike
    return JudgedModel(
        weights_sha256=model.files.weights_sha256(),
        objective=model.spec.objective,
        sample_rate_hz=model.spec.sample_rate_hz,
        window_s=model.spec.window_s,
        latent_frames=model.spec.latent_frames,
        coded=model.spec.coding,
        spec=request.sampler.release.name,
        sampled=f"{request.sampler.name}, {request.sampler.steps} steps, cfg {request.guidance.scale:g}",
        stored=_stored(model),
        task="text-to-audio",
    )


def _stored(model: StageModel) -> str:
    """In which precision the weights are kept that everything is held to."""
    own = {path.name: path for path in (model.files.weights, *model.files.companions)}
    text = model.text_files().get("t5")
    return stored_in_words(own if text is None else {**own, "T5": text})


def _codec_plan(judge: Judge, variants: list[str], names: list[str] | None, sweep: Sweep) -> Plan:
    return CodecPlan.of_codec(judge, variants, names, sweep)


def _codec_evidence(judge: Judge, checks: list[Verdict], plan: Plan, fully: bool, say: Say) -> Evidence:
    assert isinstance(plan, CodecPlan), "a codec's"
    return Evidence(
        layers=localized(judge, checks, lambda stage: list(filter(fills_window, plan.fed[stage])), say),
        decoders=list(_decoders(judge, plan)) if fully else [],
    )


def _decoders(judge: Judge, plan: Plan) -> Sequence[DecoderFigures]:
    shown = plan.cases_of(SAME_DECODER)[0]
    truth = STAGE_TABLE[SAME_DECODER].truth(judge.truth(shown))["audio"]
    found = {variant: judge.answers(SAME_DECODER, variant, shown)[0]["audio"] for variant in plan.variants}
    return [
        DecoderFigures(variant=variant, case=shown.id, snr_db=metrics.snr_db(truth, audio)) for variant, audio in found.items()
    ]


def _codec_described(model: StageModel) -> JudgedModel:
    assert isinstance(model, CodecStages)
    spec = model.spec
    return JudgedModel(
        weights_sha256=model.files.weights_sha256(),
        objective="none, it codes",
        sample_rate_hz=spec.sample_rate_hz,
        window_s=spec.sample_size / spec.sample_rate_hz,
        latent_frames=spec.latent_frames,
        coded=f"in windows of {spec.latent_frames} latent frames, without upstream's noise",
        spec=CODECS_SPEC,
        sampled="not at all",
        stored=_stored(model),
        task="audio-to-audio",
    )


SUBJECTS: Mapping[type[StageModel], Subject] = {
    Model: Subject(plan=_plan, evidence=_evidence, described=_described),
    CodecStages: Subject(plan=_codec_plan, evidence=_codec_evidence, described=_codec_described),
}


def require_cases(names: Sequence[str] | None) -> None:
    """Raise InputError for a name that is no case of any kind of model, before minutes go into bundles."""
    case_ids([name for name in names or () if name not in WINDOWS])


def subject_of(model: StageModel) -> Subject:
    """What is asked of a model of its kind."""
    return SUBJECTS[type(model)]
