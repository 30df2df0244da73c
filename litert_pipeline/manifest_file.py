"""A bundle's `manifest.json`, written and read strictly."""

import json
from pathlib import Path
from typing import Any

from litert_pipeline.manifest import COMPUTES, FORMATS, Manifest, Source, StageFile
from reference.spec.codec.shape import CodecShape
from reference.spec.errors import InputError
from reference.spec.sampling.schedule import LevelShift
from reference.spec.section import Section, read_json
from reference.spec.stages import CODEC_STAGES, GENERATION, STAGE_TABLE
from reference.spec.tensors import Signature, Tensor

MANIFEST_NAME = "manifest.json"
SCHEMA = 1
MOST_BYTES = 2**63 - 1  # of a file
NO_CLAIMS = ("conversion", "versions", "source_sha256")  # written once, held to nothing; nothing follows from them


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into a bundle folder under construction."""
    assert manifest.source is not None, "only bundles of ours are written"
    content = {
        "schema": SCHEMA,
        "recipe": manifest.recipe,
        "format": manifest.format,
        "source": {name: digest for name, digest in vars(manifest.source).items() if digest is not None},
        "sample_rate_hz": manifest.sample_rate_hz,
        **(_of_generation(manifest) if manifest.codec is None else {"codec": vars(manifest.codec)}),
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


def _of_generation(manifest: Manifest) -> dict[str, Any]:
    """What only a bundle that generates says."""
    return {
        "sampler": dict(manifest.sampler),
        "level_shift": None if manifest.level_shift is None else vars(manifest.level_shift),
        "tokenizer": {"file": manifest.tokenizer_file, "sha256": manifest.tokenizer_sha256},
    }


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a bundle. Raises InputError for one that is missing, damaged or of another version, and a missing stage."""
    top = read_json(folder / MANIFEST_NAME)
    schema = top.take("schema", int)
    if schema != SCHEMA:
        raise InputError(f"{top.file}: schema is {schema}, this version reads {SCHEMA}; convert the bundle again")
    codes = top.has("codec")
    stages, source = top.section("stages"), top.section("source")
    whole = CODEC_STAGES if codes else GENERATION
    missing = [name for name in whole if not stages.has(name)]
    if missing:
        raise InputError(f"{top.file}: stage {', '.join(missing)} is missing; a bundle has {', '.join(whole)}")
    manifest = Manifest(
        recipe=top.take("recipe", str),
        format=top.choice("format", FORMATS),
        source=Source(
            config_sha256=source.take("config_sha256", str),
            weights_sha256=source.take("weights_sha256", str),
            t5_sha256=None if codes else source.take("t5_sha256", str),
        ),
        sample_rate_hz=top.positive("sample_rate_hz"),
        stages={name: _read_stage(stages.section(name)) for name in STAGE_TABLE if stages.has(name)},
        **(_read_codec(top.section("codec")) if codes else _read_generation(top)),
    )
    top.ignore(*NO_CLAIMS)
    for section in (source, stages, top):
        section.done()
    return manifest


def _read_generation(top: Section) -> dict[str, Any]:
    tokenizer = top.section("tokenizer")
    found = {
        "sampler": top.take("sampler", dict),
        "level_shift": _read_shift(top.section("level_shift")) if top.filled("level_shift") else None,
        "tokenizer_file": _file_name(tokenizer),
        "tokenizer_sha256": tokenizer.take("sha256", str),
    }
    tokenizer.done()
    return found


def _read_codec(section: Section) -> dict[str, Any]:
    reaches = {name: section.take(name, int) for name in ("encode_reach", "decode_reach")}
    shape = CodecShape(**{name: section.positive(name) for name in section.names()}, **reaches)
    section.done()
    return {"codec": shape}


def _read_shift(section: Section) -> LevelShift:
    shift = LevelShift(mu=section.take("mu", float), sine=section.take("sine", bool))
    section.done()
    return shift


def _read_stage(section: Section) -> StageFile:
    entry = StageFile(
        file=_file_name(section),
        sha256=section.take("sha256", str),
        size_bytes=section.positive("size_bytes", most=MOST_BYTES),
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
