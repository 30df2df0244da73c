"""What goes wrong with two numbers, guidance and the v objective is refused, and the right stage named."""

import pytest

from parity.faults.bench import Bench
from parity.faults.catalogue.open1 import OPEN1, sigma_of
from parity.faults.checks import injected
from parity.faults.fault import Fault
from parity.measure.verdict import FREE_RUNNING
from parity.meta_tests.open1.test_judged import CASES, UPSTREAM
from parity.test_parity import case_called
from reference.spec.sampling.scale import Sigmas

pytestmark = pytest.mark.xdist_group("open1")
FAULTS = {fault.name: fault for fault in OPEN1}
VARIANTS = ("litert_fp32", "litert_int8", "onnx_fp32", "onnx_int8")
CLOSE = 1e-4  # of a sigma of 500, whose level float32 rounds


def check_blamed(bench: Bench, fault: Fault, variant: str) -> None:
    found = injected(bench, [fault], variant, [case_called(bench.judge, case) for case in CASES])
    assert found.blames(fault.stage), found.first or found.error
    assert {check.stage for check in found.failed if check.ladder != FREE_RUNNING} <= {fault.stage}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_and_the_right_stage_blamed(open1_bench: Bench, name: str) -> None:
    check_blamed(open1_bench, FAULTS[name], UPSTREAM)


@pytest.mark.open1
@pytest.mark.parametrize("judged", VARIANTS)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_a_bundle_is_caught_and_the_right_stage_blamed(open1_files: Bench, name: str, judged: str) -> None:
    check_blamed(open1_files, FAULTS[name], judged)


def test_nothing_is_caught_where_nothing_is_wrong(open1_bench: Bench) -> None:
    fault = next(fault for fault in OPEN1 if fault.graded)
    nothing = Fault(**vars(fault) | {"inject": lambda bench, judge, variant, share: judge})
    cases = [case_called(open1_bench.judge, case) for case in CASES]
    assert not injected(open1_bench, [nothing], UPSTREAM, cases, deep=False).caught


@pytest.mark.parametrize("sigma", [500.0, 7.0, 0.3])
def test_a_sigma_and_its_level_are_one(sigma: float) -> None:
    assert sigma_of(Sigmas().level(sigma)) == pytest.approx(sigma, rel=CLOSE)
    assert Sigmas().stop(Sigmas().level(sigma)) == pytest.approx(sigma, rel=CLOSE)
