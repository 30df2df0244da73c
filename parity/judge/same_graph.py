"""Whether a quantized file's graph is the model's: its answers beside those of the reference that holds the file's own weights.

Quantization errs on both sides alike, so a graph that is wrong cannot hide in it.
"""

from collections.abc import Mapping

import numpy as np

from litert_pipeline.bundle import Bundle
from parity.bundles.rebuilt import Rebuilt
from parity.judge.panel import Panel
from parity.judge.structure import Beside
from parity.measure.arithmetic import FLOAT32, FP32_COMPUTE
from parity.measure.budget import UNIT_ROUNDOFF, YARDSTICK
from parity.measure.cases import Case
from parity.measure.contents import Contents
from parity.measure.file_limits import FEED_ROOM, FLOAT_ROOM, STRUCTURE
from parity.measure.metrics import relative_l2
from parity.measure.teacher_forcing import stage_feed
from parity.measure.verdict import TEACHER_FORCED, Verdict
from reference.spec.stages import STAGE_TABLE, signatures
from reference.spec.tensors import Signature, Tensors

MOST_CASES = 6  # of a run that are looked at: a wrong graph is wrong in all of them
STRIDE = 3  # between the steps that one case and the next are looked at: all are met before one is met again
# Of an input or output of a large model whose layers' feeds are rounded; beyond, that takes GB more.
MOST_VALUES = 2**18


def structure_checks(panel: Panel, stage: str, variant: str, cases: list[Case]) -> list[Verdict]:
    """One verdict on a quantized file's answers to some of the cases, each at another step; nothing of files in float32, of
    those computed in FP16, and where how layers are fed cannot be emulated."""
    source = panel.source(variant)
    bundle = source.bundle
    if bundle is None or source.arithmetic(stage).compute != FP32_COMPUTE:
        return []
    contents = panel.weights.contents(bundle, stage)
    if contents is None or not _is_quantized(contents):
        return []
    rebuilt = panel.weights.rebuilt(bundle, stage)
    if not rebuilt.emulated or not _fits(
        signatures(panel.model.spec)[stage], large=panel.model.large, rounds=rebuilt.rounds
    ):
        return []
    chosen = cases[:MOST_CASES]
    shares = [_share(panel, rebuilt, bundle, stage, variant, case, place) for place, case in enumerate(chosen)]
    return [_verdict(stage, variant, chosen, shares)]


def _is_quantized(contents: Contents) -> bool:
    """Whether anything is stored in less than float32; limits of float files need no yardstick of the file's own."""
    return any(part.stored.storage != FLOAT32 for part in contents.parts)


def _fits(signature: Signature, *, large: bool, rounds: bool) -> bool:
    """Whether rounding what the layers are fed fits into memory."""
    most = max(int(np.prod(tensor.shape)) for tensor in (*signature.inputs, *signature.outputs))
    return not large or not rounds or most <= MOST_VALUES


def _share(panel: Panel, rebuilt: Rebuilt, bundle: Bundle, stage: str, variant: str, case: Case, place: int) -> float:
    """How much of the room between the two one answer takes."""
    truth = panel.truth(case)
    call = STRIDE * place % STAGE_TABLE[stage].calls(truth)
    key = (stage, panel.files.sha256(bundle, stage), case.id, call)
    beside = panel.structures.beside(key, rebuilt, stage_feed(stage, truth, call))
    own = panel.answers(stage, YARDSTICK, case)[call]
    return share_of_room(beside, panel.answers(stage, variant, case)[call], STAGE_TABLE[stage].truth(truth, call), own)


def share_of_room(beside: Beside, answer: Tensors, exact: Mapping[str, np.ndarray], own: Tensors) -> float:
    """How much of the room between a rebuilt reference and a file's answer that one takes, the worst output's. `own` is what
    the float32 reference answers where `exact` is right. NaN stays NaN."""
    found = []
    for name, array in beside.answers.items():
        rounding = max(relative_l2(exact[name], own[name]), UNIT_ROUNDOFF)
        found.append(relative_l2(array, answer[name]) / (FLOAT_ROOM * rounding + FEED_ROOM * beside.moved[name]))
    return float(np.max(found))


def _verdict(stage: str, variant: str, cases: list[Case], shares: list[float]) -> Verdict:
    """The worst answer's share, held to the whole."""
    of = cases[0].id if len(cases) == 1 else f"{len(cases)} cases"
    return Verdict(
        stage=stage, variant=variant, case=of, ladder=TEACHER_FORCED, metric="structure_share",
        value=float(np.max(shares)), limit=STRUCTURE.limit, why=STRUCTURE.why,
    )  # fmt: skip
