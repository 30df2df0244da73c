"""A sound or latents coded in a process of its own: what memory that takes.

`python -m MODULE encode|decode IN OUT CODEC [--threads N]` prints a line of JSON; `MODULE` is `LITERT` or `TORCH`.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from reference.spec.codec.codec import Codec
from reference.spec.codec.verbs import Output, Windows, decode_file, encode_file
from reference.spec.errors import exit_with_one_line, raise_process_error
from reference.spec.memory import peak_resident_bytes

ENCODE, DECODE = "encode", "decode"
LITERT, TORCH = "litert_pipeline.run.own_codec", "reference.own_codec"
Opened = Callable[[Path, int], AbstractContextManager[Codec]]  # a bundle or a model dir, and threads


def peak_of_coding(module: str, verb: str, given: Path, out: Path, codec: Path, threads: int) -> int:
    """Peak resident bytes; `out` is replaced. Raises InputError with the last error of the process if it failed."""
    command = [sys.executable, "-m", module, verb, *map(str, (given, out, codec)), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    raise_process_error(done.returncode, done.stderr, f"to {verb} {given} alone")
    return int(json.loads(done.stdout.splitlines()[-1])["peak_bytes"])


def code_alone(module: str, opened: Opened, windows: Windows) -> None:
    """Code as the command line asks, then print what it took."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=__doc__)
    parser.add_argument("verb", choices=(ENCODE, DECODE))
    for name in ("given", "out", "codec"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with exit_with_one_line(), opened(options.codec, options.threads) as codec:
        if options.verb == ENCODE:
            encode_file(codec, options.given, options.out, windows, force=True, say=print)
        else:
            decode_file(codec, options.given, Output(path=options.out, force=True), windows, length=None, say=print)
    print(json.dumps({"peak_bytes": peak_resident_bytes()}))
