"""Who runs trials. An engine is handed trials and hands back what they found, as they finish; it keeps nothing."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol

from parity.search.measured import machine_kind, measure
from parity.search.places import Places
from parity.search.trial import Result, Trial
from reference.spec.processes import processes

Job = Callable[[Trial, Places], Result]
ATTEMPTS = 3  # of a trial whose process dies: by itself the last two times, so that no other is blamed for it


@dataclass(frozen=True, kw_only=True)
class Done:
    """A trial that is over. Without a `result` it was lost: `why` says how; that is no answer, and is not kept."""

    trial: Trial
    result: Result | None
    attempts: int = 1
    why: str = ""


class Engine(Protocol):
    """Whoever measures trials. Use it as a context manager. Adding one is a file, and a line where the command chooses."""

    def __enter__(self) -> "Engine": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def machines(self) -> Sequence[str]:
        """Kinds of machines that it may race on (`Race.machine`)."""

    def map(self, trials: Iterable[Trial]) -> Iterator[Done]:
        """Every trial once, in the order they finish. One that is lost is asked again, and named when it is lost too often.

        Raises InputError where a worker has not what a trial names.
        """


@dataclass(kw_only=True)
class LocalEngine:
    """Processes of this machine, which stay until the engine is left. Races are run one at a time, with nothing beside them.

    Trials that were running when a process died are asked again one by one, so that no other is blamed for it. `job` is what
    is done with a trial, a function by its name.
    """

    places: Places
    workers: int = 1
    job: Job = measure
    _pool: Executor | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "LocalEngine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        self._pool = None

    def machines(self) -> Sequence[str]:
        """This one."""
        return [machine_kind()]

    def map(self, trials: Iterable[Trial]) -> Iterator[Done]:
        """As `Engine.map`."""
        asked = sorted(trials, key=lambda trial: trial.race is not None)
        queue = _Queue(waiting=deque(asked))
        while not queue.empty:
            running: dict[Future[Result], Trial] = {}
            whole = self._hand_out(queue, running)
            while running and whole:
                wait(running, return_when=FIRST_COMPLETED)
                for future in [one for one in running if one.done() and not _died(one)]:
                    yield queue.done(running.pop(future), future.result())
                whole = not any(map(_died, running)) and self._hand_out(queue, running)
            if not whole:
                self._stack.close()
                self._pool = None
                yield from queue.suspect(running.values())

    def _hand_out(self, queue: "_Queue", running: dict[Future[Result], Trial]) -> bool:
        """As many trials as may run at once; False where the pool takes no more, because a process of it has died."""
        if self._pool is None:
            self._pool = self._stack.enter_context(processes(self.workers, "a search", "search"))
        while (trial := queue.next(len(running), self.workers)) is not None:
            try:
                running[self._pool.submit(self.job, trial, self.places)] = trial
            except BrokenProcessPool:
                queue.waiting.appendleft(trial)
                return False
            queue.attempts[trial.address] += 1
        return True


@dataclass(kw_only=True)
class _Queue:
    """Trials that wait, and those that may have killed a process."""

    waiting: deque[Trial]
    suspects: deque[Trial] = field(default_factory=deque)
    attempts: Counter[str] = field(default_factory=Counter)

    @property
    def empty(self) -> bool:
        return not (self.waiting or self.suspects)

    def next(self, running: int, workers: int) -> Trial | None:
        """What is to be run beside so many others, if anything: suspects and races run alone."""
        queue = self.suspects or self.waiting
        if not queue:
            return None
        alone = bool(self.suspects) or queue[0].race is not None
        return queue.popleft() if running < (1 if alone else workers) else None

    def done(self, trial: Trial, result: Result) -> Done:
        return Done(trial=trial, result=result, attempts=self.attempts[trial.address])

    def suspect(self, running: Iterable[Trial]) -> Iterator[Done]:
        """Those that ran when a process died are to be asked again, or are lost."""
        for trial in running:
            attempts = self.attempts[trial.address]
            if attempts < ATTEMPTS:
                self.suspects.append(trial)
            else:
                why = f"its process died {attempts} times (out of memory?)"
                yield Done(trial=trial, result=None, attempts=attempts, why=why)


def _died(future: Future[Result]) -> bool:
    return future.done() and isinstance(future.exception(), BrokenProcessPool)
