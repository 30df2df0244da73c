"""Every judged number is there for a fault that nothing else sees; without it that fault escapes."""

import pytest

from parity.faults.bench import Bench
from parity.faults.catalogue import CATALOGUE
from parity.faults.checks import injected
from parity.faults.mutation import cases_for
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure.verdict import ARTIFACT, DOMAIN, FREE_RUNNING, REPLAYED, TEACHER_FORCED, Verdict
from parity.meta_tests.more import few
from parity.test_parity import case_called

WHOLE = 1.0
STRUCTURED = "dit"  # a stage that is quantized, and computed in half

# What every judged number is there for: with this fault in this variant, by this share, nothing else fails. None in FP16 compute,
# whose limits are other ones on other machines, but what no machine's arithmetic changes.
# Counts that every stage is judged by alike stand once.
NEEDED: dict[tuple[str, str, str], tuple[str, str, float]] = {
    ("", "", "nonfinite_values"): ("t5_fp16_overflow", "litert_fp32", WHOLE),
    ("", "", "nondeterministic_values"): ("third_call_differs", "litert_fp32", WHOLE),
    ("", "", "altered_file"): ("altered_file", "litert_fp32", WHOLE),
    ("", "", "other_arithmetic"): ("never_quantized", "litert_int8", WHOLE),
    ("", "", "impure_operators"): ("counting_calls", "litert_fp32", WHOLE),
    ("", "", "false_claims"): ("foreign_rate", "litert_fp32", WHOLE),
    ("", "", "lost_constants"): ("eps_lost_in_half", "litert_fp16", WHOLE),
    ("", "", "steps_beyond_rounding"): ("qkv_scale_doubled", "litert_int8", WHOLE),
    ("", "", "missing_tensors"): ("bias_dropped", "litert_int8", WHOLE),
    ("", "", "unexplained_constants"): ("adapter_left_in", "litert_fp32", WHOLE),
    ("", "", "structure_share"): ("velocity_noise", "litert_int4_blockwise", 0.03),
    ("", "", "structure_gain"): ("velocity_gain", "litert_int4_blockwise", 0.05),
    ("", "", "structure_lean"): ("layer_norm_epsilon", "litert_int8", WHOLE),
    ("", "", "unanswered_changes"): ("states_cut", "litert_int4_blockwise", WHOLE),
    (ARTIFACT, "bundle", "foreign_model"): ("stale_manifest", "litert_fp32", WHOLE),
    (ARTIFACT, "conditioner", "foreign_tokenizer"): ("foreign_tokenizer", "litert_fp32", WHOLE),
    (ARTIFACT, "sampler", "foreign_sampler"): ("foreign_levels", "litert_fp32", WHOLE),
    (REPLAYED, "conditioner", "unequal_inputs"): ("eos_missing", "litert_fp32", WHOLE),
    (REPLAYED, "sampler", "level_error"): ("level_told_in_float16", "litert_fp32", WHOLE),
    (REPLAYED, "sampler", "state_error"): ("euler_for_pingpong", "litert_fp32", WHOLE),
    (REPLAYED, "sampler", "unequal_conditioning"): ("global_not_handed_on", "litert_fp32", WHOLE),
    (TEACHER_FORCED, "conditioner", "padding_peak"): ("padding_not_zeroed", "litert_fp32", WHOLE),
    (TEACHER_FORCED, "conditioner", "relative_l2.prompt_rows"): ("t5_mask_ignored", "litert_fp32", 3e-6),
    (TEACHER_FORCED, "conditioner", "pooled_error"): ("t5_bfloat16", "litert_fp16_weights", 0.19),
    (TEACHER_FORCED, "conditioner", "relative_l2.seconds"): ("seconds_token_missing", "litert_fp32", WHOLE),
    (TEACHER_FORCED, "dit", "denoised_error"): ("velocity_noise_late", "litert_int8", 0.1),
    (TEACHER_FORCED, "dit", "pooled_error"): ("velocity_noise", "litert_int8", 0.027),
    (TEACHER_FORCED, "dit", "worst_value"): ("velocity_value", "litert_int8", 0.05),
    (TEACHER_FORCED, "dit", "worst_frame"): ("velocity_frame", "litert_int8", 0.1),
    (TEACHER_FORCED, "dit", "worst_channel"): ("velocity_channel", "litert_int8", 0.06),
    (TEACHER_FORCED, "dit", "worst_gain"): ("velocity_gain", "litert_int8", 0.2),
    (TEACHER_FORCED, "decoder", "relative_l2"): ("hiss_when_loud", "litert_int8_decoder", 0.08),
    (TEACHER_FORCED, "decoder", "pooled_error"): ("hiss", "litert_int8_decoder", 0.05),
    (TEACHER_FORCED, "decoder", "worst_value"): ("seam_clicks", "litert_int8_decoder", WHOLE),
    (TEACHER_FORCED, "decoder", "worst_window"): ("crackle", "litert_int8_decoder", 0.2),
    (TEACHER_FORCED, "decoder", "worst_bin"): ("whistle", "litert_int8_decoder", WHOLE),
    (TEACHER_FORCED, "decoder", "worst_gain"): ("gain_drift", "litert_int8_decoder", 0.3),
    (TEACHER_FORCED, "decoder", "worst_echo"): ("echo", "litert_int8_decoder", 0.25),
    (TEACHER_FORCED, "decoder", "channel_leak"): ("crosstalk", "litert_int8_decoder", 0.08),
    (TEACHER_FORCED, "decoder", "worst_leak"): ("bleeding", "litert_int8_decoder", 0.2),
    (TEACHER_FORCED, "decoder", "worst_peak"): ("clipped", "litert_int8_decoder", WHOLE),
    (TEACHER_FORCED, "encoder", "relative_l2"): ("encoder_noise_when_loud", "litert_fp16_weights", 0.00115),
    (TEACHER_FORCED, "encoder", "pooled_error"): ("encoder_noise_added", "litert_fp16_weights", 9e-4),
    (TEACHER_FORCED, "encoder", "worst_value"): ("encoder_value", "litert_fp16_weights", 0.0013),
    (TEACHER_FORCED, "encoder", "worst_frame"): ("encoder_frame", "litert_fp16_weights", 0.003),
    (TEACHER_FORCED, "encoder", "worst_channel"): ("encoder_channel", "litert_fp16_weights", 0.0018),
    (TEACHER_FORCED, "encoder", "worst_gain"): ("encoder_gain", "litert_fp32", 8e-5),
    (DOMAIN, "conditioner", "relative_l2.prompt_rows"): ("unused_rows_zeroed", "litert_fp32", 0.5),
    (DOMAIN, "conditioner", "relative_l2.seconds"): ("seconds_stuck", "litert_fp32", 0.5),
    (DOMAIN, "dit", "denoised_error"): ("states_cut", "litert_fp32", 0.002),
    (DOMAIN, "dit", "response_error"): ("level_snapped", "litert_int4_blockwise", 0.9),
    (DOMAIN, "decoder", "relative_l2"): ("latents_cut", "litert_fp32", 0.5),
    (DOMAIN, "encoder", "relative_l2"): ("encoder_clips", "litert_fp32", 0.5),
    (FREE_RUNNING, "conditioner", "unequal_conditioning"): ("generating_seconds", "litert_int8", 1e-4),
    (FREE_RUNNING, "dit", "latents_relative_l2"): ("generating_velocity", "litert_int8_decoder", 1e-3),
    (FREE_RUNNING, "decoder", "log_mel_distance_db"): ("generating_whistle", "litert_fp16_weights", 0.004),
    (FREE_RUNNING, "decoder", "envelope_decorrelation"): ("generating_tremble", "litert_int8", 0.1),
    (FREE_RUNNING, "decoder", "loudness_difference_db"): ("generating_fade", "litert_int8", 0.014),
    (FREE_RUNNING, "decoder", "stereo_difference"): ("generating_narrow", "litert_int8", 1e-3),
}
STRUCTURE = {("", "", "structure_share"), ("", "", "structure_gain"), ("", "", "structure_lean")}
# What the structure of a quantized file sees, too: they are for files whose layers it cannot emulate (calibrated, half products).
SEEN_TWICE = {
    (TEACHER_FORCED, "dit", "denoised_error"),
    (TEACHER_FORCED, "dit", "pooled_error"),
    (TEACHER_FORCED, "dit", "worst_gain"),
    (TEACHER_FORCED, "decoder", "relative_l2"),
    (TEACHER_FORCED, "decoder", "worst_gain"),
    (TEACHER_FORCED, "encoder", "relative_l2"),
    (TEACHER_FORCED, "encoder", "pooled_error"),
    (TEACHER_FORCED, "encoder", "worst_value"),
    (TEACHER_FORCED, "encoder", "worst_frame"),
    (TEACHER_FORCED, "encoder", "worst_channel"),
    (TEACHER_FORCED, "conditioner", "pooled_error"),
}
# Where eps is lost a row of zeros is no number, which this model has; where there is none, nothing else tells.
NO_NUMBER = {("", "", "lost_constants"): {("", "", "nonfinite_values")}}
# The first of each ladder and stage, and what is seen in the file's structure alone.
KEPT = {*{key[:2]: key for key in reversed(NEEDED)}.values(), *STRUCTURE, ("", "", "unanswered_changes")}
COUNTED_EVERYWHERE = {metric for _, _, metric in list(NEEDED)[:14]}


