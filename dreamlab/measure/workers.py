"""Jobs on the workers of any `concurrent.futures` executor: what is lost is sent again."""

import multiprocessing
import os
import secrets
import signal
import threading
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any

TRIES = 3
PATIENCE = 5  # seconds without a result after which a cluster is asked whether it has workers


class CannotStart(RuntimeError):
    """No process ever started."""


def run_jobs(
    function: Callable[[list], Any],
    jobs: Iterable[list],
    executor: Executor,
    on_result: Callable[[list, Any], None],
) -> list[tuple[list, BaseException]]:
    """Send the jobs (lists) through an executor, each up to three times, in parts again, and wait.

    Returns:
        The jobs without a result, each with its error: a `BrokenExecutor` if the executor is gone.

    Raises:
        KeyboardInterrupt: here or in a worker. `on_result` has got all that had ended by then.
        CannotStart: no process of `Processes` ever started.
    """
    pending: dict[Future, tuple[list, int]] = {}
    lost: list[tuple[list, BaseException]] = []

    def submit(job: list, tries: int) -> None:
        try:
            # Dask takes calls with equal arguments for one, so no two have the same token.
            pending[executor.submit(_call, function, job, secrets.token_hex(8))] = job, tries
        except Exception as error:  # it was shut down, broke, or lost its connection
            lost.append((job, BrokenExecutor(f"{type(error).__name__}: {error}")))

    try:
        for job in jobs:
            submit(job, TRIES)
        quiet = 0
        while pending:
            # A second at a time: on Windows, Ctrl-C does not interrupt a wait.
            done, _ = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            for future in done:
                (job, tries), error = pending[future], _error(future)
                if isinstance(error, (KeyboardInterrupt, CannotStart)):
                    raise error
                if error is None:
                    on_result(job, future.result())
                elif tries == 1 or isinstance(error, BrokenExecutor):
                    lost.append((job, error))
                else:
                    for part in job:
                        submit([part], tries - 1)
                del pending[future]  # not before: an interrupted `on_result` is called again below
            quiet = 0 if done else quiet + 1
            if quiet == PATIENCE and _has_no_workers(executor):
                warnings.warn("the cluster has no workers: waiting until one joins", stacklevel=5)
    except BaseException as stopped:
        for future in pending:
            future.cancel()
        for future, (job, _) in pending.items() if isinstance(stopped, KeyboardInterrupt) else ():
            if future.done() and _error(future) is None:
                on_result(job, future.result())
        raise
    return lost


def _call(function: Callable[[list], Any], job: list, token: str) -> Any:
    return function(job)


def _error(future: Future) -> BaseException | None:
    """Why a future that is done has no result; None if it has one."""
    if future.cancelled():  # so Dask says that its scheduler is gone
        return BrokenExecutor("the connection was lost")
    return future.exception()


def _has_no_workers(executor: Executor) -> bool:
    """Whether this is an executor of Dask, whose jobs nobody takes."""
    client = getattr(executor, "_client", None)
    with suppress(Exception):  # the connection is lost; the futures will say so
        return client is not None and not client.nthreads()
    return False


class Processes(ThreadPoolExecutor):
    """`count` processes of this computer, each a pool of its own, replaced when it dies."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        # Not forked from here: a copy of a process in which PyTorch has already computed may hang.
        # A server that has only imported what all need is copied in no time.
        server = "forkserver" in multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver" if server else "spawn")
        if server:
            self._context.set_forkserver_preload(["open_clip"])
        self._theirs, self._ours = self._context.Pipe(duplex=False)
        self._local = threading.local()
        self._pools: list[ProcessPoolExecutor] = []
        self._started = False

    def submit(self, function: Callable, /, *args: Any) -> Future:
        return super().submit(self._in_process, function, *args)

    def _in_process(self, function: Callable, *args: Any) -> Any:
        """Call the function in this thread's process."""
        if not hasattr(self._local, "pool"):
            self._local.pool = ProcessPoolExecutor(1, self._context, _begin, (self._theirs,))
            self._pools.append(self._local.pool)
        try:
            if not self._started:
                self._local.pool.submit(os.getpid).result()
                self._started = True
            return self._local.pool.submit(function, *args).result()
        except Exception as error:
            if not self._started:
                raise CannotStart(
                    "the processes died before they could begin; what they said is above. They "
                    "import the program that asked for them, which must be a file (with the call "
                    'below `if __name__ == "__main__":`) or a cell of a notebook'
                ) from error
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
    # Nothing is ever sent: the wait ends when the other end is closed.
    threading.Thread(target=lambda: (connection.wait([parent]), os._exit(1)), daemon=True).start()
