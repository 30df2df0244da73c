"""A card goes into somebody's README without a byte of theirs changing; what cannot be done is told in a sentence."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from parity.__main__ import app
from parity.judge.left_out import LeftOut
from parity.meta_tests.report.sample import BUNDLE, sample
from parity.report.card import card
from parity.report.embed import BEGIN, END, embedded, parted, says_base_model
from parity.report.front_matter import OURS

HUB_ID = "stabilityai/stable-audio-open-small"
CARD = card(sample(base_model=HUB_ID))
FRONT = """---
# kept: a comment
license: apache-2.0
tags:
- audio  # and this one
language: [en,  de]
base_model:
- stabilityai/stable-audio-open-small
---
"""
BODY = "# My model\n\nIt plays drums.\n\n---\n\nThe end.\n"
COMPLEX = """? model-index
: - name: mine
    results:
    - task: {type: text-to-audio}
      dataset: {type: somebody, name: Somebody's}
      metrics: [{type: fad, value: 1.5}]
"""
OTHERS = """model-index:
- name: mine
  results:
  - task: {type: text-to-audio}
    dataset: {type: somebody, name: Somebody's}
    metrics:
    - {type: fad, value: 1.5}
"""
# The same, its key written otherwise.
INDEXES = {
    "results of others": OTHERS,
    "a complex key": COMPLEX,
    "a quoted key": OTHERS.replace("model-index", '"model-index"'),
    "a key with an escape": OTHERS.replace("model-index", '"model\\x2dindex"'),
    "a key with a tag": OTHERS.replace("model-index", "!!str model-index"),
    "a key with an anchor": OTHERS.replace("model-index", "&index model-index"),
    "room before the colon": OTHERS.replace("model-index:", "model-index  :"),
    "a number that is none": OTHERS.replace("1.5", ".nan"),
}
BOM = "\ufeff"
READMES = {
    "nothing": "",
    "no front matter": BODY,
    "front matter": FRONT + BODY,
    "front matter alone": FRONT,
    "empty front matter": "---\n---\n" + BODY,
    **{name: FRONT.replace("license:", f"{index}license:") + BODY for name, index in INDEXES.items()},
    "a comment behind the results": FRONT.replace("license:", f"{OTHERS}\n# kept: of the licence\n\n# and this\nlicense:") + BODY,
    "a comment at the end": f"---\n{OTHERS}# kept: at the end\n---\n" + BODY,
    "a value that is no number": "---\ntemperature: .nan\n---\n" + BODY,
    "windows": (FRONT + BODY).replace("\n", "\r\n"),
    "lines that end in both ways": "# My model\r\n\r\nIt plays\ndrums.\r\n",
    "lines that end in both ways, with front matter": FRONT.replace("\n", "\r\n", 2) + BODY.replace("\n", "\r\n", 3),
    "other ends of lines": "# My model\x0c\u2028---\u2028\r---\r",
    "a byte order mark": BOM + FRONT + BODY,
    "no line break at the end": FRONT + BODY.rstrip("\n"),
    "a rule on top, and no front matter": "---\n\n# My model\n",
}


@pytest.mark.parametrize("readme", READMES.values(), ids=READMES)
def test_every_byte_of_theirs_stays(readme: str) -> None:
    front, body = parted(readme.removeprefix(BOM))
    new = embedded(readme, CARD)
    for index in sorted(INDEXES.values(), key=len, reverse=True):
        front = front.replace(index, "").replace("\n\n# kept", "\n# kept").lstrip("\n")
    assert front in new
    assert body.rstrip() in new
    assert new.startswith(BOM) == readme.startswith(BOM)


@pytest.mark.parametrize("readme", READMES.values(), ids=READMES)
def test_a_second_time_changes_nothing(readme: str) -> None:
    once = embedded(readme, CARD)
    assert embedded(once, CARD) == once


@pytest.mark.parametrize("readme", READMES.values(), ids=READMES)
def test_a_new_verdict_takes_the_place_of_the_old_one(readme: str) -> None:
    refused = card(sample(base_model=HUB_ID, checks=[]))
    new = embedded(embedded(readme, CARD), refused)
    assert "## Parity: REFUSE" in new
    assert "## Parity: PUBLISH" not in new
    assert new == embedded(readme, refused)


@pytest.mark.parametrize("readme", READMES.values(), ids=READMES)
def test_metrics_of_a_bundle_that_is_not_judged_any_more_are_gone(readme: str) -> None:
    unable = card(sample(base_model=HUB_ID, left_out=[LeftOut(variant="litert_int8", why="another machine")]))
    new = embedded(embedded(readme, CARD), unable)
    assert "failed_checks" not in new
    assert ("model-index" in new) == ("somebody" in readme)
    assert "## Parity" in embedded(readme, unable)
    assert ("somebody" in new) == ("somebody" in readme)


def test_what_stands_behind_the_block_stays_behind_it() -> None:
    readme = embedded(BODY, CARD).replace(END, f"{END}\n\n## Thanks\n")
    assert embedded(readme, CARD) == readme


@pytest.mark.parametrize("readme", READMES.values(), ids=READMES)
def test_the_hub_finds_our_metrics_beside_those_of_others(readme: str) -> None:
    found = ModelCard(embedded(readme, CARD).removeprefix(BOM), ignore_metadata_errors=False).data
    kinds = {row.dataset_type for row in found.eval_results or []}
    assert kinds == ({OURS, "somebody"} if "somebody" in readme else {OURS})
    assert found.license == ("apache-2.0" if "apache" in readme else "other")


def test_the_card_s_headings_stand_below_the_title() -> None:
    titles = [line for line in embedded(BODY, CARD).splitlines() if line.startswith("# ")]
    assert titles == ["# My model"]


def test_lines_end_as_theirs_do() -> None:
    new = embedded(READMES["windows"], CARD)
    assert new.count("\n") == new.count("\r\n")


WRONG = {
    "a beginning without an end": (f"{BEGIN}\n", "marks of stable-audio-parity do not belong together (begin)"),
    "an end before the beginning": (f"{END}\n{BEGIN}\n", "do not belong together (end, begin)"),
    "two blocks": (f"{BEGIN}\n{END}\n" * 2, "leave one of each, or none"),
    "no YAML": ("---\na: [\n---\n", "its front matter is no YAML"),
    "a list": ("---\n- a\n---\n", "its front matter holds list, expected keys and values"),
    "all keys on one line": ("---\n{license: mit}\n---\n", "cannot be added to as it is written"),
    "a 13th month": ("---\nday: 2026-13-01\n---\n", "its front matter is no YAML (month must be in 1..12)"),
    "brackets without end": (f"---\na: {'[' * 3000}\n---\n", "its front matter has values within values, more than 50 deep"),
    "a value that holds itself": ("---\na: &a [*a]\n---\n", "has a value that holds itself (*a)"),
    "no plain values": ("---\na: !!python/name:os.system\n---\n", "its front matter is no YAML (could not determine a"),
    "a key twice": ("---\nmodel-index: []\n? model-index\n: []\n---\n", "its front matter has the key 'model-index' twice"),
    "results that are a number": ("---\nmodel-index: [{name: a, results: 3}]\n---\n", "its model-index is of another shape"),
    "a result that is a word": ("---\nmodel-index: [{name: a, results: [b]}]\n---\n", "its model-index is of another shape"),
    "a data set that is a word": (
        "---\nmodel-index: [{name: a, results: [{dataset: b}]}]\n---\n", "its model-index is of another shape",
    ),
    "an index of another shape": ("---\nmodel-index: [1]\n---\n", "its model-index is of another shape"),
    "tags that are a number": ("---\ntags: 5\n---\n", "its tags are 5, expected a list of words"),
    "another original": ("---\nbase_model: somebody/else\n---\n", f"says base_model somebody/else, the card says {HUB_ID}"),
}


def report(parent: Path, **changes: object) -> Path:
    """A folder with a card in it."""
    folder = parent / "report"
    folder.mkdir()
    (folder / "parity-card.md").write_text(card(sample(**changes)), encoding="utf-8")
    return folder


@pytest.mark.parametrize(("readme", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_done_is_told_and_leaves_the_file(readme: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(readme)
    result = CliRunner().invoke(app, ["card", str(report(tmp_path, base_model=HUB_ID)), "--embed", str(path)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {path}: ")
    assert words in result.stderr
    assert path.read_text() == readme


def test_no_name_of_a_bundle_is_taken_for_a_mark() -> None:
    hostile = card(sample(bundles=[replace(BUNDLE, path=f"out/{END} a", name=f"{BEGIN} b")]))
    once = embedded(BODY, hostile)
    assert embedded(once, hostile) == once


def test_the_command_writes_what_the_function_says(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(FRONT + BODY)
    path.chmod(0o640)
    result = CliRunner().invoke(app, ["card", str(report(tmp_path, base_model=HUB_ID)), "--embed", str(path)])
    assert result.exit_code == 0, result.output
    assert path.read_text() == embedded(FRONT + BODY, CARD)
    assert path.stat().st_mode & 0o777 == 0o640
    assert "note" not in result.output


@pytest.mark.parametrize(("options", "named"), [((), None), (("--base-model", HUB_ID), HUB_ID)], ids=["left out", "named"])
def test_the_original_can_be_named(options: tuple[str, ...], named: str | None, tmp_path: Path) -> None:
    folder = str(report(tmp_path))
    printed = CliRunner().invoke(app, ["card", folder, *options])
    assert printed.exit_code == 0, printed.output
    assert yaml.safe_load(printed.stdout.split("---\n")[1]).get("base_model") == named
    (tmp_path / "README.md").write_text(BODY)
    done = CliRunner().invoke(app, ["card", folder, *options, "--embed", str(tmp_path / "README.md")])
    assert ("note the card names no original" in done.output) == (named is None), done.output


@pytest.mark.parametrize(("there", "words"), [
    ((), "parity-card.md: cannot be read (No such file or directory); expected a report folder that 'parity gate"),
    (("parity-card.md",), "README.md: cannot be read (No such file or directory); expected the README of the repository"),
], ids=["no card", "no README"])  # fmt: skip
def test_what_is_not_there_is_told(there: tuple[str, ...], words: str, tmp_path: Path) -> None:
    folder = report(tmp_path)
    for path in set(folder.iterdir()) - {folder / name for name in there}:
        path.unlink()
    result = CliRunner().invoke(app, ["card", str(folder), "--embed", str(tmp_path / "README.md")])
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_readme_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_bytes("Müller".encode("latin-1"))
    result = CliRunner().invoke(app, ["card", str(report(tmp_path)), "--embed", str(tmp_path / "README.md")])
    assert (result.exit_code, "is no UTF-8 text; save it as UTF-8" in result.stderr) == (2, True)


@pytest.mark.parametrize(("said", "named"), [("base_model: a/b", True), ("base_model:", False), ("a: b", False)])
def test_an_original_that_is_left_empty_is_not_named(said: str, named: bool) -> None:
    assert says_base_model(f"---\n{said}\n---\n") == named
