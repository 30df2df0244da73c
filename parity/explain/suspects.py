"""Who is at fault: the first stage of a variant that fails."""

from collections import defaultdict
from collections.abc import Iterable

from parity.measure.verdict import FREE_RUNNING, Verdict
from reference.spec.stages import CODEC_STAGES, CONDITIONER, DECODER, DIT, ENCODER

PIPELINE_ORDER = ("bundle", CONDITIONER, DIT, "sampler", DECODER, ENCODER, *CODEC_STAGES)


def suspects(checks: Iterable[Verdict]) -> list[Verdict]:
    """For each variant with a failure the check that tells most about it.

    A stage fed the truth's inputs answers for itself, and what is replayed answers for what is between the stages, so
    both outrank free-running failures, and among them a stage of the pipeline outranks a note about the whole bundle.
    """
    failed: dict[str, list[Verdict]] = defaultdict(list)
    for check in checks:
        if not check.ok:
            failed[check.variant].append(check)
    return [min(found, key=_suspicion) for found in failed.values()]


def _suspicion(check: Verdict) -> tuple[int, int, float]:
    stage = PIPELINE_ORDER.index(check.stage)
    free = check.ladder == FREE_RUNNING
    return (2 if free else 1 if check.stage == "bundle" else 0, stage, -check.share_of_limit)
