"""Faults of the diffusion transformer."""

from collections.abc import Callable, Mapping
from itertools import count

import numpy as np

from parity.faults.catalogue.dit_edits import (
    damaged_half,
    denoised_instead,
    frozen_at_half,
    gate_first,
    global_ignored,
    guided,
    keras_epsilon,
    kv_heads_tiled,
    last_channels_turned,
    level_ignored,
    level_in_thousands,
    mask_applied,
    neighbours_turned,
    no_global_token,
    no_qk_norm,
    one_scale_doubled,
    passed_by,
    sines_first,
    turned_backwards,
    turning,
)
from parity.faults.catalogue.scales import INNER, INT8, INT8_WEIGHTS, PROJECTION, QUANTIZED_DIT, in_file, one_larger
from parity.faults.edits import answer, at, everywhere, int8_per_tensor, other_weights, overriding, weights
from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InModule, InStage
from parity.faults.weight_shares import in_weights
from parity.faults.wiring import answering, fed, fed_by_position, first_input_kept
from reference.model.attention import CrossAttention, RotaryEmbedding, SelfAttention, rotate
from reference.model.dit import GLU, FourierFeatures, LayerNorm
from reference.spec.generation import Stage
from reference.spec.sampling.schedule import logsnr_levels
from reference.spec.tensors import Array, Tensors

SOURCE = "stable-audio-tools models/dit.py, transformer.py"
BEFORE = ("cross_attention_cond", "global_cond", "x", "t")  # the order of the app's inputs in two of its versions
AFTER = ("t", "global_cond", "cross_attention_cond", "x")
TRAINED_NORMS = "it moves answers of trained weights, whose norms are fed more, by 2e-5 to 8e-4 of the piece, and INT8 errs 0.08"
ONE_PER_TENSOR = weights(int8_per_tensor, "transformer.layers.1.")
NEAR_RELATIVE = other_weights(0.1, seed=1)


def bad_from_step(step: int, value: float) -> Callable[[Stage], Stage]:
    """One value of the velocity is wrong at levels below that of `step` of eight."""
    levels = logsnr_levels(8, 1.0)

    def wrap(run: Stage) -> Stage:
        def faulty(feed: Mapping[str, Array]) -> Tensors:
            velocity = run(feed)["velocity"].copy()
            if float(feed["t"][0]) <= levels[step]:
                velocity.flat[7] = value
            return {"velocity": velocity}

        return faulty

    return wrap


def third_call_differs(run: Stage) -> Stage:
    """Every third answer is one bit off in one place."""
    calls = count(1)

    def faulty(feed: Mapping[str, Array]) -> Tensors:
        velocity = run(feed)["velocity"].copy()
        if next(calls) % 3 == 0:
            velocity.flat[3] = np.nextafter(velocity.flat[3], np.float32(9))
        return {"velocity": velocity}

    return faulty


def velocity(change: Callable[[Array], Array]) -> InStage:
    return InStage(stage="dit", wrong=answering("velocity", change))


