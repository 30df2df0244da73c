"""Whoever waits is told what is going on and what is left; what a program reads holds nothing of it."""

import io

import pytest
from rich.console import Console

from fixtures import TINY_MODEL_DIR
from reference.pipeline import Model, load_model
from reference.progress import numbered, show_steps
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


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "a file"])
def test_a_bar_is_for_terminals_and_a_file_gets_nothing(terminal: bool) -> None:
    shown = io.StringIO()
    with show_steps("generating", Console(file=shown, force_terminal=terminal, width=80)) as told:
        told(1, 3)
    assert ("generating" in shown.getvalue(), shown.getvalue() != "") == (terminal, terminal)
