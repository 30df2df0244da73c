"""Ray for as long as it is needed: joined where it runs, else started here. Nothing of it stays, and it tells nobody."""

import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psutil

from reference.spec.errors import InputError

LOOPBACK = "127.0.0.1"  # no other machine reaches what is started here
AUTO = "auto"  # instead of an address: Ray is started here
TRIES = 3  # on a busy machine it does not come up within the half minute that it gives itself
OBJECTS_BYTES = 2**27  # for what is handed over on one machine: descriptions and results
PATIENCE_S = 5.0  # for an answer, and for its processes to end by themselves
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_USAGE_STATS_PROMPT_ENABLED": "0",  # else it reports what it runs on
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it hides devices, and warns that it will not
}  # fmt: skip
# All that processes which are started here see of this one's environment: no tokens, no settings of other programs.
PASSED_ON = (
    "PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "XDG_CACHE_HOME", "OMP_NUM_THREADS", "ORT_DISABLE_TELEMETRY", "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip


@contextmanager
def cluster(address: str, cpus: int, resources: Mapping[str, float]) -> Iterator[None]:
    """Ray at `address`, or, for `AUTO`, started here with `cpus` and `resources`. Raises InputError where that fails."""
    with _environment(dict(os.environ)):  # which its import would add to
        import ray

    if ray.is_initialized():
        raise InputError("Ray is in use by this process already; leave it first ('ray.shutdown()')")
    with _started(cpus, resources) if address == AUTO else _joined(address):
        yield


@contextmanager
def _joined(address: str) -> Iterator[None]:
    import ray

    _require_answering(address)
    try:
        with _environment({**os.environ, **QUIET}), _own_signals():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise InputError(_not_joined(address, error)) from None
    try:
        yield
    finally:
        ray.shutdown()


def _require_answering(address: str) -> None:
    """Raise InputError where nobody answers: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S):
            return
    except (OSError, ValueError) as error:
        raise InputError(_not_joined(address, error)) from None


def _not_joined(address: str, error: BaseException) -> str:
    return f"Ray at '{address}' cannot be joined ({_line(error)}); expected HOST:PORT as 'ray start' tells it"


@contextmanager
def _started(cpus: int, resources: Mapping[str, float]) -> Iterator[None]:
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: names of sockets have little room
    try:
        _start(folder, cpus, resources)
        yield
    finally:
        _stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, cpus: int, resources: Mapping[str, float]) -> None:
    import ray

    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = {**kept, **QUIET, "RAY_AUTH_TOKEN": _token()}  # with one it asks for it, without one it would write one down
    for left in reversed(range(TRIES)):
        try:
            with _environment(own), _own_signals(), _errors_only():
                ray.init(
                    address="local", num_cpus=cpus, resources=dict(resources), include_dashboard=False, log_to_driver=False,
                    logging_level="ERROR", object_store_memory=OBJECTS_BYTES, _temp_dir=str(folder),
                    _node_ip_address=LOOPBACK,
                )  # fmt: skip
            return
        except Exception as error:  # it raises that and nothing else where a process of its own does not come up
            _stop(folder)
            if not left:
                told = f"Ray does not start here ({_line(error)})"
                raise InputError(f"{told}; free CPU and memory, or search without --ray") from None


def _stop(folder: Path) -> None:
    """Leave Ray, and end what of it is still there: its helpers outlive a start that failed."""
    import ray

    with _own_signals():
        ray.shutdown()
    left = list(_logging_into(folder))
    _, left = psutil.wait_procs(left, timeout=PATIENCE_S)
    for process in left:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(left, timeout=PATIENCE_S)


def _logging_into(folder: Path) -> Iterator[psutil.Process]:
    """Processes that hold a file open in `folder`, which is ours alone."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and any(Path(file.path).is_relative_to(folder) for file in process.open_files()):
                yield process


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """This process's environment for a while: what Ray starts inherits it."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(variables)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray puts a handler of its own in the place of whoever handles SIGTERM."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _errors_only() -> Iterator[None]:
    """It says how it is set before it reads that it should not."""
    logger = logging.getLogger("ray")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@cache
def _token() -> str:
    """What lets processes join that were started here, and nobody else: one per process, for Ray reads it once."""
    return secrets.token_hex(32)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
