"""Jobs for many workers, of which any may die: what is finished is never lost.

`Flight` sends jobs through workers and lands each as it ends. The workers may be those of any
`concurrent.futures.Executor`, or `processes` of this computer; of these, new ones take the place of
those that die.
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
    TimeoutError,  # before Python 3.11 not the built-in one
    as_completed,
)
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

J = TypeVar("J")


class Gone(BrokenExecutor):
    """The workers cannot be reached any more, or take no more jobs."""


@dataclass
class Flight(Generic[J]):
    """Jobs on their way through workers.

    Attributes:
        function: what a worker does with a job; it and the jobs must pickle.
        land: called here, in this thread, with each job that ended well and its result.
        split: divides a job into smaller ones. What a worker died of, it may manage in parts.
    """

    function: Callable[[J], Any]
    land: Callable[[J, Any], None]
    split: Callable[[J], Sequence[J]]
    _aloft: dict[Future, J] = field(default_factory=dict, init=False)

    def through(self, workers: Executor | int, jobs: Sequence[J]) -> list[tuple[J, BaseException]]:
        """Send the jobs through an executor, or through this number of processes, and wait.

        Returns:
            The jobs that did not land, in their order, each with the reason: a `BrokenExecutor` if
            it lies with the workers, and the same job may land through others.

        Raises:
            KeyboardInterrupt: here or in a worker. `stop` then lands what had ended by then.
            RuntimeError: processes cannot be started here.
        """
        if isinstance(workers, int):
            return self._through_processes(workers, list(jobs))
        lost = self._send(workers, jobs)
        parts = [self._parts(job, error) for job, error in lost]
        again = [part for several in parts for part in several]
        whole = [pair for pair, several in zip(lost, parts, strict=True) if not several]
        return whole + self._send(workers, again) if again else whole

    def stop(self) -> None:
        """Cancel what still waits, and land what has ended meanwhile."""
        self.cancel()
        for future in list(self._aloft):
            if future.done() and _error(future) is None:
                self._land(future)
        self._aloft.clear()

    def cancel(self) -> None:
        """Let what still waits not begin."""
        for future in self._aloft:
            future.cancel()

    def _send(self, executor: Executor, jobs: Sequence[J]) -> list[tuple[J, BaseException]]:
        refusal, flight = None, secrets.token_hex(8)
        try:
            for job in jobs:
                self._aloft[executor.submit(work, self.function, job, flight)] = job
        except Exception as error:
            refusal = Gone(f"{type(error).__name__}: {error}")
        refused = jobs[len(self._aloft) :]
        for future in _as_they_end(self._aloft):
            error = _error(future)
            if isinstance(error, KeyboardInterrupt):  # Ctrl-C in a terminal reaches workers as well
                raise error
            if error is None:
                self._land(future)
        lost = [(job, _error(future)) for future, job in self._aloft.items()]
        self._aloft.clear()
        return lost + [(job, refusal) for job in refused]

    def _land(self, future: Future) -> None:
        self.land(self._aloft[future], future.result())
        del self._aloft[future]  # not before: an interrupted landing is done again by `stop`

    def _parts(self, job: J, error: BaseException) -> Sequence[J]:
        """What to try instead of a job that failed; nothing if it is to blame itself, or nobody."""
        parts = self.split(job)
        return parts if len(parts) > 1 and not isinstance(error, BrokenExecutor) else []

    def _through_processes(self, count: int, jobs: list[J]) -> list[tuple[J, BaseException]]:
        """A pool breaks as a whole and does not say whose process died.

        So those that were under way go on one at a time, and the rest in a fresh pool.
        """
        lost: list[tuple[J, BaseException]] = []
        while jobs:
            with processes(count) as pool:
                ready = pool.submit(os.getpid)
                left = self._send(pool, jobs)
            if ready.exception() is not None:
                raise RuntimeError(CANNOT_START)
            broken = [job for job, error in left if isinstance(error, BrokenExecutor)]
            failed = [job for job, error in left if not isinstance(error, BrokenExecutor)]
            under_way = count + 1  # a pool takes one job more than it has processes
            lost += self._one_by_one(failed + broken[:under_way])
            jobs = broken[under_way:]
        return lost

    def _one_by_one(self, jobs: list[J]) -> list[tuple[J, BaseException]]:
        """Each alone in a process, which is replaced when it dies."""
        lost: list[tuple[J, BaseException]] = []
        accused = None
        while jobs:
            with processes(1) as pool:
                left = []
                while jobs and not left:
                    job, *jobs = jobs
                    left = self._send(pool, [job])
            if not left:
                break
            if job is not accused:  # somebody else may have killed the process: once more
                accused, jobs = job, [job, *jobs]
            elif len(parts := self.split(job)) > 1:
                jobs = [*parts, *jobs]
            else:
                lost += [(job, RuntimeError(f"its process died: {error}")) for _, error in left]
        return lost


CANNOT_START = (
    "the processes died before they could begin; what they said is above. They start by importing "
    "the program that asked for them: it must be a file, or a cell of a notebook, and in a file "
    'the call belongs below `if __name__ == "__main__":`'
)


def _as_they_end(futures: Iterable[Future]) -> Iterator[Future]:
    """`as_completed` in waits of a second: on Windows, Ctrl-C does not interrupt a wait."""
    waiting = set(futures)
    while waiting:
        with suppress(TimeoutError):
            for future in as_completed(waiting, timeout=1):
                waiting.discard(future)
                yield future


def _error(future: Future) -> BaseException | None:
    """Why a future that is done has no result; None if it has one."""
    return Gone("the connection was lost") if future.cancelled() else future.exception()


def work(function: Callable[[J], Any], job: J, flight: str) -> Any:
    """What a worker does.

    Dask takes calls with equal arguments for one. `flight` tells those of another run apart, which
    may have been cancelled a moment ago.
    """
    return function(job)


@contextmanager
def processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of `count` processes that end when this one ends.

    Leaving the block by an exception ends them at once. They also end when this process is killed;
    those of a plain pool would stay for ever, waiting for work.
    """
    # Spawned: a forked copy of a process in which PyTorch has already computed may hang.
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _begin, (theirs,))
    try:
        yield pool
        pool.shutdown()
    finally:
        ours.close()
        pool.shutdown(cancel_futures=True)
        theirs.close()


def _begin(parent: Connection) -> None:
    """Make a process of the pool leave Ctrl-C to its parent, and end as soon as that is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        with suppress(EOFError, OSError):
            parent.recv_bytes()  # nothing is ever sent: this returns when the other end is closed
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
