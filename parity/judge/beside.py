"""Contenders whose runtime computes on one core, whatever it is asked for, judged beside the others on a core that is to spare.

In a process of its own: threads would wait for each other, for of a small model most of the time goes into Python.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litert_pipeline.bundle import Bundle
from parity.judge.graph import UnseenGraph
from parity.judge.judge import Judge
from parity.judge.lineup import labelled
from parity.judge.panel import Learned
from parity.measure.verdict import Verdict
from parity.truth.store import Store
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
    """What it tells: checks by contender, graphs that could not be compared, and what was asked."""

    checks: Mapping[str, list[Verdict]]
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
def beside(plan: "Plan", names: list[str]) -> Iterator[Told]:
    """Begin to judge `names`. What is given waits for them and tells their checks; the plan's judge then knows what they
    answered, and the plan which graphs could not be compared. Raises InputError as judging them here would."""
    if not names:
        yield dict
        return
    with processes(1, f"judging {', '.join(names)}", "judge") as pool:
        yield telling(plan, pool, names)


def telling(plan: "Plan", pool: Executor, names: list[str]) -> Told:
    """Begin it in one of a pool's processes, as `beside` does."""
    running = pool.submit(_judge, _asked(plan, names))

    def told() -> Mapping[str, list[Verdict]]:
        found = running.result()
        plan.unseen.extend(found.unseen)
        plan.judge.learn(found.learned)
        return found.checks

    return told


def _asked(plan: "Plan", names: list[str]) -> _Asked:
    judge = plan.judge
    own = {one.name: getattr(plan, one.name) for one in fields(plan) if one.name != "judge"}
    return _Asked(
        kind=type(plan), plan={**own, "variants": names, "unseen": []}, model=judge.stage_model.files.weights,
        bundles=[bundle for _, bundle in labelled(judge.contenders)], threads=judge.threads, store=judge.truths.store,
    )  # fmt: skip


def _judge(asked: _Asked) -> Found:
    with Judge.of(asked.model, asked.bundles, asked.threads, asked.store) as judge:
        plan = asked.kind(judge=judge, **asked.plan)
        checks = {name: list(plan.of_one(name, lambda _: None)) for name in plan.variants}
        return Found(checks=checks, unseen=plan.unseen, learned=judge.learned)
