"""A codec stage by stage, as its files are converted and judged; and whichever model a folder holds, by its stages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reference.codec import CodecModel, load_codec
from reference.model.same_window import windows_of
from reference.model.weights import find_t5_weights
from reference.model_files import ModelFiles, locate
from reference.pipeline import StageModel, StageModules, frozen, load_model, read_outline, t5_folder
from reference.spec.codec.window import WindowSpec, window_of
from reference.spec.codec_config import read_codec_spec
from reference.spec.config import CODEC_ALONE
from reference.spec.model import StageSpec
from reference.spec.section import read_json

Outline = tuple[ModelFiles, StageSpec, Mapping[str, Path]]  # the last: what text is read with, by name


@dataclass(frozen=True, kw_only=True)
class CodecStages(StageModel):
    """Encoder and decoder of a codec over windows; `whole` codes what is of any length."""

    spec: WindowSpec
    whole: CodecModel


def load_codec_stages(model: Path) -> CodecStages:
    """The stages of a codec in float32. Raises InputError as `load_codec`."""
    whole = load_codec(model)
    spec = window_of(whole.spec)
    modules = frozen(dict(zip(spec.stages, windows_of(whole.module), strict=True)))
    return CodecStages(files=whole.files, spec=spec, modules=StageModules(modules, modules.__getitem__), whole=whole)


def outline_of_codec(model: Path) -> Outline:
    """What is known of a codec before its weights are read. Raises InputError as `load_codec`."""
    files = locate(model)
    return files, window_of(read_codec_spec(files.config)), {}


def outline_of_generator(model: Path) -> Outline:
    """The same of a model that generates. Raises InputError as `load_model`."""
    files, spec, _ = read_outline(model)
    t5 = t5_folder(files, spec)
    told = {path.name: path for path in sorted(t5.iterdir()) if path.is_file() and path.suffix in (".json", ".model")}
    return files, spec, {**told, "weights": find_t5_weights(t5)}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How models of one kind are opened, whole and before their weights are read."""

    load: Callable[[Path], StageModel]
    outline: Callable[[Path], Outline]


GENERATOR = Kind(load=load_model, outline=outline_of_generator)
KINDS: Mapping[str, Kind] = {CODEC_ALONE: Kind(load=load_codec_stages, outline=outline_of_codec)}  # by a config's `model_type`


def kind_of(model: Path) -> Kind:
    """What there is in a folder: whatever is of no other kind generates. Raises InputError if there is no model."""
    told = read_json(locate(model).config).peek("model_type")
    return KINDS.get(told, GENERATOR) if isinstance(told, str) else GENERATOR


def load_stages(model: Path) -> StageModel:
    """Whatever model there is, loaded in float32. Raises InputError as its loader."""
    return kind_of(model).load(model)


def outline_of(model: Path) -> Outline:
    """What is known of whatever model there is before its weights are read. Raises InputError as its loader."""
    return kind_of(model).outline(model)
