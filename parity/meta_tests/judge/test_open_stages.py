"""Stages that are open: as many as fit, each closed once, none used after it was closed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from litert_pipeline.run import pipeline as pipeline_module
from litert_pipeline.run.open_stages import HELD_BYTES, ONE_AT_A_TIME, OpenStages
from litert_pipeline.run.pipeline import open_pipeline, open_stage
from parity.judge.judge import Judge
from parity.measure.teacher_forcing import stage_feed
from parity.test_parity import case_called
from reference.exact import in_float64
from reference.pipeline import StageModules, load_model, read_modules
from reference.spec.generation import Stage, generate
from reference.spec.stages import ALL_STAGES, signatures
from reference.spec.tensors import Array, Tensors

HELD = 10


class Shelf:
    """Opens stages and notes which are open."""

    def __init__(self) -> None:
        self.open: dict[str, int] = {}
        self.times = 0

    @contextmanager
    def take(self, name: str, size: int) -> Iterator[Stage]:
        self.open[name], self.times = size, self.times + 1

        def run(feed: Mapping[str, Array]) -> Tensors:
            assert name in self.open, "used after it was closed"
            return {"name": np.array(name)}

        yield run
        del self.open[name]


@given(st.lists(st.sampled_from([("a", 3), ("b", 4), ("c", 6), ("d", 25), ("e", 0)]), max_size=30))
def test_no_more_is_open_than_fits(asked: list[tuple[str, int]]) -> None:
    shelf, opened = Shelf(), OpenStages(held_bytes=HELD)
    for name, size in asked:
        stage = opened.stage(("v", name), size, lambda name=name, size=size: shelf.take(name, size))  # type: ignore[misc]
        assert stage({})["name"] == name
        others = sum(size for other, size in shelf.open.items() if other != name)
        assert others == 0 or others + size <= HELD
    opened.close()
    assert shelf.open == {}


def test_what_fits_is_opened_once_and_the_longest_unused_goes_first() -> None:
    shelf, opened = Shelf(), OpenStages(held_bytes=HELD)

    def ask(name: str, size: int) -> None:
        opened.stage(("v", name), size, lambda: shelf.take(name, size))({})

    for name in ("a", "b", "a"):
        ask(name, 4)
    assert shelf.times == 2
    ask("c", 5)
    assert set(shelf.open) == {"a", "c"}


def test_a_stage_that_cannot_be_opened_is_not_held() -> None:
    @contextmanager
    def fails() -> Iterator[Stage]:
        raise ValueError("no such file")
        yield

    opened = OpenStages()
    for _ in range(2):
        with pytest.raises(ValueError, match="no such file"):
            opened.stage(("v", "a"), 1, fails)


def test_a_judge_leaves_open_what_is_another_one_s(judge: Judge) -> None:
    """The one it was made from goes on using its stages."""
    variant = "litert_fp32"
    run = judge.stage(variant, "dit")
    feed = stage_feed("dit", judge.truth(case_called(judge, "drums")))
    with judge.instead(variant, judge.source(variant)) as other:
        other.stage(variant, "dit")
    assert judge.stage(variant, "dit") is run
    assert run(feed).keys() == {"velocity"}


def test_a_large_model_holds_one_stage_at_a_time_and_answers_the_same() -> None:
    whole = load_model(TINY_MODEL_DIR)
    read: list[str] = []

    def again(stage: str) -> torch.nn.Module:
        read.append(stage)
        return read_modules(whole.spec, whole.files, (stage,))[0][stage]

    modules = StageModules(whole.modules, again, held_bytes=1)
    assert not modules.all_held
    assert list(modules) == list(ALL_STAGES)
    for stage in ("dit", "dit", "decoder", "dit"):
        for name, tensor in modules[stage].state_dict().items():
            assert torch.equal(tensor, whole.modules[stage].state_dict()[name])
    assert read == ["dit", "decoder", "dit"]
    with pytest.raises(KeyError):
        modules["vocoder"]


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_float64_on_the_fly_is_float64(stage: str) -> None:
    """Bit for bit what a module held in float64 answers; afterwards its weights are the float32 ones again."""
    model = load_model(TINY_MODEL_DIR)
    before = {name: tensor.clone() for name, tensor in model.modules[stage].state_dict().items()}
    rng = np.random.Generator(np.random.Philox(1))
    feed = {
        tensor.name: rng.standard_normal(tensor.shape, dtype=np.float32)
        if tensor.dtype == "float32"
        else np.ones(tensor.shape, np.int32)
        for tensor in signatures(model.spec)[stage].inputs
    }
    held, widened = model.to(torch.float64, (stage,)).stage(stage)(feed), model.exact(stage)(feed)
    for name, array in held.items():
        assert widened[name].dtype == np.float64
        assert np.array_equal(array, widened[name])
    for name, tensor in model.modules[stage].state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])


def test_weights_are_narrow_again_after_a_run_that_failed() -> None:
    model = load_model(TINY_MODEL_DIR)
    module = model.modules["decoder"]
    with pytest.raises(RuntimeError), in_float64(module):
        module(torch.zeros(1, 3, 5, dtype=torch.float64))
    assert {tensor.dtype for tensor in module.parameters()} == {torch.float32}


def test_a_checkpoint_with_a_foreign_tensor_is_refused_though_stages_are_read_one_by_one(tmp_path: Path) -> None:
    """What no stage knows is not overlooked because each reads only its own."""
    from shutil import copytree

    from safetensors.torch import load_file, save_file

    from reference.spec.errors import InputError

    folder = Path(copytree(TINY_MODEL_DIR, tmp_path / "model"))
    state = load_file(folder / "model.safetensors")
    save_file({**state, "model.model.extra": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(InputError, match="unexpected"):
        load_model(folder)


@pytest.mark.parametrize(("held_bytes", "most"), [(ONE_AT_A_TIME, 1), (HELD_BYTES, 3)])
def test_a_generation_holds_as_many_stages_as_fit(
    bundles: Mapping[str, Bundle], judge: Judge, monkeypatch: pytest.MonkeyPatch, held_bytes: int, most: int
) -> None:
    case, held, seen = case_called(judge, "drums"), set[str](), list[int]()

    @contextmanager
    def noted(bundle: Bundle, name: str, **options: Any) -> Iterator[Stage]:
        with open_stage(bundle, name, **options) as run:
            held.add(name)
            seen.append(len(held))
            yield run
        held.remove(name)

    monkeypatch.setattr(pipeline_module, "open_stage", noted)
    with open_pipeline(bundles["fp32"], held_bytes=held_bytes) as pipeline:
        audio = generate(pipeline, case.request, case.draws(pipeline.latent_shape))["audio"]
    assert (max(seen), held) == (most, set())
    assert np.array_equal(audio, judge.generated("litert_fp32", case)["audio"])
