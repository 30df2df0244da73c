"""report.json keeps the fields that programs read."""

import json

from parity.meta_tests.report.sample import LATENCY, sample
from parity.report.as_json import to_json

# What the first edition of a report had, and what a second one may add to.
FIELDS = {
    "schema", "verdict", "checks", "blame", "dit_steps", "decoders", "layers", "swap", "t5_activations", "warnings", "model",
    "environment", "artifacts", "assignments", "latency",
}  # fmt: skip
INNER = {
    "dit_steps": {"variant", "case", "step", "level", "velocity_cosine", "velocity_snr_db"},
    "decoders": {"variant", "case", "snr_db"},
    "artifacts": {"path", "sha256", "bytes"},
    "assignments": {"bundle", "stage", "file", "kind", "position", "name", "shape", "dtype", "tensor", "known_by"},
}


def test_no_field_is_lost() -> None:
    found = to_json(sample())
    assert found.keys() >= FIELDS
    for name, fields in INNER.items():
        assert found[name][0].keys() == fields
    assert found["environment"]["cpu_features"] == ["i8mm", "sme2"]
    assert found["model"]["weights_sha256"] == "00ff"
    assert found["model"]["spec"] == "stable-audio-tools-0.0.19"


def test_numbers_that_are_none_are_text() -> None:
    content = json.loads(json.dumps(to_json(sample()), allow_nan=False))
    assert [step["velocity_snr_db"] for step in content["dit_steps"]] == [30.0, "inf", "nan"]
    assert content["decoders"][0]["snr_db"] == "inf"


def test_latencies_are_numbers() -> None:
    (told,) = to_json(sample(latency=[LATENCY]))["latency"]
    assert (told["variant"], told["median_s"], told["noisy"]) == ("litert_int8", LATENCY.median_s, False)
