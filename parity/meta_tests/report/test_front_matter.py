"""The card's head is what the hub reads: its own library finds every distance in it, none merged with another."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from huggingface_hub import EvalResult, ModelCard

from parity.judge.left_out import LeftOut
from parity.measure.policy import Policy
from parity.measure.policy_file import PUBLISH, read_policy
from parity.measure.verdict import TEACHER_FORCED
from parity.meta_tests.report.sample import BUNDLE, CHECK, DEVICE, ENVIRONMENT, MODEL, sample
from parity.report.card import card
from parity.report.front_matter import OURS

HUB_ID = "stabilityai/stable-audio-open-small"
ENCODED = replace(CHECK, stage="encoder", metric="relative_l2", step=None, ladder=TEACHER_FORCED, value=0.001, low_limit=0.0)
OTHER = replace(BUNDLE, path="out/fp32", name="fp32", variants=["litert_fp32"])


def policy() -> Policy:
    return read_policy(PUBLISH, date.today())


def head(**changes: Any) -> ModelCard:
    return ModelCard(card(sample(**changes)))


def rows(**changes: Any) -> list[EvalResult]:
    return list(head(**changes).data.eval_results or [])


def test_every_distance_of_every_bundle_is_read_back() -> None:
    checks = [CHECK, ENCODED, *(replace(check, variant="litert_fp32") for check in (CHECK, ENCODED))]
    changes = {"checks": checks, "bundles": [BUNDLE, OTHER], "policy": policy(), "devices": []}
    told = {
        (f"{found.bundle.name}, {ENVIRONMENT.cpu_arch}", one.bar.distance.name): (one.told, one.place, str(one.bar))
        for found in sample(**changes).verdicts()
        for one in found.close
    }
    found = {(row.dataset_config, row.metric_type): row for row in rows(**changes) if row.metric_type != "failed_checks"}
    assert len(told) == len(found) == 4
    assert told == {
        key: (row.metric_value, row.metric_args["worst in"], row.metric_args["asked for"]) for key, row in found.items()
    }


def test_how_many_checks_failed_is_a_metric_too() -> None:
    low = replace(CHECK, value=0.01)
    (row,) = rows(checks=[low, ENCODED])
    assert (row.metric_type, row.metric_value, row.metric_args) == ("failed_checks", 1, {"of": 2})


@pytest.mark.parametrize(("field", "words"), [
    ("license", "other"), ("license_name", "stability-ai-community"), ("license_link", "LICENSE"), ("base_model", HUB_ID),
    ("pipeline_tag", MODEL.task), ("tags", [OURS]), ("model_name", "int8"),
])  # fmt: skip
def test_the_hub_s_own_fields(field: str, words: Any) -> None:
    assert getattr(head(base_model=HUB_ID).data, field) == words


def test_no_original_is_claimed_that_nobody_named() -> None:
    assert "base_model" not in head().data.to_dict()


def test_what_was_measured_where_and_of_which_weights_is_told() -> None:
    (row,) = rows(devices=[], policy=None)
    assert (row.dataset_type, row.dataset_revision) == (OURS, MODEL.weights_sha256)
    assert row.dataset_config == f"int8, {ENVIRONMENT.cpu_arch}"
    assert row.verified is None
    (row,) = rows(devices=[DEVICE], policy=None)
    assert row.dataset_config == f"int8, {DEVICE.name}"


def test_a_bundle_that_was_not_judged_has_no_metrics() -> None:
    assert rows(left_out=[LeftOut(variant="litert_int8", why="this machine cannot run it right")]) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_a_number_that_is_none_is_text(value: float) -> None:
    (row,) = [row for row in rows(checks=[replace(CHECK, value=value)], policy=policy()) if row.metric_args.get("policy")]
    assert row.metric_value == str(value)


def test_a_refusal_says_why_above_everything_else() -> None:
    text = ModelCard(card(sample(checks=[replace(CHECK, value=0.01)]))).text
    assert text.index("**REFUSE** `int8`: dit/litert_int8/drums step 3") < text.index("1 failed")
    assert "**REFUSE**" not in ModelCard(card(sample())).text.split("## Bundles")[0]
