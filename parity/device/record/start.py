"""The first lines of `record.pyz`, which any Python 3 can read: they say what is missing before it is needed."""

import sys

LEAST_PYTHON = (3, 10)  # LiteRT 2.3 has no wheels for older ones, and LiteRT 2.1 cannot be told how to compute
OLD = "error: this is Python {0}.{1}; LiteRT 2.3 needs 3.10 or newer\n"
MISSING = "error: {0} is not installed here ({1}); python -m pip install 'numpy>=2' 'ai-edge-litert>=2.3'\n"


def start() -> None:
    """Run the recorder, or end with exit code 2 and one sentence."""
    if sys.version_info < LEAST_PYTHON:
        _leave(OLD.format(*sys.version_info))
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
