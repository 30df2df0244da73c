"""Whoever waits is told what is going on and what is left; what a program reads holds nothing of it."""

import io
import re
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.table import Table

from fixtures import TINY_MODEL_DIR
from reference.pipeline import Model, load_model
from reference.progress import (
    numbered,
    plain_console,
    print_line,
    print_lines,
    show_progress,
    show_steps,
    show_table,
    tell,
)
from reference.spec.generation import Request, generate
from reference.spec.noise import open_noise
from reference.spec.sampling.samplers import SamplerSpec


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(TINY_MODEL_DIR)


@pytest.mark.parametrize(("items", "told"), [("abc", ["1 of 3", "2 of 3", "3 of 3"]), ("", [])], ids=["three", "none"])
def test_each_is_told_its_place_among_all(items: str, told: list[str]) -> None:
    assert list(numbered(iter(items))) == list(zip(told, items, strict=True))


@pytest.mark.parametrize("sampler", ["pingpong", "rk4"])
def test_a_generation_tells_every_step(model: Model, sampler: str) -> None:
    request, told = Request(prompt="drums", seconds=1.0, sampler=SamplerSpec(name=sampler, steps=3)), []
    noise = open_noise("philox", model.spec.latent_shape, 0)
    generate(model.pipeline(), request, noise, lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


HOSTILE = "reading a\n::error::b\r\x1b[2Jc\u2028d.tflite"
TOLD = "reading a\\n::error::b\\r\\x1b[2Jc\\u2028d.tflite"


def shown_by(console: Console) -> io.StringIO:
    """What a console prints from now on."""
    console.file = io.StringIO()
    return console.file


def printing(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True)


def table_of(console: Console, text: str) -> None:
    table = Table(text, title=text)
    table.add_row(text)
    show_table(console, table)


def saying(console: Console, text: str) -> None:
    with show_progress(console) as say:
        say(text)


# Ways to print one text that comes from outside.
PRINTS = {
    "print": printing, "tell": lambda console, text: tell(console, "red", "wrong", text), "table": table_of, "say": saying,
}  # fmt: skip


@pytest.mark.parametrize("prints", PRINTS.values(), ids=PRINTS)
def test_what_comes_from_outside_stays_on_its_line(prints: Callable[[Console, str], None]) -> None:
    shown = shown_by(console := plain_console(width=200))
    prints(console, HOSTILE)
    assert TOLD in shown.getvalue()
    assert not set(HOSTILE) & set("\r\x1b\u2028") & set(shown.getvalue())
    assert not any(line.startswith("::") for line in shown.getvalue().split("\n"))


def test_a_line_without_colours_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_line(HOSTILE)
    assert capsys.readouterr().out == f"{TOLD}\n"


def test_lines_of_ours_stay_lines() -> None:
    shown = shown_by(console := plain_console(width=20))
    print_lines(console, f"| a |\n| {'b' * 40} |")
    assert shown.getvalue() == f"| a |\n| {'b' * 40} |\n"


PATH = "/home/somebody/models/" + "-".join(["stable", "audio", "open"] * 4) + "/int8/dit.tflite"


def live(monkeypatch: pytest.MonkeyPatch, width: int, run: Callable[[Console], None]) -> str:
    """What a terminal of this width shows in the end, before it is wiped: the last picture."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = shown_by(console := plain_console(width=width))
    run(console)
    pictures = re.split(r"\r?\x1b\[2K", re.sub(r"\x1b\[[\d;]*m", "", shown.getvalue()))
    return next(picture for picture in reversed(pictures) if picture.strip() and "\x1b[?25h" in picture)


@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_live_progress_is_folded_and_never_cut(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    picture = live(monkeypatch, width, lambda console: saying(console, f"reading {PATH}"))
    assert "…" not in picture
    assert f"reading{PATH}" in re.sub(r"\s|\d+:\d\d:\d\d|^.", "", picture.split("\x1b[?25h")[0])
    assert max(len(line) for line in picture.split("\x1b[?25h")[0].split("\n")) <= width


def test_live_progress_stays_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert TOLD in live(monkeypatch, 100, lambda console: saying(console, HOSTILE))


@pytest.mark.parametrize("width", [20, 40, 80])
def test_numbers_of_a_bar_are_never_cut(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    def steps(console: Console) -> None:
        with show_steps("encoding the data set", console) as told:
            told(123, 4567)

    assert " 123/4567 -:--:--" in live(monkeypatch, width, steps)


@pytest.mark.parametrize("width", [10, 12, 20])
def test_a_clock_is_never_cut(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    assert " 0:00:00" in live(monkeypatch, width, lambda console: saying(console, f"reading {PATH}"))


def test_a_cell_that_holds_what_ends_a_line_is_not_cut_there() -> None:
    shown = shown_by(console := plain_console(width=12))
    table = Table("name")
    table.add_row("a" * 20 + "\n" + "b" * 20)
    show_table(console, table)
    assert "a" * 20 + "\\n" + "b" * 20 in shown.getvalue()


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "a file"])
def test_a_bar_is_for_terminals_and_a_file_gets_nothing(terminal: bool) -> None:
    shown = io.StringIO()
    with show_steps("generating", Console(file=shown, force_terminal=terminal, width=80)) as told:
        told(1, 3)
    assert ("generating" in shown.getvalue(), shown.getvalue() != "") == (terminal, terminal)
