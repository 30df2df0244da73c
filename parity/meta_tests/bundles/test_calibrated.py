"""LiteRT files with calibrated ranges are known as such, though most of their layers be fed otherwise."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from litert_pipeline.bundle import Bundle
from parity.bundles.arithmetic import stored
from parity.bundles.interface import read_interface
from parity.bundles.probe import probe_feed
from parity.judge.judge import Judge
from parity.measure.arithmetic import PER_ROW, STATIC
from parity.mixes.table import MIXES
from parity.mixes.tools import apply
from reference.spec.stages import DIT, signatures


@pytest.fixture(scope="module")
def calibrated(judge: Judge, bundles: Mapping[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Feed-forwards alone, calibrated with one feed: here nothing is judged."""
    part, target = MIXES["static_feed_forward"].parts[DIT], tmp_path_factory.mktemp("calibrated") / "dit.tflite"
    signature = signatures(judge.model.spec)[DIT]
    feed = signature.bind(probe_feed(signature, judge.model.tokenizer))
    apply(part.tool, bundles["fp32"].path(DIT), target, part.options, lambda: [feed])
    return target


def test_its_arithmetic_says_so(calibrated: Path) -> None:
    assert stored(read_interface(calibrated)).activations == STATIC


def test_a_dynamic_one_is_none(bundles: Mapping[str, Bundle]) -> None:
    assert stored(read_interface(bundles["int8"].path(DIT))).activations == PER_ROW
