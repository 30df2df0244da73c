"""The rows of the table: the checks of a stage, variant and ladder together, and the worst of them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from parity.explain.suspects import PIPELINE_ORDER
from parity.measure.budget import YARDSTICK
from parity.measure.verdict import ARTIFACT, LADDERS, REPLAYED, Verdict

ONE_ROW = {ARTIFACT: "bundle", REPLAYED: "sampler"}  # ladders whose checks share a row, and where it stands
REFERENCE_ROW = ("reference", "all")  # the yardstick is nobody's to publish: one row says that it is sound


def rows(checks: Iterable[Verdict]) -> list[list[Verdict]]:
    """The checks by stage, variant and ladder, in the order they are judged; those of the yardstick together, first."""
    found: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for check in checks:
        stage, ladder = row_place(check)
        found[stage, check.variant, ladder].append(check)
    return [found[row] for row in sorted(found, key=_order)]


def row_place(check: Verdict) -> tuple[str, str]:
    """In whose row a check stands: what is said to be its stage, and its ladder."""
    if check.variant == YARDSTICK:
        return REFERENCE_ROW
    return ONE_ROW.get(check.ladder, check.stage), check.ladder


def told_place(check: Verdict) -> tuple[str, str]:
    """The stage and ladder a row tells of its worst check: the row's or, where it fails, the check's own."""
    return row_place(check) if check.ok else (check.stage, check.ladder)


def worst(checks: Sequence[Verdict]) -> Verdict:
    """The check nearest to its limit, or furthest beyond."""
    return max(checks, key=lambda check: (not check.ok, check.share_of_limit))


def _order(row: tuple[str, str, str]) -> tuple[int, int]:
    stage, _, ladder = row
    return (-1, 0) if (stage, ladder) == REFERENCE_ROW else (LADDERS.index(ladder), PIPELINE_ORDER.index(stage))
