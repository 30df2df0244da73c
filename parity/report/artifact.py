"""The files of a report."""

from collections.abc import Iterable
from dataclasses import dataclass

from litert_pipeline.bundle import Bundle, folder_name
from litert_pipeline.model_file import parts_of
from reference.spec.files import sha256_of


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model file that was judged; `path` starts with the name of its bundle's folder."""

    path: str
    sha256: str
    bytes: int


def artifacts_of(bundles: Iterable[Bundle]) -> list[Artifact]:
    """Every model file of these bundles and every file that holds its data, as they are now."""
    return [
        Artifact(
            path=f"{folder_name(bundle.folder)}/{part.relative_to(bundle.folder).as_posix()}",
            sha256=sha256_of(part),
            bytes=part.stat().st_size,
        )
        for bundle in bundles
        for stage in bundle.manifest.stages
        for part in parts_of(bundle.path(stage))
    ]
