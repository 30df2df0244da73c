"""A bundle: a folder of converted models and the manifest that says what they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litert_pipeline import mlx_file
from litert_pipeline.binding import Binding
from litert_pipeline.model_file import sha256_of_model, size_of_model
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.generation import Stage
from reference.spec.sampling.schedule import LevelShift
from reference.spec.section import Section, read_json
from reference.spec.stages import ALL_STAGES, GENERATION
from reference.spec.tensors import Signature, Tensor

MANIFEST_NAME = "manifest.json"
SCHEMA = 1
# Of the files of a bundle, by its format.
SUFFIXES = {"litert": ".tflite", "onnx": ".onnx", mlx_file.MLX: mlx_file.SUFFIX, mlx_file.MLX_AUDIOGEN: mlx_file.SUFFIX}
FORMATS = tuple(SUFFIXES)
COMPUTES = ("fp32", "fp16")
NO_CLAIMS = ("conversion", "versions", "source_sha256")  # written once, held to nothing; nothing follows from them


@dataclass(frozen=True, kw_only=True)
class StageFile:
    """One converted stage: the file, what it and its external data should hash to, how to run it, its tensors.

    `compute` is the arithmetic the recipe wants at run time. `binding` says how a file made elsewhere is fed; our own have the
    tensors of `signature`.
    """

    file: str
    sha256: str
    size_bytes: int
    compute: str
    signature: Signature
    binding: Binding | None = None

    @property
    def own_signature(self) -> Signature:
        """What the file itself takes and returns."""
        return self.signature if self.binding is None else self.binding.signature

    def translated(self, run: Stage) -> Stage:
        """The stage whose file is `run`."""
        return run if self.binding is None else self.binding.around(run, self.signature)


@dataclass(frozen=True, kw_only=True)
class Source:
    """The model dir a bundle was made from, by the SHA-256 of its three files."""

    config_sha256: str
    weights_sha256: str
    t5_sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything a bundle says about itself. The stage `encoder` may be missing: only audio-to-audio needs it.

    All of it can be held to the files and to the model dir (`parity.judge.claims`); what cannot be is not written. Of a bundle
    made elsewhere `source` is not known, and `recipe` is what its files look like.
    """

    recipe: str
    format: str
    source: Source | None
    sampler: Mapping[str, Any]
    level_shift: LevelShift | None
    sample_rate_hz: int
    tokenizer_file: str
    tokenizer_sha256: str
    stages: Mapping[str, StageFile]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A manifest and the folder it describes."""

    folder: Path
    manifest: Manifest

    def path(self, stage: str) -> Path:
        """The file of a stage."""
        return self.folder / self.manifest.stages[stage].file

    @property
    def tokenizer_path(self) -> Path:
        return self.folder / self.manifest.tokenizer_file

    def altered(self, stage: str) -> bool:
        """Whether the stage's file is no longer the one the manifest was written for."""
        return sha256_of_model(self.path(stage)) != self.manifest.stages[stage].sha256

    def require_intact(self) -> None:
        """Raise InputError if any file is not the one the manifest was written for."""
        for stage in self.manifest.stages:
            if self.altered(stage):
                raise InputError(
                    f"{self.path(stage)}: SHA-256 differs from the manifest; convert or copy the bundle again"
                )
        if sha256_of(self.tokenizer_path) != self.manifest.tokenizer_sha256:
            raise InputError(
                f"{self.tokenizer_path}: SHA-256 differs from the manifest; convert or copy the bundle again"
            )


