"""Bad configs and checkpoints are refused by name; a good one in another wrapping loads the same weights."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file

from fixtures import TINY_MODEL_DIR
from fixtures.configs import Json
from reference.model_files import SPIECE_NAME
from reference.pipeline import load_model
from reference.spec.config import CONFIG_NAME
from reference.spec.errors import InputError
from reference.spec.files import POINTER


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY_MODEL_DIR, tmp_path / "model"))


def set_config(path: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG_NAME).read_text())
        *parents, last = path.split(".")
        target = config
        for name in parents:
            target = target[name]
        if value is None:
            del target[last]
        else:
            target[last] = value
        (folder / CONFIG_NAME).write_text(json.dumps(config))

    return change


def set_conditioners(*more: Json, **configs: Json) -> Callable[[Path], None]:
    """The conditioners by id, of the type the id calls for, and more in full."""
    types = {"prompt": "t5"}
    listed = [{"id": name, "type": types.get(name, "number"), "config": config} for name, config in configs.items()]
    return set_config("model.conditioning.configs", [*listed, *more])


def in_turn(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for each in changes:
            each(folder)

    return change


def replaced_by(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


PROMPT, SECONDS = {"t5_model_name": "t5-tiny", "max_length": 28}, {"min_val": 0, "max_val": 8}
BAD_CONFIGS = {
    "unknown model type": (set_config("model_type", "lm"), "'model_type' is 'lm', which is not supported"),
    "missing key": (set_config("sample_rate", None), "key 'sample_rate' is missing"),
    "wrong type": (set_config("sample_size", "big"), "'sample_size' must be int, found str"),
    "bool as int": (set_config("sample_size", True), "'sample_size' must be int, found bool"),
    "zero": (set_config("audio_channels", 0), "at least 1"),
    "unknown key": (set_config("model.diffusion.config.num_memory_tokens", 4), "num_memory_tokens"),
    "chunked": (set_config("model.pretransform.chunked", 1), "'model.pretransform.chunked' must be bool"),
    "heads too narrow": (set_config("model.diffusion.config.num_heads", 8), "no whole heads of 32 channels"),
    "ungrouped kv heads": (
        set_config("model.diffusion.config.project_cond_tokens", False),
        "does not divide into heads",
    ),
    "odd global width": (
        set_config("model.diffusion.config.project_global_cond", False),
        "global_cond_dim must be embed_dim",
    ),
    "patches": (set_config("model.diffusion.config.patch_size", 3), "the latent frames modulo the DiT's patch_size"),
    "odd stride": (set_config("model.pretransform.config.decoder.config.strides", [1, 4, 4, 8, 8]), "even strides"),
    "empty shift": (
        set_config("model.diffusion.distribution_shift_options", {"min_length": 9, "max_length": 9}),
        "found 9",
    ),
    "objective": (
        set_config("model.diffusion.diffusion_objective", "eps"),
        "'eps', which is not supported; supported: rf_denoiser, rectified_flow, v",
    ),
    "number conditioner nobody embeds": (
        set_config("model.diffusion.cross_attention_cond_ids", ["prompt", "seconds_start", "seconds_total"]),
        "supported: 'prompt', then each of seconds_total once",
    ),
    "no prompt": (set_conditioners(seconds_total=SECONDS), "'model.conditioning.configs' has no entry with id 'prompt'"),
    "no seconds_total": (set_conditioners(prompt=PROMPT), "'model.conditioning.configs' has no entry with id 'seconds_total'"),
    "seconds that rise": (
        set_conditioners(prompt=PROMPT, seconds_total={"min_val": 8, "max_val": 0}), "needs min_val < max_val, found 8.0, 0.0",
    ),
    "no range of seconds": (
        set_conditioners(prompt=PROMPT, seconds_total={"min_val": 8, "max_val": 8}), "needs min_val < max_val, found 8.0, 8.0",
    ),
    "unknown key of a number": (set_conditioners(prompt=PROMPT, seconds_total={**SECONDS, "fourier": 1}), "fourier"),
    "unknown key of the prompt": (set_conditioners(prompt={**PROMPT, "lower": 1}, seconds_total=SECONDS), "lower"),
    "a number for the prompt": (
        set_config("model.diffusion.cross_attention_cond_ids", ["seconds_total", "seconds_total"]),
        "supported: 'prompt', then each of seconds_total once",
    ),
    "ids that are no names": (
        set_config("model.diffusion.cross_attention_cond_ids", ["prompt", 1, "seconds_total"]),
        "supported: 'prompt', then each of seconds_total once",
    ),
    "prompt of another type": (
        set_conditioners({"id": "prompt", "type": "number", "config": PROMPT}, seconds_total=SECONDS), "supported: t5",
    ),
    "unknown key of a conditioner": (
        set_conditioners({"id": "prompt", "type": "t5", "config": PROMPT, "scale": 2}, seconds_total=SECONDS), "scale",
    ),
    "diffusion of another type": (set_config("model.diffusion.type", "unet"), "'model.diffusion.type' is 'unet'"),
    "numbers in two orders": (
        in_turn(
            set_conditioners(prompt=PROMPT, seconds_total=SECONDS, seconds_start=SECONDS),
            set_config("model.diffusion.cross_attention_cond_ids", ["prompt", "seconds_total", "seconds_start"]),
            set_config("model.diffusion.global_cond_ids", ["seconds_start", "seconds_total"]),
        ),
        "supported: ['seconds_total', 'seconds_start']",
    ),
    "width of two numbers": (
        in_turn(
            set_conditioners(prompt=PROMPT, seconds_total=SECONDS, seconds_start=SECONDS),
            set_config("model.diffusion.cross_attention_cond_ids", ["prompt", "seconds_total", "seconds_start"]),
            set_config("model.diffusion.global_cond_ids", ["seconds_total", "seconds_start"]),
        ),
        "global_cond_dim and cond_dim times the global_cond_ids must be equal, found 48 and 96",
    ),
    "heads of no whole width": (set_config("model.diffusion.config.num_heads", 3), "no whole heads of 32 channels"),
    "latent channels of the DiT": (
        set_config("model.diffusion.config.io_channels", 13), "the DiT's io_channels and model.io_channels must be equal",
    ),
    "tokens of another width": (
        set_config("model.diffusion.config.cond_token_dim", 64), "the DiT's cond_token_dim and cond_dim must be equal",
    ),
    "T5 of another width": (
        in_turn(*(set_config(f"model.{key}", 64) for key in (
            "conditioning.cond_dim", "diffusion.config.cond_token_dim", "diffusion.config.global_cond_dim",
        ))),
        "T5's d_model and cond_dim must be equal, found 48 and 64",
    ),
    "kv heads narrower than a head": (
        in_turn(
            set_config("model.diffusion.config.project_cond_tokens", False),
            set_config("model.diffusion.config.cond_token_dim", 32),
        ),
        "cross-attention over 32 channels does not divide into heads of 64",
    ),
    "more kv heads than heads": (
        in_turn(
            set_config("model.diffusion.config.project_cond_tokens", False),
            set_config("model.diffusion.config.cond_token_dim", 192),
        ),
        "cross-attention over 192 channels does not divide into heads of 64 that 2 query heads can share",
    ),
    "an encoder of another ratio": (
        set_config("model.pretransform.config.encoder.config.strides", [2, 4, 4, 8, 4]),
        "the encoder's and the decoder's ratio must be equal, found 1024 and 2048",
    ),
    "no whole frames": (set_config("sample_size", 40 * 2048 + 1), "sample_size modulo the ratio and 0 must be equal"),
    "numbers before the prompt": (
        set_config("model.diffusion.cross_attention_cond_ids", ["seconds_total", "prompt"]),
        "supported: 'prompt', then each of seconds_total once",
    ),
    "global numbers": (set_config("model.diffusion.global_cond_ids", []), "is [], supported: ['seconds_total']"),
    "unknown qk norm": (set_config("model.diffusion.config.attn_kwargs", {"qk_norm": "rms"}), "qk_norm"),
    "contradiction": (set_config("model.io_channels", 13), "the rest of the file says 13"),
    "strides": (set_config("model.pretransform.config.decoder.config.strides", [2, 4]), "5 c_mults but 2 strides"),
    "not an object": (set_config("model.conditioning", 3), "must be an object"),
    "more than can be counted": (set_config("sample_size", 10**30), "'sample_size' must be at least 1 and at most 2147483647"),
    "too wide to be counted": (set_config("model.diffusion.config.embed_dim", 2**40), "at most 2147483647"),
    "strides that nobody counts": (set_config("model.pretransform.config.decoder.config.strides", [2**40]), "positive ints"),
    "a rate of no sound": (set_config("sample_rate", 10**9), "'sample_rate' must be at least 1 and at most 1048576"),
    "seconds without end": (
        set_conditioners(prompt=PROMPT, seconds_total={"min_val": 0, "max_val": float("inf")}), "a finite number, found inf",
    ),
    "seconds that are no number": (
        set_conditioners(prompt=PROMPT, seconds_total={"min_val": float("nan"), "max_val": 8}), "a finite number, found nan",
    ),
    "seconds beyond any float": (
        set_conditioners(prompt=PROMPT, seconds_total={"min_val": 0, "max_val": 10**400}), "must be float, found int 1000",
    ),
    "brackets without end": (lambda folder: (folder / CONFIG_NAME).write_text("[" * 10**6), "not valid JSON (values within"),
    "an int of 5000 digits": (lambda folder: (folder / CONFIG_NAME).write_text("4" * 5000), "(a number has too many digits)"),
    "no UTF-8": (lambda folder: (folder / CONFIG_NAME).write_bytes(b'{"a": "\xe4"}'), "not valid JSON (it is no text in UTF-8)"),
    "a mark before it": (lambda folder: (folder / CONFIG_NAME).write_text("\ufeff{}"), "(it begins with a byte order mark"),
    "a pipe": (lambda folder: replaced_by(folder / CONFIG_NAME, os.mkfifo), "is a pipe or a device; expected a file"),
    "a folder": (lambda folder: replaced_by(folder / CONFIG_NAME, os.mkdir), "is a folder; expected a file"),
    "a pointer of Git LFS": (lambda folder: (folder / CONFIG_NAME).write_bytes(POINTER), "is a pointer to a file in Git LFS"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_configs_are_refused(copy: Path, name: str) -> None:
    spoil, words = BAD_CONFIGS[name]
    spoil(copy)
    with pytest.raises(InputError) as told:
        load_model(copy)
    assert words in str(told.value)
    assert CONFIG_NAME in str(told.value)


def edit_weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return spoil


class Payload:
    """A pickle that would create a file when loaded."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.target, "w"))


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.ckpt").write_bytes(pickle.dumps(Payload(str(folder / "executed"))))


