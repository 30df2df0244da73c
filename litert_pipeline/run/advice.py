"""What to do about a file that a runtime will not take, by what the runtime says."""

import re
from pathlib import Path

from reference.spec.errors import InputError

# LiteRT: "Didn't find op for builtin opcode 'X' version '9'"; ONNX Runtime: "Unsupported model IR version: 13, max supported IR
# version: 12", "Opset 27 is under development and support for this is limited".
NEWER = re.compile(r"builtin opcode .* version|IR version|[Oo]pset \d+ is under development", re.DOTALL)


def unusable(path: Path, runtime: str, verb: str, reason: object) -> InputError:
    """The error for a file that a runtime cannot load or run, with its own reason."""
    newer = NEWER.search(str(reason)) is not None
    advice = f"it may be newer than this {runtime}: update that, or convert it for this one" if newer else "convert it again"
    return InputError(f"{path}: {runtime} cannot {verb} it ({reason}); {advice}")
