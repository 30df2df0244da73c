"""Whether the files of a bundle hold the checkpoint's weights. Nothing is run."""

from collections.abc import Sequence

from litert_pipeline.bundle import Bundle
from parity.bundles.weights import Weights
from parity.judge.panel import Panel
from parity.measure.budget import Fixed
from parity.measure.contents import Contents, StageArithmetic
from parity.measure.file_limits import ALL_THERE, NOTHING_ELSE, STEPS_BEYOND
from parity.measure.verdict import ARTIFACT, Verdict
from parity.runtimes import Contender

NAMED = 3  # that a sentence lists


def weight_checks(bundle: Bundle, label: str, weights: Weights) -> list[Verdict]:
    """Three verdicts per file: how far its constants are from the checkpoint's, what it lacks, what it has besides."""
    found = [weights.contents(bundle, stage) for stage in bundle.manifest.stages]
    return [verdict for contents in found for verdict in _verdicts(contents, label)]


def stage_arithmetics(panel: Panel, bundle: Bundle, run_by: Sequence[Contender]) -> list[StageArithmetic]:
    """What each file of a bundle stores, and what the contenders that run it compute in."""
    found = []
    for stage, entry in bundle.manifest.stages.items():
        portions = panel.weights.contents(bundle, stage).portions
        compute = {contender.name: contender.computed_in(stage) for contender in run_by}
        loaded = panel.loading(run_by[0].name, stage)
        found.append(StageArithmetic(stage=stage, file=entry.file, portions=portions, compute=compute, loaded=loaded))
    return found


def _verdicts(contents: Contents, label: str) -> list[Verdict]:
    moved = ", ".join(f"{count} tensors {scheme}" for scheme, count in contents.schemes.items())
    wrong, missing = _listed("", contents.wrong) or moved, _listed("missing: ", contents.missing)
    foreign = _listed("not the checkpoint's: ", contents.unexplained)
    return [
        _verdict(contents, label, "steps_beyond_rounding", contents.beyond_rounding, STEPS_BEYOND, wrong),
        _verdict(contents, label, "missing_tensors", len(contents.missing), ALL_THERE, missing),
        _verdict(contents, label, "unexplained_constants", len(contents.unexplained), NOTHING_ELSE, foreign),
    ]


def _verdict(contents: Contents, label: str, metric: str, value: float, limit: Fixed, found: str) -> Verdict:
    return Verdict(
        stage=contents.stage, variant=label, case="-", ladder=ARTIFACT, metric=metric, value=float(value), limit=limit.limit,
        why=f"{limit.why}; {found}" if found else limit.why,
    )  # fmt: skip


def _listed(what: str, sentences: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f", and {len(sentences) - NAMED} more" if len(sentences) > NAMED else ""
    return f"{what}{', '.join(sentences[:NAMED])}{more}" if sentences else ""
