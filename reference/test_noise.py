"""Noise streams: pinned values, the programs whose noise they reproduce, replay from files."""

import hashlib
import io
import pickle
import platform
import shutil
import subprocess
import sys
import zipfile
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from reference.spec import audiogen
from reference.spec.errors import InputError
from reference.spec.noise import ENCODER_NOISE, STREAMS, TORCH_TREE, draw_names, from_file, open_noise, philox

SHAPE = (1, 3, 5)
PHILOX_SEED_0_HEX = "be7e2fc9 bcdb4680 bff8e2a2"  # first values of numpy's Philox stream, pinned
AUDIOGEN_FILL = 64 * 256  # values of one draw of the app
AUDIOGEN_SEED_99_SHA256 = {
    "audiogen-libstdcxx": "4e5ba24385e110a4b35bf210a699a7b8d48a62cc05d2fed2b8c751b7e16b7973",
    "audiogen-libcxx": "18b2aba195e690c6b3b28a7bfbb7b6e033f56a56209992180afd2222f586c010",
    "audiogen-libcxx-arm64": "7245203be4511abfdcf23bb58d8d060516a22ce8c8b2a04f0fc4fd16514b8171",
}
SEEDS, VALUES = (0, 1, 99, 2**32 - 1), 65_536
PROGRAM = """
#include <cstdio>
#include <cstdlib>
#include <random>
int main(int count, char** words) {
    std::mt19937 engine(static_cast<unsigned>(std::strtoul(words[1], nullptr, 10)));
    std::normal_distribution<float> normal(0.0f, 1.0f);
    for (long left = std::strtol(words[2], nullptr, 10); left > 0; --left) {
        float value = normal(engine);
        std::fwrite(&value, sizeof value, 1, stdout);
    }
}
"""
FUSED = ("-ffp-contract=on", *(("-mfma",) if platform.machine() == "x86_64" else ()))
COMPILERS = {  # what arm64 compilers do by default, contract u * u + v * v to one rounding, is asked for or forbidden
    "audiogen-libstdcxx": ("g++", "-ffp-contract=off"),
    "audiogen-libcxx": ("clang++", "-stdlib=libc++", "-ffp-contract=off"),
    "audiogen-libcxx-arm64": ("clang++", "-stdlib=libc++", *FUSED),
}


def libcxx_is_installed() -> bool:
    """Whether clang++ finds the headers of libc++."""
    if shutil.which("clang++") is None:
        return False
    probe = ["clang++", "-stdlib=libc++", "-fsyntax-only", "-x", "c++", "-"]
    return subprocess.run(probe, input="#include <random>", capture_output=True, text=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A stream's name, and the program that draws from the C++ library behind it."""
    stream: str = request.param
    if "clang++" in COMPILERS[stream] and not libcxx_is_installed():
        pytest.skip("clang++ with libc++ is not installed; its stream is held to the SHA-256 of one that was")
    folder = tmp_path_factory.mktemp(stream)
    (folder / "draw.cpp").write_text(PROGRAM)
    command = [*COMPILERS[stream], "-O1", str(folder / "draw.cpp"), "-o", str(folder / "draw")]
    subprocess.run(command, check=True, capture_output=True)
    return stream, folder / "draw"


@pytest.mark.parametrize("compiled", COMPILERS, indirect=True)
@pytest.mark.parametrize("seed", SEEDS)
def test_audiogen_noise_is_compiled_cpp_s(compiled: tuple[str, Path], seed: int) -> None:
    stream, program = compiled
    theirs = subprocess.run([str(program), str(seed), str(VALUES)], check=True, capture_output=True).stdout
    assert next(STREAMS[stream]((VALUES,), seed)).tobytes() == theirs


@pytest.mark.parametrize("stream", AUDIOGEN_SEED_99_SHA256)
def test_audiogen_noise_has_the_known_hash(stream: str) -> None:
    first = next(STREAMS[stream]((AUDIOGEN_FILL,), 99))
    assert hashlib.sha256(first.tobytes()).hexdigest() == AUDIOGEN_SEED_99_SHA256[stream]


def test_audiogen_streams_are_each_other_s_pairs_swapped() -> None:
    names = ("audiogen-libstdcxx", "audiogen-libcxx")
    ours, theirs = (next(STREAMS[name]((1000,), 7)).reshape(-1, 2) for name in names)
    assert np.array_equal(ours, theirs[:, ::-1])


@pytest.mark.parametrize("stream", audiogen.STREAMS)
def test_audiogen_seeds_every_draw_anew(stream: str) -> None:
    """Draw 0 from the seed, draw i from seed + i - 1 + 4564: the app's loop counts from 0."""
    draws = list(islice(STREAMS[stream](SHAPE, 5), 3))
    for draw, seed in zip(draws, (5, 5 + 4564, 5 + 4565), strict=True):
        assert np.array_equal(draw, next(STREAMS[stream](SHAPE, seed)))


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 960])
def test_torch_noise_is_what_upstream_consumes(size: int) -> None:
    ours = list(islice(STREAMS["torch"]((1, size), 99), 3))
    with torch.random.fork_rng():
        torch.manual_seed(99)
        start = torch.randn([1, size])
        theirs = [start, torch.randn_like(start), torch.randn_like(start)]
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(ours, theirs, strict=True))


