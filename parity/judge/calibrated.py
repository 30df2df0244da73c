"""Whether the graph of a file that static quantization made is the model's: run without the rounding in between, beside the
reference that holds the file's own weights."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from litert_pipeline.bundle import SUFFIXES, Bundle
from parity.bundles.rebuilt import Rebuilt
from parity.bundles.unrounded import write_unrounded
from parity.judge.graph import GraphFound
from parity.judge.panel import Panel
from parity.judge.same_graph import MOST_CASES, STRIDE, compared
from parity.judge.structure import Beside
from parity.measure.arithmetic import STATIC
from parity.measure.budget import YARDSTICK
from parity.measure.cases import Case, Drawn
from parity.measure.file_limits import BARE_STRUCTURE
from parity.measure.teacher_forcing import stage_feed
from parity.measure.verdict import TEACHER_FORCED, Verdict
from parity.runtimes.onnxruntime_ import OnnxStage
from reference.spec.generation import Stage
from reference.spec.stages import STAGE_TABLE

ONNX = "onnx"


def calibrated_checks(panel: Panel, stage: str, variant: str, cases: Sequence[Case | Drawn]) -> GraphFound:
    """One verdict on a file some of whose layers' feeds are rounded to calibrated ranges; nothing of others."""
    bundle = panel.source(variant).bundle
    if bundle is None or panel.arithmetic(variant, stage).activations != STATIC:
        return GraphFound()
    if bundle.manifest.format != ONNX or panel.stage_model.large:
        return GraphFound(unseen="calibrated rounding is taken out of small ONNX files only")
    chosen = cases[:MOST_CASES]
    with _unrounded(panel, bundle, stage) as run:
        if run is None:
            return GraphFound(unseen="it computes with integers in ways that are not known")
        rebuilt = panel.weights.rebuilt(bundle, stage)
        share = float(np.max([_share(panel, rebuilt, run, stage, case, place) for place, case in enumerate(chosen)]))
    verdict = Verdict(
        stage=stage, variant=variant, case=chosen[0].id if len(chosen) == 1 else f"{len(chosen)} cases", ladder=TEACHER_FORCED,
        metric="structure_share", value=share, limit=BARE_STRUCTURE.limit, why=BARE_STRUCTURE.why,
    )  # fmt: skip
    return GraphFound(checks=[verdict])


@contextmanager
def _unrounded(panel: Panel, bundle: Bundle, stage: str) -> Iterator[Stage | None]:
    """The stage with nothing rounded in between; None where the file cannot be written so."""
    entry = bundle.manifest.stages[stage]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{stage}{SUFFIXES[ONNX]}"
        if write_unrounded(bundle.path(stage), path):
            yield entry.translated(OnnxStage(path, entry.own_signature, panel.threads))
        else:
            yield None


def _share(panel: Panel, rebuilt: Rebuilt, run: Stage, stage: str, case: Case | Drawn, place: int) -> float:
    """How much of the room between the two one answer takes: that of floats."""
    truth = panel.truth(case)
    call = STRIDE * place % STAGE_TABLE[stage].calls(truth)
    feed = stage_feed(stage, truth, call)
    answers = rebuilt(feed, rounds=False)
    beside = Beside(answers=answers, moved=dict.fromkeys(answers, 0.0))
    own = panel.answers(stage, YARDSTICK, case)[call]
    return compared(beside, run(feed), STAGE_TABLE[stage].truth(truth, call), own).share
