"""The rows of the table: the checks of a stage, variant and ladder together, and the worst of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from parity.explain.suspects import PIPELINE_ORDER
from parity.measure.verdict import ARTIFACT, LADDERS, REPLAYED, Verdict

ONE_ROW = {ARTIFACT: "bundle", REPLAYED: "sampler"}  # ladders whose checks share a row, and where it stands


def rows(checks: Iterable[Verdict]) -> list[list[Verdict]]:
    """The checks by stage, variant and ladder, in the order they are judged."""
    found: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for check in checks:
        found[row_stage(check), check.variant, check.ladder].append(check)
    order = sorted(found, key=lambda row: (LADDERS.index(row[2]), PIPELINE_ORDER.index(row[0])))
    return [found[row] for row in order]


def row_stage(check: Verdict) -> str:
    """In whose row a check stands."""
    return ONE_ROW.get(check.ladder, check.stage)


def worst(checks: Sequence[Verdict]) -> Verdict:
    """The check nearest to its limit, or furthest beyond."""
    return max(checks, key=lambda check: (not check.ok, check.share_of_limit))
