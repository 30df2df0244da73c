"""Whether a file's graph is the model's: its answers beside those of the reference that holds the file's own weights.

Quantization errs on both sides alike, and what FP16 loses is left out, so a graph that is wrong cannot hide in either.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from litert_pipeline.bundle import Bundle
from parity.bundles.rebuilt import Rebuilt
from parity.judge.graph import GraphFound
from parity.judge.panel import Panel
from parity.judge.sources import float32_source
from parity.judge.structure import Beside
from parity.measure.arithmetic import AS_SAVED, FLOAT32, FP32_COMPUTE
from parity.measure.budget import UNIT_ROUNDOFF, YARDSTICK
from parity.measure.cases import Case, Drawn
from parity.measure.contents import Contents
from parity.measure.file_limits import CALM, CHANNELS, FEED_ROOM, FLOAT_ROOM, LEAN, SAME_WAY, STRUCTURE
from parity.measure.metrics import relative_l2
from parity.measure.teacher_forcing import stage_feed
from parity.measure.verdict import TEACHER_FORCED, Verdict
from reference.spec.stages import STAGE_TABLE, signatures
from reference.spec.tensors import Array, Signature, Tensors

MOST_CASES = 15  # of a run that are looked at: a wrong graph is wrong in all of them
STRIDE = 3  # between the steps that one case and the next are looked at: all are met before one is met again
# Of an input or output of a large model whose layers' feeds are rounded; beyond, that takes GB more.
MOST_VALUES = 2**18
LIMITS = {"structure_share": STRUCTURE, "structure_gain": CHANNELS, "structure_lean": LEAN}


def structure_checks(panel: Panel, stage: str, variant: str, cases: Sequence[Case | Drawn]) -> GraphFound:
    """Verdicts on the answers to some of the cases of a file that is quantized or is computed in FP16, in which it then is not:
    float32 shows a graph. Of a large model each case is looked at in another step. Nothing of what is stored and computed in
    float32."""
    source = panel.source(variant)
    bundle = source.bundle
    if bundle is None:
        return GraphFound()
    contents, in_half = panel.weights.contents(bundle, stage), source.arithmetic(stage).compute != FP32_COMPUTE
    if not (in_half or _is_quantized(contents)):
        return GraphFound()
    if float32_source(source, stage) is None:
        return GraphFound(unseen="it cannot be had in float32")
    rebuilt = panel.weights.rebuilt(bundle, stage) if _holds_others(contents) else None
    if rebuilt is not None and (unseen := obstacle(panel, stage, rebuilt)):
        return GraphFound(unseen=unseen)
    chosen = cases[:MOST_CASES]
    found = [
        one for place, case in enumerate(chosen) for one in _compared(panel, rebuilt, bundle, stage, variant, case, place)
    ]
    values = {"structure_share": float(np.max([one.share for one in found])), "structure_gain": gain(found)} | (
        {"structure_lean": lean(found)} if found[0].beside.leaning else {}
    )
    return GraphFound(checks=[_verdict(stage, variant, chosen, metric, value, in_half) for metric, value in values.items()])


def _is_quantized(contents: Contents) -> bool:
    """Whether anything is stored in less than float32; limits of float files need no yardstick of the file's own."""
    return any(part.stored.storage != FLOAT32 for part in contents.parts)


def _holds_others(contents: Contents) -> bool:
    """Whether what it holds is not the very weights of the reference, so that this has to be built again with them."""
    return _is_quantized(contents) or contents.loaded != AS_SAVED


def obstacle(panel: Panel, stage: str, rebuilt: Rebuilt) -> str:
    """Why the rebuilt stage cannot stand beside the file; empty where it can."""
    if not rebuilt.emulated:
        return "how all its layers round what they are fed is not known well enough"
    if not _fits(signatures(panel.stage_model.spec)[stage], large=panel.stage_model.large, rounds=rebuilt.rounds):
        return "rounding what its layers are fed takes too much memory at this size"
    return ""


def _fits(signature: Signature, *, large: bool, rounds: bool) -> bool:
    """Whether rounding what the layers are fed fits into memory."""
    most = max(int(np.prod(tensor.shape)) for tensor in (*signature.inputs, *signature.outputs))
    return not large or not rounds or most <= MOST_VALUES


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A file's answer to one call beside that of the rebuilt reference. `rounding` is what the float32 reference loses there."""

    beside: Beside
    answer: Tensors
    rounding: Mapping[str, float]

    @property
    def share(self) -> float:
        """How much of the room between the two the answer takes, the worst output's. NaN stays NaN."""
        return float(np.max([
            relative_l2(array, self.answer[name]) / (FLOAT_ROOM * self.rounding[name] + FEED_ROOM * self.beside.moved[name])
            for name, array in self.beside.answers.items()
        ]))  # fmt: skip


