"""Trials on the machines of a Ray cluster. Each is a task that Ray never repeats by itself: what is lost is asked again here, so
that every trial is counted once."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import platformdirs

from parity.search.engines import ATTEMPTS, Done
from parity.search.measured import machine_kind, measure
from parity.search.parcel import Packer, Parcel, unpacked
from parity.search.places import Places
from parity.search.ray_cluster import AUTO, cluster
from parity.search.trial import Result, Trial
from reference.spec.errors import InputError

RACES_ON = "latency"  # what a node declares to be raced on: 'ray start --resources '{"latency": 1}''
NODES = "nodes"  # folder of parcels in the cache of a node's user
TASK = "parity-trial"
LOOKS_S = 10.0  # while nothing ends: whether anything still can
Told = dict[str, Any]


@dataclass(kw_only=True)
class RayEngine:
    """An `Engine` (`engines.py`). At `address` a cluster is joined; for `AUTO` one is started here with `workers`, and stopped.

    A node that is not this machine is sent model, bundle and truths once. `races_on` names the resource that a node declares
    which may be raced on; a race has all of its CPUs.
    """

    places: Places
    address: str = AUTO
    workers: int = 1
    races_on: str = RACES_ON
    _stack: ExitStack = field(default_factory=ExitStack)
    _kinds: dict[str, str] = field(default_factory=dict)
    _packer: Packer | None = None

    def __enter__(self) -> "RayEngine":
        import ray

        self._stack.enter_context(cluster(self.address, self.workers * self.places.threads, {self.races_on: 1}))
        self._packer = Packer(places=self.places, put=ray.put)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packer = None  # what it handed over is let go of
        self._stack.__exit__(kind, error, trace)

    def machines(self) -> list[str]:
        """Kinds of machines that may be raced on (`Race.machine`), each once."""
        return sorted({self._kind(node) for node in self._nodes() if self.races_on in node["Resources"]})

    def map(self, trials: Iterable[Trial]) -> Iterator[Done]:
        """As `Engine.map`."""
        import ray

        waiting = deque(sorted(trials, key=lambda trial: trial.race is not None))
        running: dict[Any, Trial] = {}
        attempts: Counter[str] = Counter()
        try:
            while waiting or running:
                while waiting and len(running) < self._at_once():
                    trial = waiting.popleft()
                    running[self._hand_out(trial)] = trial
                    attempts[trial.address] += 1
                ended = self._first(list(running))
                trial = running.pop(ended)
                result, why = _answer(ended)
                if result is None and attempts[trial.address] < ATTEMPTS:
                    waiting.appendleft(trial)
                else:
                    yield Done(trial=trial, result=result, attempts=attempts[trial.address], why=why)
        finally:
            for task in running:
                ray.cancel(task, force=True)

    def _first(self, running: list[Any]) -> Any:
        """The first task to end. Raises InputError where none can, for want of a node."""
        import ray

        while True:
            ended, _ = ray.wait(running, num_returns=1, timeout=LOOKS_S)
            if ended:
                return ended[0]
            if all(_cpus(node) < self.places.threads for node in self._nodes()):
                raise InputError(
                    f"Ray: no node is left with {self.places.threads} CPUs for a trial; start one, and search again: "
                    "what was measured is kept"
                )

    def _hand_out(self, trial: Trial) -> Any:
        """Start a trial; what its answer is had by."""
        import ray

        head = ray.get_runtime_context().get_node_id()
        nodes = self._nodes()
        asked: Told = {"name": TASK, "max_retries": 0, "num_cpus": self.places.threads}
        parcel = None
        if trial.race is not None:
            node = self._raced_on(trial.race.machine, nodes)
            asked |= {**_only(node["NodeID"]), "num_cpus": _cpus(node), "resources": {self.races_on: 1}}
        if all(node["NodeID"] == head for node in nodes):
            asked |= _only(head)  # one that joins in this moment has been sent nothing
        else:
            assert self._packer is not None, "an engine that is not entered hands nothing out"
            parcel = self._packer.parcel([trial])
        return ray.remote(measured_there).options(**asked).remote(trial.to_json(), self.places, head, parcel)

    def _raced_on(self, machine: str, nodes: list[Told]) -> Told:
        """A node that may be raced on, of a kind. Raises InputError, saying which there are, where none is."""
        there = [node for node in nodes if self.races_on in node["Resources"]]
        for node in there:
            if self._kind(node) == machine:
                return node
        found = ", ".join(sorted({self._kind(node) for node in there})) or "none"
        raise InputError(
            f"a race is asked for on '{machine}', but of the nodes that declare '{self.races_on}' none is; there are: {found}"
        )

    def _kind(self, node: Told) -> str:
        """What kind of machine a node is, asked once."""
        import ray

        if node["NodeID"] not in self._kinds:
            self._kinds[node["NodeID"]] = ray.get(ray.remote(machine_kind).options(**_only(node["NodeID"])).remote())
        return self._kinds[node["NodeID"]]

    def _nodes(self) -> list[Told]:
        import ray

        found: list[Told] = [node for node in ray.nodes() if node["Alive"]]
        return found

    def _at_once(self) -> int:
        """How many trials are handed out: one more than can run, so that nobody waits for the next."""
        return int(sum(map(_cpus, self._nodes()))) // self.places.threads + 1


def measured_there(told: Told, places: Places, head: str, parcel: Parcel | None) -> Told:
    """A trial's answer, on a node. On the machine of the search (`head`) the files are where they are there."""
    import ray

    here = places
    if parcel is not None and ray.get_runtime_context().get_node_id() != head:
        here = unpacked(parcel, Path(platformdirs.user_cache_dir("stable-audio-parity")) / NODES, ray.get)
    return measure(Trial.from_json(told), here).to_json()


def _answer(task: Any) -> tuple[Result | None, str]:
    """What a task found; None where its process or node was lost, and how. Raises InputError as `measure`."""
    import ray
    from ray import exceptions

    lost = (
        exceptions.WorkerCrashedError, exceptions.NodeDiedError, exceptions.OutOfMemoryError, exceptions.ObjectLostError,
        exceptions.TaskUnschedulableError, exceptions.LocalRayletDiedError,
    )  # fmt: skip
    try:
        return Result.from_json(ray.get(task)), ""
    except lost as error:
        return None, f"its worker was lost ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise InputError(str(error.cause)) from None
        raise


def _cpus(node: Told) -> float:
    return float(node["Resources"].get("CPU", 0))


def _only(node: str) -> Told:
    """Options of a task that runs on one node, or not at all."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}
