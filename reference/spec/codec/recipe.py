"""How a data set is encoded, which of its files one run takes, and what an item's files are called."""

from dataclasses import dataclass

from reference.spec.errors import InputError

SAMPLE_SIZE = 12_582_912  # 285 s, upstream's default
MANIFEST = "manifest"


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
    """Every `of`-th file from the one at `index`, so that several machines share a data set without knowing of each other."""

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