def read_bundle(folder: Path) -> Bundle:
    """Read and validate `manifest.json` and check that each file exists at its recorded size.

    Raises InputError for a folder that is not a bundle, a missing stage, a missing or truncated file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a bundle with {MANIFEST_NAME}")
    if not (folder / MANIFEST_NAME).is_file():
        raise InputError(f"{folder}: has no {MANIFEST_NAME}; make a bundle with 'python -m litert_pipeline convert'")
    bundle = Bundle(folder=folder, manifest=_read_manifest(read_json(folder / MANIFEST_NAME)))
    for stage, entry in bundle.manifest.stages.items():
        path = bundle.path(stage)
        if path.suffix != (suffix := SUFFIXES[bundle.manifest.format]):
            form = bundle.manifest.format
            raise InputError(f"{path}: is no {suffix} file, though the manifest's format is {form}; convert it again")
        if not path.is_file():
            raise InputError(f"{path}: no such file, though the manifest names it as stage '{stage}'")
        if (found := size_of_model(path)) != entry.size_bytes:
            raise InputError(
                f"{path}: is {found} bytes, the manifest says {entry.size_bytes} (size_bytes); "
                "it is truncated or was replaced, convert or copy the bundle again"
            )
    return bundle


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into a bundle folder under construction."""
    assert manifest.source is not None, "only bundles of ours are written"
    content = {
        "schema": SCHEMA,
        "recipe": manifest.recipe,
        "format": manifest.format,
        "source": vars(manifest.source),
        "sampler": dict(manifest.sampler),
        "level_shift": None if manifest.level_shift is None else vars(manifest.level_shift),
        "sample_rate_hz": manifest.sample_rate_hz,
        "tokenizer": {"file": manifest.tokenizer_file, "sha256": manifest.tokenizer_sha256},
        "stages": {
            name: {
                **{key: value for key, value in vars(entry).items() if key not in ("signature", "binding")},
                "inputs": [_tensor_json(tensor) for tensor in entry.signature.inputs],
                "outputs": [_tensor_json(tensor) for tensor in entry.signature.outputs],
            }
            for name, entry in manifest.stages.items()
        },
    }
    (folder / MANIFEST_NAME).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _read_manifest(top: Section) -> Manifest:
    schema = top.take("schema", int)
    if schema != SCHEMA:
        raise InputError(f"{top.file}: schema is {schema}, this version reads {SCHEMA}; convert the bundle again")
    stages = top.section("stages")
    missing = [name for name in GENERATION if not stages.has(name)]
    if missing:
        raise InputError(f"{top.file}: stage {', '.join(missing)} is missing; a bundle has {', '.join(GENERATION)}")
    source, tokenizer = top.section("source"), top.section("tokenizer")
    manifest = Manifest(
        recipe=top.take("recipe", str),
        format=top.choice("format", FORMATS),
        source=Source(
            config_sha256=source.take("config_sha256", str),
            weights_sha256=source.take("weights_sha256", str),
            t5_sha256=source.take("t5_sha256", str),
        ),
        sampler=top.take("sampler", dict),
        level_shift=_read_shift(top.section("level_shift")) if top.filled("level_shift") else None,
        sample_rate_hz=top.positive("sample_rate_hz"),
        tokenizer_file=_file_name(tokenizer),
        tokenizer_sha256=tokenizer.take("sha256", str),
        stages={name: _read_stage(stages.section(name)) for name in ALL_STAGES if stages.has(name)},
    )
    top.ignore(*NO_CLAIMS)
    for section in (source, tokenizer, stages, top):
        section.done()
    return manifest


def _read_shift(section: Section) -> LevelShift:
    shift = LevelShift(mu=section.take("mu", float), sine=section.take("sine", bool))
    section.done()
    return shift


def _read_stage(section: Section) -> StageFile:
    entry = StageFile(
        file=_file_name(section),
        sha256=section.take("sha256", str),
        size_bytes=section.positive("size_bytes"),
        compute=section.choice("compute", COMPUTES),
        signature=Signature(
            inputs=tuple(_read_tensor(item) for item in section.sections("inputs")),
            outputs=tuple(_read_tensor(item) for item in section.sections("outputs")),
        ),
    )
    section.ignore(*NO_CLAIMS)
    section.done()
    return entry


def _file_name(section: Section) -> str:
    name: str = section.take("file", str)
    if Path(name).name != name:
        raise InputError(
            f"{section.file}: '{section.path('file')}' is '{name}', expected a plain file name inside the bundle"
        )
    return name


def _tensor_json(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "axes": dict(tensor.axes), "dtype": tensor.dtype}


def _read_tensor(section: Section) -> Tensor:
    axes = section.section("axes")
    tensor = Tensor(
        name=section.take("name", str),
        axes={name: axes.positive(name) for name in axes.names()},
        dtype=section.choice("dtype", ("float32", "int32")),
    )
    section.done()
    return tensor
