"""A data set encoded once, for training: every sound file with a caption becomes latents and what is known of them.

Names, keys and shapes are those of Stable Audio 3's `pre_encode_dataset.py`. What it does by chance is settled here: files
come in sorted order, what is too long loses its end (or is split), no sign is flipped, and a file that cannot be taken is
left out and told, not replaced by another.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from reference.spec.codec.codec import Codec
from reference.spec.codec.dataset import RejectedError, Sound, caption, open_sound, pieces, sound_files
from reference.spec.codec.latents import read_latents
from reference.spec.codec.silence import SilenceAfter
from reference.spec.codec.verbs import Say, Windows
from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.section import read_json
from reference.spec.tensors import Array

SAMPLE_SIZE = 12_582_912  # 285 s, upstream's default
SILENCE, MANIFEST = "silence.npy", "manifest"
SAY_EVERY_S = 10.0
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a data set is encoded: what all its files have to share. `weights` is the model's hash.

    `batch_size` is how many are numbered together; each is encoded by itself. `half`: latents are stored as float16.
    """

    weights: str
    sample_size: int = SAMPLE_SIZE
    batch_size: int = 1
    pad: bool = False
    half: bool = False
    split: bool = False

    def __post_init__(self) -> None:
        for name in ("sample_size", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.batch_size > 1 and not self.pad:
            raise InputError("batch_size above 1 needs latents of one length; give --pad, or leave it at 1")
        if self.split and self.batch_size > 1:
            raise InputError("a file that is split is a batch by itself; leave batch_size at 1, or --split out")

    def name(self, index: int, piece: int) -> str:
        """What the files of an item are called: the batch in six digits, the item in four."""
        batch, item = (index, piece) if self.split else divmod(index, self.batch_size)
        return f"{batch:06}{item:04}"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Every `of`-th file from the one at `index`, so that several processes share a data set without knowing of each other."""

    index: int = 0
    of: int = 1

    @property
    def manifest(self) -> str:
        """Its own list of what it did."""
        return f"{MANIFEST}.json" if self.of == 1 else f"{MANIFEST}-{self.index + 1}-of-{self.of}.json"


def parse_shard(text: str) -> Shard:
    """A shard written as 1/4. Raises InputError for anything else."""
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts) or not 1 <= int(parts[0]) <= int(parts[1]):
        raise InputError(f"shard is '{text}', expected a number of how many, such as 1/4")
    return Shard(index=int(parts[0]) - 1, of=int(parts[1]))


@dataclass(frozen=True, kw_only=True)
class PreEncoder:
    """Encodes what is in `data` into `out`. Begun before, it goes on where that ended; the files are the same."""

    codec: Codec
    windows: Windows
    recipe: Recipe
    data: Path
    out: Path

    def run(self, shard: Shard, say: Say) -> Json:
        """Encode a shard, and return its manifest, which is also written: what was written, and what was left out and why."""
        files = sound_files(self.data)
        self.windows.check_encoding(self.codec.shape)
        self._check_out()
        manifest: Json = {"recipe": asdict(self.recipe), "items": {}, "rejected": {}}
        if not (self.out / shard.manifest).exists():  # first, so that other shards find out what they join
            _write_json(self.out / shard.manifest, manifest)
        after = SilenceAfter(shape=self.codec.shape, encode=self._encode, samples=self.recipe.sample_size)
        silence = self._silence(after)
        said_s = time.monotonic()
        for index in range(shard.index, len(files), shard.of):
            path = files[index]
            try:
                for name, sidecar in self._items(index, path, after, silence):
                    manifest["items"][name] = {"relpath": sidecar["relpath"], "frames": len(sidecar["padding_mask"])}
            except RejectedError as reason:
                manifest["rejected"][self._relative(path)] = str(reason)
                say(f"left out {path}: it {reason}")
            if time.monotonic() - said_s >= SAY_EVERY_S:
                said_s = time.monotonic()
                say(f"{index + 1} of {len(files)} files")
        _write_json(self.out / shard.manifest, manifest)
        return manifest

    def _check_out(self) -> None:
        """What is there already must be of the same recipe."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.out}: cannot be made a folder ({error.strerror}); choose another path") from None
        manifests = sorted(self.out.glob(f"{MANIFEST}*.json"))
        if not manifests and any(path for path in self.out.iterdir() if not path.name.startswith(".")):
            raise InputError(f"{self.out}: holds files that are no pre-encoded data set; choose an empty folder")
        for path in manifests:
            found = read_json(path).take("recipe", dict)
            other = [f"{key} {found.get(key)}" for key, value in asdict(self.recipe).items() if found.get(key) != value]
            if other:
                raise InputError(f"{path}: was begun with {', '.join(other)}; choose another folder or the same options")

    def _relative(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.data)).as_posix()

    def _encode(self, audio: Array) -> Array:
        return np.asarray(self.windows.encode(self.codec, audio, self.codec.shape.sample_rate_hz).latents[0])

    def _silence(self, after: SilenceAfter) -> Array:
        path = self.out / SILENCE
        if not path.exists():
            _write_array(path, self._stored(after.silence()[None]))
        return np.asarray(read_latents(path, self.codec.shape)[0], np.float32)

    def _items(self, index: int, path: Path, after: SilenceAfter, silence: Array) -> Iterator[tuple[str, Json]]:
        """Write the latents and the sidecar of each piece of a file, unless they are there."""
        prompt = caption(path)
        sound = open_sound(path, self.codec.shape.sample_rate_hz, self.codec.shape.audio_channels)
        for piece, (start, stop) in enumerate(pieces(sound.length, self.recipe.sample_size, self.recipe.split)):
            name = self.recipe.name(index, piece)
            sidecar = self._sidecar(sound, prompt, start, stop, after.frames)
            if not self._done(name, sidecar):
                audio = sound.read(start, stop)
                latents = after.whole(audio, silence) if self.recipe.pad else after.valid(audio)
                _write_array(self.out / f"{name}.npy", self._stored(latents))
                _write_json(self.out / f"{name}.json", sidecar)  # after the latents: it says that they are whole
            yield name, sidecar

    @cached_property
    def _left_over(self) -> list[Path]:
        """Hidden files, such as a process leaves that was killed while it wrote. Listed once: the folder may be very full."""
        return [path for path in self.out.iterdir() if path.name.startswith(".")]

    def _done(self, name: str, sidecar: Json) -> bool:
        for left in self._left_over:
            if left.name.startswith(f".{name}."):
                left.unlink(missing_ok=True)
        path = self.out / f"{name}.json"
        if not path.exists() or not (self.out / f"{name}.npy").exists():
            return False
        stored = read_json(path)
        found = {key: stored.peek(key) for key in stored.names()}
        if found | {"path": sidecar["path"]} != sidecar:  # the folder may be called otherwise
            raise InputError(f"{path}: is of another sound; the data set has changed since, choose another folder")
        return True

    def _sidecar(self, sound: Sound, prompt: str, start: int, stop: int, window_frames: int) -> Json:
        """What upstream notes of an item. Its time of loading, which makes files differ, is always 0 here."""
        rate_hz, length = sound.rate_hz, sound.length
        valid = self.codec.shape.frames(stop - start)
        frames = window_frames if self.recipe.pad else valid
        span = max(length, self.recipe.sample_size)
        return {
            "path": str(sound.path),
            "relpath": self._relative(sound.path),
            "timestamps": [start / span, min(1.0, (start + self.recipe.sample_size) / span)],
            "seconds_start": start // rate_hz,
            "seconds_total": sound.seconds,
            "padding_mask": [1] * valid + [0] * (frames - valid),
            "sample_rate": rate_hz,
            "load_time": 0.0,
            "prompt": prompt,
        }

    def _stored(self, latents: Array) -> Array:
        return np.ascontiguousarray(latents, np.float16 if self.recipe.half else np.float32)


def _write_array(path: Path, array: Array) -> None:
    with new_file(path, force=True) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def _write_json(path: Path, content: Json) -> None:
    with new_file(path, force=True) as temporary:
        temporary.write_text(json.dumps(content, indent=1 if "recipe" in content else None) + "\n", encoding="utf-8")
