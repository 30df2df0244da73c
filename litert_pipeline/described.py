"""What was found out about a bundle made elsewhere: such a folder has no manifest that says how its files are fed."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from litert_pipeline.binding import Binding, Match
from litert_pipeline.bundle import Bundle
from litert_pipeline.manifest import Manifest, StageFile
from reference.spec.errors import InputError
from reference.spec.plain_json import parse
from reference.spec.sampling.schedule import LevelShift
from reference.spec.tensors import Signature, Tensor


def described(manifest: Manifest) -> dict[str, Any]:
    """All of a manifest as plain values."""
    return asdict(manifest)


def described_bundle(folder: Path, file: Path) -> Bundle:
    """A folder as a file describes it. Raises InputError for a file that describes none."""
    try:
        manifest = manifest_of(parse(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); expected what 'python -m parity describe' wrote") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{file}: describes no bundle; expected what 'python -m parity describe' writes now") from None
    return Bundle(folder=folder, manifest=manifest)


def manifest_of(content: Mapping[str, Any]) -> Manifest:
    """The manifest that was described so."""
    shift, stages = content["level_shift"], content["stages"]
    return Manifest(**{
        **content,
        "level_shift": None if shift is None else LevelShift(**shift),
        "stages": {stage: _stage(entry) for stage, entry in stages.items()},
    })  # fmt: skip


def _stage(content: Mapping[str, Any]) -> StageFile:
    signature, binding = content["signature"], content["binding"]
    own = Signature(inputs=_tensors(signature["inputs"]), outputs=_tensors(signature["outputs"]))
    return StageFile(**{**content, "signature": own, "binding": None if binding is None else _binding(binding)})


def _binding(content: Mapping[str, Any]) -> Binding:
    matches = {name: tuple(map(_match, content[name])) for name in ("inputs", "outputs", "drawn")}
    return Binding(**matches, unused=_tensors(content["unused"]), probed=content["probed"])


def _match(content: Mapping[str, Any]) -> Match:
    return Match(**{**content, "ours": Tensor(**content["ours"]), "theirs": Tensor(**content["theirs"])})


def _tensors(content: list[Mapping[str, Any]]) -> tuple[Tensor, ...]:
    return tuple(Tensor(**one) for one in content)
