"""A report with something of everything, for tests to change."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from parity.bundles.assignment_table import Assignment
from parity.device.device import Device, Opening, Time
from parity.explain.activation import Activation
from parity.explain.evidence import DecoderFigures, Evidence, StepFigures
from parity.explain.inside.module_error import ModuleError
from parity.explain.sounds import truth_sound, variant_sound
from parity.explain.swap_matrix import SwapMatrix
from parity.measure.contents import Portion, StageArithmetic, Stored
from parity.measure.verdict import ARTIFACT, FREE_RUNNING, TEACHER_FORCED, Verdict
from parity.report.artifact import Artifact
from parity.report.bundle_verdict import JudgedBundle
from parity.report.latency import Latency
from parity.report.report import JudgedModel, Report
from parity.runtimes.environment import Environment
from reference.spec.stages import GENERATION

CHECK = Verdict(
    stage="dit", variant="litert_int8", case="drums", ladder=TEACHER_FORCED, metric="denoised_error", step=3,
    value=0.5, limit=1.0, low_limit=0.1, why="measured",
)  # fmt: skip
OWN = Verdict(
    stage="bundle", variant="int8", case="-", ladder=ARTIFACT, metric="foreign_model", value=0.0, limit=0.0, why="must be equal"
)
STEPS = [
    StepFigures(variant="litert_int8", case="drums", step=step, level=1.0, velocity_cosine=1.0, velocity_snr_db=db)
    for step, db in enumerate((30.0, float("inf"), float("nan")))
]
SUBSETS = [frozenset(mix) for count in range(4) for mix in combinations(GENERATION, count)]
ERROR = ModuleError(
    path="transformer.layers.1.ff", tensor="t", isolated=1.0, accumulated=1.0, expected=0.1, snr_db=0.0, max_abs=1.0,
    median_ratio=1.0,
)  # fmt: skip
SWAP = SwapMatrix(variant="litert_int8", case="drums", distance_db={subset: float(len(subset)) for subset in SUBSETS})
NEAR = Activation(block="t5.encoder.block.1", module="t5.encoder.block.1.layer.1", case="drums", largest=60_000.0)
AUDIO = np.random.Generator(np.random.Philox(0)).uniform(-1, 1, (2, 22_050))
EVIDENCE = Evidence(
    steps=STEPS,
    decoders=[DecoderFigures(variant="litert_int8", case="drums", snr_db=float("inf"))],
    layers={("litert_int8", "dit"): [ERROR], ("litert_onnx2tf", "conditioner"): []},
    swaps=[SWAP],
    activations=[NEAR],
    sounds=[truth_sound("drums", AUDIO, 44_100), variant_sound("litert_int8", "drums", AUDIO, AUDIO * 0.9, 44_100)],
)
MODEL = JudgedModel(
    weights_sha256="00ff", objective="rf_denoiser", sample_rate_hz=44_100, window_s=1.86, latent_frames=40, coded="whole",
    spec="stable-audio-tools-0.0.19", sampled="pingpong, 8 steps, cfg 1", stored="model.safetensors in float16",
    task="text-to-audio",
)
ENVIRONMENT = Environment(
    cpu_model="a CPU", cpu_arch="aarch64", cpu_features=["i8mm", "sme2"], cpu_cores=2, memory_bytes=2**30, system="Linux",
    python="3.11", threads=1, versions={"torch": "2.13.0"}, integer_kernels="LiteRT multiplies exactly",
)  # fmt: skip
ARTIFACT_ENTRY = Artifact(path="int8/dit.tflite", sha256="ab", bytes=3)
PORTION = Portion(
    stored=Stored(storage="int8", granularity="channel", symmetric=True, fed="int8 per row", products="integers"),
    tensors=8, values=900, share=0.9,
)  # fmt: skip
PLAIN = Portion(
    stored=Stored(storage="float32", granularity="-", symmetric=True, fed="float", products="floats"),
    tensors=2, values=100, share=0.1,
)  # fmt: skip
ARITHMETIC = StageArithmetic(
    stage="dit", file="dit.tflite", portions=(PORTION, PLAIN), compute={"litert_int8": "fp32", "litert_other": "fp16"}
)
BUNDLE = JudgedBundle(path="out/int8", name="int8", variants=["litert_int8"], arithmetic=[ARITHMETIC])
ASSIGNMENT = Assignment(
    bundle="arm", stage="dit", file="dit_model.tflite", kind="input", position=0, name="args_0", shape=[1, 64, 40],
    dtype="float32", tensor="x", known_by="shape",
)  # fmt: skip
DEVICE = Device(
    name="phone", told={"cpu": "Cortex-X4", "features": "i8mm sme2"}, notes=["its answers equal those of laptop"],
    times=[Time(stage="dit", variant="litert_int8", threads=1, median_ms=12.34)],
    openings=[Opening(stage="dit", variant="litert_int8", open_s=0.5, first_call_s=0.1, peak_bytes=2**30)],
)  # fmt: skip
LATENCY = Latency(
    machine="a CPU", threads=2, stage="dit", variant="litert_int8", median_s=0.01234, iqr_s=0.001, noisy=False, ratio=3.5,
    peak_bytes=2**30, sha256={"dit": "ab"},
)  # fmt: skip
REPORT = Report(
    checks=[OWN, CHECK, replace(CHECK, ladder=FREE_RUNNING, stage="decoder")],
    evidence=EVIDENCE,
    model=MODEL,
    environment=ENVIRONMENT,
    artifacts=[ARTIFACT_ENTRY],
    assignments=[ASSIGNMENT],
    bundles=[BUNDLE],
    devices=[DEVICE],
)


def sample(**changes: Any) -> Report:
    """The report with some fields replaced."""
    return replace(REPORT, **changes)
