"""Points of a search held to the whole gate."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from litert_pipeline.build.quantize import quantize
from litert_pipeline.build.recipes import Recipe
from litert_pipeline.bundle import Bundle
from parity.bundles.given import given_bundles
from parity.gate import judged_bundles, shared_files
from parity.judge.judge import Judge
from parity.judge.left_out import without_unable
from parity.judge.lineup import chosen
from parity.measure.policy import Policy
from parity.measure.sweep import Sweep
from parity.report.bundle_verdict import PUBLISH, bundle_verdict
from parity.runtimes import names_of
from parity.search.point import GateVerdict, Point
from parity.subject import subject_of
from parity.truth.store import Store
from reference.progress import Say


def judged_points(
    points: Sequence[Point], bundle: Bundle, model: Path, stage: str, policy: Policy, threads: int, store: Store, say: Say
) -> dict[str, GateVerdict]:
    """What the gate says of the float bundle with the stage as each point has it, by the point's name: all cases, all checks.

    Nothing of it is explained: whoever wants to know why judges the bundle with the gate itself.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {point.name: folder / f"{at}-{point.name}" for at, point in enumerate(points)}
        for point in points:
            quantize(bundle.folder, made[point.name], Recipe(name=f"search_{point.name}", quantize={stage: point.rules}))
        say(f"the whole gate, of {len(points)} points")
        with Judge.of(model, given_bundles(list(made.values()), model), threads, store) as judge:
            found = _verdicts(judge, policy, say)
        return {point: found[str(path)] for point, path in made.items()}


def _verdicts(judge: Judge, policy: Policy, say: Say) -> dict[str, GateVerdict]:
    """Of each bundle, by its folder."""
    bundles = {id(one.bundle): one.bundle for one in judge.contenders.values() if one.bundle is not None}
    names = [name for one in bundles.values() for name, _ in names_of(one.manifest.format, one.manifest.recipe)]
    asked = chosen(names, judge.contenders)
    variants, left_out = without_unable(asked, judge.contenders, judge.files)
    plan = subject_of(judge.stage_model).plan(judge, variants, None, Sweep())
    checks = list(plan.checks(say, os.cpu_count() or 1))
    found = {}
    for one in judged_bundles(judge, asked, list(bundles.values()), made_here=False):
        verdict = bundle_verdict(one, checks, shared_files(plan), {row.variant for row in left_out}, policy)
        found[one.path] = GateVerdict(
            word=verdict.verdict, publish=verdict.verdict == PUBLISH, why=verdict.why, checks=verdict.checks
        )
        say(f"{verdict.verdict.upper()} {verdict.bundle.name}: {verdict.checks} checks")
    return found
