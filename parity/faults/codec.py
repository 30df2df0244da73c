"""Faults of codecs, injected as what a wrong module answers, or as the wrong module really converted."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from litert_pipeline.build.export import write_litert
from litert_pipeline.build.quantize import QUANTIZERS
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.build.stage import exportable
from parity.faults.bench import Edit
from parity.faults.codec_edits import (
    GATHER,
    SPREAD,
    attended,
    beta_inside,
    bottleneck,
    copied_too_early,
    decoding,
    edges_repeated,
    encoding,
    end_of_the_window_for_the_end_of_the_sound,
    gate_first,
    keys_not_turned,
    learned_first,
    method,
    one_softmax,
    other_order,
    over_the_deviation,
    scaling_undone,
    second_less_first,
    shifted_a_token_less,
    silence_after_mapping,
    slightly_louder,
    times_the_deviation,
    unshifted,
    whole_module,
    with_a_sine,
)
from parity.faults.edits import overriding
from parity.faults.injection import Injected, of_bundle, with_file
from parity.judge.judge import Judge
from reference.model.same_attention import DyT
from reference.model.same_blocks import Gated
from reference.pipeline import TorchStage
from reference.spec.stages import SAME_DECODER, SAME_ENCODER, signatures
from reference.spec.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class CodecFault:
    """What went wrong in the module that one half was converted from. `below_int8`: on the tiny codec it moves less than INT8
    rounds anyway, so that a file so stored cannot be told from a right one by its answers."""

    name: str
    stage: str
    edit: Edit
    below_int8: bool = False


BELOW_INT8 = ("silence after the mapping", "zeros before the linear layer")


def _all(stage: str, edits: Mapping[str, Edit]) -> list[CodecFault]:
    return [CodecFault(name=name, stage=stage, edit=edit, below_int8=name in BELOW_INT8) for name, edit in edits.items()]


CODEC_FAULTS = {
    fault.name: fault
    for fault in (
        *_all(
            SAME_ENCODER,
            {
                "queries and keys in pairs": attended(other_order),
                "keys not turned": attended(keys_not_turned),
                "the learned token first": method(GATHER, "groups", learned_first),
                "silence after the mapping": whole_module(silence_after_mapping),
                "gate before value": overriding(Gated, gate_first),
                "times the deviation": bottleneck("encode", times_the_deviation),
                "patches sample by sample": encoding(samples_first=True),
                "chunks not shifted": encoding(through=unshifted),
                "the window's end for the sound's": whole_module(end_of_the_window_for_the_end_of_the_sound),
                "a row of the last layer 1 % off": slightly_louder("encoder.layers.2", 3),
            },
        ),
        *_all(
            SAME_DECODER,
            {
                "the second softmax less the first": attended(second_less_first),
                "no second softmax": attended(one_softmax),
                "learned tokens first": method(SPREAD, "groups", learned_first),
                "zeros before the linear layer": decoding(zeros_before=True),
                "edges repeated for three taps": decoding(neighbours=edges_repeated),
                "copies from before the first half": decoding(through=copied_too_early),
                "shifted by a token less": decoding(through=shifted_a_token_less),
                "beta inside the tanh": overriding(DyT, beta_inside),
                "over the deviation": bottleneck("decode", over_the_deviation),
                "scaling undone": bottleneck("decode", scaling_undone),
                "samples before channels": decoding(samples_first=True),
                "the window's end for the sound's end": decoding(end_ignored=True),
                "one block with a sine": with_a_sine("decoder.layers.3.transformers.2.ff.ff.0"),
            },
        ),
    )
}


def wrong_module(judge: Judge, fault: CodecFault) -> torch.nn.Module:
    """What would have been converted."""
    right = copy.deepcopy(exportable(judge.stage_model, fault.stage))
    with torch.no_grad():
        return fault.edit(right)


def injected(judge: Judge, fault: CodecFault, variant: str) -> Judge:
    """A judge that hears, in the place of a contender's answers, these and what the fault adds in float64."""
    clean, signature = judge.source(variant), signatures(judge.stage_model.spec)[fault.stage]
    run, right, wrong = (
        clean.stage(fault.stage),
        TorchStage(copy.deepcopy(exportable(judge.stage_model, fault.stage)).double(), signature, torch.float64),
        TorchStage(wrong_module(judge, fault).double(), signature, torch.float64),
    )

    def faulty(feed: Mapping[str, Array]) -> Tensors:
        answers, apart, exact = run(feed), wrong(feed), right(feed)
        return {name: (answers[name] + (apart[name] - exact[name])).astype("float32") for name in answers}

    return judge.instead(variant, Injected(clean=clean, wrong={fault.stage: faulty}))


def converted(judge: Judge, fault: CodecFault, variant: str, folder: Path) -> Judge:
    """A judge of a contender's bundle with the wrong module converted in the place of its file, quantized as its recipe says.

    What is converted stays in `folder`, for the next contender.
    """
    bundle = judge.contenders[variant].bundle
    assert bundle is not None, "only files are converted"
    plain, recipe = folder / bundle.manifest.stages[fault.stage].file, bundle.manifest.recipe
    if not plain.exists():
        write_litert(wrong_module(judge, fault), signatures(judge.stage_model.spec)[fault.stage], plain)
    quantizer = RECIPES[recipe].quantize.get(fault.stage)
    if quantizer is None:
        return of_bundle(judge, variant, with_file(bundle, fault.stage, plain))
    quantized = folder / f"{recipe}.tflite"
    QUANTIZERS["litert"](plain, quantized, quantizer, recipe)
    return of_bundle(judge, variant, with_file(bundle, fault.stage, quantized))
