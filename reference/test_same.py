"""The SAME codec: what its structure implies, whatever its weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures.configs import Json
from fixtures.make_codec import WEIGHTS_NAME, make_codec, write_codec
from fixtures.same_configs import SAME_TINY, SAME_TINY_L
from reference.codec import CodecModel, load_codec, open_noise, replayed
from reference.model.attention import attend
from reference.model.same_attention import Band
from reference.spec.errors import InputError

EXACT = 1e-12  # float64: nothing but another order of summation


@pytest.fixture(scope="module")
def codecs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CodecModel]:
    """The tiny codecs, by topology."""
    root = tmp_path_factory.mktemp("codecs")
    for config in ("same-tiny", "same-tiny-l"):
        make_codec(root / config, config, seed=0)
    return {"chunks": load_codec(root / "same-tiny"), "band": load_codec(root / "same-tiny-l")}


@pytest.mark.parametrize("config", [SAME_TINY, SAME_TINY_L], ids=["chunks", "band"])
def test_the_same_seed_writes_the_same_bytes_at_the_usual_levels(tmp_path: Path, config: Json) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_codec(tmp_path / name, config, seed=3)
    assert (tmp_path / "one" / WEIGHTS_NAME).read_bytes() == (tmp_path / "two" / WEIGHTS_NAME).read_bytes()
    codec = load_codec(tmp_path / "one").codec()
    rng = np.random.default_rng(0)
    latents = codec.encode(rng.normal(0, 0.125, (2, 20 * 272)), 44100).latents
    audio = codec.decode(rng.normal(size=(20, 20)))
    assert 0.8 < latents.std() < 1.25
    assert 0.1 < audio.std() < 0.16


@pytest.mark.parametrize(("left", "right"), [(0, 0), (1, 1), (2, 1), (0, 3)])
def test_a_band_is_attention_under_a_mask(left: int, right: int) -> None:
    """Block by block, or all at once with minus infinity outside of the band."""
    group, frames = 3, 5
    rng = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(2, 2, group * frames, 4, generator=rng, dtype=torch.float64) for _ in range(3))
    place = torch.arange(group * frames)
    apart = place[None, :] - place[:, None]
    hidden = (apart < -left * group) | (apart > right * group)
    scores = (q @ k.transpose(-1, -2) / 2).masked_fill(hidden, -torch.inf)
    torch.testing.assert_close(Band(group, left, right)(q, k, v), scores.softmax(-1) @ v, rtol=EXACT, atol=EXACT)
    assert not torch.allclose(Band(group, left, right)(q, k, v), attend(q, k, v))


def influenced(codec: CodecModel, half: str, at: int, frames: int) -> list[int]:
    """Output frames that change with input frame `at`, relative to it, in float64."""
    shape, module = codec.spec.shape, codec.module.double()
    rng = torch.Generator().manual_seed(0)
    channels, length = (shape.latent_channels, 1) if half == "decode" else (shape.audio_channels, shape.ratio)
    x = torch.randn(1, channels, frames * length, generator=rng, dtype=torch.float64)
    changed = x.clone()
    changed[..., at * length : (at + 1) * length] += 1
    with torch.inference_mode():
        apart = (getattr(module, half)(changed) - getattr(module, half)(x)).abs().amax(1)[0]
    module.float()
    return [int(index) - at for index in apart.reshape(frames, -1).amax(1).nonzero().flatten()]


# Of the tiny models: a pair influences itself and one frame more on each side, and in decoding a patch more of the next.
# A band of one frame over 2 (encoder) and 3 (decoder) blocks reaches as many frames, one less where the tokens stand apart.
INFLUENCE = {
    ("chunks", "encode", 6): [-1, 0, 1, 2], ("chunks", "encode", 7): [-2, -1, 0, 1],
    ("chunks", "decode", 6): [-2, -1, 0, 1, 2, 3], ("chunks", "decode", 7): [-3, -2, -1, 0, 1, 2],
    ("band", "encode", 6): [-2, -1, 0, 1], ("band", "decode", 6): [-3, -2, -1, 0, 1, 2],
}  # fmt: skip


@pytest.mark.parametrize(("topology", "half", "at"), INFLUENCE)
def test_how_far_a_frame_reaches(codecs: dict[str, CodecModel], topology: str, half: str, at: int) -> None:
    assert influenced(codecs[topology], half, at, frames=16) == INFLUENCE[topology, half, at]


@pytest.mark.parametrize("topology", ["chunks", "band"])
def test_without_noise_the_same_latents_give_the_same_audio_and_with_it_a_seed_does(
    codecs: dict[str, CodecModel], topology: str
) -> None:
    model, latents = codecs[topology], np.random.default_rng(0).normal(size=(20, 6))
    audios = [model.codec(draw).decode(latents) for draw in (None, None, replayed(1), replayed(1), replayed(2))]
    same = [np.array_equal(audios[0], audios[1]), np.array_equal(audios[2], audios[3])]
    other = [np.array_equal(audios[0], audios[2]), np.array_equal(audios[2], audios[4])]
    assert (same, other) == ([True, True], [False, False])


@pytest.mark.parametrize(("kind", "seed", "words"), [
    ("on", 0, "noise 'on' is unknown; valid: off, replay"),
    ("replay", -1, "seed is -1, expected 0 to 4294967295"),
    ("replay", 2**32, "seed is 4294967296, expected 0 to 4294967295"),
])  # fmt: skip
def test_noise_that_there_is_not_is_told(kind: str, seed: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_noise(kind, seed)
