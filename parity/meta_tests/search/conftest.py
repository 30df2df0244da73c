"""The float bundle that trials start from."""

import sys
from functools import partial

import pytest

from fixtures import TINY_MODEL_DIR
from fixtures.alone import OneAtATime
from litert_pipeline.build.conversions import Conversions
from litert_pipeline.bundle import Bundle
from parity.bundles.given import make_bundles


@pytest.fixture(scope="session")
def float_bundle(tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime) -> Bundle:
    """Of the tiny model."""
    folder, say = tmp_path_factory.mktemp("float") / "bundles", partial(print, file=sys.stderr)
    with one_at_a_time("bundles"):
        return make_bundles(TINY_MODEL_DIR, folder, {"fp32"}, say, conversions)["fp32"]
