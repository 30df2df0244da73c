"""Modules to files: `.tflite` by litert-torch, `.onnx` by torch.onnx."""

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import torch
from torch import nn

from litert_pipeline.run.litert import native_log
from reference.spec.tensors import Signature

ONNX_OPSET = 18
# Of weights: from here on they are handed over as the converter asks for them. It takes 3 times what they take then (12.3 GiB for
# the DiT of Stable Audio Open 1.0), and 5.6 times else (22 GiB), for a graph that is folded otherwise in the last bits.
LAZY_BYTES = 2**31


def write_litert(module: nn.Module, signature: Signature, path: Path, lazy_bytes: int = LAZY_BYTES) -> None:
    """Convert with litert-torch; the signature's names become the model's."""
    lazy = sum(tensor.nbytes for tensor in module.state_dict().values()) >= lazy_bytes
    with quiet():
        import litert_torch

        litert_torch.convert(module, sample_kwargs=_sample(signature), lightweight_conversion=lazy).export(str(path))


def write_onnx(module: nn.Module, signature: Signature, path: Path) -> None:
    """Export with torch.onnx (the torch.export path); the signature's names become the graph's."""
    with quiet():
        torch.onnx.export(
            module,
            kwargs=_sample(signature),
            f=str(path),
            dynamo=True,
            opset_version=ONNX_OPSET,
            external_data=False,
            verbose=False,
            input_names=[tensor.name for tensor in signature.inputs],
            output_names=[tensor.name for tensor in signature.outputs],
        )


def _sample(signature: Signature) -> dict[str, torch.Tensor]:
    """Example inputs; only shapes and dtypes matter. Ones, because a mask of zeros would mask everything."""
    return {t.name: torch.ones(t.shape, dtype=getattr(torch, t.dtype)) for t in signature.inputs}


@contextmanager
def quiet() -> Iterator[None]:
    """Converters print, warn and log about their own internals by the page; what matters is checked on the result."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), native_log(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
