"""Which learned bias of T5 a pair of positions uses.

Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning", section 2.1.
"""

import math

import numpy as np

from reference.spec.tensors import Array


def relative_position_buckets(length: int, buckets: int, max_distance: int) -> Array:
    """int64 (query, key): which learned bias a pair of positions uses.

    Half of the buckets serve keys after the query. In each half the first half are exact distances, the rest
    grow logarithmically up to `max_distance`. The logarithm is float32, as the models were trained: at powers of
    two the floor sits on an edge, and more precision would put some pairs into another bucket. It is a table,
    never computed on the device, for the same reason.
    """
    position = np.arange(length)
    relative = position[None, :] - position[:, None]
    half, distance = buckets // 2, np.abs(relative)
    exact = half // 2
    ratio = np.maximum(distance, 1).astype(np.float32) / np.float32(exact)
    scale = np.float32(math.log(max_distance / exact))
    growth = (np.log(ratio) / scale * np.float32(half - exact)).astype(np.int64)
    far = np.minimum(exact + growth, half - 1)
    buckets_of_pair: Array = np.where(relative > 0, half, 0) + np.where(distance < exact, distance, far)
    return buckets_of_pair
