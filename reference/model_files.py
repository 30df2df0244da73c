"""Which files make a model: a config, weights, a T5 folder; from a folder, one of its weight files, or the hub."""

import hashlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from reference.spec.config import CONFIG_NAME
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.paths import require_text

WEIGHT_SUFFIXES = (".safetensors", ".ckpt")
CHECKPOINT_STEMS = ("model", "base_model")  # the hub's names: distilled, and what it was distilled from
AUTOENCODER_STEMS = ("vae", "autoencoder", *CHECKPOINT_STEMS)  # where a diffusion-only checkpoint's other half may be
T5_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
SPIECE_NAME = "spiece.model"
T5_FILES = ("config.json", T5_WEIGHTS[0], SPIECE_NAME)
T5_OWNER = "google-t5"  # on the hub, of the names without one: t5-base
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """The files of one model. `companions` may hold what `weights` lacks."""

    config: Path
    weights: Path
    companions: tuple[Path, ...] = ()

    def t5_folder(self, name: str) -> Path:
        """The T5 folder called `name`: beside the config, or fetched from the hub.

        Raises InputError, saying what to get and how, where neither can be had: the official repositories do not hold it.
        """
        name = name.rstrip("/")
        last = name.rsplit("/", 1)[-1]
        if last in ("", ".", ".."):
            raise InputError(f"{self.config}: names its text encoder '{name}'; expected a name such as 't5-base' (t5_model_name)")
        folder = self.config.parent / last
        absent = _absent(folder)
        if absent is None:
            return folder
        repository = name if "/" in name else f"{T5_OWNER}/{name}"
        missing = f"{absent}; the model's text encoder is '{name}', which comes apart from it: "
        if not HUB_ID.fullmatch(repository):
            raise InputError(f"{missing}put its three files there ({', '.join(T5_FILES)}); no repository on the hub is called so")
        command = f"'hf download {repository} {' '.join(T5_FILES)} --local-dir {_typed(folder)}' gets the three files"
        if folder.is_dir():
            raise InputError(f"{missing}{command}")
        from reference.hub import fetch

        try:
            return fetch(repository, list(T5_FILES))
        except InputError as error:
            raise InputError(f"{missing}{command} ({error})") from None

    def weights_sha256(self) -> str:
        """One hash for the weights: the file's own, or that of all files' hashes."""
        digests = [sha256_of(path) for path in (self.weights, *self.companions)]
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _absent(folder: Path) -> str | None:
    """What a T5 folder lacks, in words; None where all is there."""
    if not folder.is_dir():
        return f"{folder}: {'is no folder' if os.path.lexists(folder) else 'no such folder'}"
    there = [any((folder / name).is_file() for name in names) for names in (T5_FILES[:1], T5_WEIGHTS, T5_FILES[2:])]
    return None if all(there) else f"{folder / T5_FILES[there.index(False)]}: no such file"


def _typed(path: Path) -> str:
    """A path as it is typed in a shell, between the quotes of a sentence."""
    return str(path) if shlex.quote(str(path)) == str(path) else f'"{path}"'


def locate(model: Path) -> ModelFiles:
    """The files of `model`: a folder, a weight file in it, or an id on the hub such as owner/name.

    A folder's `model.*` goes with `model_config.json`; a weight file `X.*` with `X_config.json` where that exists.
    Raises InputError saying what is missing, and how to get it, and for a path that no library can be told.
    """
    require_text(model)
    if model.is_dir():
        return _in_folder(model)
    if model.is_file():
        return _around(model)
    if repository := hub_id(model):
        from reference.hub import fetch

        return _in_folder(fetch(repository, [CONFIG_NAME, "model.safetensors"]))
    raise InputError(
        f"{model}: no such folder or weight file; expected a model dir with {CONFIG_NAME} and weights, "
        "or an id on the hub such as stabilityai/stable-audio-open-small"
    )


def hub_id(model: Path) -> str | None:
    """The id on the hub that `model` is, if it is no path here."""
    return str(model) if HUB_ID.fullmatch(str(model)) and not model.parent.is_dir() else None


def find_weights(folder: Path, stems: tuple[str, ...]) -> list[Path]:
    """Weight files in `folder` by stem, in order of preference."""
    paths = (folder / f"{stem}{suffix}" for stem in stems for suffix in WEIGHT_SUFFIXES)
    return [path for path in paths if path.is_file()]


def _in_folder(folder: Path) -> ModelFiles:
    found = find_weights(folder, CHECKPOINT_STEMS)
    return _around(found[0] if found else _complain(folder, CHECKPOINT_STEMS))


def _complain(folder: Path, stems: tuple[str, ...]) -> NoReturn:
    """Raise InputError for a folder that has no weight file of these stems, but perhaps something else that is called so."""
    names = [f"{stem}{suffix}" for stem in stems for suffix in WEIGHT_SUFFIXES]
    there = next((folder / name for name in names if os.path.lexists(folder / name)), None)
    if there is None:
        raise InputError(f"{folder}: no weights found; expected one of {', '.join(names)}")
    if there.is_symlink() and not there.exists():
        raise InputError(f"{there}: is a link to {there.readlink()}, which is not there; download it again")
    raise InputError(f"{there}: is no file; expected the weights themselves")


def _around(weights: Path) -> ModelFiles:
    """The files that belong to a weight file."""
    if weights.suffix not in WEIGHT_SUFFIXES:
        raise InputError(f"{weights}: is no weight file; expected {' or '.join(WEIGHT_SUFFIXES)}, or a model dir")
    own = weights.with_name(f"{weights.stem}_config.json")
    config = own if own.is_file() else weights.with_name(CONFIG_NAME)
    companions = [path for path in find_weights(weights.parent, AUTOENCODER_STEMS) if path != weights]
    return ModelFiles(config=config, weights=weights, companions=tuple(companions))
