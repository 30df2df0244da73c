"""What `card` is given and cannot be a card, a README or an id is told by its own name, and no file is touched."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parity.__main__ import app
from parity.meta_tests.report.test_embed import BODY, FRONT, HUB_ID, report

TITLE = "# Parity: PUBLISH\n"
# What may have become of the card of a report, and what is told of it.
DAMAGED = {
    "no YAML": (f"---\na: [\n---\n{TITLE}", "its front matter is no YAML"),
    "a list": (f"---\n- a\n---\n{TITLE}", "its front matter holds list, expected keys and values"),
    "a 13th month": (f"---\nday: 2026-13-01\n---\n{TITLE}", "its front matter is no YAML (month must be in 1..12)"),
    "results that are a number": (f"---\nmodel-index: [{{name: a, results: 3}}]\n---\n{TITLE}", "its model-index is of another"),
    "an index that is a word": (f"---\nmodel-index: a\n---\n{TITLE}", "its model-index is of another shape"),
    "an entry without results": (f"---\nmodel-index: [{{name: a}}]\n---\n{TITLE}", "its model-index is of another shape"),
    "a key twice": (f"---\na: 1\na: 2\n---\n{TITLE}", "its front matter has the key 'a' twice; leave one"),
    "nothing in it": ("", "is no card: it holds no verdict"),
    "cut off": ("---\nlicense: other\n", "is no card: it holds no verdict"),
    "another text": ("# My model\n", "is no card: it holds no verdict"),
}
ASKED = {"printed": [], "named": ["--base-model", HUB_ID], "embedded": ["--embed", "README.md"]}


@pytest.mark.parametrize("options", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize(("damaged", "words"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_card_is_told_by_its_own_name(
    damaged: str, words: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (report(tmp_path) / "parity-card.md").write_text(damaged)
    (tmp_path / "README.md").write_text(FRONT + BODY)
    result = CliRunner().invoke(app, ["card", "report", *options])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: report/parity-card.md: ")
    assert words in result.stderr
    assert (tmp_path / "README.md").read_text() == FRONT + BODY


@pytest.mark.parametrize("given", ["", " ", "small", "a/b/c", "a b/c", "a/b\n", "https://huggingface.co/a/b", "a/.git", "./a"])
def test_what_is_no_id_on_the_hub_is_no_original(given: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["card", str(report(tmp_path)), f"--base-model={given}"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--base-model is '" in result.stderr
    assert "expected an id on the hub, such as stabilityai/stable-audio-open-small" in result.stderr


# Where a card would be put into a card: what leads to which file.
CARDS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "this one": ("parity-card.md", lambda folder: None),
    "by a link": ("README.md", lambda folder: (folder / "README.md").symlink_to("parity-card.md")),
    "by another name": ("README.md", lambda folder: (folder / "README.md").hardlink_to(folder / "parity-card.md")),
    "another report's, by a link": (
        "README.md",
        lambda folder: (folder / "README.md").symlink_to(report(made(folder / "other")) / "parity-card.md"),
    ),
    "another report's": ("other/report/parity-card.md", lambda folder: report(made(folder / "other"))),
}


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("readme", "make"), CARDS.values(), ids=CARDS)
def test_a_card_is_put_into_no_card(readme: str, make: Callable[[Path], object], tmp_path: Path) -> None:
    folder = report(tmp_path)
    make(folder)
    before = (folder / readme).read_text()
    result = CliRunner().invoke(app, ["card", str(folder), "--embed", str(folder / readme)])
    assert (result.exit_code, (folder / readme).read_text()) == (2, before)
    assert result.stderr.startswith(f"error: {folder / readme}: is a card itself; expected the README")
