"""The ledger of limits: what every budget was last reviewed with, when, with which versions.

`parity/report/ledger.toml` is written by `python -m parity headroom REPORT --record FILE`; its `[outside]` table, why a
variant's worst headroom may lie outside the band, is kept by hand and carried over.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from parity.report.headroom import Headroom, headrooms
from reference.spec.errors import InputError
from reference.spec.files import new_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LEDGER = Path(__file__).parent / "ledger.toml"
LEAST_ROOM, MOST_ROOM = 1.3, 10.0  # less is refused by another machine's rounding, more sees nothing
OUTSIDE, HALVES = "outside", "fp16_compute"
HEAD = "# Every budget with what it was last reviewed with. Written by 'python -m parity headroom REPORT --record FILE';\n"
HEAD += "# only the reasons under [outside] are written by hand: why a variant's worst headroom is not within 1.3 to 10.\n"


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """`halves` is what FP16 compute was where it was recorded, which limits follow; `outside` maps a variant to its reason,
    `budgets` (variant, budget) to what was recorded."""

    halves: str
    outside: Mapping[str, str]
    budgets: Mapping[tuple[str, str], Mapping[str, Any]]


def read_ledger(path: Path = LEDGER) -> Ledger:
    """Raises InputError if it cannot be read."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        variants = content["variants"]
        budgets = {(variant, name): row for variant, rows in variants.items() for name, row in rows.items()}
        return Ledger(halves=content[HALVES], outside=content[OUTSIDE], budgets=budgets)
    except (OSError, tomllib.TOMLDecodeError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: not a ledger ({error}); record it again from a gate's report") from None


def complaint(row: Headroom, outside: Mapping[str, str]) -> str | None:
    """What is wrong with a variant's worst headroom, or None."""
    if LEAST_ROOM <= row.room <= MOST_ROOM:
        return f"{row.variant}: within the band, but listed under [{OUTSIDE}]" if row.variant in outside else None
    if row.variant in outside:
        return None
    return (
        f"{row.variant}: {row.budget} leaves {row.room:.2g}x of room, expected {LEAST_ROOM:g}x to {MOST_ROOM:g}x; "
        f"review the limit, or give the reason under [{OUTSIDE}]"
    )


def differences(found: Iterable[Headroom], ledger: Ledger) -> list[str]:
    """Limits of the variants that were judged which the ledger does not have, and those it has that were not judged."""
    judged = {(row.variant, row.budget) for row in found}
    variants = {variant for variant, _ in judged}
    reviewed = {key for key in ledger.budgets if key[0] in variants}
    return [
        *(f"{variant}: {budget} was judged, and is not in the ledger" for variant, budget in sorted(judged - reviewed)),
        *(f"{variant}: {budget} is in the ledger, and was not judged" for variant, budget in sorted(reviewed - judged)),
    ]


def record(report: Mapping[str, Any], path: Path, force: bool = False) -> None:
    """Write the ledger of a gate's report. Raises InputError if `path` exists without `force`."""
    outside = read_ledger(path).outside if path.exists() else {}
    lines = [HEAD, f"date = {_toml(date.today().isoformat())}"]
    lines += [f"weights_sha256 = {_toml(report['model']['weights_sha256'])}"]
    lines += [f"cpu = {_toml(report['environment']['cpu_model'])}"]
    lines += [f"{HALVES} = {_toml(report['environment'][HALVES].partition(' (')[0])}", "", "[versions]"]
    lines += [f"{name} = {_toml(found)}" for name, found in report["environment"]["versions"].items()]
    lines += ["", f"[{OUTSIDE}]", *(f"{variant} = {_toml(why)}" for variant, why in outside.items())]
    variant = None
    for row in headrooms(report["checks"]):
        if row.variant != variant:
            lines += ["", f"[variants.{row.variant}]"]
        variant = row.variant
        figures = ", ".join(f"{name} = {getattr(row, name):.3e}" for name in ("least", "most", "limit"))
        room = "inf" if row.room == float("inf") else f"{row.room:.1f}"
        lines.append(f"{_toml(row.budget)} = {{ {figures}, room = {room}, why = {_toml(row.why)} }}")
    with new_file(path, force) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(text: str) -> str:
    """A basic string; JSON's escapes are TOML's."""
    return json.dumps(text, ensure_ascii=False)