def test_torch_noise_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    next(STREAMS["torch"](SHAPE, 0))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_philox_stream_is_pinned() -> None:
    first = next(philox((3,), 0))
    assert " ".join(f"{bits:08x}" for bits in first.view(np.uint32)) == PHILOX_SEED_0_HEX


@pytest.mark.parametrize("stream", STREAMS)
def test_every_stream_is_float32_and_standard_normal(stream: str) -> None:
    """Mean and variance of 100,000 values, to six standard errors."""
    first = next(STREAMS[stream]((100_000,), 3))
    assert first.dtype == np.float32
    assert abs(first.mean()) <= 6 / np.sqrt(first.size)
    assert abs(first.var() - 1) <= 6 * np.sqrt(2 / first.size)


def test_draws_are_named_in_upstream_s_order() -> None:
    assert list(islice(draw_names(init_audio=False), 3)) == ["noise_0", "noise_1", "noise_2"]
    assert list(islice(draw_names(init_audio=True), 3)) == ["noise_0", ENCODER_NOISE, "noise_1"]


@pytest.mark.parametrize(("arrays", "words"), [
    ({}, "'noise_0' is missing"),
    ({"noise_0": np.zeros((1, 5, 3), np.float32)}, r"expected float32\[1, 3, 5\]"),
    ({"noise_0": np.zeros(SHAPE)}, "is float64"),
    ({"noise_0": np.array([{}], dtype=object)}, "not a readable .npz"),
    ({"noise_0": np.full(SHAPE, np.nan, np.float32)}, "'noise_0' holds NaN or infinity, expected standard normals"),
    ({"noise_0": np.full(SHAPE, -np.inf, np.float32)}, "'noise_0' holds NaN or infinity"),
    ({"noise_0": np.zeros(SHAPE, ">f4")}, r"is >f4\[1, 3, 5\], expected float32"),
], ids=["missing", "transposed", "double", "pickled", "no number", "infinite", "other byte order"])  # fmt: skip
def test_bad_noise_files_are_refused(tmp_path: Path, arrays: dict, words: str) -> None:
    np.savez(tmp_path / "noise.npz", **arrays)
    with pytest.raises(InputError, match=words):
        next(from_file(tmp_path / "noise.npz", SHAPE, draw_names(init_audio=False)))


def zipped(name: str, content: bytes, *, method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


NORMAL = zipped("noise_0.npy", saved(np.zeros(SHAPE, np.float32)))
WIDE = b"(1, 3, 5), }        "
HUGE = saved(np.zeros(SHAPE, np.float32)).replace(WIDE, (b"(%d,), }" % 10**13).ljust(len(WIDE)))
ENCRYPTED = NORMAL.replace(b"PK\x03\x04\x14\x00\x00", b"PK\x03\x04\x14\x00\x01").replace(
    b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
)
UNREADABLE = {
    "a text": b"hello",
    "an .npy": saved(np.zeros(SHAPE, np.float32)),
    "cut off": NORMAL[:-30],
    "damaged": NORMAL.replace(bytes(60), b"x" * 60),
    "damaged where compressed": zipped("noise_0.npy", bytes(10**5), method=zipfile.ZIP_DEFLATED).replace(bytes(20), b"x" * 20),
    "empty": b"",
    "encrypted": ENCRYPTED,
    "larger than memory": zipped("noise_0.npy", HUGE),
    "pickled": pickle.dumps([1]),
    "a zip of no array": zipped("noise_0.npy", b"x"),
    "a zip of something": zipped("noise_0", b"x"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_files_that_hold_no_noise_are_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "noise.npz").write_bytes(UNREADABLE[kind])
    with pytest.raises(InputError, match=r"noise\.npz: .*; expected (an \.npz with )?arrays noise_0, noise_1, \.\.\."):
        next(from_file(tmp_path / "noise.npz", SHAPE, draw_names(init_audio=False)))


def test_a_file_without_encoder_noise_does_not_serve_audio_to_audio(tmp_path: Path) -> None:
    np.savez(tmp_path / "noise.npz", noise_0=np.zeros(SHAPE, np.float32), noise_1=np.zeros(SHAPE, np.float32))
    stream = open_noise(str(tmp_path / "noise.npz"), SHAPE, 0, init_audio=True)
    next(stream)
    with pytest.raises(InputError, match="'encoder_noise' is missing"):
        next(stream)


@pytest.mark.parametrize(("kind", "seed", "words"), [
    ("mersenne", 0, "valid: philox, torch, audiogen-libstdcxx"), ("philox", -1, "seed is -1"),
    ("audiogen-libcxx", 2**32, "expected 0 to 4294967295"), ("missing.npz", 0, "no such file"),
])  # fmt: skip
def test_bad_noise_options_are_refused(kind: str, seed: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        next(open_noise(kind, SHAPE, seed))


@pytest.mark.parametrize("kind", ["torch", TORCH_TREE])
def test_torch_noise_without_torch_says_what_to_do(kind: str) -> None:
    code = f"""
import sys
sys.modules["torch"] = None
from reference.spec.errors import InputError
from reference.spec.noise import open_noise
from reference.spec.sampling.samplers import SamplerSpec
try:
    next(open_noise("{kind}", (2,), 0, sampler=SamplerSpec(name="dpmpp-3m-sde")))
except InputError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert f"noise '{kind}' needs torch, which is not installed" in told
    assert f"--noise {kind} --trace t.npz" in told
