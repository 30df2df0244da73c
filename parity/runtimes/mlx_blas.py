"""What MLX computes with on this machine. On Linux it leaves matrix products to the BLAS that the dynamic linker finds.

Its wheel brings Netlib's reference BLAS; a library that other code has loaded for everybody comes first. Which one answers
changes the last bits of every product and its speed by 25 times, so reports say which.
"""

import ctypes
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

PRODUCT = "sgemm_"  # what every float32 product ends in, whichever interface it came by
# Whose a library is, by a part of its file's name.
MAKERS = {
    "libblas": "Netlib's reference BLAS", "openblas": "OpenBLAS", "mkl": "MKL", "torch": "torch's own BLAS",
    "accelerate": "Accelerate", "veclib": "Accelerate",
}  # fmt: skip
NOBODY = "a BLAS that could not be found out"
SPEED = "how fast it is here says nothing about a Mac, where the same files run on Metal"


class _Place(ctypes.Structure):
    """What `dladdr` tells of an address."""

    _fields_ = (
        ("file", ctypes.c_char_p), ("base", ctypes.c_void_p), ("symbol", ctypes.c_char_p), ("address", ctypes.c_void_p),
    )  # fmt: skip


def here() -> str:
    """In words: version, device, who multiplies. Raises nothing: where MLX is missing nobody asks."""
    import mlx.core as mx

    named = f"MLX {version('mlx')}"
    if mx.default_device() != mx.Device(mx.cpu):
        return f"{named} on Metal, on which this project was never tested"
    return f"{named} on the CPU, one thread, matrix products by {product_maker()}; {SPEED}"


def product_maker() -> str:
    """Who multiplies float32 matrices for MLX in this process."""
    file = answering(PRODUCT)
    if file is None:
        return NOBODY
    known = next((maker for part, maker in MAKERS.items() if part in file.name.lower()), "a BLAS of its own")
    return f"{known} ({file.name})"


def answering(symbol: str) -> Path | None:
    """The library whose `symbol` MLX would call: one that is there for the whole process, else one that MLX brings."""
    everybody = ctypes.CDLL(None)
    for library in (everybody, *map(ctypes.CDLL, _own_libraries())):
        try:
            address = ctypes.cast(library[symbol], ctypes.c_void_p)
        except AttributeError:
            continue
        place = _Place()
        if everybody.dladdr(address, ctypes.byref(place)) and place.file:
            return Path(place.file.decode())
    return None


def _own_libraries() -> list[str]:
    """MLX's shared library; what it needs in turn is looked through with it."""
    found = find_spec("mlx")
    folders = [] if found is None else found.submodule_search_locations or []
    return [str(path) for folder in folders for path in sorted((Path(folder) / "lib").glob("libmlx.*")) if path.suffix != ".a"]
