"""Workers: whatever happens to them, what is finished is kept and the rest is done or named."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children
from pathlib import Path
from threading import Timer

import pytest

from dreamlab.measure.workers import Processes, run_jobs

# A job is a tuple of words, each something that a worker does.
ABC = [("a",), ("b",), ("c",)]


def act(job: tuple[str, ...]) -> tuple[str, ...]:
    for word in job:
        if word == "raise":
            raise ArithmeticError("too much")
        if word == "die" or (word.startswith("die once ") and not Path(word[9:]).exists()):
            if word != "die":
                Path(word[9:]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return job


def words(job: tuple[str, ...]) -> list[tuple[str, ...]]:
    return [(word,) for word in job]


class Scripted(Executor):
    """Runs here what is submitted, unless it has an answer for the job: the first of a list."""

    def __init__(self, answers: dict[str, list]) -> None:
        self.answers = answers

    def submit(self, call, function, job, attempt):
        future: Future = Future()
        answers = self.answers.get(job[0])
        answer = answers.pop(0) if answers else None
        if isinstance(answer, type):
            raise answer("said no")
        if answer == "cancel":
            future.cancel()
            future.set_running_or_notify_cancel()
        elif answer is not None and answer != "wait":
            future.set_exception(answer)
        elif answer is None:
            try:
                future.set_result(call(function, job, attempt))
            except ArithmeticError as error:
                future.set_exception(error)
        return future


@pytest.mark.parametrize(
    ("answers", "done", "reasons"),
    [
        ([], "abc", {}),
        ([OSError("disk")] * 2, "abc", {}),  # the third try succeeds
        ([OSError("disk")] * 3, "ac", {"b": OSError}),
        # The executor is gone, and not asked again:
        ([BrokenProcessPool("a process died")], "ac", {"b": BrokenExecutor}),
        (["cancel"], "ac", {"b": BrokenExecutor}),  # so Dask says that its scheduler is gone
        # While jobs are still being submitted:
        ([BrokenProcessPool], "a", {"b": BrokenExecutor, "c": BrokenExecutor}),
        ([RuntimeError], "a", {"b": BrokenExecutor, "c": BrokenExecutor}),
    ],
)
def test_what_succeeds_is_reported_and_the_rest_is_named(answers, done, reasons):
    results = {}
    lost = run_jobs(act, ABC, Scripted({"b": list(answers)}), results.__setitem__)
    assert sorted(results) == [(word,) for word in done]
    assert [job for job, _ in lost] == [(word,) for word in reasons]
    assert all(isinstance(error, reasons[word]) for (word,), error in lost)


def test_a_job_that_fails_is_done_in_parts():
    results = {}
    jobs = [("a", "raise", "b"), ("c",)]
    lost = run_jobs(act, jobs, Scripted({}), results.__setitem__, words)
    assert set(results) == {("a",), ("b",), ("c",)}
    assert [(job, str(error)) for job, error in lost] == [(("raise",), "too much")]


@pytest.mark.parametrize("when", ["submitting", "reporting", "waiting", "in a worker"])
def test_an_interrupt_keeps_what_has_ended(when):
    results = {}

    def on_result(job, result):
        nonlocal when
        if when == "reporting":
            when = ""
            raise KeyboardInterrupt
        results[job] = result
        if when == "waiting" and len(results) == 4:
            Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()

    last = {"submitting": KeyboardInterrupt, "in a worker": KeyboardInterrupt("there")}.get(when)
    executor = Scripted({"never": ["wait"], "last": [last]})
    with pytest.raises(KeyboardInterrupt):
        run_jobs(act, [("never",), *ABC, ("last",)], executor, on_result)
    assert set(ABC) <= set(results) <= {*ABC, ("last",)}


@pytest.mark.slow
def test_a_process_that_dies_costs_nothing_but_the_job_that_kills_it(tmp_path):
    once = f"die once {tmp_path / 'died'}"
    results = {}
    with Processes(2) as executor:
        jobs = [("a",), (once,), ("b", "die"), ("c",), ("d",), ("e",)]
        lost = run_jobs(act, jobs, executor, results.__setitem__, words)
    assert set(results) == {(word,) for word in ["a", once, *"bcde"]}
    assert [job for job, _ in lost] == [("die",)]
    assert "its process died" in str(lost[0][1])
    assert not active_children()


@pytest.mark.slow
def test_an_exception_ends_the_processes_at_once():
    with pytest.raises(KeyboardInterrupt), Processes(1) as pool:
        pool.submit(os.getpid).result()
        begin = time.monotonic()
        pool.submit(time.sleep, 600)
        raise KeyboardInterrupt
    assert time.monotonic() - begin < 300
    assert not active_children()


GUARDLESS = """
from dreamlab.measure.workers import Processes, run_jobs
with Processes(1) as executor:
    print(run_jobs(len, ["abc"], executor, print))
"""

ORPHANS = """
import os, time
from dreamlab.measure.workers import Processes
if __name__ == "__main__":
    with Processes(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def start(path: Path, source: str) -> subprocess.Popen:
    path.write_text(source, "utf-8")
    return subprocess.Popen(
        [sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so(tmp_path):
    program = start(tmp_path / "script.py", GUARDLESS)
    _, said = program.communicate()
    assert program.returncode == 1
    assert 'if __name__ == "__main__"' in said.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="asks for a process by its number")
def test_processes_end_when_their_parent_is_killed(tmp_path):
    program = start(tmp_path / "script.py", ORPHANS)
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
