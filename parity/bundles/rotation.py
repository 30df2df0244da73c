"""Hadamard rotation: rows of weights, and what their layer is fed, are multiplied with an orthogonal matrix before rounding.

An outlier is spread over its row that way, and the layer's answers stay what they were, for the matrix is its own inverse.
Source: Ashkboos et al., QuaRot (2024); litert-quantizer, algorithms/uniform_quantize/hadamard_rotation.py.
"""

import math

import torch
from torch import Tensor


def rotated(x: Tensor, size: int) -> Tensor:
    """`x` with every `size` values of its last axis multiplied with the Hadamard matrix of Sylvester's order and length 1; with
    a `size` of 0 `x` itself. What is rotated twice is as it was."""
    if not size:
        return x
    done, parts = 1, x
    while done < size:
        pairs = parts.reshape(-1, 2, done)
        parts = torch.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1)
        done *= 2
    return parts.reshape(x.shape) / math.sqrt(size)
