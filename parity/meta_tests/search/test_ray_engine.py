"""Trials on a Ray cluster: the answers of a local search, whoever dies, and nothing of Ray left behind."""

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from litert_pipeline.build.recipes import DYNAMIC_INT8, INT4_BLOCKS, INT8_WEIGHTS
from parity.meta_tests.search.elsewhere import measured_elsewhere
from parity.meta_tests.search.test_parcel import asked, places
from parity.search.engines import LocalEngine
from parity.search.measured import machine_kind
from parity.search.places import Places
from parity.search.ray_engine import NODES, TASK, RayEngine
from parity.search.store import Results
from parity.search.trial import Race, Trial, recipe_text
from reference.spec.errors import InputError
from reference.spec.processes import processes

pytest.importorskip("ray", reason="Ray is not installed; 'make search-test' installs it")
pytestmark = pytest.mark.search
__all__ = ["places"]

RECIPES = ([], DYNAMIC_INT8, INT8_WEIGHTS, INT4_BLOCKS)
ATTACK_S, GONE_S = 120.0, 10.0


@pytest.fixture(scope="module")
def trials(places: Places) -> list[Trial]:
    return [asked(places, recipe=recipe_text(rules)) for rules in RECIPES]


@pytest.fixture(scope="module")
def local(places: Places, trials: list[Trial], tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What processes of this machine answer."""
    results = Results(folder=tmp_path_factory.mktemp("local"))
    with LocalEngine(places=places) as engine:
        for done in engine.map(trials):
            assert done.result is not None, done.why
            results.put(done.trial, done.result)
    return results


def started() -> set[psutil.Process]:
    """All processes that descend from this one."""
    return set(psutil.Process().children(recursive=True))


def at_a_trial() -> list[psutil.Process]:
    """Of these, workers of Ray that measure."""
    found = []
    for process in started():
        with suppress(psutil.Error):
            found += [process] if TASK in " ".join(process.cmdline()) else []
    return found


class Attack(threading.Thread):
    """Kills one worker as soon as one is at a trial."""

    killed = 0

    def run(self) -> None:
        end = time.monotonic() + ATTACK_S
        while not self.killed and time.monotonic() < end:
            for process in at_a_trial()[:1]:
                process.send_signal(signal.SIGKILL)
                self.killed = process.pid
            time.sleep(0.01)


def counted(engine: RayEngine, trials: Sequence[Trial], folder: Path) -> tuple[Results, dict[str, int]]:
    """All answers, and after how many attempts each came."""
    results, attempts = Results(folder=folder), {}
    for done in engine.map(trials):
        assert done.result is not None, done.why
        assert done.trial.address not in attempts, "counted twice"
        attempts[done.trial.address] = done.attempts
        results.put(done.trial, done.result)
    return results, attempts


def test_with_a_worker_killed_the_answers_are_those_of_a_local_search(
    places: Places, trials: list[Trial], local: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_TOKEN_OF_MINE", "secret")
    before = dict(os.environ)
    handler = signal.getsignal(signal.SIGTERM)
    attack, others = Attack(daemon=True), started()
    with RayEngine(places=places, workers=2) as engine:
        assert dict(os.environ) == before
        assert engine.machines() == [machine_kind()]
        attack.start()
        found, attempts = counted(engine, trials, tmp_path / "ray")
        attack.join()
        own = started() - others
        assert own
        assert not any("A_TOKEN_OF_MINE" in _environment(process) for process in own)
    assert attack.killed
    assert sorted(attempts) == sorted(trial.address for trial in trials)
    assert max(attempts.values()) > 1
    assert list(found.all()) == list(local.all())
    assert not psutil.wait_procs(own, timeout=GONE_S)[1]
    assert signal.getsignal(signal.SIGTERM) is handler
    assert found.merge(local) == 0


def _environment(process: psutil.Process) -> Mapping[str, str]:
    try:
        found: Mapping[str, str] = process.environ()
    except psutil.Error:
        return {}
    return found


def test_a_node_that_is_another_machine_is_sent_what_it_needs(
    places: Places, trials: list[Trial], local: Results, tmp_path: Path
) -> None:
    cache, results = tmp_path / "cache", Results(folder=tmp_path / "results")
    race = asked(places, draws=0, race=Race(machine=machine_kind(), threads=1, rounds=1))
    with processes(1, "a head", "search") as pool:
        found, machines, told = pool.submit(measured_elsewhere, places, trials, race, cache).result()
    for done in found:
        assert done.result is not None, done.why
        results.put(done.trial, done.result)
    assert list(results.all()) == list(local.all())
    assert machines == []  # it did not declare that it may be raced on
    assert "of the nodes that declare 'latency' none is; there are: none" in told
    (parcel,) = next(cache.rglob(NODES)).iterdir()
    assert sorted(path.name for path in parcel.iterdir()) == ["bundle", "model", "truths"]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "ray://127.0.0.1:x"])
def test_an_address_where_nobody_answers_is_told(places: Places, address: str) -> None:
    with pytest.raises(InputError, match="cannot be joined"), RayEngine(places=places, address=address):
        pass
