"""What a stage was asked, by its hash: answers from elsewhere are found by it."""

import hashlib
from collections.abc import Mapping

from reference.spec.tensors import Array

Digest = str


def digest_of(feed: Mapping[str, Array]) -> Digest:
    """SHA-256 of what a stage is fed: names, dtypes, shapes and bytes, whatever the order."""
    told = (f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes() for name, array in sorted(feed.items()))
    return hashlib.sha256(b"".join(told)).hexdigest()
