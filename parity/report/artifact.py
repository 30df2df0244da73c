"""The files of a report."""

from collections.abc import Iterable
from dataclasses import dataclass

from litert_pipeline.bundle import Bundle
from reference.spec.files import sha256_of


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A model file that was judged; `path` starts with the name of its bundle's folder."""

    path: str
    sha256: str
    bytes: int


def artifacts_of(bundles: Iterable[Bundle]) -> list[Artifact]:
    """Every model file of these bundles, as it is now."""
    return [
        Artifact(
            path=f"{bundle.folder.name}/{entry.file}",
            sha256=sha256_of(bundle.path(stage)),
            bytes=bundle.path(stage).stat().st_size,
        )
        for bundle in bundles
        for stage, entry in bundle.manifest.stages.items()
    ]
