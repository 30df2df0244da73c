"""Which versions of other packages a file was made with, or a verdict reached with."""

from importlib.metadata import PackageNotFoundError, version

RECORDED_PACKAGES = (
    "torch", "litert-torch", "litert-converter", "ai-edge-litert", "litert-quantizer",
    "onnx", "onnxscript", "onnxruntime", "numpy", "sentencepiece", "safetensors", "mlx",
)  # fmt: skip


def installed_versions() -> dict[str, str]:
    """Versions of everything that can change a converted file or its numbers."""
    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
