"""The mutation run as a whole: what is injected at which arithmetic, what is told of it, and the page about it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from parity.faults.arithmetics import TARGETS
from parity.faults.beside import OnModel
from parity.faults.catalogue import CATALOGUE, GENERATIONS
from parity.faults.checks import Finding
from parity.faults.fault import Fault
from parity.faults.mutation import Pair, Row
from parity.faults.outcome import LEAST_CAUGHT, Outcome
from parity.faults.run import FaultOptions, run_faults
from parity.faults.table import page
from parity.judge.judge import Judge
from parity.meta_tests.faults.test_faults import harmless
from parity.truth.store import Store
from reference.spec.errors import InputError

DOCS = Path(__file__).parents[3] / "docs" / "faults.md"


def test_an_unknown_arithmetic_is_told_with_those_there_are() -> None:
    options = FaultOptions(model=TINY_MODEL_DIR, bundles=[], arithmetics=["int3"], only=["gain"], files=False)
    with pytest.raises(InputError, match=r"arithmetic int3 is unknown; valid arithmetics: fp32, fp16_weights, .*int8_decoder"):
        run_faults(options, Store(), lambda _: None)


def test_a_pair_is_excused_only_where_each_of_the_two_is_missed() -> None:
    one, two = (Fault(**vars(harmless("dit")) | {"name": name}) for name in ("one", "two"))
    missed, caught = Finding(failed=[]), Finding(failed=[], error="dit.tflite")
    pair = Pair(faults=(one.told, two.told), variant="litert_int8", finding=missed)
    for second, complaints in ((missed, 0), (caught, 1)):
        found = ((one.told, missed), (two.told, second))
        rows = [Row(fault=fault, variant=pair.variant, finding=one, threshold=None) for fault, one in found]
        told = Outcome(rows=rows, pairs=[pair]).complaints()
        assert sum(line.startswith("not blamed: one with two") for line in told) == complaints


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("site", ["graph", "wiring"])
def test_a_wrong_graph_that_is_missed_is_a_complaint_at_every_arithmetic(target: str, site: str) -> None:
    """Though it were one of a thousand."""
    fault, variant = Fault(**vars(harmless("dit")) | {"name": "one", "site": site}), TARGETS[target].variant
    row = Row(fault=fault.told, variant=variant, finding=Finding(failed=[]), threshold=None)
    told = [line for line in Outcome(rows=[row]).complaints() if "wrong graph" in line]
    assert told == ([f"{variant}: wrong graph missed: one"] if site == "graph" else [])


@pytest.mark.parametrize(("finding", "complaints"), [(Finding(failed=[]), 0), (Finding(failed=[], error="another"), 2)],
                         ids=["missed", "blamed on another"])  # fmt: skip
def test_a_fault_that_is_known_to_be_hidden_may_be_missed_there_alone(finding: Finding, complaints: int) -> None:
    fault = Fault(**vars(harmless("dit")) | {"name": "one", "hidden": {"int8": "INT8 errs more"}})
    at = {name: Row(fault=fault.told, variant=TARGETS[name].variant, finding=finding, threshold=None) for name in AT}
    assert len(Outcome(rows=[at["int8"]]).complaints()) == complaints
    assert len(Outcome(rows=[at["int4"]]).complaints()) == 2
    assert ("INT8 errs more." in page(OnModel(model="one", outcome=Outcome(rows=[at["int8"]])))) == (not complaints)


def test_the_page_counts_what_is_hidden_apart() -> None:
    hidden, seen = (
        Fault(**vars(harmless("dit")) | {"name": name, "hidden": why})
        for name, why in (("one", {"int8": "INT8 errs more"}), ("two", {}))
    )
    found = ((hidden, Finding(failed=[])), (seen, Finding(failed=[], error="bundle/dit.tflite: cannot be read")))
    variant = TARGETS["int8"].variant
    rows = [Row(fault=fault.told, variant=variant, finding=finding, threshold=None) for fault, finding in found]
    assert "| 1 and 1 hidden, 100.0% |" in page(OnModel(model="one", outcome=Outcome(rows=rows)))


def test_a_run_that_injected_nothing_is_a_complaint() -> None:
    assert Outcome().complaints() == ["nothing was injected: no such arithmetic can have the fault"]
    assert "Without a fault" not in page(OnModel(model="one", outcome=Outcome(rows=[])))


AT = ("int8", "int4")
SUMS = r"\(`(\w+)`\) \|.*, ([\d.]+)% \| (\d+)% \|"  # of an arithmetic: its variant, per cent blamed right and wanted


def test_the_table_is_of_this_catalogue() -> None:
    """`make faults` writes it; a fault that is added or renamed is not in it yet. It is that of a run that went well."""
    assert DOCS.exists()
    text = DOCS.read_text(encoding="utf-8")
    assert [f.name for f in CATALOGUE.values() if f"| `{f.name}` | {f.sentence} | {f.site} |" not in text] == []
    assert [f.name for f in CATALOGUE.values() if f"| `{f.name}` | {f.source} |" not in text] == []
    hidden = [(fault, *reason) for fault in CATALOGUE.values() for reason in fault.hidden.items()]
    assert [f.name for f, at, why in hidden if not re.search(f"- `{f.name}` at {TARGETS[at].title}: .*{why[1:]}", text)] == []
    sums = {found[1]: (float(found[2]), int(found[3])) for found in re.finditer(SUMS, text)}
    assert sums.keys() == {target.variant for target in TARGETS.values()}
    for target in TARGETS.values():
        caught, wanted = sums[target.variant]
        assert caught >= wanted == round(100 * LEAST_CAUGHT[target.name])


def test_other_stages_of_a_bundle_are_the_files_of_other_arithmetics(judge: Judge) -> None:
    """So that what is injected there is injected into them: else a stage would be left out."""
    for target in TARGETS.values():
        own = judge.source(target.variant)
        for stage in set(own.stages) - set(target.stages):
            owner = TARGETS[target.owner_of(replace(harmless(stage), name=stage))]
            assert stage in owner.stages
            assert own.identity(stage) == judge.source(owner.variant).identity(stage), (target.name, stage)


def test_every_fault_is_injected_somewhere_and_those_of_generations_everywhere() -> None:
    at = {fault.name: [target.name for target in TARGETS.values() if target.judges(fault)] for fault in CATALOGUE.values()}
    assert all(at.values())
    assert all(at[fault.name] == list(TARGETS) for fault in GENERATIONS)
