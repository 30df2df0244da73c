"""The page: verdict first, nothing from outside unescaped, nothing fetched, whatever the numbers."""

import io
import math
import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import soundfile

from parity.device.device import Device
from parity.explain.evidence import Evidence
from parity.explain.inside.blocks import by_block
from parity.explain.sounds import PLAYED_S, truth_sound, variant_sound
from parity.judge.left_out import LeftOut
from parity.measure.policy_file import PUBLISH, read_policy
from parity.meta_tests.report.sample import (
    ARTIFACT_ENTRY,
    ASSIGNMENT,
    AUDIO,
    BUNDLE,
    CHECK,
    DEVICE,
    ENVIRONMENT,
    ERROR,
    EVIDENCE,
    LATENCY,
    MODEL,
    NEAR,
    SUBSETS,
    SWAP,
    sample,
)  # fmt: skip
from parity.report.bundle_verdict import Shared
from parity.report.page import COLOURS
from parity.report.page import page as page_of

MOST_VARIANTS = 18  # of a gate that converts for itself
PCM16_STEP = 2.0**-15
STILL_THE_SAME = 0.99  # correlation of a tone with itself as a codec squeezes it
TONE = np.tile(0.5 * np.sin(np.arange(22_050) * 2 * np.pi * 440 / 44_100), (2, 1))
MANY_CHECKS, MANY_VARIANTS, WINDOW = 7000, 23, 82_000  # of a gate of the tiny model
MOST_BYTES = 5_000_000  # of a page that mails carry
POLICY = read_policy(PUBLISH, date.today())

HOSTILE = "<script>alert('x')</script>&\""


def page(**changes: Any) -> str:
    return page_of(sample(**changes))


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


