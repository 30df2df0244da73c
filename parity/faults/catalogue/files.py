"""Faults of the files themselves."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.bundle import MANIFEST_NAME
from parity.faults.bench import Bench
from parity.faults.counting import let_count
from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InFile
from reference.model.attention import QK_NORM_EPS
from reference.model_files import SPIECE_NAME
from reference.spec.files import sha256_of

CALLS = 400  # more than any check makes
SMALL = ("litert_fp16_weights", "litert_int8", "litert_int8_weight_only", "litert_int4_blockwise")
NOTE = b"MLIR Converted."  # a description every file of the converter carries


def manifest(change: Callable[[dict[str, Any], float], None]) -> InFile:
    """The manifest says something else."""

    def damage(folder: Path, bench: Bench, share: float) -> None:
        path = folder / MANIFEST_NAME
        content = json.loads(path.read_text())
        change(content, share)
        path.write_text(json.dumps(content))

    return InFile(damage=damage)


def never_quantized(folder: Path, bench: Bench, share: float) -> None:
    """The float file in the place of the quantized one, the manifest none the wiser."""
    shutil.copyfile(bench.bundle("litert_fp32").path("dit"), folder / "dit.tflite")
    noted(folder, "dit")


def note_changed(folder: Path, bench: Bench, share: float) -> None:
    data = (folder / "dit.tflite").read_bytes()
    (folder / "dit.tflite").write_bytes(data.replace(NOTE, NOTE.lower(), 1))


def cut(folder: Path, bench: Bench, share: float) -> None:
    data = (folder / "dit.tflite").read_bytes()
    (folder / "dit.tflite").write_bytes(data[: len(data) - max(1, round(share * len(data) / 2))])


def other_pieces(folder: Path) -> None:
    """One letter of one piece is another."""
    data = (folder / SPIECE_NAME).read_bytes()
    start = data.rindex("\u2581".encode()) + 3  # behind the sign for a space, in the last piece that starts a word
    (folder / SPIECE_NAME).write_bytes(data[:start] + bytes([data[start] ^ 1]) + data[start + 1 :])


def other_tokenizer(folder: Path, bench: Bench, share: float) -> None:
    """The manifest speaks of the tokenizer that is there: what is wrong is which one it is."""
    other_pieces(folder)
    path = folder / MANIFEST_NAME
    content = json.loads(path.read_text())
    content["tokenizer"]["sha256"] = sha256_of(folder / SPIECE_NAME)
    path.write_text(json.dumps(content))


def of_another_model(content: dict[str, Any], share: float) -> None:
    content["source"]["weights_sha256"] = "0" * 64


def other_levels(content: dict[str, Any], share: float) -> None:
    content["sampler"]["levels"][1] -= 0.1 * share


def half_the_rate(content: dict[str, Any], share: float) -> None:
    content["sample_rate_hz"] //= 2


def told_in_fp16(content: dict[str, Any], share: float) -> None:
    content["stages"]["decoder"]["compute"] = "fp16"


def counts_its_calls(folder: Path, bench: Bench, share: float) -> None:
    let_count(folder / "decoder.tflite", CALLS)
    noted(folder, "decoder")


def eps_lost(folder: Path, bench: Bench, share: float) -> None:
    let_eps_vanish(folder / "dit.tflite")
    noted(folder, "dit")


def let_eps_vanish(dit: Path) -> None:
    """Put the query/key norms' eps into a converted DiT, as other converters have it, in the place of its root. Nearly the same
    numbers in float32, of a row of zeros, too."""
    ours, theirs = (np.float32(eps).tobytes() for eps in (QK_NORM_EPS**0.5, QK_NORM_EPS))
    data = dit.read_bytes()
    if data.count(ours) != 1:
        raise ValueError(f"{dit}: holds the root of eps {data.count(ours)} times, expected once")
    dit.write_bytes(data.replace(ours, theirs))


def noted(folder: Path, stage: str) -> None:
    """The manifest speaks of the file that is there now."""
    path = folder / MANIFEST_NAME
    content = json.loads(path.read_text())
    file = folder / content["stages"][stage]["file"]
    content["stages"][stage] |= {"sha256": sha256_of(file), "size_bytes": file.stat().st_size}
    path.write_text(json.dumps(content))


FILES = (
    Fault(
        name="never_quantized", stage="dit", site="file", sentence="the small file is the FP32 file, byte for byte",
        source=DERIVED,
        inject=InFile(damage=never_quantized), graded=False, variants=SMALL,
    ),
    Fault(
        name="altered_file", stage="dit", site="file", sentence="a file was changed after its manifest was written",
        source=DERIVED, inject=InFile(damage=note_changed), graded=False,
    ),
    Fault(
        name="truncated_file", stage="dit", site="file", sentence="the copy broke off",
        source=DERIVED, inject=InFile(damage=cut),
    ),
    Fault(
        name="counting_calls", stage="decoder", site="file",
        sentence="the decoder counts its calls and adds an offset from the 401st on",
        source=DERIVED, inject=InFile(damage=counts_its_calls), graded=False, variants=("litert_fp32",),
    ),
    Fault(
        name="eps_lost_in_half", stage="dit", site="file",
        sentence="the query/key norms' eps is 1e-6, which is 0 in the half precision of CPUs that flush",
        source=DERIVED, inject=InFile(damage=eps_lost), graded=False, variants=("litert_fp16",),
    ),
    Fault(
        name="stale_manifest", stage="bundle", site="file", sentence="the manifest is of a bundle of another model",
        source="ML-examples#184: files and instructions of different versions", inject=manifest(of_another_model),
        graded=False,
    ),
    Fault(
        name="foreign_rate", stage="bundle", site="file", sentence="the manifest tells an app half the sample rate",
        source=DERIVED, inject=manifest(half_the_rate), graded=False,
    ),
    Fault(
        name="foreign_compute", stage="decoder", site="file", sentence="the manifest has a float32 decoder run in FP16",
        source=DERIVED, inject=manifest(told_in_fp16), graded=False, variants=("litert_fp32",),
    ),
    Fault(
        name="foreign_tokenizer", stage="conditioner", site="file", sentence="one piece of the tokenizer differs",
        source="llama.cpp fork fairydreaming#1", inject=InFile(damage=other_tokenizer), graded=False,
    ),
    Fault(
        name="foreign_levels", stage="sampler", site="file", sentence="the manifest tells an app another schedule",
        source="stable-audio-3#94", inject=manifest(other_levels),
    ),
)  # fmt: skip
