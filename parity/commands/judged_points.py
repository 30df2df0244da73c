"""Points of a search held to the whole gate."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from litert_pipeline.build.quantize import quantize
from litert_pipeline.build.recipes import Recipe
from litert_pipeline.bundle import Bundle
from parity.gate import GateOptions, run_gate
from parity.measure.policy import Policy
from parity.report.bundle_verdict import PUBLISH
from parity.runtimes import names_of
from parity.search.point import GateVerdict, Point
from parity.truth.store import Store
from reference.progress import Say


def judged_points(
    points: Sequence[Point], bundle: Bundle, model: Path, stage: str, policy: Policy, threads: int, store: Store, say: Say
) -> dict[str, GateVerdict]:
    """What the gate says of the float bundle with the stage as each point has it, by the point's name: all cases, all checks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {point.name: folder / f"{at}-{point.name}" for at, point in enumerate(points)}
        recipes = {point.name: Recipe(name=f"search_{point.name}", quantize={stage: point.rules}) for point in points}
        for point, recipe in recipes.items():
            quantize(bundle.folder, made[point], recipe)
        say(f"the whole gate, of {len(points)} points")
        options = GateOptions(
            model=model, bundles=list(made.values()), report=None, cases=None, threads=threads, force=False, policy=policy,
            variants=[variant for recipe in recipes.values() for variant, _ in names_of(bundle.manifest.format, recipe.name)],
        )  # fmt: skip
        report = run_gate(options, store, lambda _: None, lambda _: None)
        found = {verdict.bundle.path: verdict for verdict in report.verdicts()}
        return {
            point: GateVerdict(word=one.verdict, publish=one.verdict == PUBLISH, why=one.why, checks=one.checks)
            for point, path in made.items() if (one := found[str(path)])
        }  # fmt: skip
