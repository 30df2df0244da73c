"""A sound or latents coded with a bundle in a process of its own: what memory that takes.

`python -m litert_pipeline.run.own_codec encode|decode IN OUT BUNDLE [--threads N]` prints a line of JSON; needs no torch.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from litert_pipeline.bundle import read_bundle
from litert_pipeline.run.codec import open_codec
from reference.spec.codec.verbs import Output, Windows, decode_file, encode_file
from reference.spec.errors import exit_with_one_line, raise_process_error
from reference.spec.memory import peak_resident_bytes

ENCODE, DECODE = "encode", "decode"


def peak_of_coding(verb: str, given: Path, out: Path, bundle: Path, threads: int) -> int:
    """Peak resident bytes; `out` is replaced. Raises InputError with the last error of the process if it failed."""
    command = [sys.executable, "-m", "litert_pipeline.run.own_codec", verb, *map(str, (given, out, bundle))]
    done = subprocess.run([*command, "--threads", str(threads)], capture_output=True, text=True, check=False)
    raise_process_error(done.returncode, done.stderr, f"to {verb} {given} alone")
    return int(json.loads(done.stdout.splitlines()[-1])["peak_bytes"])


def main() -> None:
    """Code, then print what it took."""
    parser = argparse.ArgumentParser(prog="python -m litert_pipeline.run.own_codec", description=__doc__)
    parser.add_argument("verb", choices=(ENCODE, DECODE))
    for name in ("given", "out", "bundle"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with exit_with_one_line(), open_codec(read_bundle(options.bundle), threads=options.threads) as codec:
        if options.verb == ENCODE:
            encode_file(codec, options.given, options.out, Windows(), force=True, say=print)
        else:
            decode_file(codec, options.given, Output(path=options.out, force=True), Windows(), length=None, say=print)
    print(json.dumps({"peak_bytes": peak_resident_bytes()}))


if __name__ == "__main__":
    main()
