"""What turns one file of float32 into a smaller one: the quantizers people use, by name.

Sources: litert-quantizer's recipes, and onnxruntime's `quantization` (dynamic, static, MatMulNBits) and `transformers.float16`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from litert_pipeline.build.export import quiet
from litert_pipeline.build.quantize import QUANTIZERS
from parity.bundles.interface import read_interface
from reference.spec.tensors import Array, Tensors

Feeds = Callable[[], Sequence[Mapping[str, Array]]]  # what a stage is calibrated with, computed when it is asked for
Tool = Callable[[Path, Path, Mapping[str, Any], Feeds], None]


def _ai_edge(source: Path, target: Path, options: Mapping[str, Any], feeds: Feeds) -> None:
    """A recipe of litert-quantizer, as `litert_pipeline quantize` runs it."""
    QUANTIZERS["litert"](source, target, options["rules"], target.parent.name)


def _ai_edge_calibrated(source: Path, target: Path, options: Mapping[str, Any], feeds: Feeds) -> None:
    """The same with rules of static quantization, calibrated with what the truth feeds the stage."""
    from litert_quantizer.quantizer import Quantizer

    quantizer = Quantizer(str(source), options["rules"])
    seen = quantizer.calibrate({read_interface(source).key: [dict(feed) for feed in feeds()]})
    quantizer.quantize(seen).export_model(str(target))


def _dynamic(source: Path, target: Path, options: Mapping[str, Any], feeds: Feeds) -> None:
    """onnxruntime's dynamic quantization; without `op_types_to_quantize` of all it can."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    kind = QuantType.from_string(options.get("weights", "QInt8"))
    told = {name: value for name, value in options.items() if name != "weights"}
    quantize_dynamic(_without_shapes(source), str(target), weight_type=kind, **told)


def _static(source: Path, target: Path, options: Mapping[str, Any], feeds: Feeds) -> None:
    """onnxruntime's static quantization, calibrated with what the truth feeds the stage."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    kinds = {f"{name}_type": QuantType.from_string(options[name]) for name in ("weight", "activation") if name in options}
    told = {name: value for name, value in options.items() if name not in ("weight", "activation", "format")}
    quantize_static(
        _without_shapes(source), str(target), _Reader(feeds()), quant_format=QuantFormat[options.get("format", "QDQ")],
        **kinds, **told,
    )  # fmt: skip


class _Reader:
    """Feeds as onnxruntime's calibration takes them."""

    def __init__(self, feeds: Sequence[Mapping[str, Array]]) -> None:
        self._left: Iterator[Tensors] = iter([dict(feed) for feed in feeds])

    def get_next(self) -> Tensors | None:
        return next(self._left, None)


def _packed(source: Path, target: Path, options: Mapping[str, Any], feeds: Feeds) -> None:
    """onnxruntime's MatMulNBits: weights of a few bits in blocks."""
    from onnxruntime.quantization import QuantFormat
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    told = {name: value for name, value in options.items() if name != "format"}
    quantizer = MatMulNBitsQuantizer(
        _without_shapes(source), quant_format=QuantFormat[options.get("format", "QOperator")], **told
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


def _half(source: Path, target: Path, options: Mapping[str, Any], feeds: Feeds) -> None:
    """onnxruntime's float16 tool, which is onnxconverter-common's."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(_without_shapes(source), **options), target)


def _without_shapes(path: Path) -> Any:
    """A model without the shapes between its nodes: the exporter folds transposes into weights and leaves the old ones behind."""
    import onnx

    model = onnx.load(path)
    del model.graph.value_info[:]
    return model


TOOLS: Mapping[str, Tool] = {
    "litert-quantizer": _ai_edge,
    "litert-quantizer, calibrated": _ai_edge_calibrated,
    "dynamic": _dynamic,
    "static": _static,
    "MatMulNBits": _packed,
    "float16": _half,
}


def apply(tool: str, source: Path, target: Path, options: Mapping[str, Any], feeds: Feeds) -> None:
    """Write `target` from `source`. Raises InputError where litert-quantizer refuses its rules."""
    with quiet():
        TOOLS[tool](source, target, options, feeds)
