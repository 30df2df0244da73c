"""Pre-encoding a data set: what does not fit together, or what is there already, is refused and left alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.data_set import write_data_set
from fixtures.make_codec import make_codec
from reference.codec import load_codec
from reference.spec.codec.codec import Codec
from reference.spec.codec.items import Items, PreEncoding
from reference.spec.codec.preencode import PreEncoder
from reference.spec.codec.recipe import Recipe, Shard, parse_shard
from reference.spec.codec.verbs import Windows
from reference.spec.errors import InputError

SAMPLE_SIZE = 10780


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data_set(folder)
    return folder


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    folder = tmp_path_factory.mktemp("model") / "model"
    make_codec(folder, "same-tiny", seed=0)
    return load_codec(folder).codec()


def encoder(codec: Codec, data: Path, out: Path, **recipe: Any) -> PreEncoder:
    windows = Windows(chunked=True, chunk_size=16, overlap=8)
    shared = Recipe(**{"weights": "w", "sample_size": SAMPLE_SIZE, **recipe})
    plan = PreEncoding(windows=windows, recipe=shared, data=data, out=out)
    return PreEncoder(shape=codec.shape, plan=plan, hands=Items(codec=codec, plan=plan))


def quiet(text: str) -> None:
    """Nobody listens."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def begun(codec: Codec, data: Path, tmp_path: Path) -> Path:
    """A data set already encoded."""
    encoder(codec, data, tmp_path / "out").run(Shard(), quiet)
    return tmp_path / "out"


REFUSED: dict[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "another window": (lambda out: {"sample_size": 999}, "was begun with sample_size 10780"),
    "other weights": (lambda out: {"weights": "v"}, "was begun with weights w"),
    "another data set": (lambda out: {"data": out.parent}, "holds no sound files"),
    "no data set": (lambda out: {"data": out / "gone"}, "gone: no such folder"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_what_was_begun_is_refused(codec: Codec, data: Path, begun: Path, name: str) -> None:
    change, words = REFUSED[name]
    before, options = contents(begun), {"data": data, **change(begun)}
    with pytest.raises(InputError, match=words):
        encoder(codec, out=begun, **options).run(Shard(), quiet)
    assert contents(begun) == before


def test_a_data_set_that_has_changed_is_refused(codec: Codec, data: Path, begun: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for name in ("0 first", "a stereo one"):
        for suffix in (".wav", ".txt"):
            (tmp_path / "new" / f"{name}{suffix}").write_bytes((data / f"a stereo one{suffix}").read_bytes())
    before = contents(begun)
    with pytest.raises(InputError, match=r"0000000000.json: is of another sound; the data set has changed since"):
        encoder(codec, tmp_path / "new", begun).run(Shard(), quiet)
    assert contents(begun) == before


@pytest.mark.parametrize(("name", "content", "words"), [
    ("0000000000.json", b"{", "0000000000.json: not valid JSON"),
    ("0000000000.json", b"[]", "0000000000.json: the top level must be an object"),
    ("silence.npy", b"", "silence.npy: not a readable .npy file"),
], ids=["cut off", "a list", "silence"])  # fmt: skip
def test_a_damaged_file_of_what_was_begun_is_told(
    codec: Codec, data: Path, begun: Path, name: str, content: bytes, words: str
) -> None:
    (begun / name).write_bytes(content)
    before = contents(begun)
    with pytest.raises(InputError, match=words):
        encoder(codec, data, begun).run(Shard(), quiet)
    assert contents(begun) == before


def test_a_file_where_the_folder_should_be_is_told(codec: Codec, data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"mine")
    for out in (tmp_path / "out", tmp_path / "out" / "below"):
        with pytest.raises(InputError, match="cannot be made a folder"):
            encoder(codec, data, out).run(Shard(), quiet)
    assert contents(tmp_path) == {"out": b"mine"}


def test_windows_that_would_change_the_result_are_refused_before_anything_is_written(
    codec: Codec, data: Path, tmp_path: Path
) -> None:
    even = encoder(codec, data, tmp_path / "out")
    odd = replace(even, plan=replace(even.plan, windows=Windows(chunked=True, chunk_size=15, overlap=8)))
    with pytest.raises(InputError, match="chunk_size is 15 latent frames"):
        odd.run(Shard(), quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_files_that_is_no_text_is_told(codec: Codec, tmp_path: Path) -> None:
    (tmp_path / "filelist.txt").write_bytes(b"\xff\xfe.wav")
    with pytest.raises(InputError, match=r"filelist.txt: cannot be read"):
        encoder(codec, tmp_path, tmp_path / "out").run(Shard(), quiet)


@pytest.mark.parametrize(("content", "words"), [("{", "not valid JSON"), ("{}", "key 'recipe' is missing")])
def test_a_manifest_that_is_none_is_told(codec: Codec, data: Path, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        encoder(codec, data, tmp_path).run(Shard(), quiet)


def test_latents_that_are_gone_are_written_again_beside_hidden_files(codec: Codec, data: Path, begun: Path) -> None:
    (begun / ".DS_Store").write_bytes(b"")
    before = contents(begun)
    (begun / "0000000000.npy").unlink()
    encoder(codec, data, begun).run(Shard(), quiet)
    assert contents(begun) == before


def test_a_folder_of_something_else_is_left_alone(codec: Codec, data: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(InputError, match="holds files that are no pre-encoded data set"):
        encoder(codec, data, tmp_path).run(Shard(), quiet)
    assert contents(tmp_path) == {"thesis.doc": b"mine"}


@pytest.mark.parametrize(("options", "words"), [
    ({"batch_size": 2}, "batch_size above 1 needs latents of one length; give --pad"),
    ({"batch_size": 2, "pad": True, "split": True}, "a file that is split is a batch by itself"),
    ({"sample_size": 0}, "sample_size is 0, expected at least 1"),
    ({"batch_size": 0}, "batch_size is 0, expected at least 1"),
], ids=["unpadded batch", "split batch", "no samples", "no items"])  # fmt: skip
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Recipe(weights="w", **options)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a number of how many, such as 1/4"):
        parse_shard(text)
