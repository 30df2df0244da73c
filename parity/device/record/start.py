"""The first lines of `record.pyz`, which any Python 3 can read: they say what is missing before it is needed."""

import os
import sys

LEAST_PYTHON = (3, 10)  # LiteRT 2.3 has no wheels for older ones, and LiteRT 2.1 cannot be told how to compute
# Before numpy is imported: sums that are shared out to threads end in other last digits than the gate's.
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
OLD = "error: this is Python {0}.{1}; LiteRT 2.3 needs 3.10 or newer\n"
MISSING = "error: {0} is not installed here ({1}); python -m pip install 'numpy>=2' 'ai-edge-litert>=2.3'\n"


def start() -> None:
    """Run the recorder, or end with exit code 2 and one sentence."""
    if sys.version_info < LEAST_PYTHON:
        _leave(OLD.format(*sys.version_info))
    for name in BLAS_THREADS:
        os.environ[name] = "1"
    for package in ("numpy", "ai_edge_litert"):
        try:
            __import__(package)
        except ImportError as error:
            _leave(MISSING.format(package.replace("_", "-"), error))
    from parity.device.record.main import main

    main()


def _leave(line: str) -> None:
    sys.stderr.write(line)
    sys.exit(2)