def key_of(check: Verdict) -> tuple[str, str, str]:
    return ("", "", check.metric) if check.metric in COUNTED_EVERYWHERE else (check.ladder, check.stage, check.metric)


def test_every_judged_number_is_listed_with_the_fault_it_is_there_for(judge: Judge) -> None:
    """A new metric has to name its fault; one that is gone has to go here, too."""
    cases = [case_called(judge, "drums")]
    of_floats = Plan.of(judge, ["litert_fp32"], cases).checks(lambda _: None)
    of_integers = judge.structure(STRUCTURED, "litert_int8", cases)
    in_half = judge.kept(STRUCTURED, "litert_fp16", cases)
    assert {key_of(check) for check in (*of_floats, *of_integers, *in_half)} == set(NEEDED)


@pytest.mark.parametrize("key", few(NEEDED, KEPT), ids=lambda key: "-".join(filter(None, key)))
def test_without_this_metric_a_fault_escapes(bench: Bench, key: tuple[str, str, str]) -> None:
    name, variant, share = NEEDED[key]
    fault = CATALOGUE[name]
    found = injected(bench, [fault], variant, cases_for(bench, [fault]), share)
    beside = STRUCTURE if key in SEEN_TWICE else NO_NUMBER.get(key, set())
    assert {key_of(check) for check in found.failed} - beside == {key}
