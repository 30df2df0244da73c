"""Files made wrong, whatever wrote them: two rows of a stored matrix change places."""

from pathlib import Path
from random import Random

import numpy as np

from parity.bundles.audit import READERS
from parity.bundles.constants import SMALL_INTEGERS, UINT4, Constant
from parity.measure.arithmetic import INT4
from reference.spec.errors import InputError
from reference.spec.tensors import Array

LEAST_VALUES = 1024  # of a constant that is a matrix or a kernel, not a table of a few numbers


def exchange_rows(path: Path, rng: Random) -> None:
    """Exchange two neighbouring rows of one of the file's matrices, drawn by `rng`. Raises InputError if it has none."""
    content = path.read_bytes()
    matrices = [constant for constant in READERS[path.suffix](path, ()) if _is_matrix(constant)]
    for constant in rng.sample(matrices, len(matrices)):
        row = rng.randrange(constant.shape[0] - 1)
        first, second = (_packed(constant, constant.read(at, at + 1)) for at in (row, row + 1))
        if first != second and content.count(first + second) == 1:
            path.write_bytes(content.replace(first + second, second + first))
            return
    raise InputError(f"{path}: has no matrix of which two rows can be told apart; nothing can be made wrong in it")


def _is_matrix(constant: Constant) -> bool:
    stored = constant.grid is not None and constant.storage in SMALL_INTEGERS
    whole = constant.storage not in (INT4, UINT4) or constant.count // constant.shape[0] % 2 == 0  # bytes are a row's own
    number = constant.is_number and constant.count >= LEAST_VALUES and len(constant.essential) > 1 and constant.shape[0] > 1
    return number and whole and (stored or constant.grid is None)


def _packed(constant: Constant, rows: Array) -> bytes:
    """Rows as they stand in the file: halves of bytes with the first value low."""
    if constant.storage not in (INT4, UINT4):
        return rows.tobytes()
    low, high = (np.asarray(rows).reshape(-1).astype(np.int16) & 15).reshape(-1, 2).T
    return (low | high << 4).astype(np.uint8).tobytes()
