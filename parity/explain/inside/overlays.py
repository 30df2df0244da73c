"""Overlays for Model Explorer: the errors of a graph's tensors as node data that loads beside the file itself.

Format: `GraphNodeData` of model_explorer's `node_data_builder.py`, JSON with `results` keyed by tensor name.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from parity.explain.inside.module_error import ModuleError
from reference.spec.files import new_file

# What each overlay shows: its title, the value of a module, and whether a larger one is worse.
OVERLAYS: dict[str, tuple[str, Callable[[ModuleError], float], bool]] = {
    "median_ratio": ("median difference ratio", lambda error: error.median_ratio, True),
    "snr_db": ("SNR in dB", lambda error: error.snr_db, False),
    "max_abs": ("largest absolute difference", lambda error: error.max_abs, True),
    "own_error": ("own error over expected", lambda error: error.excess, True),
}
GOOD, BAD, BROKEN = "#2e7d32", "#f9a825", "#c62828"


def write_overlays(folder: Path, stem: str, errors: list[ModuleError], force: bool = False) -> list[Path]:
    """One file per overlay, `<stem>.<overlay>.json`; returns their paths. Raises InputError for existing ones."""
    paths = overlay_paths(folder, stem)
    for name, path in zip(OVERLAYS, paths, strict=True):
        with new_file(path, force) as temporary:
            text = json.dumps(overlay(name, errors), indent=1, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
    return paths


def overlay_paths(folder: Path, stem: str) -> list[Path]:
    """Where the overlays of `stem` go."""
    return [folder / f"{stem}.{name}.json" for name in OVERLAYS]


def overlay(name: str, errors: list[ModuleError]) -> dict[str, Any]:
    """Node data for one graph, of module errors."""
    title, value_of, larger_is_worse = OVERLAYS[name]
    return node_data(title, {error.tensor: value_of(error) for error in errors}, larger_is_worse=larger_is_worse)


def node_data(title: str, values: Mapping[str, float], *, larger_is_worse: bool) -> dict[str, Any]:
    """A value for each tensor. A node with a value that is no number is red, and large or small enough to be seen."""
    finite = [value for value in values.values() if math.isfinite(value)] or [0.0]
    worst = max(finite) if larger_is_worse else min(finite)
    best = min(finite) if larger_is_worse else max(finite)
    colours = (GOOD, BAD) if larger_is_worse else (BAD, GOOD)
    return {
        "name": title,
        "results": {tensor: _result(value, worst, best, larger_is_worse) for tensor, value in values.items()},
        "gradient": [{"stop": stop, "bgColor": colour} for stop, colour in zip((0, 1), colours, strict=True)],
    }


def _result(value: float, worst: float, best: float, larger_is_worse: bool) -> dict[str, Any]:
    """JSON has no infinity: an infinite SNR is the best there is; NaN, and an infinite error, are beyond the worst."""
    if math.isfinite(value):
        return {"value": value}
    if value == math.inf and not larger_is_worse:
        return {"value": best}
    return {"value": worst, "bgColor": BROKEN}
