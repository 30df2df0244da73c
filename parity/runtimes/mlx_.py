"""MLX: a bundle's `.safetensors` files run by the port in `mlx_port/`. On Linux it computes on the CPU, on a Mac on Metal."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from litert_pipeline.bundle import Bundle
from litert_pipeline.mlx_file import INSTALL, read_described_as
from reference.spec.generation import Stage


@cache
def missing() -> str | None:
    """Why nothing can be run here; None where it can."""
    try:
        import mlx.core  # noqa: F401, whether it can be
    except ModuleNotFoundError:
        return f"MLX is not installed ({INSTALL})"
    except ImportError as error:  # on Linux, the package without its CPU backend
        return f"MLX is not installed whole ({error}; {INSTALL})"
    return None


@contextmanager
def open_stage(
    model: object, bundle: Bundle | None, stage: str, compute: str | None, threads: int
) -> Iterator[Stage]:
    """A stage of an MLX bundle. On a CPU MLX computes with one thread, whatever is asked for.

    Raises InputError for a file that is damaged, of another stage, or whose tensors are not those of its stage.
    """
    assert bundle is not None, "MLX runs a bundle"
    import mlx.core as mx

    from parity.runtimes.mlx_port.stage import MlxStage

    entry, path = bundle.manifest.stages[stage], bundle.path(stage)
    read_described_as(path, stage)
    try:
        yield entry.translated(MlxStage(path, entry.own_signature, compute or entry.compute))
    finally:
        mx.clear_cache()
