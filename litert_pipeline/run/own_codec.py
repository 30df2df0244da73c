"""A bundle codes in a process of its own; needs no torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from litert_pipeline.bundle import read_bundle
from litert_pipeline.run.codec import open_codec
from reference.spec.codec.codec import Codec
from reference.spec.codec.own_process import LITERT, code_alone
from reference.spec.codec.verbs import Windows


@contextmanager
def _opened(bundle: Path, threads: int) -> Iterator[Codec]:
    with open_codec(read_bundle(bundle), threads=threads) as codec:
        yield codec


if __name__ == "__main__":
    code_alone(LITERT, _opened, Windows())
