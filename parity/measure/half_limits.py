"""Limits of what is computed in FP16, by what the machine does then. Beside `limits.py`, which takes them up."""

from collections.abc import Mapping

from parity.measure.arithmetic import HALF_COMPUTE, HALF_SUMS, NO_HALVES, Arithmetic
from parity.measure.stage_budgets import StageBudget, conditioner, decoder, dit, encoder, like, shaped
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER

FLOAT_SUMS_LIMITS: dict[str, StageBudget] = {  # x86 with F16C alone, which XNNPACK emulates FP16 on, and SME2
    CONDITIONER: conditioner(
        like("fp16", 0.2, 3.0, "0.55 to 1.9"), like("fp16", 0.02, 6.0, "0.1 to 2.2"), shaped("fp16", 2.0, "0.55 to 1.2")
    ),
    DIT: dit(
        like("fp16", 0.4, 5.0, "1.1 to 1.7"), shaped("fp16", 5.0, "0.51 to 1.9"), shaped("fp16", 4.0, "1.3 to 1.4"),
        shaped("fp16", 5.0, "1.6"),
    ),
    DECODER: decoder(like("fp16", 0.4, 3.5, "1.1 to 1.2"), shaped("fp16", 3.5, "0.54 to 1.6"), shaped("fp16", 3.0, "1.1 to 1.2")),
    ENCODER: encoder(like("fp16", 0.4, 3.5, "1.0 to 1.3"), shaped("fp16", 3.5, "0.76 to 1.7"), shaped("fp16", 3.0, "1.0 to 1.3")),
}  # fmt: skip
# Neon and AVX-512 FP16 add in half, so the error grows with the number of summands, and the yardstick's does, too. Measured over
# all cases of both tiny models and the trained one as AVX-512's kernels answer, beside five drawings of the yardstick.
HALF_SUMS_LIMITS: dict[str, StageBudget] = {
    CONDITIONER: conditioner(
        like("fp16_half_sums", 0.1, 2.0, "0.21 to 0.39"), shaped("fp16_half_sums", 2.1, "0.42 to 1.5"),
        shaped("fp16_half_sums", 1.5, "0.30 to 0.32"),
    ),
    DIT: dit(
        like("fp16_half_sums", 0.4, 2.5, "0.89 to 1.3"), shaped("fp16_half_sums", 4.2, "0.51 to 3.0"),
        shaped("fp16_half_sums", 2.0, "1.05 to 1.08"), shaped("fp16_half_sums", 2.5, "0.95 to 0.99"),
    ),
    DECODER: decoder(
        like("fp16_half_sums", 0.4, 2.0, "0.55 to 1.04"), shaped("fp16_half_sums", 2.4, "0.32 to 1.8"),
        shaped("fp16_half_sums", 1.6, "1.01"),
        leak=shaped("fp16_half_sums", 3.2, "0.30 to 2.4"), peak=shaped("fp16_half_sums", 2.2, "0.58 to 1.6"),
    ),
    ENCODER: encoder(
        like("fp16_half_sums", 0.4, 2.4, "0.72 to 1.7"), shaped("fp16_half_sums", 3.8, "0.49 to 2.8"),
        shaped("fp16_half_sums", 1.6, "1.02"),
    ),
}  # fmt: skip
# Where there is no FP16 arithmetic XNNPACK computes in float32 with weights and inputs that were rounded to half. Measured
# on one case, as Cortex-A53's kernels answer where they are emulated.
FLOAT32_KERNELS_LIMITS: dict[str, StageBudget] = {
    CONDITIONER: conditioner(
        like("fp16_weights", 0.3, 2.0, "1.0"), shaped("fp16", 6.0, "1.2"), shaped("fp16_weights", 1.6, "1.0")
    ),
    DIT: dit(
        like("fp16_weights", 0.3, 2.0, "0.86 to 1.04"), shaped("fp16_weights", 2.0, "0.88 to 0.94"),
        shaped("fp16_weights", 1.6, "0.95"), shaped("fp16_weights", 2.0, "0.95"),
    ),
    DECODER: decoder(
        like("fp16_weights", 0.4, 1.8, "0.93"), shaped("fp16_weights", 2.0, "0.57 to 1.04"), shaped("fp16_weights", 1.5, "0.93"),
        leak=shaped("fp16_weights", 4.0, "0.82 to 0.99"), peak=shaped("fp16_weights", 2.4, "0.79"),
    ),
    ENCODER: encoder(
        like("fp16_weights", 0.3, 1.8, "0.82"), shaped("fp16_weights", 2.4, "0.62 to 1.2"), shaped("fp16_weights", 1.5, "0.82")
    ),
}  # fmt: skip

HALF_LIMITS: Mapping[Arithmetic, dict[str, StageBudget]] = {
    HALF_COMPUTE: FLOAT_SUMS_LIMITS,
    HALF_SUMS: HALF_SUMS_LIMITS,
    NO_HALVES: FLOAT32_KERNELS_LIMITS,
}
