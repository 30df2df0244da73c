"""Whether what converts and quantizes is there: it is an extra of its own, and not every machine can have it."""

from collections.abc import Iterable
from importlib.util import find_spec

from litert_pipeline.build.recipes import Recipe
from litert_pipeline.extras import missing_package
from litert_pipeline.mlx_file import MLX
from reference.spec.errors import InputError

# By format, what is imported to write its files; onnxruntime, which quantizes those, is what judges them, too. MLX's files are
# arrays alone, which this project writes itself.
CONVERTERS = {"litert": ("litert_torch", "litert_converter"), "onnx": ("onnxscript",), MLX: ()}
QUANTIZERS = {"litert": ("litert_quantizer",), "onnx": (), MLX: ("mlx",)}


def require_installed(recipes: Iterable[Recipe]) -> None:
    """Raise InputError, before any work, if a package is missing that one of these recipes needs."""
    for recipe in recipes:
        for package in (QUANTIZERS if recipe.quantize else CONVERTERS)[recipe.format]:
            if find_spec(package) is None:
                raise InputError(missing_package(package))
