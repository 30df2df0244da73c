"""A codec's file with a signature for each length: which are run, and that what they make together is what is coded at once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litert_pipeline.binding import Binding, Match
from litert_pipeline.bundle import Bundle, Manifest, StageFile
from litert_pipeline.run.rungs import opened_stage
from litert_pipeline.rungs import Rungs, exact_frames, windows_over
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.windows import Side, sides
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.stages import PRESENT, SAME_DECODER, SAME_ENCODER
from reference.spec.tensors import Array, Signature, Tensor, Tensors

SMALL = CodecShape(
    sample_rate_hz=44100, audio_channels=2, latent_channels=3, ratio=4, alignment=2, encode_reach=1, decode_reach=2
)
LARGE = CodecShape(
    sample_rate_hz=44100, audio_channels=2, latent_channels=3, ratio=4, alignment=1, encode_reach=12, decode_reach=12
)
OFFICIAL = (2, 4, 8, 12, 16, 32, 64, 128, 256)  # of same-s
DECODE = sides(SMALL)[1]
WINDOW = 20


@pytest.mark.parametrize(("shape", "frames", "expected"), [
    pytest.param(SMALL, 16, (16, 1), id="a signature of its own"),
    pytest.param(SMALL, 2, (2, 1), id="the shortest"),
    pytest.param(SMALL, 6, None, id="too short for two windows of 4 that share 4"),
    pytest.param(SMALL, 20, (12, 2), id="12 and 12 that share 4"),
    pytest.param(SMALL, 60, (32, 2), id="no shorter ones are less work"),
    pytest.param(SMALL, 300, (64, 5), id="five of 64 are less than two of 256"),
    pytest.param(LARGE, 60, (32, 5), id="24 shared"),
    pytest.param(LARGE, 24, None, id="what is shared leaves nothing"),
])  # fmt: skip
def test_the_least_work_that_is_exact_is_chosen(
    shape: CodecShape, frames: int, expected: tuple[int, int] | None
) -> None:
    found = windows_over(OFFICIAL, frames, sides(shape)[1], shape)
    assert (found and (found.frames, len(found.windows(frames)))) == expected


@given(st.sets(st.integers(1, 40).map(lambda half: 2 * half), min_size=1), st.integers(1, 100).map(lambda half: 2 * half))
def test_windows_are_no_longer_than_the_sound_and_keep_only_what_is_far_from_their_inner_edges(
    rungs: set[int], frames: int
) -> None:
    found = windows_over(rungs, frames, DECODE, SMALL)
    assert (found is not None) == (frames in rungs or any(4 < rung < frames for rung in rungs))
    for start, begin, end in found.windows(frames) if found is not None else ():
        assert found is not None
        assert (start % 2, start + found.frames <= frames) == (0, True)
        assert start == 0 or begin - start >= DECODE.reach
        assert end == frames or start + found.frames - end >= DECODE.reach


def test_what_is_encoded_may_end_in_a_group_and_latents_may_not() -> None:
    assert [exact_frames(SAME_ENCODER, frames, SMALL) for frames in (7, 8)] == [8, 8]
    assert [exact_frames(SAME_DECODER, frames, SMALL) for frames in (7, 8)] == [None, 8]
    assert exact_frames(SAME_DECODER, 7, LARGE) == 7


def reaching(side: Side, data: Array) -> Array:
    """What a half may do: each frame's answer is the mean of its group and the groups beside it, which repeat at the ends."""
    frames = data.reshape(*data.shape[:2], -1, 2 * side.length_in).mean(axis=(1, 3))
    padded = np.concatenate([frames[:, :1], frames, frames[:, -1:]], axis=1)
    beside = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return np.repeat(np.repeat(beside[:, None], 2, axis=1), 2 * side.length_out, axis=2)


def tensor(name: str, channels: int, length: int) -> Tensor:
    return Tensor(name=name, axes={"batch": 1, "channel": channels, "length": length})


def binding(frames: int) -> Binding:
    given, made = (
        Match(ours=tensor(name, 2, frames * length), theirs=tensor(f"{name}_0", 2, frames * length), position=0, tensor_name=name)
        for name, length in (("latents", DECODE.length_in), ("audio", DECODE.length_out))
    )
    return Binding(inputs=(given,), outputs=(made,))


@pytest.fixture
def bundle() -> Bundle:
    """Of a decoder alone, with signatures for 2, 6 and 8 frames."""
    present = Tensor(name=PRESENT.name, axes={"batch": 1, "frame": WINDOW})
    signature = Signature(
        inputs=(tensor("latents", 2, WINDOW), present), outputs=(tensor("audio", 2, WINDOW * DECODE.length_out),)
    )
    rungs = Rungs(**vars(binding(8)), rungs={frames: binding(frames) for frames in (2, 6, 8)})
    entry = StageFile(file="dec.tflite", sha256="", size_bytes=0, compute="fp32", signature=signature, binding=rungs)
    manifest = Manifest(
        recipe="fp32", format="litert", source=None, sample_rate_hz=44100, codec=SMALL, stages={SAME_DECODER: entry}
    )
    return Bundle(folder=Path("theirs"), manifest=manifest)


@contextmanager
def opening(signature: Signature) -> Iterator[Stage]:
    (given,), (made,) = signature.inputs, signature.outputs

    def run(feed: Mapping[str, Array]) -> Tensors:
        assert feed[given.name].shape == given.shape
        return {made.name: reaching(DECODE, feed[given.name])}

    yield run


@pytest.mark.parametrize("frames", [2, 6, 8, 10, 16, 20])
def test_a_window_is_answered_as_if_it_were_coded_at_once(bundle: Bundle, frames: int) -> None:
    latents = np.random.default_rng(frames).normal(size=(1, 2, WINDOW)).astype(np.float32)
    present = (np.arange(WINDOW) < frames).astype(np.float32)[None]
    with opened_stage(bundle, SAME_DECODER, opening) as stage:
        answer = stage({"latents": latents, PRESENT.name: present})["audio"]
    assert answer.shape == (1, 2, WINDOW * DECODE.length_out)
    there = frames * DECODE.length_out
    np.testing.assert_array_equal(answer[..., :there], reaching(DECODE, latents[..., :frames]))
    assert not answer[..., there:].any()


@pytest.mark.parametrize("frames", [1, 4, 7])
def test_a_length_that_no_signature_codes_exactly_is_told(bundle: Bundle, frames: int) -> None:
    present = (np.arange(WINDOW) < frames).astype(np.float32)[None]
    with opened_stage(bundle, SAME_DECODER, opening) as stage, pytest.raises(
        InputError, match=f"same_decoder: no signature codes {frames} frames exactly, there are those of 2, 6, 8"
    ):
        stage({"latents": np.zeros((1, 2, WINDOW), np.float32), PRESENT.name: present})
