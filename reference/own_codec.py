"""The reference codes in a process of its own, in windows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reference.codec import load_codec
from reference.spec.codec.codec import Codec
from reference.spec.codec.own_process import TORCH, code_alone
from reference.spec.codec.verbs import Windows
from reference.threads import process_threads


@contextmanager
def opened_on(model: Path, threads: int) -> Iterator[Codec]:
    """A codec that computes on so many threads."""
    with process_threads(threads):
        yield load_codec(model).codec()


if __name__ == "__main__":
    code_alone(TORCH, opened_on, Windows(chunked=True))
