"""Contenders whose runtime computes on one core, whatever it is asked for, judged beside the others on a core that is to spare.

In a process of its own: threads would wait for each other, for of a small model most of the time goes into Python.
"""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from litert_pipeline.bundle import Bundle
from parity.judge.graph import UnseenGraph
from parity.judge.judge import Judge
from parity.judge.lineup import labelled
from parity.judge.panel import Learned
from parity.measure.verdict import Verdict
from parity.truth.store import Store
from reference.progress import Say
from reference.spec.processes import processes

if TYPE_CHECKING:
    from parity.judge.plan import Plan

Told = Callable[[], Mapping[str, list[Verdict]]]  # the checks of each contender that is judged beside


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """All that a process needs to judge contenders by a plan."""

    kind: type["Plan"]
    plan: Mapping[str, Any]  # its fields but the judge
    model: Path
    bundles: Sequence[Bundle]
    threads: int
    store: Store


@dataclass(frozen=True, kw_only=True)
class Found:
    """What it tells: the checks of a contender, its graphs that could not be compared, and what was asked for it."""

    checks: list[Verdict]
    unseen: list[UnseenGraph]
    learned: Learned


def judged_beside(plan: "Plan", cores: int) -> list[str]:
    """Those of a plan's contenders that are; none where there is no core to spare, no other contender, or a large model, of
    which memory holds one stage at a time."""
    judge = plan.judge
    found = [name for name in plan.variants if name not in judge.replaced and judge.contenders[name].runtime.one_core]
    spare = cores > judge.threads and not judge.stage_model.large
    return found if spare and len(found) < len(plan.variants) else []


@contextmanager
def beside(plan: "Plan", names: list[str], say: Say) -> Iterator[Told]:
    """Begin to judge `names`, one after the other. What is given judges here what is not begun there, waits for the rest and
    tells all checks; the plan's judge then knows what was answered there, and the plan which graphs could not be compared.

    Raises InputError as judging them here would.
    """
    if not names:
        yield dict
        return
    say(f"judging {', '.join(names)} meanwhile, on a core of their own")
    with processes(1, f"judging {', '.join(names)}", "judge") as pool:
        line = Line(pool=pool, asked=pickle.dumps(_asked(plan, names)), waiting=names)
        try:
            yield lambda: line.told(plan, say)
        finally:
            line.close()


class Line:
    """Contenders that wait for a process of a pool, from the first on, or to be judged here, from the last on."""

    def __init__(self, pool: Executor, asked: bytes, waiting: list[str]) -> None:
        self.pool, self.asked, self.waiting, self.lock = pool, asked, list(waiting), Lock()
        self.begun: dict[str, Future[Found]] = {}
        self._begin()

    def told(self, plan: "Plan", say: Say) -> Mapping[str, list[Verdict]]:
        """Judge here until nobody waits, then wait for the process; all checks, by contender."""
        checks = {}
        for name in iter(self._last, None):
            say(f"judging {name}")
            checks[name] = list(plan.of_one(name, say))
        for name, running in self.begun.items():
            found = running.result()
            checks[name] = found.checks
            plan.unseen.extend(found.unseen)
            plan.judge.learn(found.learned)
        return checks

    def close(self) -> None:
        """Begin no other."""
        with self.lock:
            self.waiting.clear()

    def _last(self) -> str | None:
        with self.lock:
            return self.waiting.pop() if self.waiting else None

    def _begin(self, before: Future[Found] | None = None) -> None:
        if before is not None and before.exception() is not None:
            return  # it is told in its turn; a process that is gone can be handed nothing
        with self.lock:  # handed over one at a time, for what is handed over cannot be had back
            if not self.waiting:
                return
            name = self.waiting.pop(0)
            running = self.begun[name] = self.pool.submit(_judged, self.asked, name)
        running.add_done_callback(self._begin)


def _asked(plan: "Plan", names: list[str]) -> _Asked:
    judge = plan.judge
    own = {one.name: getattr(plan, one.name) for one in fields(plan) if one.name != "judge"}
    return _Asked(
        kind=type(plan), plan={**own, "variants": names, "unseen": []}, model=judge.stage_model.files.weights,
        bundles=[bundle for _, bundle in labelled(judge.contenders)], threads=judge.threads, store=judge.truths.store,
    )  # fmt: skip


def _judged(asked: bytes, name: str) -> Found:
    plan = _plan(asked)
    before, unseen = plan.judge.learned, len(plan.unseen)
    checks = list(plan.of_one(name, lambda _: None))
    learned = tuple(
        {key: value for key, value in now.items() if key not in known}
        for now, known in zip(plan.judge.learned, before, strict=True)
    )
    return Found(checks=checks, unseen=plan.unseen[unseen:], learned=learned)


@cache  # a process has one, who goes on knowing what it was answered
def _plan(asked: bytes) -> "Plan":
    told: _Asked = pickle.loads(asked)
    judge = Judge.of(told.model, told.bundles, told.threads, told.store).__enter__()  # as long as the process
    return told.kind(judge=judge, **told.plan)