def compared(beside: Beside, answer: Tensors, exact: Mapping[str, Array], own: Tensors) -> Compared:
    """`own` is what the float32 reference answers where `exact` is right."""
    rounding = {name: max(relative_l2(exact[name], own[name]), UNIT_ROUNDOFF) for name in beside.answers}
    return Compared(beside=beside, answer=answer, rounding=rounding)


def lean(found: Sequence[Compared]) -> float:
    """How much of what is left over all calls goes the way that answers go where all norms' gains grow, in standard errors. Noise
    of rounding goes no way in particular; what another formula makes goes the same way in every call."""
    return float(np.max([_lean(found, name) for name in found[0].beside.leaning]))


def _lean(found: Sequence[Compared], name: str) -> float:
    """The same of one output. Every call counts alike, be it ever so noisy."""
    return abs(sum(_standard_errors(one, name, len(found)) for one in found)) / float(np.sqrt(len(found)))


def _standard_errors(one: Compared, name: str, calls: int) -> float:
    """How far one call's error goes that way, in parts of what is to be expected of noise of its size. An error that is small
    beside the rounding, or no more than sums in another order, which may all go one way, counts for less."""
    right, way = one.beside.answers[name].astype(np.float64), one.beside.leaning[name]
    error, scale = one.answer[name] - right, np.sqrt(right.size)
    sums = np.sqrt(calls) * scale * FLOAT_ROOM * one.rounding[name]
    noise = np.linalg.norm(error) + np.linalg.norm(right) * (CALM * one.beside.moved[name] + sums)
    return float(scale * np.vdot(way, error) / (np.linalg.norm(way) * noise))


def gain(found: Sequence[Compared]) -> float:
    """How much of what is left over all calls makes one channel of an answer larger or smaller, in standard errors: the worst
    channel's. A gain that is a hundredth of the noise in each call adds up over all of them; noise does not."""
    return float(np.max([np.abs(_gains(found, name)).max() for name in found[0].beside.answers]))


def _gains(found: Sequence[Compared], name: str) -> Array:
    """The same of all channels of one output, with their signs. Every call counts alike, as in `_lean`."""
    added = np.sum([_channel_errors(one, name, len(found)) for one in found], axis=0)
    gains: Array = added / np.sqrt(len(found))
    return gains


def _channel_errors(one: Compared, name: str, calls: int) -> Array:
    """How far one call's error goes the way of each channel's own answer, as `_standard_errors` does of a whole answer."""
    right = one.beside.answers[name].astype(np.float64)
    error, over = one.answer[name] - right, (0, *range(2, right.ndim))
    scale = np.sqrt(right.size / right.shape[1])
    level, spread = (np.sqrt(np.square(array).sum(over)) for array in (right, error))
    moved, alike = one.beside.moved[name], np.sqrt(calls) * scale  # what all calls err alike adds up as they do
    noise = spread + level * (CALM * moved + alike * (FLOAT_ROOM * one.rounding[name] + SAME_WAY * moved))
    apart: Array = scale * (right * error).sum(over) / np.where(level * noise == 0, 1, level * noise)
    return apart


def _compared(
    panel: Panel, rebuilt: Rebuilt | None, bundle: Bundle, stage: str, variant: str, case: Case | Drawn, place: int
) -> Iterator[Compared]:
    """The file's answers to a case's calls, of a large model to one of them, beside those of the reference, which is `rebuilt`
    where it has to be."""
    truth, count = panel.truth(case), STAGE_TABLE[stage].calls(panel.truth(case))
    own = panel.answers(stage, YARDSTICK, case)
    for call in [STRIDE * place % count] if panel.stage_model.large else range(count):
        key = (stage, panel.files.sha256(bundle, stage), case.id, call)
        if rebuilt is None:
            beside = Beside(answers=own[call], moved=dict.fromkeys(own[call], 0.0))
        else:
            beside = panel.structures.beside(key, rebuilt, stage_feed(stage, truth, call))
        answer = panel.in_float32(stage, variant, case, call)
        yield compared(beside, answer, STAGE_TABLE[stage].truth(truth, call), own[call])


def _verdict(stage: str, variant: str, cases: Sequence[Case | Drawn], metric: str, value: float, in_half: bool) -> Verdict:
    of, limit = cases[0].id if len(cases) == 1 else f"{len(cases)} cases", LIMITS[metric]
    return Verdict(
        stage=stage, variant=variant, case=of, ladder=TEACHER_FORCED, metric=metric,
        value=value, limit=limit.limit, why=f"{limit.why}; computed in float32" if in_half else limit.why,
    )  # fmt: skip
