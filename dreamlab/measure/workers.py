"""Jobs on the workers of any `concurrent.futures.Executor`: what does not come back is sent again.

`run_jobs` is the loop. `Processes` is an executor of processes of this computer, of which each that
dies is replaced.
"""

import multiprocessing
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    TimeoutError,  # before Python 3.11 not the built-in one
    as_completed,
)
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

J = TypeVar("J")
TRIES = 3

CANNOT_START = (
    "the processes died before they could begin; what they said is above. They start by importing "
    "the program that asked for them: it must be a file, or a cell of a notebook, and in a file "
    'the call belongs below `if __name__ == "__main__":`'
)


def run_jobs(
    function: Callable[[J], Any],
    jobs: Sequence[J],
    executor: Executor,
    on_result: Callable[[J, Any], None],
    split: Callable[[J], Sequence[J]] = lambda job: [job],
) -> list[tuple[J, BaseException]]:
    """Send the jobs through an executor, each up to three times, and wait.

    Args:
        function: what a worker does with a job; it and the jobs must pickle.
        on_result: called here, in this thread, with each job that succeeded and its result.
        split: divides a job that failed into smaller ones for the next try.

    Returns:
        The jobs without a result, each with its error: a `BrokenExecutor` if the executor is gone,
        and the same job may succeed on another.

    Raises:
        KeyboardInterrupt: here or in a worker. `on_result` has got all that had ended by then.
        CannotStart: no process of `Processes` ever started.
    """
    lost: list[tuple[J, BaseException]] = []
    for left in reversed(range(TRIES)):
        failed = _send(function, jobs, executor, on_result)
        jobs = []
        for job, error in failed:
            if left and not isinstance(error, BrokenExecutor):
                jobs += split(job)
            else:
                lost.append((job, error))
    return lost


def _send(
    function: Callable[[J], Any],
    jobs: Sequence[J],
    executor: Executor,
    on_result: Callable[[J, Any], None],
) -> list[tuple[J, BaseException]]:
    """Send each job once; returns those that failed, with their errors."""
    pending: dict[Future, J] = {}
    failed: list[tuple[J, BaseException]] = []
    attempt = secrets.token_hex(8)
    try:
        for number, job in enumerate(jobs):
            try:
                pending[executor.submit(_call, function, job, attempt)] = job
            except Exception as error:  # it was shut down, broke, or lost its connection
                gone = BrokenExecutor(f"{type(error).__name__}: {error}")
                failed = [(job, gone) for job in jobs[number:]]
                break
        for future in _as_completed(pending):
            error = _error(future)
            if isinstance(error, (KeyboardInterrupt, CannotStart)):
                raise error
            if error is None:
                on_result(pending[future], future.result())
            else:
                failed.append((pending[future], error))
            del pending[future]  # not before: an interrupted `on_result` is called again below
    except BaseException as stopped:
        for future in pending:
            future.cancel()
        if isinstance(stopped, KeyboardInterrupt):
            for future, job in pending.items():
                if future.done() and _error(future) is None:
                    on_result(job, future.result())
        raise
    return failed


def _call(function: Callable[[J], Any], job: J, attempt: str) -> Any:
    """What a worker does. Dask takes calls with equal arguments for one; `attempt` differs."""
    return function(job)


def _as_completed(futures: Iterable[Future]) -> Iterator[Future]:
    """`as_completed` in waits of a second: on Windows, Ctrl-C does not interrupt a wait."""
    waiting = set(futures)
    while waiting:
        with suppress(TimeoutError):
            for future in as_completed(waiting, timeout=1):
                waiting.discard(future)
                yield future


def _error(future: Future) -> BaseException | None:
    """Why a future that is done has no result; None if it has one."""
    if future.cancelled():  # so Dask says that its scheduler is gone
        return BrokenExecutor("the connection was lost")
    return future.exception()


class CannotStart(RuntimeError):
    """No process ever started."""


class Processes(ThreadPoolExecutor):
    """An executor of `count` processes of this computer, each replaced when it dies.

    A `ProcessPoolExecutor` breaks as a whole when one process dies, and does not say on which job.
    So each process is a pool of its own, with a thread here that waits for it.

    The processes end when the `with` block does, at once if by an exception, and when this process
    is killed; those of a plain pool would then stay for ever, waiting for work.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        # Spawned: a forked copy of a process in which PyTorch has already computed may hang.
        self._context = multiprocessing.get_context("spawn")
        self._theirs, self._ours = self._context.Pipe(duplex=False)
        self._local = threading.local()
        self._pools: list[ProcessPoolExecutor] = []
        self._started = False

    def submit(self, function: Callable, /, *args: Any) -> Future:
        return super().submit(self._in_process, function, *args)

    def _in_process(self, function: Callable, *args: Any) -> Any:
        """Call the function in this thread's process."""
        if not hasattr(self._local, "pool"):
            pool = ProcessPoolExecutor(1, self._context, _begin, (self._theirs,))
            self._local.pool = pool
            self._pools.append(pool)
        try:
            if not self._started:
                self._local.pool.submit(os.getpid).result()
                self._started = True
            return self._local.pool.submit(function, *args).result()
        except Exception as error:
            if not self._started:
                raise CannotStart(CANNOT_START) from error
            if isinstance(error, BrokenExecutor):
                del self._local.pool
                raise RuntimeError(f"its process died: {error}") from error
            raise

    def __exit__(self, *exception: Any) -> None:
        if any(exception):
            self._ours.close()
        self.shutdown(cancel_futures=True)
        for pool in self._pools:
            pool.shutdown()
        self._ours.close()
        self._theirs.close()


def _begin(parent: Connection) -> None:
    """Make a process leave Ctrl-C to its parent, and end as soon as that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        with suppress(EOFError, OSError):
            parent.recv_bytes()  # nothing is ever sent: this returns when the other end is closed
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
