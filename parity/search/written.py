"""What the commands write into a folder: tables, the page, overlays, and the recipe of each point."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.explain.inside.overlays import node_data
from parity.search.page import about, page_of_search, page_of_sensitivity
from parity.search.search import Found
from parity.search.sensitivity import Sensitivity
from parity.search.tables import CELL_COLUMNS, POINT_COLUMNS, cell_rows, csv_text, point_rows

RECIPES = "recipes"


def write_sensitivity(found: Sensitivity, folder: Path) -> list[str]:
    """The names of what was written: `sensitivity.csv`, `.json` and `.html`, and an overlay for each scheme."""
    files = {
        "sensitivity.csv": csv_text(CELL_COLUMNS, cell_rows(found)),
        "sensitivity.json": _json({"asked": about(found), "trial": found.question.about.to_json(), "cells": cell_rows(found)}),
        "sensitivity.html": page_of_sensitivity(found),
        **overlays(found),
    }
    return _write(files, folder)


def write_search(found: Found, folder: Path) -> list[str]:
    """The names of what was written: `search.csv`, `.json` and `.html`, and a recipe for each point in `recipes/`.

    A recipe's file is the official quantizer's list of rules and nothing else.
    """
    stem = found.sensitivity.question.about.stage
    files = {
        "search.csv": csv_text(POINT_COLUMNS, point_rows(found)),
        "search.json": _json(search_json(found)),
        "search.html": page_of_search(found),
        **{f"{RECIPES}/{point.name}.json": _json(point.rules) for point in found.points},
        f"{RECIPES}/README.txt": f"python -m litert_pipeline quantize BUNDLE --recipe FILE --stage {stem} --out OUT\n",
    }
    return _write(files, folder)


def search_json(found: Found) -> dict[str, Any]:
    """All of a search."""
    wanted = found.wanted
    return {
        "asked": {**about(found.sensitivity), "objective": wanted.objective, "budget": wanted.budget, "seed": wanted.seed},
        "policy": {"name": wanted.policy.name, "sha256": wanted.policy.sha256},
        "trial": found.sensitivity.question.about.to_json(),
        "front": [point.to_json() for point in found.points],
        "refused": [point.to_json() for point in found.refused],
        "own_recipes": [{**point.to_json(), "beside": found.beside(point)} for point in found.own],
        "measured": [point.to_json() for point in found.measured],
        "knee": found.knee.name if found.knee else None,
        "correlation": dict(zip(("of_distances", "of_logarithms"), found.correlations, strict=True)),
        "sensitivity": cell_rows(found.sensitivity),
    }


def overlays(found: Sensitivity) -> dict[str, str]:
    """For Model Explorer, a file for each scheme: at each layer the distance with its group alone stored so."""
    stage = found.question.about.stage
    values: dict[str, dict[str, float]] = {}
    for (_, scheme), cell in found.cells.items():
        values.setdefault(scheme, {}).update({layer.tensor: cell.distance for layer in cell.group.layers})
    return {
        f"overlays/{stage}.{scheme}.json": _json(node_data(f"distance, {scheme} alone", told, larger_is_worse=True))
        for scheme, told in values.items()
    }


def _write(files: Mapping[str, str], folder: Path) -> list[str]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, allow_nan=False) + "\n"
