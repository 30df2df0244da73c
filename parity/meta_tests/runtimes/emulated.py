"""What runs on the emulated CPU.

`python -m parity.meta_tests.runtimes.emulated FEEDS.npz MODEL.onnx OUT.npz`: tests the integer kernels and prints a line of JSON,
then feeds the model an input after the other, in a session as it comes and in one as this project opens it.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from parity.runtimes.host import litert_kernels, onnxruntime_kernels
from parity.runtimes.onnx_sessions import new_session


def answers(model: Path, feeds: np.lib.npyio.NpzFile, exact: bool) -> list[Any]:
    """The only output of the model, for each of the feeds, whose arrays are named `number/input`."""
    session = new_session(model, exact=exact, threads=1)
    names = [tensor.name for tensor in session.get_inputs()]
    count = len({name.partition("/")[0] for name in feeds.files})
    return [session.run(None, {name: feeds[f"{call}/{name}"] for name in names})[0] for call in range(count)]


def main() -> None:
    """Write the answers, print what the kernels do."""
    feeds_file, model, out = map(Path, sys.argv[1:])
    kernels = (onnxruntime_kernels(), litert_kernels())
    feeds = np.load(feeds_file)
    ours = onnxruntime_kernels().needs_option
    np.savez(out, plain=np.stack(answers(model, feeds, False)), ours=np.stack(answers(model, feeds, ours)))
    print(json.dumps({found.runtime: {**asdict(found), "sentence": str(found)} for found in kernels}))


if __name__ == "__main__":
    main()
