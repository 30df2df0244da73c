"""Faults of the conditioner: tokens, T5, the number embedder, and what is handed over."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from parity.faults.edits import answer, at, everywhere, override, overriding, weights
from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InModule, InPipeline, InStage
from parity.faults.wiring import answering, fed, fed_by_position, first_input_kept, tokens
from reference.model.conditioner import NumberConditioner, NumberFeatures
from reference.model.t5 import RMSNorm, SelfAttention, T5Encoder
from reference.spec.prompt import EOS_ID, Tokenizer

FP16_LARGEST = 65504.0
OVERFLOWING = 2.0**18  # times what a seeded feed-forward reaches is past it
FEED_FORWARD = "t5.encoder.block.1.layer.1.DenseReluDense"
SAT = "stable-audio-tools models/conditioners.py"


def no_eos(ids: list[int], text: str, right: Tokenizer) -> list[int]:
    return ids[:-1]


def cut_through_eos(ids: list[int], text: str, right: Tokenizer) -> list[int]:
    """A long prompt cut after its end was marked: the last place holds a word."""
    if right.count(text) <= right.max_length:
        return ids
    return [*ids[:-1], ids[-2]]


def never_cut(ids: list[int], text: str, right: Tokenizer) -> list[int]:
    """As many words as twice the buffer has places for."""
    return [*right._pieces.EncodeAsIds(text)[: 2 * right.max_length - 1], EOS_ID]


def shifted_vocabulary(ids: list[int], text: str, right: Tokenizer) -> list[int]:
    return [token if token <= EOS_ID else token + 1 for token in ids]


def repeats_merged(ids: list[int], text: str, right: Tokenizer) -> list[int]:
    """What a tokenizer does that merges equal neighbours, as the fast and the slow one disagree on "!!!!!!"."""
    return [token for place, token in enumerate(ids) if place == 0 or token != ids[place - 1]]


def mask_ignored(t5: T5Encoder) -> None:
    override(t5, lambda self, ids, mask: self.encoder(self.shared(ids), torch.ones_like(mask)))


def not_zeroed(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    text = self.t5(inputs["input_ids"], inputs["attention_mask"])
    answers: dict[str, Tensor] = right()
    seconds = answers["cross_attention_cond"][:, -1:]
    return answers | {"cross_attention_cond": torch.cat([text, seconds], dim=1)}


def seconds_first(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    answers: dict[str, Tensor] = right()
    return answers | {"cross_attention_cond": answers["cross_attention_cond"].roll(1, dims=1)}


def no_seconds_token(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    answers: dict[str, Tensor] = right()
    text, seconds = answers["cross_attention_cond"][:, :-1], answers["cross_attention_cond"][:, -1:]
    return answers | {"cross_attention_cond": torch.cat([text, torch.zeros_like(seconds)], dim=1)}


def not_clamped(number: NumberConditioner) -> None:
    override(number, lambda self, s: self.embedder((s - self.min) / (self.max - self.min)))


def not_normalised(number: NumberConditioner) -> None:
    override(number, lambda self, s: self.embedder(s.clamp(self.min, self.max)))


def cosines_first(self: Any, x: Tensor) -> Tensor:
    angle = x[:, None] * self.weights[None, :] * (2 * torch.pi)
    return torch.cat([x[:, None], angle.cos(), angle.sin()], dim=-1)


def overflows(self: Any, x: Tensor) -> Tensor:
    hidden = torch.relu(self.wi(x)) * OVERFLOWING
    hidden = torch.where(hidden > FP16_LARGEST, torch.full_like(hidden, torch.inf), hidden)
    return self.wo(hidden) / OVERFLOWING  # type: ignore[no-any-return]


def shorter_reach(stack: Any) -> None:
    stack.max_distance //= 4


def mean_taken_off(self: Any, x: Tensor) -> Tensor:
    x = x - x.mean(-1, keepdim=True)
    return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps))  # type: ignore[no-any-return]


def scores_scaled(attention: SelfAttention) -> None:
    attention.q.weight.mul_((attention.q.out_features / attention.heads) ** -0.5)


def one_whisper(cond: np.ndarray) -> np.ndarray:
    """Next to nothing, in the last row of padding."""
    spoiled = cond.copy()
    spoiled[:, -2] += np.float32(1e-9)
    return spoiled


CONDITIONER = (
    Fault(
        name="eos_missing", stage="conditioner", site="tokenizer", sentence="ids end without EOS (1)",
        source="transformers#5866, sentencepiece#930", inject=InPipeline(wrong=tokens(no_eos)), graded=False,
    ),
    Fault(
        name="truncated_without_eos", stage="conditioner", site="tokenizer",
        sentence="a long prompt is cut and EOS with it", source="ML-examples audiogen.cpp: 128 tokens, cut to 64",
        inject=InPipeline(wrong=tokens(cut_through_eos)), graded=False,
    ),
    Fault(
        name="not_truncated", stage="conditioner", site="tokenizer", sentence="a buffer for twice the tokens is fed",
        source="ML-examples audiogen.cpp: 128 tokens, cut to 64", inject=InPipeline(wrong=tokens(never_cut, longer=2)),
        graded=False,
    ),
    Fault(
        name="wrong_vocabulary", stage="conditioner", site="tokenizer", sentence="every piece is the next one's number",
        source="llama.cpp fork fairydreaming#1", inject=InPipeline(wrong=tokens(shifted_vocabulary)),
    ),
    Fault(
        name="slow_or_fast_tokenizer", stage="conditioner", site="tokenizer", sentence="repeated signs are merged",
        source="llama.cpp fork fairydreaming#1", inject=InPipeline(wrong=tokens(repeats_merged)), graded=False,
        cases=("punctuation",),
    ),
    Fault(
        name="ids_and_mask_swapped", stage="conditioner", site="wiring",
        sentence="two inputs of one shape and type change places", source="onnx2tf#185, tensorflow#124015",
        inject=InStage(
            stage="conditioner",
            wrong=fed_by_position(("input_ids", "attention_mask"), ("attention_mask", "input_ids")),
        ),
    ),
    Fault(
        name="int64_ids_as_int32", stage="conditioner", site="wiring",
        sentence="ids of 64 bits are read as 32: every other id is 0", source="tt-forge#952, triton#7307",
        inject=InStage(
            stage="conditioner",
            wrong=fed("input_ids", lambda ids: ids.astype("<i8").view("<i4")[:, : ids.shape[1]].copy()),
        ),
    ),
    Fault(
        name="seconds_dropped", stage="conditioner", site="wiring", sentence="seconds_total is never written: 0",
        source=DERIVED,
        inject=InStage(stage="conditioner", wrong=fed("seconds_total", np.zeros_like)),
    ),
    Fault(
        name="seconds_not_clamped", stage="conditioner", site="graph",
        sentence="seconds beyond the range are embedded as they are",
        source=SAT, inject=InModule(stage="conditioner", edit=everywhere(NumberConditioner, not_clamped)),
        cases=("seconds_beyond",),
    ),
    Fault(
        name="seconds_not_normalised", stage="conditioner", site="graph", sentence="seconds are not brought to 0..1",
        source=SAT, inject=InModule(stage="conditioner", edit=everywhere(NumberConditioner, not_normalised)),
    ),
    Fault(
        name="number_sin_cos_swapped", stage="conditioner", site="graph", sentence="the number embedder's cosines come first",
        source="stable-audio-tools models/adp.py",
        inject=InModule(stage="conditioner", edit=overriding(NumberFeatures, cosines_first)),
    ),
    Fault(
        name="seconds_token_missing", stage="conditioner", site="graph", sentence="the last conditioning token is zero",
        source=SAT, inject=InModule(stage="conditioner", edit=answer(no_seconds_token)),
    ),
    Fault(
        name="global_cond_dropped", stage="conditioner", site="wiring", sentence="the global conditioning is never written: 0",
        source=DERIVED,
        inject=InStage(stage="conditioner", wrong=answering("global_cond", np.zeros_like)),
    ),
    Fault(
        name="tokens_permuted", stage="conditioner", site="graph", sentence="the seconds' token comes first",
        source=DERIVED, inject=InModule(stage="conditioner", edit=answer(seconds_first)),
    ),
    Fault(
        name="t5_mask_ignored", stage="conditioner", site="graph", sentence="T5 attends to padding",
        source=SAT, inject=InModule(stage="conditioner", edit=at("t5", mask_ignored)),
    ),
    Fault(
        name="padding_not_zeroed", stage="conditioner", site="graph", sentence="rows of padding keep what T5 made of them",
        source=SAT, inject=InModule(stage="conditioner", edit=answer(not_zeroed)),
    ),
    Fault(
        name="padding_whisper", stage="conditioner", site="graph", sentence="a row of padding is almost zero",
        source="stable-audio-tools models/dit.py: the mask is not applied",
        inject=InStage(stage="conditioner", wrong=answering("cross_attention_cond", one_whisper)),
    ),
    Fault(
        name="t5_bfloat16", stage="conditioner", site="weights", sentence="T5's weights were rounded to bfloat16",
        source=DERIVED,
        inject=InModule(stage="conditioner", edit=weights(lambda w: w.bfloat16().to(w.dtype), "t5.")),
    ),
    Fault(
        name="t5_float16", stage="conditioner", site="weights", sentence="T5's weights were rounded to float16",
        source=f"{SAT}: hidden from .float()",
        inject=InModule(stage="conditioner", edit=weights(lambda w: w.half().to(w.dtype), "t5.")),
        variants=("litert_fp32",),  # to the others it is what they are
    ),
    Fault(
        name="t5_fp16_overflow", stage="conditioner", site="graph", sentence="a feed-forward passes 65504 in float16",
        source="transformers#9295, openvino#37041, CoreML-Models#67",
        inject=InModule(stage="conditioner", edit=at(FEED_FORWARD, lambda part: override(part, overflows))), graded=False,
    ),
    Fault(
        name="position_buckets_off", stage="conditioner", site="graph", sentence="far positions share a bucket too early",
        source=DERIVED, inject=InModule(stage="conditioner", edit=at("t5.encoder", shorter_reach)),
    ),
    Fault(
        name="t5_norm_takes_mean_off", stage="conditioner", site="graph", sentence="T5's norm is made a layer norm",
        source=DERIVED, inject=InModule(stage="conditioner", edit=overriding(RMSNorm, mean_taken_off)),
    ),
    Fault(
        name="t5_scores_scaled", stage="conditioner", site="graph", sentence="T5's scores are divided by sqrt(d)",
        source=DERIVED, inject=InModule(stage="conditioner", edit=everywhere(SelfAttention, scores_scaled)),
    ),
    Fault(
        name="first_prompt_kept", stage="conditioner", site="runtime", sentence="the ids of the first prompt are used for all",
        source=DERIVED, inject=InStage(stage="conditioner", wrong=first_input_kept("input_ids")),
    ),
)  # fmt: skip
