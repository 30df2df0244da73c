"""The tokenizer against transformers', T5 in upstream's float16, and the list of differences: complete, and no longer
than it has to be."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fixtures import TINY_MODEL_DIR
from fixtures.known_gaps import Gap, known_gaps
from fixtures.oracle import upstream
from fixtures.oracle.agreement import LIMITS
from parity.measure import metrics
from parity.runtimes.upstream import UpstreamConditioner
from reference.model_files import SPIECE_NAME
from reference.pipeline import load_model
from reference.spec.generation import conditioner_feed
from reference.spec.model import SECONDS_TOTAL
from reference.spec.prompt import Tokenizer
from reference.spec.sampling.samplers import SamplerSpec

T5_FOLDER = TINY_MODEL_DIR / "t5-tiny"
MAX_LENGTH = 256  # no drawn prompt is cut: where pieces tie, a cut could leave different ones
TOKENIZER_GAPS = {gap.name: gap for gap in known_gaps("tokenizer")}
LEVEL_GAPS = {gap.name: gap for gap in known_gaps("levels")}
TIES = "ties"
PIECES = st.sampled_from([
    "drum", "loop", "120 BPM", "!!!!!!", "......", "  ", "\u2581", "\t", "\n", "\u00e9", "e\u0301", "\U0001f941",
    "\u200d", "\u00ad", "\ufeff", "\u3000", "\uff46", "\u00bd", "\x00", "\x7f", "<", "</s", ">", "<pad", "\u0130",
    "\u00df", "\ufb01", "\u2028", "\u96e8\u306e\u97f3", "fff", "\uff21\uff22", "\x85",
])  # fmt: skip
PROMPTS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join), st.text("abcdf .,!", max_size=80))

Ids = Callable[[str], list[int]]


@pytest.fixture(scope="module")
def both() -> tuple[Ids, Ids]:
    """Token ids by transformers' AutoTokenizer, as upstream calls it, and by ours."""
    from transformers import AutoTokenizer

    fast, ours = AutoTokenizer.from_pretrained(T5_FOLDER), Tokenizer(T5_FOLDER / SPIECE_NAME, MAX_LENGTH)
    options: dict[str, Any] = {"truncation": True, "max_length": MAX_LENGTH, "padding": "max_length"}
    return lambda text: fast(text, **options)["input_ids"], lambda text: ours(text)[0][0].tolist()


@settings(max_examples=3000, deadline=None)
@given(prompt=PROMPTS)
@example("")
@example(" ")
@example("!!!!!!")
@example("a " * 400)
def test_every_difference_between_tokenizers_is_a_known_gap(both: tuple[Ids, Ids], prompt: str) -> None:
    theirs, ours = (ids(prompt) for ids in both)
    if theirs != ours and sorted(theirs) != sorted(ours):
        assert any(gap.explains(prompt) for gap in TOKENIZER_GAPS.values()), (theirs, ours)


@pytest.mark.parametrize("gap", TOKENIZER_GAPS.values(), ids=TOKENIZER_GAPS)
def test_a_tokenizer_gap_is_still_there(both: tuple[Ids, Ids], gap: Gap) -> None:
    for prompt in gap.examples:
        theirs, ours = (ids(prompt) for ids in both)
        assert theirs != ours, f"{prompt!r} is no difference any more; take it out of known_gaps.toml"
        assert gap.explains(prompt) or (gap.name == TIES and sorted(theirs) == sorted(ours))


def test_a_gap_explains_nothing_else() -> None:
    for gap in TOKENIZER_GAPS.values():
        assert not gap.explains("tight drum loop with dry snare, 120 BPM!!!!!! 雨の音 \U0001f941")


def upstream_levels(steps: int, sigma_max: float) -> np.ndarray:
    asked: list[float] = []

    def velocity(x: torch.Tensor, t: torch.Tensor, **ignored: object) -> torch.Tensor:
        asked.append(float(t[0]))
        return x * 0

    with upstream.silence():
        upstream.module("inference.sampling").sample_rf(
            velocity, torch.zeros(1, 1, 1), steps=steps, sampler_type="euler", sigma_max=sigma_max, device="cpu"
        )
    return np.array(asked, np.float32)


def ours_levels(steps: int, sigma_max: float) -> np.ndarray:
    return np.array(SamplerSpec(steps=steps, sigma_max=sigma_max).levels()[:-1], np.float32)


def test_level_gaps_are_still_there() -> None:
    for steps in LEVEL_GAPS["long_rows"].examples:
        assert not np.array_equal(upstream_levels(steps, 1.0), ours_levels(steps, 1.0))
    for sigma_max in LEVEL_GAPS["low_sigma_max"].examples:
        theirs = upstream_levels(8, sigma_max)
        assert any(now < after for now, after in pairwise(theirs))
        assert not np.array_equal(theirs, ours_levels(8, sigma_max))


def test_every_gap_is_dated_and_reasoned() -> None:
    for gap in (*TOKENIZER_GAPS.values(), *LEVEL_GAPS.values()):
        assert gap.date.year >= 2026
        assert len(gap.reason.split()) >= 10
        assert gap.examples


@pytest.mark.parametrize("prompt", ["", "tight drum loop", "a " * 200])
def test_torch_upstream_is_upstream_s_own_float16_conditioner(prompt: str) -> None:
    model = load_model(TINY_MODEL_DIR)
    theirs = upstream.build(Path(TINY_MODEL_DIR))
    number = model.modules["conditioner"].get_submodule("conditioners.seconds_total")
    theirs.conditioner.conditioners["seconds_total"].load_state_dict(number.state_dict())
    with torch.inference_mode(), upstream.silence():
        inputs = theirs.get_conditioning_inputs(theirs.conditioner([{"prompt": prompt, "seconds_total": 1.5}], "cpu"))
    found = UpstreamConditioner(model)(conditioner_feed(model.tokenizer, prompt, {SECONDS_TOTAL: 1.5}))
    assert next(theirs.conditioner.conditioners["prompt"].model.parameters()).dtype == torch.float16
    text = found["cross_attention_cond"][:, :-1]
    assert np.array_equal(text, inputs["cross_attn_cond"].numpy()[:, :-1])
    assert metrics.relative_l2(inputs["global_cond"].numpy(), found["global_cond"]) <= LIMITS[torch.float32]
