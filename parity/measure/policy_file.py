"""Policies as TOML files. Strict: what is unknown, missing, without a reason or out of date is an error, all told at once."""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from fixtures import POLICIES_DIR
from parity.measure.arithmetic import ROUNDED_AT_LOAD
from parity.measure.closeness import DISTANCES, Distance
from parity.measure.policy import Bar, Exemption, Loading, Policy
from reference.spec.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PUBLISH, EMBEDDED = "publish", "embedded"  # what is asked of somebody's bundles, and of those the gate makes itself
MOST = 1_000_000  # a limit beyond is none
AT_MOST, AT_LEAST = "at_most", "at_least"
REQUIRED, OPTIONAL = {"name", "about", "bars", "loading"}, {"exemptions"}
LOADING = {"accepts", "why"}
EXEMPTION = {"bundle", "distance", "why", "owner", "until"}
Table = dict[str, Any]


def named_policies() -> list[str]:
    """Those that come with the project."""
    return sorted(path.stem for path in POLICIES_DIR.glob("*.toml"))


def chosen_policy(given: str | None, today: date, *, made_here: bool) -> Policy:
    """The policy asked for or, without one, what fits: the gate's own bundles show what it does, nobody ships them.

    Raises InputError like `read_policy`.
    """
    return read_policy((EMBEDDED if made_here else PUBLISH) if given is None else given, today)


def read_policy(given: str, today: date) -> Policy:
    """The policy of a file, or of ours by its name. Raises InputError that lists everything wrong with it."""
    if not given:
        raise InputError(f"the policy is an empty name; expected a TOML file or one of {', '.join(named_policies())}")
    path = POLICIES_DIR / f"{given}.toml" if given in named_policies() else Path(given)
    try:
        raw = path.read_bytes()
        table = tomllib.loads(raw.decode("utf-8"))
    except FileNotFoundError:
        ours = ", ".join(named_policies())
        raise InputError(f"{given}: no such policy; expected a TOML file or one of {ours}") from None
    except (OSError, ValueError, RecursionError) as error:  # of text, of TOML, of a number too long, of brackets without end
        raise InputError(f"{path}: cannot be read as a policy ({error}); expected a TOML file") from None
    wrong = list(_wrong(table, today))
    if wrong:
        raise InputError(f"{path}: {'; '.join(wrong)}; 'fixtures/policies/publish.toml' shows what a policy looks like")
    return Policy(
        name=table["name"],
        about=table["about"],
        bars=tuple(_bar(DISTANCES[name], bar) for name, bar in table["bars"].items()),
        exemptions=tuple(_exemption(one) for one in table.get("exemptions", [])),
        loading=Loading(accepts=tuple(table["loading"]["accepts"]), why=table["loading"]["why"]),
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def _bar(distance: Distance, table: Mapping[str, Any]) -> Bar:
    return Bar(distance=distance, text=table[_side(distance)], why=table["why"])


def _exemption(table: Table) -> Exemption:
    bar = _bar(DISTANCES[table["distance"]], table)
    return Exemption(bundle=table["bundle"], bar=bar, owner=table["owner"], until=table["until"])


def _side(distance: Distance) -> str:
    return AT_LEAST if distance.larger_is_closer else AT_MOST


def _wrong(table: Table, today: date) -> Iterable[str]:
    """Everything that is wrong, in sentences."""
    yield from _keys("a policy", table, REQUIRED, REQUIRED | OPTIONAL)
    bars, exemptions = table.get("bars", {}), table.get("exemptions", [])
    yield from _types("a policy", table, {"name": str, "about": str, "bars": dict, "exemptions": list, "loading": dict})
    if isinstance(bars, dict):
        yield from (f"no bar for '{name}'" for name in DISTANCES if name not in bars)
        for name, bar in bars.items():
            yield from _wrong_bar(f"bar '{name}'", name, bar, {"why"})
    yield from _wrong_loading(table.get("loading"))
    for number, one in enumerate(exemptions if isinstance(exemptions, list) else [], start=1):
        yield from _wrong_exemption(f"exemption {number}", one, today)


def _wrong_loading(table: Any) -> Iterable[str]:
    if isinstance(table, dict):
        yield from _keys("'loading'", table, LOADING, LOADING)
        yield from _types("'loading'", table, {"accepts": list, "why": str})
        accepts = table.get("accepts")
        unknown = [one for one in accepts if one not in ROUNDED_AT_LOAD] if isinstance(accepts, list) else []
        known = " and ".join(f"'{one}'" for one in ROUNDED_AT_LOAD)
        yield from (f"'loading' accepts {one!r}, which no loader does; there are {known}" for one in unknown)


def _wrong_exemption(where: str, table: Any, today: date) -> Iterable[str]:
    yield from _wrong_bar(where, table.get("distance") if isinstance(table, dict) else None, table, EXEMPTION)
    if isinstance(table, dict):
        yield from _types(where, table, {"bundle": str, "owner": str, "until": date})
        until = table.get("until")
        if type(until) is date and until < today:
            yield f"{where} ended on {until}"


def _wrong_bar(where: str, name: object, table: Any, others: set[str]) -> Iterable[str]:
    distance = DISTANCES.get(name) if isinstance(name, str) else None
    if distance is None:
        yield f"{where} is about '{name}', which is no distance; there are {', '.join(DISTANCES)}"
    elif not isinstance(table, dict):
        yield f"{where} is {table!r}, expected a table"
    else:
        keys = others | {_side(distance)}
        yield from _keys(where, table, keys, keys)
        yield from _types(where, table, {"why": str})
        yield from _wrong_number(where, table.get(_side(distance), "0"))


def _wrong_number(where: str, text: object) -> Iterable[str]:
    """Text, so that the digits stay as they were decided."""
    try:
        sensible = isinstance(text, str) and 0 <= Decimal(text) <= MOST
    except InvalidOperation:
        sensible = False
    if not sensible:
        yield f'{where} has the limit {text!r}, expected a number from 0 to {MOST} in quotes, such as "0.10"'


def _keys(where: str, table: Mapping[str, Any], required: set[str], known: set[str]) -> Iterable[str]:
    yield from (f"{where} lacks '{key}'" for key in sorted(required - table.keys()))
    yield from (f"{where} has the unknown key '{key}'" for key in sorted(table.keys() - known))


def _types(where: str, table: Mapping[str, Any], types: Mapping[str, type]) -> Iterable[str]:
    for key, kind in types.items():
        value = table.get(key)
        if key in table and (type(value) is not kind or value == ""):  # a moment is a date, too, and no day
            yield f"{where} has {key} = {value!r}, expected {'text' if kind is str else f'a {kind.__name__}'}"
