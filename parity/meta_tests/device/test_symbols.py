"""Code that ran is told by the names of a library's symbol table: LiteRT's own, as it is installed here."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from litert_pipeline.run.arm_cpu import PACKAGE
from parity.device.symbols import KERNEL, Functions, kernels

BASE = 0x7F0000000000
NO_KERNELS = (
    "xnn_pf32_gemm_minmax_ukernel_32x32__neonsme2_get_mr",
    "xnn_x32_packw_gemm_goi_ukernel_x8__neon_ld4lane_u4_prfm",
    "kai_run_rhs_pack_nxk_qsi8cxp_qsi8cx_neon",
    "malloc",
)


@pytest.fixture(scope="module")
def library() -> Path:
    """The one that has the kernels."""
    spec = find_spec(PACKAGE)
    assert spec is not None
    (folder,) = spec.submodule_search_locations or []
    libraries = sorted(Path(folder).glob("*.so*"), key=lambda path: -path.stat().st_size)
    return next(path for path in libraries if any(map(KERNEL.match, Functions.of(path).names)))


def test_what_ran_is_named_and_nothing_else(library: Path) -> None:
    functions = Functions.of(library)
    at = next(index for index, name in enumerate(functions.names) if KERNEL.match(name))
    inside, beyond = functions.starts[at], functions.ends[-1]
    log = f"IN:\n0x{BASE + inside:x}:  d503201f\n0x{BASE + beyond:x}:  d503201f\n".encode()
    maps = f"{BASE:x}-{BASE + beyond:x} r-xp 00000000 00:00 7   /somewhere/{library.name}\n"
    assert kernels(log, maps, library) == [functions.names[at]]
    assert kernels(log, "", library) == []


@pytest.mark.parametrize("name", NO_KERNELS)
def test_what_packs_weights_is_no_kernel(name: str) -> None:
    assert not KERNEL.match(name)
