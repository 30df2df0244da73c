"""Whether a stage that is to be computed in half precision keeps what it divides by from being 0, on CPUs that flush, too."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from litert_pipeline.run.exposed import Inside, exposing
from litert_pipeline.run.tapped import runnable
from parity.bundles.vanishing import listed, vanishing_constants
from parity.judge.panel import Panel
from parity.measure.arithmetic import FP32_COMPUTE
from parity.measure.cases import Case, Drawn
from parity.measure.limits import KEPT
from parity.measure.pooled import of_cases
from parity.measure.teacher_forcing import stage_feed
from parity.measure.verdict import TEACHER_FORCED, Verdict
from reference.spec.half import SMALLEST_NORMAL
from reference.spec.tensors import Array, Tensors

METRIC, FORMAT = "lost_constants", "litert"


def vanishing_checks(panel: Panel, stage: str, variant: str, cases: Sequence[Case | Drawn]) -> list[Verdict]:
    """How many constants are lost in half where they are needed: what each is added to is looked at in the first call of every
    case, the file computed in float32. Nothing of a stage that is not computed in half."""
    source = panel.source(variant)
    bundle = source.bundle
    if bundle is None or bundle.manifest.format != FORMAT or source.arithmetic(stage).compute == FP32_COMPUTE:
        return []
    entry = bundle.manifest.stages[stage]
    with runnable(bundle.path(stage), entry) as path:
        lost = vanishing_constants(path)
        beside = sorted({one.beside for one in lost if one.beside is not None})
        least: Mapping[int, float] = {}
        if beside:
            if panel.stage_model.large:
                panel.release()  # so that its file is open once
            with exposing(path, [tensor.name for tensor in entry.own_signature.inputs], beside) as inside:
                least = _least(panel, stage, variant, cases, beside, inside)
    needed = [one for one in lost if one.beside is None or not least[one.beside] >= SMALLEST_NORMAL]
    told = f"; lost: {listed(needed)}; convert it again, our converter keeps a norm's eps" if needed else ""
    return [
        Verdict(
            stage=stage, variant=variant, case=of_cases(cases), ladder=TEACHER_FORCED, metric=METRIC, value=float(len(needed)),
            limit=KEPT.limit, why=f"{KEPT.why}{told}",
        )
    ]  # fmt: skip


def _least(
    panel: Panel, stage: str, variant: str, cases: Sequence[Case | Drawn], beside: Sequence[int], inside: Inside
) -> Mapping[int, float]:
    """The smallest value of each tensor over the cases."""
    bundle = panel.source(variant).bundle
    assert bundle is not None, "only a file has constants"
    entry = bundle.manifest.stages[stage]
    found: list[list[Array]] = []

    def run(feed: Mapping[str, Array]) -> Tensors:
        found.append(inside(entry.own_signature.bind(feed)))
        return {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in entry.own_signature.outputs}

    ask = entry.translated(run)
    for case in cases:
        ask(stage_feed(stage, panel.truth(case)))
    return dict(zip(beside, _smallest(found), strict=True))


def _smallest(found: Sequence[Sequence[Array]]) -> Iterator[float]:
    """A NaN is no number that is large enough."""
    return (float(np.min([np.min(array) for array in arrays])) for arrays in zip(*found, strict=True))
