"""How many threads this process computes with: settings of torch and of numpy's BLAS, which answers' last bits depend on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def process_threads(count: int) -> Iterator[None]:
    """So many inside, and as before after."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
