"""The page: verdict first, nothing from outside unescaped, nothing fetched, whatever the numbers."""

import io
import math
from dataclasses import replace
from html.parser import HTMLParser
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import soundfile

from parity.explain.activation import Activation
from parity.explain.evidence import Evidence
from parity.explain.inside.blocks import by_block
from parity.explain.inside.module_error import ModuleError
from parity.explain.sounds import truth_sound, variant_sound
from parity.explain.swap_matrix import SwapMatrix
from parity.judge.left_out import LeftOut
from parity.measure.verdict import FREE_RUNNING, TEACHER_FORCED, Verdict
from parity.report.page import COLOURS, render
from reference.spec.stages import GENERATION

MOST_VARIANTS = 18  # of a gate that converts for itself
PCM16_STEP = 2.0**-15

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
        "evidence": EVIDENCE,
        "model": {"objective": "rf_denoiser"},
        "environment": {"cpu_model": "a CPU"},
        "artifacts": [{"path": "int8/dit.tflite", "bytes": 3, "sha256": "00"}],
    }
    return render(**{**content, **changes})


STEPS = [{"variant": "litert_int8", "case": "drums", "velocity_snr_db": db} for db in ("30", "inf", "nan")]
SUBSETS = [frozenset(mix) for count in range(4) for mix in combinations(GENERATION, count)]
ERROR = ModuleError(
    path="transformer.layers.1.ff", tensor="t", isolated=1.0, accumulated=1.0, expected=0.1, snr_db=0.0, max_abs=1.0,
    median_ratio=1.0,
)  # fmt: skip
SWAP = SwapMatrix(variant="litert_int8", case="drums", distance_db={subset: float(len(subset)) for subset in SUBSETS})
NEAR = Activation(block="t5.encoder.block.1", module="t5.encoder.block.1.layer.1", case="drums", largest=60_000.0)
AUDIO = np.random.Generator(np.random.Philox(0)).uniform(-1, 1, (2, 22_050))
EVIDENCE = Evidence(
    steps=STEPS,
    layers={("litert_int8", "dit"): [ERROR], ("litert_onnx2tf", "conditioner"): []},
    swaps=[SWAP],
    activations=[NEAR],
    sounds=[truth_sound("drums", AUDIO, 44_100), variant_sound("litert_int8", "drums", AUDIO, AUDIO * 0.9, 44_100)],
)


class Tags(HTMLParser):
    """Collects tags and addresses, and notices what is not closed."""

    VOID = ("meta", "br", "line", "img")

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
    assert len(parsed.addresses) == 2 * len(EVIDENCE.sounds)
    assert all(address.startswith("data:") for address in parsed.addresses)
    assert "script" not in parsed.tags
    assert {"h1", "table", "svg", "polyline"} <= set(parsed.tags)


@pytest.mark.parametrize(
    "place", ["case", "why", "artifact", "model", "environment", "layer", "swap", "activation", "sound", "left out"]
)
def test_what_comes_from_outside_is_escaped(place: str) -> None:
    failed = replace(CHECK, value=2.0)
    changes: dict[str, dict[str, Any]] = {
        "case": {"checks": [replace(failed, case=HOSTILE)]},
        "why": {"checks": [failed], "blame": [{"stage": "dit", "variant": "v", "layer": None, "why": HOSTILE}]},
        "artifact": {"artifacts": [{"path": HOSTILE, "bytes": 1, "sha256": "0"}]},
        "model": {"model": {"objective": HOSTILE}},
        "environment": {"environment": {"cpu_model": HOSTILE}},
        "layer": {"evidence": Evidence(layers={("v", "dit"): [replace(ERROR, path=HOSTILE)]})},
        "swap": {"evidence": Evidence(swaps=[replace(SWAP, variant=HOSTILE)])},
        "left out": {"left_out": [LeftOut(variant="v", why=HOSTILE)]},
        "activation": {"evidence": Evidence(activations=[replace(NEAR, module=HOSTILE)])},
        "sound": {"evidence": Evidence(sounds=[variant_sound(HOSTILE, HOSTILE, AUDIO, AUDIO, 44_100)])},
    }
    text = page(**changes[place])
    assert HOSTILE not in text
    assert "alert(" in text, "the place is not on the page at all"
    assert "script" not in Tags(text).tags


def test_no_two_variants_share_a_colour() -> None:
    assert len(set(COLOURS)) == len(COLOURS) >= MOST_VARIANTS


def test_the_verdict_comes_first_and_failures_say_their_sentence() -> None:
    failed = replace(CHECK, value=2.0)
    blame = [{"stage": "dit", "variant": failed.variant, "layer": "transformer.layers.1", "why": str(failed)}]
    text = page(publish=False, checks=[failed], blame=blame)
    body = text[text.index("<body>") :]
    assert body.index("REFUSE") < body.index("transformer.layers.1") < body.index("Stage by variant")
    assert "denoised_error is 2, allowed at most 1" in text


def test_nan_is_the_worst_of_a_block() -> None:
    errors = [replace(ERROR, isolated=value) for value in (5.0, math.nan, 7.0)]
    (block,) = by_block(errors)
    assert math.isnan(block.worst.isolated)
    assert by_block([errors[0], errors[2]])[0].worst.isolated == 7.0


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e300])
def test_any_number_can_be_shown(value: float) -> None:
    error = replace(ERROR, isolated=value, accumulated=value, expected=1e-7)
    swap = replace(SWAP, distance_db=dict.fromkeys(SUBSETS, value))
    evidence = replace(
        EVIDENCE,
        layers={("v", "dit"): [error]},
        swaps=[swap],
        activations=[replace(NEAR, largest=value)],
        sounds=[variant_sound("v", "drums", AUDIO, np.full(AUDIO.shape, min(value, 3e38), np.float32), 44_100)],
    )
    assert Tags(page(checks=[replace(CHECK, value=value)], evidence=evidence)).open == []


def test_a_stage_nothing_is_known_about_says_so_and_a_warning_is_at_the_top() -> None:
    text = page()
    assert "None of its tensors is named after a module" in text
    body = text[text.index("<body>") :]
    assert body.index("PUBLISH") < body.index("is near the largest FP16 number") < body.index("Stage by variant")


def test_the_players_hold_what_was_heard_and_the_pictures_are_pictures() -> None:
    truth, variant = EVIDENCE.sounds
    samples, rate_hz = soundfile.read(io.BytesIO(variant.flac))
    assert (rate_hz, samples.shape) == (44_100, AUDIO.T.shape)
    assert np.abs(samples - AUDIO.T * 0.9).max() <= PCM16_STEP
    assert {sound.png[:8] for sound in (truth, variant)} == {b"\x89PNG\r\n\x1a\n"}
    assert truth.png != variant.png
