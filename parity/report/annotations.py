"""The files at fault in the words of GitHub's workflow commands, which show a sentence at a file of a change."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from parity.report.opened import open_report
from reference.spec.errors import InputError, one_line

# What the commands' own syntax takes for its end or for a separator.
IN_SENTENCE = {"%": "%25", "\r": "%0D", "\n": "%0A"}
IN_PROPERTY = {**IN_SENTENCE, ":": "%3A", ",": "%2C"}


def annotations(path: Path) -> list[str]:
    """One line for each stage at fault, at its file; for a bundle of which no stage is, at its folder.

    Raises InputError for what is no report of this version.
    """
    top = open_report(path)
    report = {name: top.take(name, list) for name in ("bundles", "blame")}
    try:
        return list(_lines(report))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{top.file}: is a report of another version ({error}); judge again") from None


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    for bundle in report["bundles"]:
        if bundle["verdict"] == "publish":
            continue
        files = {stage["stage"]: stage["file"] for stage in bundle["arithmetic"]}
        names = {bundle["name"], *bundle["contenders"]}
        blamed = [one for one in report["blame"] if one["variant"] in names]
        for one in blamed:
            yield _error(PurePath(bundle["path"]) / files.get(one["stage"], ""), bundle, one["why"])
        if not blamed:
            yield _error(PurePath(bundle["path"]), bundle, bundle["why"])


def _error(path: PurePath, bundle: Mapping[str, Any], sentence: str) -> str:
    title = _escaped(f"{bundle['verdict'].upper()} {bundle['name']}", IN_PROPERTY)
    return one_line(f"::error file={_escaped(str(path), IN_PROPERTY)},title={title}::{_escaped(sentence, IN_SENTENCE)}")


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(character, character) for character in text)
