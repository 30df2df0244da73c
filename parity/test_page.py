"""The page: verdict first, nothing from outside unescaped, nothing fetched, whatever the numbers."""

import math
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from parity.localize import ModuleError
from parity.page import render
from parity.verdict import FREE_RUNNING, TEACHER_FORCED, Verdict

HOSTILE = "<script>alert('x')</script>&\""
CHECK = Verdict(
    stage="dit", variant="litert_int8", case="drums", ladder=TEACHER_FORCED, metric="denoised_error", step=3,
    value=0.5, limit=1.0, low_limit=0.1, why="measured",
)  # fmt: skip


def page(**changes: Any) -> str:
    content: dict[str, Any] = {
        "publish": True,
        "checks": [CHECK, replace(CHECK, ladder=FREE_RUNNING, stage="decoder")],
        "blame": [],
        "steps": [{"variant": "litert_int8", "case": "drums", "velocity_snr_db": db} for db in ("30", "inf", "nan")],
        "layers": {},
        "model": {"objective": "rf_denoiser"},
        "environment": {"cpu_model": "a CPU"},
        "artifacts": [{"path": "int8/dit.tflite", "bytes": 3, "sha256": "00"}],
    }
    return render(**{**content, **changes})


class Tags(HTMLParser):
    """Collects tags and addresses, and notices what is not closed."""

    VOID = ("meta", "br", "line")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing() -> None:
    parsed = Tags(page())
    assert parsed.open == []
    assert parsed.addresses == []
    assert "script" not in parsed.tags
    assert {"h1", "table", "svg", "polyline"} <= set(parsed.tags)


@pytest.mark.parametrize("place", ["case", "why", "artifact", "model", "environment", "layer"])
def test_what_comes_from_outside_is_escaped(place: str) -> None:
    failed = replace(CHECK, value=2.0)
    error = ModuleError(path=HOSTILE, tensor="t", isolated=1.0, accumulated=1.0, expected=0.1)
    changes: dict[str, dict[str, Any]] = {
        "case": {"checks": [replace(failed, case=HOSTILE)]},
        "why": {"checks": [failed], "blame": [{"stage": "dit", "variant": "v", "layer": None, "why": HOSTILE}]},
        "artifact": {"artifacts": [{"path": HOSTILE, "bytes": 1, "sha256": "0"}]},
        "model": {"model": {"objective": HOSTILE}},
        "environment": {"environment": {"cpu_model": HOSTILE}},
        "layer": {"layers": {("v", "dit"): [error]}},
    }
    text = page(**changes[place])
    assert HOSTILE not in text
    assert "alert(" in text, "the place is not on the page at all"
    assert "script" not in Tags(text).tags


def test_the_verdict_comes_first_and_failures_say_their_sentence() -> None:
    failed = replace(CHECK, value=2.0)
    blame = [{"stage": "dit", "variant": failed.variant, "layer": "transformer.layers.1", "why": str(failed)}]
    text = page(publish=False, checks=[failed], blame=blame)
    body = text[text.index("<body>") :]
    assert body.index("REFUSE") < body.index("transformer.layers.1") < body.index("Stage by variant")
    assert "denoised_error is 2, allowed at most 1" in text


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e300])
def test_any_number_can_be_shown(value: float) -> None:
    error = ModuleError(path="p", tensor="t", isolated=value, accumulated=value, expected=1e-7)
    Tags(page(checks=[replace(CHECK, value=value)], layers={("v", "dit"): [error]}))
