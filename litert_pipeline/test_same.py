"""What is converted of a codec computes what the reference does, whatever of a window there is; and so do its files."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.make_codec import make_codec
from litert_pipeline.build.same import fixed_window
from litert_pipeline.build.same_folded import fold_bottleneck
from reference.codec_stages import CodecStages, load_codec_stages
from reference.spec.stages import CODEC_STAGES, signatures

EXACT = 1e-11  # float64, another order of sums; measured 3e-14
COUNTS = (1, 2, 3, 16, 31, 32)  # frames that there are of 32


@pytest.fixture(scope="module", params=["same-tiny", "same-tiny-l"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CodecStages:
    folder = tmp_path_factory.mktemp("codec") / request.param
    make_codec(folder, request.param, seed=0)
    return load_codec_stages(folder)


def feed(model: CodecStages, stage: str, count: int) -> dict[str, Tensor]:
    """Noise, also where nothing is."""
    sound, _ = signatures(model.spec)[stage].inputs
    present = (torch.arange(model.spec.latent_frames) < count).double()[None]
    return {sound.name: torch.from_numpy(np.random.default_rng(count).normal(size=sound.shape)), "present": present}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("stage", CODEC_STAGES)
def test_a_window_is_coded_as_the_reference_does_it(model: CodecStages, stage: str, count: int) -> None:
    exact, given = copy.deepcopy(model.modules[stage]).double(), feed(model, stage, count)
    ((name, expected),) = exact(**given).items()
    found = fixed_window(exact, model.spec.latent_frames)(**given)[name]
    torch.testing.assert_close(found, expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("stage", CODEC_STAGES)
def test_a_bottleneck_in_the_layer_beside_it_changes_nothing(model: CodecStages, stage: str) -> None:
    exact = copy.deepcopy(model.modules[stage]).double()
    exact.get_submodule("bottleneck").get_parameter("running_std").mul_(3)  # seeded weights leave it near one
    plain, given = fixed_window(exact, model.spec.latent_frames), feed(model, stage, 31)
    ((name, expected),) = plain(**given).items()
    torch.testing.assert_close(fold_bottleneck(plain)(**given)[name], expected, rtol=EXACT, atol=EXACT)