def as_truncated_ckpt(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": state}, folder / "model.ckpt")
    data = (folder / "model.ckpt").read_bytes()
    (folder / "model.ckpt").write_bytes(data[: len(data) // 2])


def as_truncated_old_ckpt(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"weight": torch.ones(4)}, folder / "model.ckpt", _use_new_zipfile_serialization=False)
    os.truncate(folder / "model.ckpt", (folder / "model.ckpt").stat().st_size - 30)


def as_no_ckpt(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.ckpt").write_bytes(b"junk")


def as_list_ckpt(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save([1, 2], folder / "model.ckpt")


def as_ckpt_with(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        torch.save(state | {PROJECT_OUT: change(state[PROJECT_OUT])}, folder / "model.ckpt")

    return spoil


def truncated(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


PROJECT_OUT = "model.model.transformer.project_out.weight"
BAD_WEIGHTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing tensor": (edit_weights(lambda s: s.pop(PROJECT_OUT)), f"1 missing: {PROJECT_OUT}"),
    "extra tensor": (edit_weights(lambda s: s.update(extra=torch.zeros(1))), "1 unexpected: extra"),
    "mis-shaped": (edit_weights(lambda s: s.update({PROJECT_OUT: s[PROJECT_OUT].T.contiguous()})), "1 mis-shaped"),
    "nan": (edit_weights(lambda s: s[PROJECT_OUT].view(-1)[3:4].fill_(torch.nan)), "1 not finite"),
    "beyond float32": (edit_weights(lambda s: s.update({PROJECT_OUT: s[PROJECT_OUT].double() * 1e300})), "1 not finite"),
    "complex": (
        edit_weights(lambda s: s.update({PROJECT_OUT: s[PROJECT_OUT].to(torch.complex64)})),
        f"1 of a type or layout that holds no weights: {PROJECT_OUT} (complex64)",
    ),
    "sparse": (as_ckpt_with(lambda t: t.to_sparse()), f"1 of a type or layout that holds no weights: {PROJECT_OUT} (float32)"),
    "without its data": (as_ckpt_with(lambda t: t.to("meta")), "1 of a type or layout that holds no weights"),
    "no number alone": (edit_weights(lambda s: s.update({PROJECT_OUT: torch.tensor(1.0)})), f"{PROJECT_OUT} [] instead of"),
    "nothing in it": (edit_weights(lambda s: s.clear()), "holds no diffusion transformer (no tensor at all)"),
    "a link to nothing": (
        lambda f: replaced_by(f / "model.safetensors", lambda path: path.symlink_to("../blobs/gone")),
        "is a link to ../blobs/gone, which is not there; download it again",
    ),
    "a link to itself": (
        lambda f: replaced_by(f / "model.safetensors", lambda path: path.symlink_to(path.name)), "is a link to model.safetensors",
    ),
    "a pipe": (lambda f: replaced_by(f / "model.safetensors", os.mkfifo), "is no file; expected the weights themselves"),
    "truncated safetensors": (truncated, "not a readable checkpoint"),
    "truncated ckpt": (as_truncated_ckpt, "not a readable checkpoint"),
    "truncated ckpt of an older torch": (as_truncated_old_ckpt, "not a readable checkpoint"),
    "a ckpt that is none": (as_no_ckpt, "not a readable checkpoint"),
    "pickle payload": (as_pickle, "its pickle could run code"),
    "ckpt of a list": (as_list_ckpt, "holds list"),
    "no weights": (
        lambda f: (f / "model.safetensors").unlink(),
        "expected one of model.safetensors, model.ckpt, base_model.safetensors",
    ),
    "no t5 config": (lambda f: (f / "t5-tiny" / "config.json").unlink(), "no such file"),
    "no t5 weights": (lambda f: (f / "t5-tiny" / "model.safetensors").unlink(), "no such file; the model's text encoder"),
    "no tokenizer": (lambda f: (f / "t5-tiny" / SPIECE_NAME).unlink(), "no such file"),
    "damaged tokenizer": (lambda f: (f / "t5-tiny" / SPIECE_NAME).write_bytes(b"no"), "not a readable SentencePiece"),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_bad_weights_are_refused(copy: Path, name: str) -> None:
    spoil, words = BAD_WEIGHTS[name]
    spoil(copy)
    with pytest.raises(InputError) as told:
        load_model(copy)
    assert words in str(told.value)
    assert not (copy / "executed").exists()


def as_ckpt(folder: Path) -> Path:
    """The official `.ckpt`: a dict around the tensors, and training's bookkeeping beside them."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": state, "global_step": 7}, folder / "model.ckpt")
    return folder


def as_base_model(folder: Path) -> Path:
    """The weights the distilled model came from lie beside it, with a config of their own; ask for them by file."""
    (folder / "model.safetensors").rename(folder / "base_model.safetensors")
    (folder / CONFIG_NAME).rename(folder / "base_model_config.json")
    (folder / CONFIG_NAME).write_text("{}")
    (folder / "model.safetensors").write_bytes(b"another model")
    return folder / "base_model.safetensors"


def as_base_model_alone(folder: Path) -> Path:
    as_base_model(folder)
    (folder / "model.safetensors").unlink()
    (folder / CONFIG_NAME).unlink()
    return folder


def split_off_autoencoder(folder: Path, prefix: str, rename: Callable[[str], str] = str) -> dict[str, torch.Tensor]:
    """Move the autoencoder's tensors into `vae.safetensors`, and return the others."""
    state = load_file(folder / "model.safetensors")
    others = {name: value for name, value in state.items() if not name.startswith("pretransform.")}
    autoencoder = {rename(name): value for name, value in state.items() if name.startswith(prefix)}
    save_file(autoencoder, folder / "vae.safetensors")
    (folder / "model.safetensors").unlink()
    return others


def as_diffusion_only(folder: Path) -> Path:
    save_file(split_off_autoencoder(folder, "pretransform."), folder / "model.safetensors")
    return folder


def as_bare_autoencoder(folder: Path) -> Path:
    bare = split_off_autoencoder(folder, "pretransform.", lambda name: name.removeprefix("pretransform.model."))
    save_file(bare, folder / "model.safetensors")
    return folder


def as_bare_dit(folder: Path) -> Path:
    """A fine-tuned DiT under its own names beside the full checkpoint it started from."""
    state = load_file(folder / "model.safetensors")
    dit = {name.removeprefix("model.model."): v for name, v in state.items() if name.startswith("model.model.")}
    save_file(dit, folder / "finetune.safetensors")
    save_file(
        {name: v * 0 if name.startswith("model.model.") else v for name, v in state.items()},
        folder / "model.safetensors",
    )
    return folder / "finetune.safetensors"


WRAPPINGS = [as_ckpt, as_base_model, as_base_model_alone, as_diffusion_only, as_bare_autoencoder, as_bare_dit]


@pytest.mark.parametrize("wrap", WRAPPINGS, ids=lambda wrap: wrap.__name__)
def test_other_wrappings_load_the_same_weights(copy: Path, wrap: Callable[[Path], Path]) -> None:
    plain, wrapped = load_model(TINY_MODEL_DIR), load_model(wrap(copy))
    for name, module in wrapped.modules.items():
        theirs = plain.modules[name].state_dict()
        assert module.state_dict().keys() == theirs.keys()
        assert all(torch.equal(value, theirs[key]) for key, value in module.state_dict().items())


def test_half_stored_weights_load_as_stored(copy: Path) -> None:
    state = {name: value.half() for name, value in load_file(copy / "model.safetensors").items()}
    save_file(state, copy / "model.safetensors")
    weight = load_model(copy).modules["dit"].get_parameter("transformer.project_out.weight")
    assert weight.dtype == torch.float32
    assert torch.equal(weight, state[PROJECT_OUT].float())


def test_weights_are_identified_by_all_files_they_came_from(copy: Path) -> None:
    whole = load_model(copy).files
    assert whole.companions == ()
    split = load_model(as_diffusion_only(copy)).files
    assert [path.name for path in split.companions] == ["vae.safetensors"]
    before = split.weights_sha256()
    edit = load_file(copy / "vae.safetensors")
    save_file({name: value + 1 for name, value in edit.items()}, copy / "vae.safetensors")
    assert load_model(copy).files.weights_sha256() != before != whole.weights_sha256


def without_autoencoder(folder: Path) -> Path:
    as_diffusion_only(folder)
    (folder / "vae.safetensors").unlink()
    return folder


def only_autoencoder(folder: Path) -> Path:
    split_off_autoencoder(folder, "pretransform.")
    return folder / "vae.safetensors"


def as_training_checkpoint(folder: Path) -> Path:
    state = load_file(folder / "model.safetensors")
    save_file({f"diffusion.{name}": value for name, value in state.items()}, folder / "model.safetensors")
    return folder


BAD_PARTS: dict[Callable[[Path], Path], str] = {
    without_autoencoder: "missing: pretransform.model.decoder",
    only_autoencoder: "holds no diffusion transformer",
    as_training_checkpoint: "unwrap it with stable-audio-tools' unwrap_model.py",
    lambda folder: folder / "model_config.json": "is no weight file",
    lambda folder: folder / "nothing" / "here": "no such folder or weight file",
}


@pytest.mark.parametrize("spoil", BAD_PARTS, ids=["no autoencoder", "no dit", "training", "a config", "nothing"])
def test_bad_parts_are_refused(copy: Path, spoil: Callable[[Path], Path]) -> None:
    with pytest.raises(InputError, match=BAD_PARTS[spoil]):
        load_model(spoil(copy))


def hub_of(folders: dict[str, Path]) -> Callable[..., str]:
    """A hub that has these repositories."""

    def snapshot_download(repository: str, allow_patterns: list[str]) -> str:
        assert "model.safetensors" in allow_patterns
        return str(folders[repository])

    return snapshot_download


def test_a_hub_id_brings_the_model_and_its_t5(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copy / "t5-tiny").rename(tmp_path / "elsewhere")
    hub = hub_of({"someone/small": copy, "google-t5/t5-tiny": tmp_path / "elsewhere"})
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub)
    model = load_model(Path("someone/small"))
    assert model.t5_folder == tmp_path / "elsewhere"
    assert model.files.config == copy / CONFIG_NAME


HUB_ERRORS = {
    "gated": (GatedRepoError, "is gated: accept its licence on its page, then run 'hf auth login'"),
    "unknown": (RepositoryNotFoundError, "was not found on the hub"),
    "offline": (LocalEntryNotFoundError, "the hub cannot be reached"),
    "broken": (OSError, "could not be fetched from the hub"),
}


@pytest.mark.parametrize("name", HUB_ERRORS)
def test_a_hub_that_says_no_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kind, words = HUB_ERRORS[name]

    def refuse(*ignored: object, **also: object) -> str:
        raise kind.__new__(kind, "no") if kind is OSError else kind.__new__(kind)

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(InputError) as told:
        load_model(Path("stabilityai/stable-audio-open-small"))
    assert words in str(told.value)
    assert str(told.value).endswith("or download it elsewhere and pass the folder")
