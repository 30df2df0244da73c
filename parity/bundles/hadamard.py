"""The matrix that quantizers rotate with, told from others; `parity/bundles/rotation.py` multiplies with it."""

import numpy as np
from scipy.linalg import hadamard

from reference.spec.tensors import Array

SAME = 1e-6  # relative: an entry in float32, however its square root was computed


def is_hadamard(matrix: Array) -> bool:
    """Whether an array is Sylvester's Hadamard matrix (size, size), of length 1: multiplying with it is `rotated`."""
    size = len(matrix)
    if matrix.shape != (size, size) or size & (size - 1):
        return False
    return np.allclose(matrix, hadamard(size) / np.sqrt(size), rtol=SAME, atol=0)
