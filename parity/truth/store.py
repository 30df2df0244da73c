"""What is costly to compute, kept on disk: arrays by the content they follow from (`reference.spec.entries`)."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

import litert_pipeline
import parity
import reference
from reference.spec.entries import Entries
from reference.spec.files import sha256_of
from reference.spec.tensors import Tensors

LIMIT_BYTES = 2 * 2**30  # some two hundred truths at full size
SOURCES = (Path(reference.__file__).parent, Path(parity.__file__).parent)
OWN_MODULES = (  # those an entry follows from
    "truth/traces.py", "truth/loading.py", "truth/envelope.py", "truth/disturbed.py", "truth/precision.py", "truth/half_sums.py",
    "measure/metrics.py", "measure/portraits.py", "runtimes/upstream.py", "device/recording.py",
)  # fmt: skip
REWRITES = ("build/rewrites.py", "build/channels_last.py")  # by path: importing them would load torch


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder of entries, the least recently used ones removed beyond `limit_bytes`. Without a folder, none is kept."""

    folder: Path | None = None
    limit_bytes: int = LIMIT_BYTES

    @classmethod
    def of_user(cls) -> "Store":
        """The folder this system has for a user's caches."""
        return cls(folder=Path(platformdirs.user_cache_dir("stable-audio-parity")))

    def kept(self, description: Mapping[str, Any], compute: Callable[[], Tensors]) -> Tensors:
        """The entry that follows from `description` and this code: read if it is there and sound, else computed."""
        if self.folder is None:
            return compute()
        entries = Entries(folder=self.folder, limit_bytes=self.limit_bytes)
        text = json.dumps({**description, "code": code_version()}, sort_keys=True)
        data = entries.read(text)
        if data is not None:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        found, buffer = compute(), io.BytesIO()
        np.savez(buffer, **found)  # type: ignore[arg-type]
        entries.write(text, buffer.getvalue())
        return found


@cache
def code_version() -> str:
    """A hash of the code that entries follow from: the reference, what is computed here, torch and numpy."""
    hashes = [sha256_of(path) for path in sorted(hashed_files())]
    versions = [version(package) for package in ("torch", "numpy", "scipy", "pyloudnorm", "sentencepiece")]
    return hashlib.sha256(json.dumps([hashes, versions]).encode()).hexdigest()


def hashed_files() -> list[Path]:
    """The modules whose change makes every entry stale."""
    files = [path for path in SOURCES[0].rglob("*.py") if not path.name.startswith("test_")]
    files += [SOURCES[1] / name for name in OWN_MODULES]
    return files + [Path(litert_pipeline.__file__).parent / name for name in REWRITES]
