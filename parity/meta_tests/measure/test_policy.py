"""Policies: strict to read, held to the worst of what was measured, with exemptions that somebody owns and that end."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import POLICIES_DIR
from parity.measure.arithmetic import ALL_AT_LOAD, AS_SAVED, T5_AT_LOAD
from parity.measure.closeness import DISTANCES
from parity.measure.policy import Policy
from parity.measure.policy_file import EMBEDDED, PUBLISH, chosen_policy, named_policies, read_policy
from parity.measure.verdict import FREE_RUNNING, TEACHER_FORCED, Verdict
from reference.spec.errors import InputError

TODAY = date(2026, 11, 26)
STRICTEST_FIRST = ["transparent", "publish", "preview"]  # of those for what is handed on
OURS = (POLICIES_DIR / "publish.toml").read_text(encoding="utf-8")
EXEMPTION = """
[[exemptions]]
bundle = "int4"
distance = "dit_denoised_error"
at_most = "0.3"
why = "the only one that fits the smallest phone"
owner = "the audio team"
until = 2026-12-31
"""
ENDS = date(2026, 12, 31)
CHECK = Verdict(
    stage="dit", variant="litert_int4", case="drums", ladder=TEACHER_FORCED, metric="denoised_error", step=3, value=0.2, limit=1.0
)
RENDERED = replace(CHECK, stage="decoder", metric="relative_l2", step=None, value=0.01)


def policy(folder: Path, text: str, today: date = TODAY) -> Policy:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return read_policy(str(folder / "mine.toml"), today)


@pytest.fixture
def exempting(tmp_path: Path) -> Policy:
    return policy(tmp_path, OURS + EXEMPTION)


def test_every_policy_of_ours_has_a_bar_for_every_distance() -> None:
    assert {*STRICTEST_FIRST, EMBEDDED} == set(named_policies())
    for name in named_policies():
        assert [bar.distance.name for bar in read_policy(name, TODAY).bars] == list(DISTANCES)


def test_a_stricter_policy_is_stricter_in_everything() -> None:
    policies = [read_policy(name, TODAY) for name in STRICTEST_FIRST]
    for strict, lenient in pairwise(policies):
        for one, other in zip(strict.bars, lenient.bars, strict=True):
            assert other.holds(float(one.text)), one
            assert not one.holds(float(other.text)), one


@pytest.mark.parametrize(
    ("asked", "made_here", "name"), [(None, True, EMBEDDED), (None, False, PUBLISH), ("transparent", True, "transparent")]
)
def test_what_holds_where_nobody_says(asked: str | None, made_here: bool, name: str) -> None:
    assert chosen_policy(asked, TODAY, made_here=made_here).name == name


# What somebody writes, and what is said of it.
WRONG: dict[str, tuple[Callable[[str], str], str]] = {
    "no TOML": (lambda text: text + "[", "cannot be read as a policy"),
    "a word too much": (lambda text: "strict = true\n" + text, "a policy has the unknown key 'strict'"),
    "no name": (lambda text: text.replace('name = "publish"', ""), "a policy lacks 'name'"),
    "an empty name": (lambda text: text.replace('name = "publish"', 'name = ""'), "a policy has name = '', expected text"),
    "a bar without a reason": (lambda text: text.replace("why =", "because =", 1), "bar 'conditioner_error' lacks 'why'"),
    "a bar left out": (lambda text: text.replace("[bars.encoder_snr_db]", "[bars.decoder]"), "no bar for 'encoder_snr_db'"),
    "a distance nobody measures": (
        lambda text: text.replace("[bars.encoder_snr_db]", "[bars.decoder]"),
        "bar 'decoder' is about 'decoder', which is no distance",
    ),
    "the wrong side": (lambda text: text.replace("at_least", "at_most"), "bar 'decoder_snr_db' has the unknown key 'at_most'"),
    "a number without quotes": (lambda text: text.replace('"20"', "20"), "has the limit 20, expected a number from 0 to"),
    **{
        word: (lambda text, word=word: text.replace('"20"', f'"{word}"'), f"has the limit '{word}', expected a number from 0")
        for word in ("twenty", "inf", "nan", "1e999", "-1")
    },
    "a bar that is none": (lambda text: "[bars]\ndit_denoised_error = 3\n", "bar 'dit_denoised_error' is 3, expected a table"),
    "bars that are none": (lambda text: 'name = "x"\nabout = "y"\nbars = 3\n', "a policy has bars = 3, expected a dict"),
    "no word about loading": (lambda text: text.partition("[loading]")[0], "a policy lacks 'loading'"),
    "loading without a reason": (lambda text: "because =".join(text.rsplit("why =", 1)), "'loading' lacks 'why'"),
    "a loading that no loader does": (
        lambda text: text.replace('"rounded to float16 at load"', '"rounded to int8"'),
        "'loading' accepts 'rounded to int8', which no loader does",
    ),
    "loading that is no list": (
        lambda text: text.replace("accepts = [", "accepts = 3 # ["), "'loading' has accepts = 3, expected a list",
    ),
    "an exemption nobody owns": (lambda text: text + EXEMPTION.replace("owner =", "# "), "exemption 1 lacks 'owner'"),
    "an exemption without an end": (lambda text: text + EXEMPTION.replace("until =", "# "), "exemption 1 lacks 'until'"),
    "an end that is no day": (
        lambda text: text + EXEMPTION.replace("2026-12-31", "2026-12-31T10:00:00"), "exemption 1 has until = datetime",
    ),
    "an exemption that is over": (
        lambda text: text + EXEMPTION.replace("2026-12-31", "2026-11-25"), "exemption 1 ended on 2026-11-25",
    ),
    "an exemption from nothing": (
        lambda text: text + EXEMPTION.replace("dit_denoised_error", "speed"),
        "exemption 1 is about 'speed', which is no distance",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_policy_is_told(tmp_path: Path, name: str) -> None:
    change, words = WRONG[name]
    with pytest.raises(InputError, match=r"mine\.toml") as error:
        policy(tmp_path, change(OURS))
    assert words in str(error.value)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        policy(tmp_path, OURS.replace("why =", "because =").replace('"20"', "20"))
    assert str(error.value).count("lacks 'why'") == len(DISTANCES) + len(["loading"])
    assert "has the limit 20" in str(error.value)


UNREADABLE = {
    "brackets without end": "x = " + "[" * 5000,
    "an int of 5000 digits": "x = " + "4" * 5000,
    "no TOML": "x =", "no text": "\udcff",
}  # fmt: skip


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_as_a_policy_is_told(tmp_path: Path, name: str) -> None:
    (path := tmp_path / "mine.toml").write_bytes(UNREADABLE[name].encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"mine.toml: cannot be read as a policy \(.*\); expected a TOML file"):
        read_policy(str(path), TODAY)


def test_a_path_that_no_system_reads_is_told() -> None:
    for place in ("mine\0.toml", "/"):
        with pytest.raises(InputError, match="cannot be read as a policy"):
            read_policy(place, TODAY)


def test_a_policy_that_is_nowhere_is_told_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no/where\.toml: no such policy; .* one of embedded, preview, publish, transparent"):
        read_policy("no/where.toml", TODAY)


def test_the_digest_is_the_file_s(tmp_path: Path) -> None:
    first, again = policy(tmp_path, OURS), policy(tmp_path, OURS + "# a remark\n")
    assert first.sha256 == read_policy("publish", TODAY).sha256 != again.sha256


def held(rules: Policy, *checks: Verdict, bundle: str = "int8") -> dict[str, tuple[float, bool]]:
    return {one.bar.distance.name: (one.told, one.ok) for one in rules.held(bundle, checks)}


def test_the_worst_case_and_step_counts() -> None:
    checks = [replace(CHECK, value=value, step=step) for step, value in enumerate((0.05, 0.2, 0.01))]
    (found,) = read_policy("publish", TODAY).held("int8", checks)
    assert (found.told, found.ok, found.place) == (0.2, False, "litert_int4, drums step 1")
    assert found.wanted == "2 times less"


def test_distances_are_told_as_a_policy_says_them() -> None:
    rules = read_policy("publish", TODAY)
    free = replace(CHECK, ladder=FREE_RUNNING, metric="latents_relative_l2", value=0.01, limit=0.6)
    found = held(rules, RENDERED, free, replace(RENDERED, stage="encoder", value=0.0))
    assert found == {"decoder_snr_db": (40.0, True), "encoder_snr_db": (math.inf, True), "latents_envelope": (0.6, False)}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_not_close(value: float) -> None:
    wrong = replace(CHECK, value=value)
    for checks in ([wrong, CHECK], [CHECK, wrong]):  # whatever is compared with NaN first
        found = held(read_policy("preview", TODAY), *checks, replace(RENDERED, value=value))
        assert [ok for _, ok in found.values()] == [False, False]


def test_answers_without_a_distance_are_not_close() -> None:
    """Where some values are not finite nothing else is measured."""
    broken = replace(CHECK, metric="nonfinite_values", step=None, value=3.0, limit=0.0)
    assert held(read_policy("preview", TODAY), CHECK, broken)["dit_denoised_error"] == (math.inf, False)


@given(st.sampled_from(sorted(DISTANCES)), st.floats(allow_nan=False, allow_infinity=False, min_value=0))
def test_a_bar_holds_on_one_side_of_it_and_on_it(name: str, told: float) -> None:
    bar = next(bar for bar in read_policy("publish", TODAY).bars if bar.distance.name == name)
    limit = float(bar.text)
    assert bar.holds(limit)
    assert bar.holds(told) == (told == limit or (told > limit) == bar.distance.larger_is_closer)
    assert not bar.holds(math.nan)


def test_an_exemption_is_for_one_bundle_and_one_distance(exempting: Policy) -> None:
    far = [CHECK, replace(RENDERED, value=1.0)]
    assert held(exempting, *far, bundle="int4") == {
        "dit_denoised_error": (0.2, True), "decoder_snr_db": (0.0, False),
    }  # fmt: skip
    assert held(exempting, *far, bundle="int8")["dit_denoised_error"] == (0.2, False)
    assert held(exempting, replace(CHECK, value=0.31), bundle="int4")["dit_denoised_error"] == (0.31, False)


def test_an_exemption_marks_what_it_touches(exempting: Policy) -> None:
    (found,) = exempting.held("int4", [CHECK])
    assert "exempt until 2026-12-31 by the audio team: at most 0.3" in str(found)


def test_an_exemption_that_is_not_needed_is_told(exempting: Policy) -> None:
    near = exempting.held("int4", [replace(CHECK, value=0.05)])
    assert exempting.unneeded("int4", near) == [
        "int4 needs no exemption from dit_denoised_error: it is 0.05, at most 0.10 is asked for"
    ]
    assert exempting.unneeded("int4", exempting.held("int4", [CHECK])) == []


@pytest.mark.parametrize("late", [0, 1], ids=["the last day", "the day after"])
def test_an_exemption_ends_after_its_last_day(tmp_path: Path, late: int) -> None:
    day = ENDS + timedelta(days=late)
    if late:
        with pytest.raises(InputError, match="exemption 1 ended on 2026-12-31"):
            policy(tmp_path, OURS + EXEMPTION, day)
    else:
        assert policy(tmp_path, OURS + EXEMPTION, day).exemptions[0].until == ENDS


LOADINGS = {"conditioner": T5_AT_LOAD, "dit": AS_SAVED, "decoder": ALL_AT_LOAD, "encoder": ALL_AT_LOAD}


def test_what_a_loader_rounded_is_accepted_or_not() -> None:
    accepted = [read_policy(name, TODAY).loading.held(LOADINGS) for name in STRICTEST_FIRST]
    assert [[one.ok for one in found] for found in accepted] == [[False, False], [True, True], [True, True]]
    (_, of_the_rest), *_ = accepted
    assert of_the_rest.stages == ("decoder", "encoder")
    assert "asked for is decoder and encoder converted from the checkpoint's own float32 weights" in str(of_the_rest)
    assert read_policy("transparent", TODAY).loading.held(dict.fromkeys(LOADINGS, AS_SAVED)) == []


def test_one_loading_may_be_accepted_and_another_not(tmp_path: Path) -> None:
    rules = policy(tmp_path, OURS.replace(', "rounded to float16 at load"', ""))
    assert {one.how: one.ok for one in rules.loading.held(LOADINGS)} == {T5_AT_LOAD: True, ALL_AT_LOAD: False}