@pytest.mark.parametrize("place", [
    "case", "why", "artifact", "model", "environment", "layer", "swap", "activation", "sound", "left out", "bundle",
    "assignment",
])  # fmt: skip
def test_what_comes_from_outside_is_escaped(place: str) -> None:
    failed = replace(CHECK, value=2.0)
    changes: dict[str, dict[str, Any]] = {
        "case": {"checks": [replace(failed, case=HOSTILE)]},
        "why": {"checks": [replace(failed, why=HOSTILE)]},
        "artifact": {"artifacts": [replace(ARTIFACT_ENTRY, path=HOSTILE)]},
        "model": {"model": replace(MODEL, objective=HOSTILE)},
        "environment": {"environment": replace(ENVIRONMENT, cpu_model=HOSTILE)},
        "layer": {"evidence": Evidence(layers={("v", "dit"): [replace(ERROR, path=HOSTILE)]})},
        "swap": {"evidence": Evidence(swaps=[replace(SWAP, variant=HOSTILE)])},
        "bundle": {"bundles": [replace(BUNDLE, path=HOSTILE)]},
        "assignment": {"assignments": [replace(ASSIGNMENT, name=HOSTILE)]},
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
    text = page(checks=[failed])
    body = text[text.index("<body>") :]
    assert body.index("REFUSE") < body.index(f"module <code>{ERROR.path}</code>") < body.index("Stage by variant")
    assert "denoised_error is 2, allowed at most 1" in text


@pytest.mark.parametrize(("value", "colour"), [(0.5, "ok"), (2.0, "bad")])
def test_a_file_judged_under_another_name_is_marked_and_has_its_colour(value: float, colour: str) -> None:
    other = replace(CHECK, variant="litert_fp32", value=value)
    shared = [Shared(variant="litert_int8", stage="dit", judged_as="litert_fp32")]
    text = page(checks=[other, replace(CHECK, stage="decoder")], shared=shared)
    cells = re.findall(rf'<td class="n {colour}" title="dit/litert_fp32[^>]*>([^<]*)</td>', text)
    assert cells == [f"{100 * value:.0f} %", f"{100 * value:.0f} % †"]
    assert "judged there" in text


def test_variants_with_the_same_values_share_a_line_and_its_legend() -> None:
    evidence = replace(EVIDENCE, steps=[replace(step, variant=name) for name in ("one", "two") for step in EVIDENCE.steps])
    assert page(evidence=evidence).count("<polyline") == 1
    assert "&#9632; one, two</span>" in page(evidence=evidence)
    other = replace(EVIDENCE.steps[0], variant="three")
    assert page(evidence=replace(evidence, steps=[*evidence.steps, other])).count("<polyline") == 2


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
    truth, variant = truth_sound("drums", TONE, 44_100), variant_sound("v", "drums", TONE, TONE * 0.9, 44_100)
    samples, rate_hz = soundfile.read(io.BytesIO(variant.exact))
    assert (rate_hz, samples.shape) == (44_100, TONE.T.shape)
    assert np.abs(samples - TONE.T * 0.9).max() <= PCM16_STEP
    squeezed, rate_hz = soundfile.read(io.BytesIO(variant.played))
    assert (rate_hz, samples.shape) == (44_100, squeezed.shape)
    assert np.corrcoef(squeezed.ravel(), samples.ravel())[0, 1] > STILL_THE_SAME
    assert {(sound.picture[:4], sound.picture[8:12]) for sound in (truth, variant)} == {(b"RIFF", b"WEBP")}
    assert truth.picture != variant.picture


def test_a_long_sound_is_played_in_part_and_kept_whole() -> None:
    audio = np.tile(AUDIO, (1, 2 * PLAYED_S + 2))
    sound = truth_sound("drums", audio, 44_100)
    assert soundfile.info(io.BytesIO(sound.played)).duration == PLAYED_S
    assert soundfile.info(io.BytesIO(sound.exact)).frames == audio.shape[1]


@pytest.mark.parametrize("changes", [{}, {"checks": [replace(CHECK, value=2.0)], "policy": POLICY, "latency": [LATENCY]}], ids=[
    "published", "refused"])  # fmt: skip
def test_every_section_says_what_to_do_with_it(changes: dict[str, Any]) -> None:
    sections = page(**changes).split("<h2>")[1:]
    assert [text for text in sections if text.count("What to do:") != 1] == []


def test_what_to_do_with_a_bundle_stands_with_its_verdict() -> None:
    for checks, words in (([CHECK], "may be published"), ([replace(CHECK, value=2.0)], "is not to be published")):
        text = page(checks=checks)
        assert text.index(f"<li><code>{BUNDLE.name}</code> {words}") < text.index("<h2>")


def test_what_is_wrong_stands_above_all_figures() -> None:
    text = page(checks=[replace(CHECK, value=2.0)], policy=POLICY)
    titles = re.findall("<h2>(.*?)</h2>", text)
    assert titles[:3] == ["Who is at fault", "Failed checks", "Close enough?"]


def test_a_run_of_thousands_of_checks_is_a_page_that_can_be_sent() -> None:
    """Everything a gate that converts for itself shows, of sounds that no codec can squeeze: noise."""
    names = [f"variant_{number}" for number in range(MANY_VARIANTS)]
    noise = np.tile(AUDIO, (1, 4))[:, :WINDOW]
    sound = variant_sound("v", "drums", noise, noise * 0.9, 44_100)
    layers = {(name, "dit"): [replace(ERROR, path=f"transformer.layers.{i}.ff") for i in range(40)] for name in names}
    evidence = replace(EVIDENCE, sounds=[replace(sound, variant=name) for name in names], layers=layers)
    checks = [replace(CHECK, variant=names[i % MANY_VARIANTS], case=f"case {i}", value=2.0) for i in range(MANY_CHECKS)]
    assert len(page(checks=checks, evidence=evidence).encode()) < MOST_BYTES


def test_latencies_of_the_judged_files_are_shown() -> None:
    text = page(latency=[LATENCY, replace(LATENCY, noisy=True, ratio=None, peak_bytes=None)])
    row = "<td>a CPU</td><td>2</td><td>dit</td><td>litert_int8</td>"
    assert f"{row}<td>12.3 ms</td><td>3.50</td><td>1024 MiB</td>" in text
    assert f"{row}<td>noisy</td><td>-</td><td>-</td>" in text
    assert "<h2>Latency</h2>" not in page()


def test_devices_stand_side_by_side() -> None:
    other = Device(name=HOSTILE, told={"cpu": HOSTILE}, notes=[HOSTILE])
    text = page(devices=[DEVICE, other])
    assert "<td>dit, litert_int8, 1 thread</td><td class=\"n\">12.3 ms</td><td class=\"n\">-</td>" in text
    assert "<td>dit, litert_int8, opened alone</td><td class=\"n\">0.50 s, 1024 MiB</td><td class=\"n\">-</td>" in text
    assert "its answers equal those of laptop" in text
    assert HOSTILE not in text


def test_a_gate_on_this_machine_shows_no_devices() -> None:
    assert "<h2>Devices</h2>" not in page(devices=[])
