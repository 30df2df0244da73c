"""Packages of others by what is done with them, as `pyproject.toml` groups them: what to install where one is missing."""

import platform
from collections.abc import Callable, Mapping
from functools import wraps

from reference.spec.errors import InputError

# By the name it is imported under, the extra that installs it.
EXTRAS: Mapping[str, str] = {
    **dict.fromkeys(("ai_edge_litert", "sentencepiece"), "run"),
    **dict.fromkeys((
        "torch", "safetensors", "onnx", "onnxruntime", "scipy", "pyloudnorm", "transformers", "huggingface_hub", "jinja2", "rich",
        "threadpoolctl", "psutil", "matplotlib", "platformdirs", "cpuinfo", "tomli", "yaml",
    ), "judge"),
    **dict.fromkeys(("litert_torch", "litert_converter", "litert_quantizer", "onnxscript"), "build"),
    "mlx": "mlx",
    **dict.fromkeys(("optuna", "ray"), "search"),
    **dict.fromkeys(("openvino", "executorch", "mlx_audiogen"), "peers"),
}  # fmt: skip
DOES: Mapping[str, str] = {
    "run": "running a bundle", "judge": "judging", "build": "converting and quantizing", "mlx": "running MLX files",
    "search": "searching",
    "peers": "racing other runtimes, and judging others' ports,",
}  # fmt: skip
CONVERTERS = ("litert_torch", "litert_converter")
CANNOT_CONVERT = (("Linux", "aarch64"),)  # systems and machines that litert-converter has no wheel for


def missing_package(module: str, system: str | None = None, machine: str | None = None) -> str | None:
    """A sentence about a module that is not there: what it is for, and how to get it; None for one that no extra installs.

    `system` and `machine` as `platform` tells them; this one's if left out.
    """
    package = module.partition(".")[0]
    if package not in EXTRAS:
        return None
    extra, here = EXTRAS[package], (system or platform.system(), machine or platform.machine())
    told = f"{package} is not installed here, which {DOES[extra]} needs"
    if package in CONVERTERS and here in CANNOT_CONVERT:
        return (
            f"{told}, and there is no litert-converter for {' on '.join(here)}: convert on Linux with an x86-64 CPU or on a Mac, "
            "and judge the bundle here with --bundle"
        )
    return f"{told}: python -m pip install 'stable-audio-parity[{extra}]'"


def naming_missing(command: Callable[..., None]) -> Callable[..., None]:
    """A command that raises InputError where it imports a package that is not installed, with how to get it."""

    @wraps(command)
    def run(*given: object, **options: object) -> None:
        try:
            command(*given, **options)
        except ModuleNotFoundError as error:
            missing = missing_package(error.name or "")
            if missing is None:
                raise
            raise InputError(missing) from None

    return run
