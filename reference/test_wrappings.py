"""Equal models in other wrappings load the same; what only looks like a checkpoint is told, with what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub.errors import HFValidationError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fixtures import TINY_MODEL_DIR
from reference.model_files import SPIECE_NAME, T5_FILES
from reference.pipeline import load_model
from reference.spec.errors import InputError
from reference.spec.files import POINTER

WEIGHTS = "model.safetensors"
FOLDED_KERNEL = 4e-7  # relative: a norm and a quotient in float32
State = dict[str, Tensor]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY_MODEL_DIR, tmp_path / "model"))


def rewritten(folder: Path, change: Callable[[State], State]) -> None:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)


def renamed(rename: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda folder: rewritten(folder, lambda state: {rename(name): value for name, value in state.items()})


def parametrized(name: str) -> str:
    return name.replace("weight_g", "parametrizations.weight.original0").replace("weight_v", "parametrizations.weight.original1")


def t5_compiled(folder: Path) -> None:
    path = folder / "t5-tiny" / WEIGHTS
    save_file({f"_orig_mod.{name}": value for name, value in load_file(path).items()}, path)


def saved(wrap: Callable[[State], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        torch.save(wrap(load_file(folder / WEIGHTS)), folder / "model.ckpt")
        (folder / WEIGHTS).unlink()

    return change


WRAPPINGS: dict[str, Callable[[Path], None]] = {
    "compiled": renamed(lambda name: f"_orig_mod.{name}"),
    "compiled inside": renamed(lambda name: name.replace("model.model.", "model.model._orig_mod.")),
    "of several processes": renamed(lambda name: f"module.{name}"),
    "compiled, of several processes": renamed(lambda name: f"module._orig_mod.{name}"),
    "parametrized weight norm": renamed(parametrized),
    "a compiled T5": t5_compiled,
    "of several processes twice": renamed(lambda name: f"module.module.{name}"),
    "an inner part of several processes": renamed(lambda name: name.replace("model.model.", "model.module.model.")),
    "the innermost part of several processes": renamed(lambda name: name.replace("model.model.", "model.model.module.")),
    "an autoencoder of several processes": renamed(lambda name: name.replace("pretransform.", "pretransform.module.")),
    "merged": saved(lambda state: {"model": state, "epoch": 3}),
    "within two": saved(lambda state: {"model": {"state_dict": state, "config": {}}, "epoch": 3}),
    "within two, the other way round": saved(lambda state: {"state_dict": {"model": state}, "optimizer": {"model": 1}}),
    "of a training loop": saved(lambda state: {"model_state_dict": state, "model": {"dim": 3}, "loss": torch.ones(1)}),
    "an epoch among tensors": saved(lambda state: {**state, "epoch": 3, "by": "me"}),
    "safetensors called otherwise": lambda folder: (folder / WEIGHTS).rename(folder / "model.ckpt"),
}


@pytest.mark.parametrize("name", WRAPPINGS)
def test_equal_models_load_the_same_weights(copy: Path, name: str) -> None:
    WRAPPINGS[name](copy)
    ours, theirs = (load_model(folder).modules for folder in (TINY_MODEL_DIR, copy))
    for stage, module in ours.items():
        found = theirs[stage].state_dict()
        assert all(torch.equal(tensor, found[key]) for key, tensor in module.state_dict().items())


def folded(state: State) -> State:
    kernels = {}
    for name, length in state.items():
        if name.endswith("weight_g"):
            direction = state[f"{name.removesuffix('g')}v"]
            kernels[name.removesuffix("_g")] = length * direction / direction.square().sum((1, 2), keepdim=True).sqrt()
    return {name: value for name, value in state.items() if not name.endswith(("weight_g", "weight_v"))} | kernels


def test_folded_weight_norms_load_as_the_same_kernels(copy: Path) -> None:
    rewritten(copy, folded)
    ours, theirs = (load_model(folder).modules for folder in (TINY_MODEL_DIR, copy))
    kernels = [(name, part) for stage in ours for name, part in ours[stage].named_modules() if hasattr(part, "kernel")]
    assert kernels
    for stage, module in ours.items():
        for name, part in module.named_modules():
            if hasattr(part, "kernel"):
                exact, found = (kept.kernel().numpy() for kept in (part, theirs[stage].get_submodule(name)))
                assert np.abs(found - exact).max() <= FOLDED_KERNEL * np.abs(exact).max()


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int32, torch.bool, torch.float8_e4m3fn, torch.float8_e5m2])
def test_weights_that_were_quantized_are_no_checkpoint(copy: Path, kind: torch.dtype) -> None:
    name = "model.model.transformer.project_out.weight"
    rewritten(copy, lambda state: state | {name: state[name].to(kind)})
    with pytest.raises(InputError, match=r"1 stored small, so from a file that was quantized: .*project_out\.weight"):
        load_model(copy)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_are(copy: Path, kind: torch.dtype) -> None:
    rewritten(copy, lambda state: {name: value.to(kind) for name, value in state.items()})
    assert all(tensor.dtype == torch.float32 for tensor in load_model(copy).modules["dit"].state_dict().values())


@pytest.mark.parametrize("place", [WEIGHTS, f"t5-tiny/{WEIGHTS}", f"t5-tiny/{SPIECE_NAME}"])
def test_a_pointer_of_git_lfs_is_named_as_such(copy: Path, place: str) -> None:
    (copy / place).write_bytes(POINTER + b"/spec/v1\noid sha256:4cac19e3\nsize 12345\n")
    with pytest.raises(InputError, match=f"{place}: is a pointer to a file in Git LFS, not the file; 'git lfs pull'"):
        load_model(copy)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*ignored: object, **also: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)


# what the config says: how the sentence begins behind the folder, and what it advises
NO_NAMES = {
    "": "names its text encoder ''; expected a name such as 't5-base'",
    "..": "names its text encoder '..'; expected a name such as 't5-base'",
    "/": "names its text encoder ''; expected a name such as 't5-base'",
    "t5 tiny": "put its three files there (config.json, model.safetensors, spiece.model); no repository on the hub is called so",
    "/models/t5": "put its three files there",
    "../t5": "put its three files there",
    "tö5": "put its three files there",
}


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize("name", NO_NAMES)
def test_a_name_that_no_text_encoder_has_is_told(copy: Path, name: str) -> None:
    config = copy / "model_config.json"
    config.write_text(config.read_text().replace('"t5-tiny"', f'"{name}"'))
    with pytest.raises(InputError) as told:
        load_model(copy)
    assert NO_NAMES[name] in str(told.value)
    assert "hf download" not in str(told.value)


@pytest.mark.usefixtures("no_hub")
def test_the_command_can_be_typed_where_a_path_has_spaces(copy: Path) -> None:
    shutil.rmtree(copy / "t5-tiny")
    (copy / "t5-tiny").write_text("no folder")
    spaced = copy.rename(copy.with_name("my model"))
    with pytest.raises(InputError, match=r't5-tiny: is no folder; .* --local-dir ".*/my model/t5-tiny"\' gets the three'):
        load_model(spaced)


@pytest.mark.usefixtures("no_hub")
def test_a_model_without_its_t5_says_what_to_get_and_how(copy: Path) -> None:
    (copy / "t5-tiny").rename(copy / "elsewhere")
    with pytest.raises(InputError) as told:
        load_model(copy)
    command = f"'hf download google-t5/t5-tiny {' '.join(T5_FILES)} --local-dir {copy / 't5-tiny'}'"
    assert f"{copy / 't5-tiny'}: no such folder; the model's text encoder is 't5-tiny'" in str(told.value)
    assert f"{command} gets the three files" in str(told.value)


@pytest.mark.parametrize("gone", T5_FILES)
def test_a_t5_folder_that_lacks_a_file_says_what_to_get(copy: Path, gone: str) -> None:
    (copy / "t5-tiny" / gone).unlink()
    with pytest.raises(InputError) as told:
        load_model(copy)
    command = f"'hf download google-t5/t5-tiny {' '.join(T5_FILES)} --local-dir {copy / 't5-tiny'}' gets the three files"
    assert f"{copy / 't5-tiny' / gone}: no such file; the model's text encoder is" in str(told.value)
    assert str(told.value).endswith(command)


def test_a_t5_that_is_not_beside_the_model_is_fetched(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "t5-tiny").rename(tmp_path / "elsewhere")
    asked = []

    def download(repository: str, allow_patterns: list[str]) -> str:
        asked.append((repository, allow_patterns))
        return str(tmp_path / "elsewhere")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert load_model(copy).t5_folder == tmp_path / "elsewhere"
    assert set(map(str, asked)) == {str(("google-t5/t5-tiny", list(T5_FILES)))}


@pytest.mark.parametrize("written", ["t5-tiny/", "google-t5/t5-tiny", "google-t5/t5-tiny/"])
def test_however_the_config_writes_its_name(copy: Path, written: str) -> None:
    config = copy / "model_config.json"
    config.write_text(config.read_text().replace('"t5-tiny"', f'"{written}"'))
    assert load_model(copy).t5_folder == copy / "t5-tiny"


UNASKABLE: dict[str, Exception] = {
    "a name that none has": HFValidationError("Cannot have -- or .. in repo_id: 'out/small..v2'."),
    "a proxy without its module": ImportError("Using SOCKS proxy, but the 'socksio' package is not installed."),
    "an address that is none": Exception("Relative URLs cannot have a path starting with ':'"),
    "a token of other letters": UnicodeEncodeError("ascii", "töken", 1, 2, "ordinal not in range(128)"),
}


@pytest.mark.parametrize("name", UNASKABLE)
def test_what_cannot_even_be_asked_of_the_hub_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def refuse(*ignored: object, **also: object) -> str:
        raise UNASKABLE[name]

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(InputError, match=r"nobody/small: could not be fetched from the hub .*; or download it elsewhere"):
        load_model(Path("nobody/small"))


@pytest.mark.parametrize("name", ["out/small..v2", "x/small--2", "x/small.git"])
def test_names_that_no_repository_has_are_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError, match=f"^{name}: "):
        load_model(Path(name))


def test_half_a_character_in_a_prompt_is_told() -> None:
    tokenizer = load_model(TINY_MODEL_DIR).tokenizer
    with pytest.raises(InputError, match=r"prompt: has \\udce4, half a character, at place 6; give it as UTF-8"):
        tokenizer("drums \udce4")