DIT = (
    Fault(
        name="dit_inputs_by_position", stage="dit", site="wiring",
        sentence="buffers are filled in the order of an older conversion",
        source="ML-examples audiogen.cpp@14e7c07 and @9826a23",
        inject=InStage(stage="dit", wrong=fed_by_position(BEFORE, AFTER)),
    ),
    Fault(
        name="timestep_in_thousandths", stage="dit", site="wiring", sentence="t is given as 0..1000",
        source=DERIVED + SOURCE,
        inject=InStage(stage="dit", wrong=fed("t", lambda t: t * np.float32(1000))),
    ),
    Fault(
        name="timestep_in_float16", stage="dit", site="wiring", sentence="t is rounded to float16 on the way in",
        source=DERIVED,
        inject=InStage(stage="dit", wrong=fed("t", lambda t: t.astype(np.float16).astype(np.float32))),
        variants=("litert_fp32", "litert_fp16_weights", *QUANTIZED_DIT),
    ),
    Fault(
        name="first_prompt_kept_in_dit", stage="dit", site="runtime",
        sentence="keys and values of the first prompt are used for all",
        source=DERIVED,
        inject=InStage(stage="dit", wrong=first_input_kept("cross_attention_cond")),
    ),
    Fault(
        name="velocity_sign", stage="dit", site="wiring", sentence="noise - data is taken for data - noise",
        source="stable-audio-tools inference/sampling.py", inject=velocity(np.negative),
    ),
    Fault(
        name="denoised_for_velocity", stage="dit", site="graph", sentence="the clean estimate is returned as velocity",
        source="stable-audio-tools models/diffusion.py", inject=InModule(stage="dit", edit=answer(denoised_instead)),
    ),
    Fault(
        name="late_infinity", stage="dit", site="runtime", sentence="one Inf, from the sixth step on",
        source="onnxruntime#26669", inject=InStage(stage="dit", wrong=bad_from_step(5, np.inf)), graded=False,
    ),
    Fault(
        name="all_nan", stage="dit", site="runtime", sentence="every velocity is NaN",
        source="ComfyUI#16249", inject=velocity(lambda v: np.full_like(v, np.nan)), graded=False,
    ),
    Fault(
        name="third_call_differs", stage="dit", site="runtime", sentence="every third identical run is one bit off",
        source="onnxruntime#31569", inject=InStage(stage="dit", wrong=third_call_differs), graded=False,
    ),
    Fault(
        name="cross_mask_applied", stage="dit", site="graph", sentence="cross-attention leaves padding out",
        source="stable-audio-tools models/dit.py: the mask is not applied",
        inject=InModule(stage="dit", edit=overriding(CrossAttention, mask_applied)),
    ),
    Fault(
        name="kv_heads_tiled", stage="dit", site="graph", sentence="shared heads follow each other instead of repeating",
        source="stable-audio-tools models/transformer.py: repeat_interleave", config="grouped",
        inject=InModule(stage="dit", edit=overriding(CrossAttention, kv_heads_tiled)),
    ),
    Fault(
        name="global_token_dropped", stage="dit", site="graph", sentence="the token of level and seconds is zero",
        source=SOURCE, inject=InModule(stage="dit", edit=at("transformer", no_global_token)),
    ),
    Fault(
        name="timestep_sin_cos_swapped", stage="dit", site="graph", sentence="the level's sines come first",
        source=DERIVED,
        inject=InModule(stage="dit", edit=overriding(FourierFeatures, sines_first)),
    ),
    Fault(
        name="rope_wrong_half", stage="dit", site="graph", sentence="the last channels of a head are turned, not the first",
        source=SOURCE, inject=InModule(stage="dit", edit=overriding(SelfAttention, turning(last_channels_turned))),
    ),
    Fault(
        name="rope_neighbours", stage="dit", site="graph", sentence="neighbouring channels are paired, not halves",
        source=DERIVED,
        inject=InModule(stage="dit", edit=overriding(SelfAttention, turning(neighbours_turned))),
    ),
    Fault(
        name="rope_cos_sin_swapped", stage="dit", site="graph", sentence="cos and sin tables change places",
        source=DERIVED,
        inject=InModule(stage="dit", edit=overriding(SelfAttention, turning(turned_backwards))),
    ),
    Fault(
        name="rope_before_norm", stage="dit", site="graph", sentence="queries and keys are turned, then normed",
        source=SOURCE,
        inject=InModule(stage="dit", edit=overriding(SelfAttention, turning(rotate, before_norm=True))),
    ),
    Fault(
        name="rope_frozen_too_short", stage="dit", site="graph", sentence="the table ends half way, its last row repeats",
        source="ML-examples export_sao.py: rotary const(257)",
        inject=InModule(stage="dit", edit=everywhere(RotaryEmbedding, frozen_at_half)),
    ),
    Fault(
        name="glu_halves_swapped", stage="dit", site="graph", sentence="the gate is taken for the value",
        source=SOURCE, inject=InModule(stage="dit", edit=overriding(GLU, gate_first)),
    ),
    Fault(
        name="layer_skipped", stage="dit", site="graph", sentence="the second layer passes its input on",
        source=DERIVED, inject=InModule(stage="dit", edit=at("transformer.layers.1", passed_by)),
    ),
    Fault(
        name="no_qk_norm", stage="dit", site="graph", sentence="self-attention's queries and keys are not normed",
        source=DERIVED, inject=InModule(stage="dit", edit=everywhere(SelfAttention, no_qk_norm)),
    ),
    Fault(
        name="layer_norm_epsilon", stage="dit", site="graph", sentence="an unfused layer norm has Keras's epsilon, 1e-3",
        source=DERIVED, inject=InModule(stage="dit", edit=overriding(LayerNorm, keras_epsilon)),
        hidden=dict.fromkeys(("int8", "int4"), TRAINED_NORMS),
    ),
    Fault(
        name="level_ignored", stage="dit", site="graph", sentence="every level is taken for 0.5",
        source=DERIVED, inject=InModule(stage="dit", edit=answer(level_ignored)),
    ),
    Fault(
        name="level_in_thousands", stage="dit", site="graph", sentence="levels are taken to run from 0 to 1000",
        source=DERIVED, inject=InModule(stage="dit", edit=answer(level_in_thousands)),
    ),
    Fault(
        name="global_ignored", stage="dit", site="graph", sentence="the global conditioning is taken for zero",
        source=DERIVED, inject=InModule(stage="dit", edit=answer(global_ignored)),
    ),
    Fault(
        name="guided_in_graph", stage="dit", site="graph", sentence="guidance is applied inside, where the scale is 1",
        source="comfyui-mcp#1458", inject=InModule(stage="dit", edit=answer(guided)),
    ),
    Fault(
        name="one_layer_per_tensor", stage="dit", site="weights", sentence="one layer's INT8 has one scale for all channels",
        source="ai-edge-quantizer#474",
        inject=InModule(stage="dit", edit=ONE_PER_TENSOR),
        instead=dict.fromkeys(QUANTIZED_DIT, in_weights(ONE_PER_TENSOR, "dit")),
    ),
    Fault(
        name="one_scale_wrong", stage="dit", site="weights", sentence="one channel's INT8 scale is doubled in a projection",
        source="SA3 #86: worst step of quantized DiTs",
        inject=InModule(stage="dit", edit=at("transformer.project_out", one_scale_doubled)),
        instead=dict.fromkeys((INT8, INT8_WEIGHTS), in_file(lambda share: one_larger(share, PROJECTION))),
    ),
    Fault(
        name="one_inner_scale_wrong", stage="dit", site="weights", sentence="one channel's INT8 scale is doubled in one layer",
        source="SA3 #86: worst step of quantized DiTs",
        inject=InModule(stage="dit", edit=at("transformer.layers.1.ff.ff.2", one_scale_doubled)),
        instead=dict.fromkeys(QUANTIZED_DIT, in_file(lambda share: one_larger(share, INNER))),
    ),
    Fault(
        name="base_for_distilled", stage="dit", site="file", sentence="weights of a near relative: the base checkpoint",
        source="stable-audio-open-small: base_model and ARC-distilled weights",
        inject=InModule(stage="dit", edit=NEAR_RELATIVE),
        instead=dict.fromkeys(QUANTIZED_DIT, in_weights(NEAR_RELATIVE, "dit")),
    ),
    Fault(
        name="another_seed", stage="dit", site="file", sentence="weights of another training run",
        source=DERIVED, inject=InModule(stage="dit", edit=other_weights(1.0, seed=2)),
    ),
    Fault(
        name="download_cut_short", stage="dit", site="file", sentence="the second half of the weights is zero",
        source=DERIVED, inject=InModule(stage="dit", edit=damaged_half),
    ),
)  # fmt: skip
