"""pytest plugin: bundles that other people's scripts make of the embedded model."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from fixtures.alone import OneAtATime
from fixtures.oracle.positional import (
    NAMES,
    described_positional,
    write_drawing_encoder,
    write_positional,
    write_rounded,
)
from litert_pipeline.build.conversions import Conversions
from parity.faults.other_weights import rewrite_as_loaded
from parity.measure.arithmetic import ALL_AT_LOAD
from reference.spec.stages import CONDITIONER, ENCODER


@pytest.fixture(scope="session")
def positional(tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime) -> Path:
    """A bundle made elsewhere: upstream's modules, litert-torch, positional arguments, Arm's file names."""
    folder = tmp_path_factory.mktemp("elsewhere") / "positional"
    with one_at_a_time("positional"):
        conversions.made(described_positional(TINY_MODEL_DIR), folder, partial(write_positional, TINY_MODEL_DIR))
    return folder


@pytest.fixture(scope="session")
def drawing(
    positional: Path, tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime
) -> Path:
    """The same with what Arm's current script adds: an encoder that draws its noise itself."""
    made, folder = (tmp_path_factory.mktemp("drawing") / name for name in ("alone", "drawing"))
    described = {**described_positional(TINY_MODEL_DIR), "alone": NAMES[ENCODER]}
    with one_at_a_time("drawing"):
        conversions.made(described, made, partial(write_drawing_encoder, TINY_MODEL_DIR))
    shutil.copytree(positional, folder)
    shutil.copyfile(made / NAMES[ENCODER], folder / NAMES[ENCODER])
    return folder


@pytest.fixture(scope="session")
def rounded(
    drawing: Path, tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime
) -> Path:
    """A bundle as Arm's script makes it with `model_half`: upstream's loader has rounded all weights before. The conditioner is
    converted so; the others' constants are rewritten, which gives the very same files (`test_upstream_rounded.py`)."""
    made, folder = (tmp_path_factory.mktemp("rounded") / name for name in ("alone", "rounded"))
    described = {**described_positional(TINY_MODEL_DIR), "alone": f"rounded {CONDITIONER}"}
    with one_at_a_time("rounded"):
        conversions.made(described, made, partial(write_rounded, TINY_MODEL_DIR, stages=(CONDITIONER,)))
    shutil.copytree(drawing, folder)
    shutil.copyfile(made / NAMES[CONDITIONER], folder / NAMES[CONDITIONER])
    files = {stage: folder / name for stage, name in NAMES.items() if stage != CONDITIONER}
    rewrite_as_loaded(files, ALL_AT_LOAD, TINY_MODEL_DIR)
    return folder
