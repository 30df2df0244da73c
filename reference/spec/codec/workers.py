"""A data set encoded in several processes: each has a codec of its own on one thread, and takes item after item."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from reference.spec.codec.codec import Codec
from reference.spec.codec.dataset import RejectedError
from reference.spec.codec.items import Hands, Items, Job, Made, Outcome, PreEncoding
from reference.spec.errors import InputError

MOST_WORKERS = 1024
LINE_ENDS = (EOFError, BrokenPipeError, ConnectionResetError)
OpenCodec = Callable[[], AbstractContextManager[Codec]]  # pickled for other processes: a module's function, or a part of one


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def workers(count: int, open_codec: OpenCodec, plan: PreEncoding) -> Iterator[Hands]:
    """So many processes to encode with; one works here. `open_codec` has to compute on one thread, for then whoever encodes
    an item writes the same bytes.

    Raises InputError if a process dies. Processes end with this one, even if it is killed: what they wait for is then closed.
    """
    if count == 1:
        with open_codec() as codec:
            yield Items(codec=codec, plan=plan)
        return
    started: list[tuple[Connection, BaseProcess]] = []
    try:
        for _ in range(count):
            started.append(_started(open_codec, plan))
        yield _Processes(lines=[line for line, _ in started])
    except BaseException:
        for _, process in started:
            process.terminate()  # what it encodes, nobody waits for
        raise
    finally:
        for line, process in started:
            line.close()
            process.join()


@dataclass(frozen=True, kw_only=True)
class _Processes:
    lines: list[Connection]

    def silence(self) -> None:
        _send(self.lines[0], None)
        _answer(self.lines[0])

    def items(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        left, idle, busy = iter(jobs), list(self.lines), dict[Connection, Job]()
        while True:
            while idle and (job := next(left, None)) is not None:
                line = idle.pop()
                _send(line, job)
                busy[line] = job
            if not busy:
                return
            ready = wait(list(busy))
            for line in [line for line in busy if line in ready]:
                idle.append(line)
                yield busy.pop(line), _answer(line)


def _started(open_codec: OpenCodec, plan: PreEncoding) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")  # a fork would hold the other processes' lines open
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, open_codec, plan), daemon=True)
    process.start()
    theirs.close()
    return ours, process


def _work(line: Connection, open_codec: OpenCodec, plan: PreEncoding) -> None:
    """What a process does until nobody asks for more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's to handle
    try:
        try:
            with open_codec() as codec:
                items = Items(codec=codec, plan=plan)
                while True:
                    line.send(_done(items, line.recv()))
        except LINE_ENDS:
            raise
        except Exception as error:
            line.send(error)  # for the parent to say
    except LINE_ENDS:  # the parent has ended, or needs no more
        return


def _done(items: Items, job: Job | None) -> Made | RejectedError | None:
    if job is not None:
        return items.outcome(job)
    items.silence()
    return None


def _send(line: Connection, job: Job | None) -> None:
    with suppress(*LINE_ENDS):  # its last words, if it had any, are read as its answer
        line.send(job)


def _answer(line: Connection) -> Any:
    try:
        answer = line.recv()
    except LINE_ENDS:
        raise InputError(
            "pre-encoding: a worker ended before its time (out of memory?); what is done is kept, so begin again with fewer "
            "--workers"
        ) from None
    if isinstance(answer, Exception) and not isinstance(answer, RejectedError):
        raise answer
    return answer
