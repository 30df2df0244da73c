"""The states of stable-audio-tools that sampling can follow. Upstream moves: the same call gives other sounds in another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference.spec.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Release:
    """One of them. `apg_scale` is what guidance does there unless told otherwise; which levels a sampler walks stands in
    the sampler's row. `rests_on` says what holds this project to it."""

    name: str
    apg_scale: float
    rests_on: str


V0_0_19 = Release(
    name="stable-audio-tools-0.0.19", apg_scale=0.0, rests_on="tests of whole generations against the package"
)
V0_0_20 = Release(
    name="stable-audio-tools-0.0.20", apg_scale=1.0, rests_on="tests of its levels and its guidance against the package"
)

SPEC = "spec"  # under which key a manifest's sampler names one; those written before there were two mean V0_0_19
RELEASES = {release.name: release for release in (V0_0_19, V0_0_20)}


def release_of(sampler: Mapping[str, Any]) -> Release:
    """The one a manifest's sampler names. Raises InputError for an unknown one."""
    return release_called(str(sampler.get(SPEC, V0_0_19.name)))


def release_called(name: str) -> Release:
    """A row of the table. Raises InputError for an unknown one."""
    if name not in RELEASES:
        raise InputError(f"spec '{name}' is unknown; valid specs: {', '.join(RELEASES)}")
    return RELEASES[name]
