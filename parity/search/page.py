"""The page of a search, or of sensitivities alone: one file, no scripts, everything from outside escaped."""

from pathlib import Path
from typing import Any

import jinja2

from parity.search.distance import distance, errors
from parity.search.heat import by_block, by_scheme, bytes_by_scheme
from parity.search.plots import expected_and_measured, front_picture
from parity.search.search import Found
from parity.search.sensitivity import Sensitivity
from parity.search.tables import POINT_COLUMNS, decided_by, point_rows, told

TEMPLATE = Path(__file__).parent / "templates" / "search.html.j2"
LEGEND = ("below 0.01 %", "from 0.01 %", "from 0.03 %", "from 0.1 %", "from 0.3 %", "from 1 %")  # one for each of heat's shades


def page_of_sensitivity(found: Sensitivity) -> str:
    """Heat maps alone."""
    return _rendered(found, title=f"Sensitivity of {found.question.about.stage}", points=[])


def page_of_search(found: Found) -> str:
    """The front, what was expected, and the heat maps."""
    objective = found.wanted.objective
    return _rendered(
        found.sensitivity,
        title=f"Search over {found.sensitivity.question.about.stage}: distance and {objective}",
        points=point_rows(found),
        point_columns=POINT_COLUMNS,
        decided=decided_by(objective),
        sentences=[found.beside(own) for own in found.own],
        front_png=front_picture(found),
        expected_png=expected_and_measured(found),
        correlations=found.correlations,
        pairs=len(found.told),
        policy=found.wanted.policy.name,
    )


def _rendered(found: Sensitivity, **shown: Any) -> str:
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    return template.render(
        **shown, told=told, about=about(found), heats=[by_scheme(found), bytes_by_scheme(found), *by_block(found)], legend=LEGEND,
        schemes=found.schemes, floor=f"{distance(errors(found.floor)):.1e}, {found.floor.size_bytes:,} bytes",
    )  # fmt: skip


def about(found: Sensitivity) -> dict[str, str]:
    """What was asked, in words."""
    asked = found.question.about
    steps = f"steps {', '.join(map(str, asked.steps))}" if asked.steps else "every step"
    race = found.question.race
    return {
        "Fed": f"{', '.join(asked.cases)}, {steps}" + (f", and {asked.draws} drawn places" if asked.draws else ""),
        "Files": f"float file {asked.file[:16]}, model {asked.model[:16]}",
        "Raced on": "nothing was raced" if race is None else f"{race.machine}, {race.threads} threads, {race.rounds} rounds",
        "Measured": f"{len(found.cells)} of groups alone, of {len(found.groups)} groups",
    }
