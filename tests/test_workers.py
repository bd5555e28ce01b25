"""Workers: whatever happens to them, what is finished is kept and the rest is done or named."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import Timer

import pytest

from dreamlab.measure.workers import Flight, processes

# A job is a tuple of words, each something that a worker does.


def act(job: tuple[str, ...]) -> tuple[str, ...]:
    for word in job:
        if word == "raise":
            raise ArithmeticError("too much")
        if word == "interrupt":
            raise KeyboardInterrupt
        if word == "die" or (word.startswith("die once ") and not Path(word[9:]).exists()):
            if word != "die":
                Path(word[9:]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return job


def flight() -> tuple[Flight, dict]:
    landed = {}
    words = lambda job: [(word,) for word in job]  # noqa: E731
    return Flight(act, landed.__setitem__, words), landed


class Scripted(Executor):
    """Runs what is submitted here, until it comes to a job that it has an answer for."""

    def __init__(self, answers: dict) -> None:
        self.answers = answers

    def submit(self, work, function, job, flight):
        future: Future = Future()
        answer = self.answers.get(job[0])
        if isinstance(answer, type) and issubclass(answer, BaseException):
            raise answer("said no")
        if answer == "cancel":
            future.cancel()
            future.set_running_or_notify_cancel()
        elif answer == "wait":
            pass
        elif answer is not None:
            future.set_exception(answer)
        else:
            try:
                future.set_result(work(function, job, flight))
            except BaseException as error:
                future.set_exception(error)
        return future


# --- any executor -----------------------------------------------------------------------------

ABC = [("a",), ("b",), ("c",)]


@pytest.mark.parametrize(
    ("answers", "landed", "reasons"),
    [
        ({}, "abc", {}),
        ({"b": BrokenProcessPool("a process died")}, "ac", {"b": BrokenExecutor}),
        ({"b": "cancel"}, "ac", {"b": BrokenExecutor}),  # so Dask says that its scheduler is gone
        ({"b": OSError("disk")}, "ac", {"b": OSError}),
        # While jobs are still being submitted:
        ({"b": BrokenProcessPool}, "a", {"b": BrokenExecutor, "c": BrokenExecutor}),
        ({"b": RuntimeError}, "a", {"b": BrokenExecutor, "c": BrokenExecutor}),
        ({"a": TypeError}, "", dict.fromkeys("abc", BrokenExecutor)),
    ],
)
def test_what_ends_well_lands_and_the_rest_is_named(answers, landed, reasons):
    work, done = flight()
    lost = work.through(Scripted(answers), ABC)
    assert sorted(done) == [(word,) for word in landed]
    assert [job for job, _ in lost] == [(word,) for word in reasons]
    assert all(isinstance(error, reasons[word]) for (word,), error in lost)


def test_a_job_that_fails_is_done_in_parts():
    work, done = flight()
    lost = work.through(Scripted({}), [("a", "raise", "b"), ("c",)])
    assert set(done) == {("a",), ("b",), ("c",)}
    assert [(job, str(error)) for job, error in lost] == [(("raise",), "too much")]


@pytest.mark.parametrize("when", ["submitting", "landing", "waiting", "in a worker"])
def test_an_interrupt_keeps_what_has_ended(when):
    work, done = flight()
    land = work.land

    def interrupting(job, result):
        if when == "landing" and work.land is interrupting:
            work.land = land
            raise KeyboardInterrupt
        land(job, result)
        if when == "waiting" and len(done) == 4:
            Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()

    work.land = interrupting
    last = {"submitting": KeyboardInterrupt, "in a worker": KeyboardInterrupt("there")}.get(when)
    with pytest.raises(KeyboardInterrupt):
        work.through(Scripted({"never": "wait", "last": last}), [("never",), *ABC, ("last",)])
    work.stop()
    assert set(ABC) <= set(done) <= {*ABC, ("last",)}


# --- processes of this computer ---------------------------------------------------------------


@pytest.mark.slow
def test_a_process_that_dies_costs_nothing_but_the_job_that_kills_it(tmp_path):
    once = f"die once {tmp_path / 'died'}"
    jobs = [("a",), (once,), ("b", "die"), ("c",), ("d",), ("e",)]
    work, done = flight()
    lost = work.through(2, jobs)
    assert set(done) == {(word,) for word in ["a", once, *"bcde"]}
    assert [job for job, _ in lost] == [("die",)]
    assert "its process died" in str(lost[0][1])
    assert not active_children()


@pytest.mark.slow
def test_a_pool_of_another_keeps_what_is_finished():
    work, done = flight()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        lost = work.through(pool, [("a",), ("die",), ("b",)])
    assert set(done) == {("a",)}
    assert [job for job, _ in lost] == [("die",), ("b",)]
    assert all(isinstance(error, BrokenExecutor) for _, error in lost)


@pytest.mark.slow
def test_an_exception_ends_the_processes_at_once():
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt), processes(1) as pool:
        pool.submit(os.getpid).result()
        begin = time.monotonic()
        pool.submit(time.sleep, 600)
        raise KeyboardInterrupt
    assert time.monotonic() - begin < 300
    assert not active_children()


GUARDLESS = """
from dreamlab.measure.workers import Flight
print(Flight(len, print, list).through(1, ["abc"]))
"""

ORPHANS = """
import os, time
from dreamlab.measure.workers import processes
if __name__ == "__main__":
    with processes(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def run(path: Path, source: str) -> subprocess.Popen:
    path.write_text(source, "utf-8")
    return subprocess.Popen(
        [sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so(tmp_path):
    program = run(tmp_path / "script.py", GUARDLESS)
    _, said = program.communicate()
    assert program.returncode == 1
    assert "RuntimeError: the processes died before they could begin" in said
    assert 'if __name__ == "__main__"' in said.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="asks for a process by its number")
def test_processes_end_when_their_parent_is_killed(tmp_path):
    program = run(tmp_path / "script.py", ORPHANS)
    child = int(program.stdout.readline())
    program.kill()
    program.wait()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child of a killed program is still there after a minute")
