"""Faults of what a file stores: scales, values, and what does not belong. The graph is right, and so is the manifest's hash."""

from parity.faults.catalogue.scales import (
    GLU,
    INT8_DECODER,
    LEVEL,
    QKV,
    QUANTIZED_DIT,
    UPSAMPLING,
    in_file,
    larger,
    one_larger,
    scattered,
    zeroed,
)
from parity.faults.fault import DERIVED, Fault
from parity.faults.file_edits import foreign_constant

DIT, DECODER = "dit", "decoder"

STORED = (
    Fault(
        name="scales_too_large", stage=DIT, site="file", sentence="every scale is 10 % too large",
        source=DERIVED, inject=in_file(lambda share: larger(0.1 * share)), variants=QUANTIZED_DIT,
    ),
    Fault(
        name="scales_off", stage=DIT, site="file", sentence="every weight is 0.5 % too large",
        source=DERIVED, inject=in_file(lambda share: larger(0.005 * share)), variants=QUANTIZED_DIT,
    ),
    Fault(
        name="scales_scattered", stage=DIT, site="file", sentence="every scale is off by some 0.5 % of its own",
        source=DERIVED, inject=in_file(lambda share: scattered(0.005 * share)), variants=QUANTIZED_DIT,
    ),
    Fault(
        name="qkv_scale_doubled", stage=DIT, site="file", sentence="one channel of queries, keys and values counts twice",
        source=DERIVED, inject=in_file(lambda share: one_larger(share, QKV)), variants=QUANTIZED_DIT,
    ),
    Fault(
        name="glu_scale_doubled", stage=DIT, site="file", sentence="one channel of a feed-forward counts twice",
        source=DERIVED, inject=in_file(lambda share: one_larger(share, GLU)), variants=QUANTIZED_DIT,
    ),
    Fault(
        name="biases_dropped", stage=DIT, site="file", sentence="the feed-forwards' biases are zero",
        source=DERIVED, inject=in_file(lambda share: zeroed("FeedForward_ff", "FLOAT32")), graded=False, variants=QUANTIZED_DIT,
    ),
    Fault(
        name="bias_dropped", stage=DIT, site="file", sentence="a bias of the embedded level is zero",
        source=DERIVED, inject=in_file(lambda share: zeroed(LEVEL, "FLOAT32")), graded=False, variants=QUANTIZED_DIT,
    ),
    Fault(
        name="adapter_left_in", stage=DIT, site="file", sentence="a matrix of another model is in the file, and nobody reads it",
        source=DERIVED, inject=in_file(lambda share: foreign_constant), graded=False,
        variants=("litert_fp32", "litert_fp16", "litert_fp16_weights", *QUANTIZED_DIT),
    ),
    Fault(
        name="decoder_scales_off", stage=DECODER, site="file", sentence="every weight of the decoder is 0.5 % too large",
        source=DERIVED, inject=in_file(lambda share: larger(0.005 * share), DECODER), variants=(INT8_DECODER,),
    ),
    Fault(
        name="decoder_scale_doubled", stage=DECODER, site="file", sentence="one channel of an upsampling counts twice",
        source=DERIVED, inject=in_file(lambda share: one_larger(share, UPSAMPLING), DECODER), variants=(INT8_DECODER,),
    ),
)  # fmt: skip
