"""Which BLAS multiplies for MLX: the one that answers is named, whoever loaded it."""

import subprocess
import sys
from pathlib import Path

import pytest

from parity.runtimes.mlx_blas import NOBODY, SPEED, here, product_maker

pytest.importorskip("mlx.core", reason="MLX is not installed ('make gate' does it where it can be had)")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MLX multiplies with what the system has")

ROOT = Path(__file__).parents[3]
# A library that is there for the whole process, as torch's may be: what it has of a BLAS comes first.
GLOBAL = """
import ctypes, importlib.util, pathlib
folder = pathlib.Path(importlib.util.find_spec("torch").origin).parent / "lib"
ctypes.CDLL(str(folder / "libtorch_cpu.so"), mode=ctypes.RTLD_GLOBAL)
from parity.runtimes.mlx_blas import product_maker
print(product_maker())
"""


def test_the_one_of_the_wheel_is_named() -> None:
    assert product_maker().startswith("Netlib's reference BLAS (libblas")


def test_the_report_says_who_multiplies_and_that_speed_means_nothing() -> None:
    assert product_maker() in here()
    assert SPEED in here()
    assert NOBODY not in here()


def test_another_that_comes_first_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", GLOBAL], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "torch's own BLAS (libtorch_cpu.so)"
