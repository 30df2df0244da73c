"""A bundle has a name in every part of a report, however its folder was given: as where one stands, by a way up, by a link."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from litert_pipeline.bundle import Bundle, folder_name
from parity.latency.codec import TORCH, VERBS, Measured, _called, markdown
from parity.measure.race import Times
from parity.meta_tests.report.sample import BUNDLE, sample
from parity.report.artifact import artifacts_of
from parity.report.card import card
from parity.report.embed import parted

# How the folder `mine`, with a folder `inside` and beside a link `linked` to it, is given: from where, and what it is called.
GIVEN = {
    ".": ("mine", "mine"), "./": ("mine", "mine"), "..": ("mine/inside", "mine"), "../": ("mine/inside", "mine"),
    "../mine": ("mine", "mine"), "inside/..": ("mine", "mine"), "inside/../.": ("mine", "mine"), "mine/.": (".", "mine"),
    "mine/": (".", "mine"), "./mine": (".", "mine"), "linked": (".", "linked"), "linked/": (".", "linked"),
    "linked/inside/..": (".", "mine"),
}  # fmt: skip


@pytest.fixture(params=sorted(GIVEN))
def given(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A folder as it was given, and what it is to be called."""
    (tmp_path / "mine" / "inside").mkdir(parents=True)
    (tmp_path / "linked").symlink_to("mine")
    where, name = GIVEN[request.param]
    monkeypatch.chdir(tmp_path / where)
    return Path(request.param), name


def test_a_folder_has_a_name(given: tuple[Path, str]) -> None:
    path, name = given
    assert folder_name(path) == name


def test_the_card_calls_it_so(given: tuple[Path, str]) -> None:
    path, name = given
    front, body = parted(card(sample(bundles=[replace(BUNDLE, path=str(path))], checks=[])))
    assert f"| `{name}` | **REFUSE** |" in body
    assert f"**REFUSE** `{name}`: " in body
    assert yaml.safe_load(front)["model-index"][0]["name"] == name


def test_its_files_are_told_behind_its_name(given: tuple[Path, str], bundles: Mapping[str, Bundle]) -> None:
    path, name = given
    bundle = replace(bundles["fp32"], folder=path)
    for stage in bundle.manifest.stages:
        bundle.path(stage).write_bytes(b"weights")
    told = [artifact.path for artifact in artifacts_of([bundle])]
    assert told == [f"{name}/{entry.file}" for entry in bundle.manifest.stages.values()]


def test_codecs_that_are_called_alike_are_told_apart_by_their_paths(given: tuple[Path, str]) -> None:
    path, name = given
    other = Path("/elsewhere") / name
    assert _called([path]) == {name: path}
    assert _called([path, other]) == {str(path): path, str(other): other}


@pytest.mark.parametrize("peaks", [{}, {("a\n::error::b", VERBS[0], 1.0): 2**20}], ids=["times", "memory, too"])
def test_no_codec_begins_a_line_of_its_own(peaks: dict[tuple[str, str, float], int]) -> None:
    """As a bundle whose folder is called so."""
    of_each = {(name, verb): Times(seconds=(0.5, 0.5)) for name in (TORCH, "a\n::error::b") for verb in VERBS}
    text = markdown(Measured(seconds=1.0, snr_db=dict.fromkeys(of_each, 60.0), times=of_each, peak_bytes=peaks))
    assert text.count("| a ::error::b") == 1 + len(peaks)
    assert "\n::" not in text
