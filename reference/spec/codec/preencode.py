"""A data set encoded once, for training: every sound file with a caption becomes latents and what is known of them.

Names, keys and shapes are those of Stable Audio 3's `pre_encode_dataset.py`. What it does by chance is settled here: files
come in sorted order, what is too long loses its end (or is split), no sign is flipped, and a file that cannot be taken is
left out and told, not replaced by another.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from reference.spec.codec.dataset import RejectedError, caption, open_sound, pieces, sound_files
from reference.spec.codec.items import Hands, Job, Json, Made, PreEncoding, write_json
from reference.spec.codec.recipe import MANIFEST, Shard
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.verbs import Say
from reference.spec.errors import InputError
from reference.spec.only_writer import only_writer
from reference.spec.section import read_json

SAY_EVERY_S = 10.0
Place = tuple[int, int]  # of an item: its file's, and the piece of it


@dataclass(frozen=True, kw_only=True)
class PreEncoder:
    """Has a data set encoded by `hands`. Begun before, it goes on where that ended; the files are the same."""

    shape: CodecShape
    plan: PreEncoding
    hands: Hands

    def run(self, shard: Shard, say: Say) -> Json:
        """Encode a shard, and return its manifest, which is also written: what was written, and what was left out and why.

        Raises InputError for a folder that holds something else, and while another process encodes that shard into it.
        """
        files = sound_files(self.plan.data)
        self.plan.windows.check_encoding(self.shape)
        self._check_out()
        with only_writer(self.plan.out / shard.manifest):
            return self._run(files, shard, say)

    def _run(self, files: list[Path], shard: Shard, say: Say) -> Json:
        path, recipe = self.plan.out / shard.manifest, asdict(self.plan.recipe)
        if not path.exists():  # first, so that other shards find out what they join
            write_json(path, {"recipe": recipe, "items": {}, "rejected": {}})
        self.hands.silence()
        made: dict[Place, Made] = {}
        rejected: dict[Place, tuple[str, str]] = {}
        said_s = time.monotonic()
        for job, outcome in self.hands.items(self._jobs(files, shard, rejected, say)):
            if isinstance(outcome, Made):
                made[job.index, job.piece] = outcome
            else:
                rejected[job.index, job.piece] = self._told(job, outcome)
                say(f"left out {job.sound.path}: it {outcome}")
            if time.monotonic() - said_s >= SAY_EVERY_S:
                said_s = time.monotonic()
                say(f"{job.index + 1} of {len(files)} files, {len(made)} items")
        manifest: Json = {
            "recipe": recipe,
            "items": {item.name: {"relpath": item.relpath, "frames": item.frames} for _, item in sorted(made.items())},
            "rejected": dict(told for _, told in sorted(rejected.items())),
        }
        write_json(path, manifest)
        return manifest

    def _jobs(self, files: list[Path], shard: Shard, rejected: dict[Place, tuple[str, str]], say: Say) -> Iterator[Job]:
        """What there is to do, one after the other: a data set may be large. What cannot be is noted in `rejected`."""
        for index in range(shard.index, len(files), shard.of):
            try:
                yield from self._pieces(index, files[index])
            except RejectedError as reason:
                rejected[index, 0] = self.plan.relative(files[index]), str(reason)
                say(f"left out {files[index]}: it {reason}")

    def _pieces(self, index: int, path: Path) -> Iterator[Job]:
        prompt = caption(path)
        sound = open_sound(path, self.shape.sample_rate_hz, self.shape.audio_channels)
        for piece, (start, stop) in enumerate(pieces(sound.length, self.plan.recipe.sample_size, self.plan.recipe.split)):
            yield Job(index=index, piece=piece, sound=sound, prompt=prompt, start=start, stop=stop)

    def _told(self, job: Job, reason: RejectedError) -> tuple[str, str]:
        """What a manifest says of an item that is left out; of one among several of a file also where it begins."""
        name, whole = self.plan.relative(job.sound.path), job.start == 0 and job.stop == job.sound.length
        begins = "" if whole or not self.plan.recipe.split else f" from {job.start / job.sound.rate_hz:.1f} s"
        return f"{name}{begins}", str(reason)

    def _check_out(self) -> None:
        """What is there already must be of the same recipe."""
        out = self.plan.out
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{out}: cannot be made a folder ({error.strerror}); choose another path") from None
        manifests = sorted(out.glob(f"{MANIFEST}*.json"))
        if not manifests and any(path for path in out.iterdir() if not path.name.startswith(".")):
            raise InputError(f"{out}: holds files that are no pre-encoded data set; choose an empty folder")
        for path in manifests:
            found = read_json(path).take("recipe", dict)
            wanted = asdict(self.plan.recipe)
            other = [f"{key} {found.get(key)}" for key, value in wanted.items() if found.get(key) != value]
            if other:
                raise InputError(f"{path}: was begun with {', '.join(other)}; choose another folder or the same options")
