"""Files that variants share are run once; a file that only claims to be shared is not taken for the other."""

from collections.abc import Mapping
from pathlib import Path

from litert_pipeline.bundle import Bundle, read_bundle
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.meta_tests.test_gate import copied, damage_weights
from parity.test_parity import case_called


def test_a_damaged_copy_is_judged_by_itself(bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path) -> None:
    """The INT8 bundle's decoder is the FP32 bundle's by its manifest, and both run it in FP16."""
    folder = copied(bundles["int8"], tmp_path)
    damage_weights(folder / "decoder.tflite")
    case = case_called(judge, "drums")
    with Judge(truths=judge.truths, contenders=contenders_of([bundles["fp32"], read_bundle(folder)])) as own:
        assert all(check.ok for check in own.teacher_forced("decoder", "litert_fp16", case))
        assert not all(check.ok for check in own.teacher_forced("decoder", "litert_int8", case))
        assert own.answers("conditioner", "litert_int8", case) is own.answers("conditioner", "litert_fp32", case)
