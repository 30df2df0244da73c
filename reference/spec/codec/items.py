"""One item of a data set after the other: what is in a sound file becomes latents and what is known of them."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from reference.spec.codec.codec import Codec
from reference.spec.codec.dataset import RejectedError, Sound
from reference.spec.codec.latents_file import read_latents
from reference.spec.codec.recipe import Recipe
from reference.spec.codec.silence import SilenceAfter
from reference.spec.codec.verbs import Windows
from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.section import read_json
from reference.spec.tensors import Array

SILENCE = "silence.npy"
Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class PreEncoding:
    """What is to be done: all of `data` into `out`. Goes to whoever encodes it, in another process, too."""

    windows: Windows
    recipe: Recipe
    data: Path
    out: Path

    def relative(self, path: Path) -> str:
        """Where a sound file is in the data set."""
        return Path(os.path.relpath(path, self.data)).as_posix()


@dataclass(frozen=True, kw_only=True)
class Job:
    """An item to be: of the sound file at `index` the samples from `start` to before `stop`, its `piece`."""

    index: int
    piece: int
    sound: Sound
    prompt: str
    start: int
    stop: int


class Made(NamedTuple):
    """An item that is there: its files' name, where its sound is in the data set, and how many frames it has."""

    name: str
    relpath: str
    frames: int


Outcome = tuple[Job, Made | RejectedError]


class Hands(Protocol):
    """Who encodes: this process, or several."""

    def silence(self) -> None:
        """See to it that the latents of silence are there."""

    def items(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Do each job once, in whatever order; one whose sound cannot be taken ends with why."""


@dataclass(frozen=True, kw_only=True)
class Items:
    """Encodes in this process. What is there already is not encoded again."""

    codec: Codec
    plan: PreEncoding

    def silence(self) -> None:
        """Write the latents of silence, unless they are there."""
        path = self.plan.out / SILENCE
        if not path.exists():
            write_array(path, self._stored(self._after.silence()[None]))
        self._check_silence(path)

    def items(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """One job after the other."""
        return ((job, self.outcome(job)) for job in jobs)

    def outcome(self, job: Job) -> Made | RejectedError:
        """The item, or why its sound is left out. Raises InputError if what is there already is of another sound."""
        try:
            return self._made(job)
        except RejectedError as reason:
            return reason

    def _made(self, job: Job) -> Made:
        """Write latents and sidecar, unless they are there."""
        name, sidecar = self.plan.recipe.name(job.index, job.piece), self._sidecar(job)
        if not self._done(name, sidecar):
            audio = job.sound.read(job.start, job.stop)
            after = self._after
            latents = after.whole(audio, self._silence) if self.plan.recipe.pad else after.valid(audio)
            write_array(self.plan.out / f"{name}.npy", self._stored(latents))
            write_json(self.plan.out / f"{name}.json", sidecar)  # after the latents: it says that they are whole
        return Made(name=name, relpath=sidecar["relpath"], frames=len(sidecar["padding_mask"]))

    @property
    def _after(self) -> SilenceAfter:
        return SilenceAfter(shape=self.codec.shape, encode=self._encode, samples=self.plan.recipe.sample_size)

    @cached_property
    def _silence(self) -> Array:
        return self._check_silence(self.plan.out / SILENCE)

    def _check_silence(self, path: Path) -> Array:
        return np.asarray(read_latents(path, self.codec.shape)[0], np.float32)

    def _encode(self, audio: Array) -> Array:
        return np.asarray(self.plan.windows.encode(self.codec, audio, self.codec.shape.sample_rate_hz).latents[0])

    @cached_property
    def _left_over(self) -> list[Path]:
        """Hidden files, such as a process leaves that was killed while it wrote. Listed once: the folder may be very full."""
        return [path for path in self.plan.out.iterdir() if path.name.startswith(".")]

    def _done(self, name: str, sidecar: Json) -> bool:
        for left in self._left_over:
            if left.name.startswith(f".{name}."):
                left.unlink(missing_ok=True)
        path = self.plan.out / f"{name}.json"
        if not path.exists() or not (self.plan.out / f"{name}.npy").exists():
            return False
        stored = read_json(path)
        found = {key: stored.peek(key) for key in stored.names()}
        if found | {"path": sidecar["path"]} != sidecar:  # the folder may be called otherwise
            raise InputError(f"{path}: is of another sound; the data set has changed since, choose another folder")
        return True

    def _sidecar(self, job: Job) -> Json:
        """What upstream notes of an item. Its time of loading, which makes files differ, is always 0 here."""
        sound, recipe = job.sound, self.plan.recipe
        valid = self.codec.shape.frames(job.stop - job.start)
        frames = self._after.frames if recipe.pad else valid
        span = max(sound.length, recipe.sample_size)
        return {
            "path": str(sound.path),
            "relpath": self.plan.relative(sound.path),
            "timestamps": [job.start / span, min(1.0, (job.start + recipe.sample_size) / span)],
            "seconds_start": job.start // sound.rate_hz,
            "seconds_total": sound.seconds,
            "padding_mask": [1] * valid + [0] * (frames - valid),
            "sample_rate": sound.rate_hz,
            "load_time": 0.0,
            "prompt": job.prompt,
        }

    def _stored(self, latents: Array) -> Array:
        return np.ascontiguousarray(latents, np.float16 if self.plan.recipe.half else np.float32)


def write_array(path: Path, array: Array) -> None:
    """Write a .npy file, or replace it."""
    with new_file(path, force=True) as temporary, temporary.open("wb") as stream:
        np.save(stream, array)


def write_json(path: Path, content: Json) -> None:
    """Write JSON, on many lines where people read it, or replace it."""
    with new_file(path, force=True) as temporary:
        temporary.write_text(json.dumps(content, indent=1 if "recipe" in content else None) + "\n", encoding="utf-8")
