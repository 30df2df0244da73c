"""A bundle: a folder of converted models and the manifest that says what they are."""

import os
from dataclasses import dataclass
from pathlib import Path
from zipfile import is_zipfile

from litert_pipeline.manifest import COMPUTES, FORMATS, SUFFIXES, Manifest, Source, StageFile
from litert_pipeline.manifest_file import MANIFEST_NAME, read_manifest, write_manifest
from litert_pipeline.model_file import require_bytes, require_linked, sha256_of_model, size_of_model
from reference.spec.errors import InputError
from reference.spec.files import require_content, sha256_of
from reference.spec.paths import require_text

__all__ = [
    "COMPUTES", "FORMATS", "MANIFEST_NAME", "SUFFIXES", "Bundle", "Manifest", "Source", "StageFile", "folder_name", "read_bundle",
    "write_manifest",
]  # fmt: skip


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
        """Of a bundle that generates."""
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
        if self.manifest.codec is not None:
            return
        require_content(self.tokenizer_path)
        if sha256_of(self.tokenizer_path) != self.manifest.tokenizer_sha256:
            raise InputError(
                f"{self.tokenizer_path}: SHA-256 differs from the manifest; convert or copy the bundle again"
            )


def folder_name(folder: Path) -> str:
    """What a folder is called, also where it is given as `.` or by `..`; of a link the link's name."""
    return folder.resolve().name if folder.name in ("", "..") else folder.name


def require_bundle_folder(folder: Path) -> None:
    """Raise InputError for what is no folder, saying what it is instead, and for a path that no runtime can be told."""
    require_text(folder)
    if folder.is_dir():
        return
    if not os.path.lexists(folder):
        raise InputError(f"{folder}: no such folder; expected a bundle with {MANIFEST_NAME}")
    if folder.is_file() and is_zipfile(folder):
        raise InputError(f"{folder}: is an archive; unpack it and give the folder that is in it")
    if folder.is_file() and folder.suffix in SUFFIXES.values():
        raise InputError(f"{folder}: is a model file; give the folder it is in")
    raise InputError(f"{folder}: is no folder; expected a bundle with {MANIFEST_NAME}")


def read_bundle(folder: Path) -> Bundle:
    """Read and validate `manifest.json` and check that each file exists at its recorded size.

    Raises InputError for a folder that is not a bundle, a missing stage, a missing or truncated file.
    """
    require_bundle_folder(folder)
    require_linked(folder, (), MANIFEST_NAME)
    if not (folder / MANIFEST_NAME).is_file():
        raise InputError(f"{folder}: has no {MANIFEST_NAME}; make a bundle with 'python -m litert_pipeline convert'")
    bundle = Bundle(folder=folder, manifest=read_manifest(folder))
    for stage, entry in bundle.manifest.stages.items():
        path = bundle.path(stage)
        require_linked(folder, (), path.name)
        require_text(path)
        if path.suffix != (suffix := SUFFIXES[bundle.manifest.format]):
            form = bundle.manifest.format
            raise InputError(f"{path}: is no {suffix} file, though the manifest's format is {form}; convert it again")
        if not path.is_file():
            raise InputError(f"{path}: no such file, though the manifest names it as stage '{stage}'")
        require_bytes(path)
        if (found := size_of_model(path)) != entry.size_bytes:
            raise InputError(
                f"{path}: is {found} bytes, the manifest says {entry.size_bytes} (size_bytes); "
                "it is truncated or was replaced, convert or copy the bundle again"
            )
    return bundle
