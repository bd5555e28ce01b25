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

# A job is a list of words, each something that a worker does.
ABC = [["a"], ["b"], ["c"]]


def act(job: list[str]) -> str:
    for word in job:
        if word == "raise":
            raise ArithmeticError("too much")
        if word == "die" or (word.startswith("die once ") and not Path(word[9:]).exists()):
            if word != "die":
                Path(word[9:]).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return " ".join(job)


class Scripted(Executor):
    """Runs here what is submitted, unless it has an answer for the job: the first of a list."""

    def __init__(self, answers: dict[str, list]) -> None:
        self.answers = answers

    def submit(self, call, function, job, token):
        future: Future = Future()
        answers = self.answers.get(job[0])
        answer = answers.pop(0) if answers else None
        if isinstance(answer, type):
            raise answer("said no")
        if answer == "cancel":
            future.cancel()
            future.set_running_or_notify_cancel()
        elif answer is None:
            try:
                future.set_result(call(function, job, token))
            except ArithmeticError as error:
                future.set_exception(error)
        elif answer != "wait":
            future.set_exception(answer)
        return future


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([], None),
        ([OSError("disk")] * 2, None),  # the third try succeeds
        ([OSError("disk")] * 3, OSError),
        # The executor is gone, and not asked again:
        ([BrokenProcessPool("a process died")], BrokenExecutor),
        (["cancel"], BrokenExecutor),  # so Dask says that its scheduler is gone
        ([RuntimeError], BrokenExecutor),  # while jobs are still being submitted
    ],
)
def test_what_succeeds_is_reported_and_the_rest_is_named(answers, reason):
    results = []
    executor = Scripted({"b": list(answers)})
    lost = run_jobs(act, ABC, executor, lambda job, result: results.append(result))
    assert sorted(results) == (["a", "c"] if reason else ["a", "b", "c"])
    assert [job for job, _ in lost] == ([["b"]] if reason else [])
    assert all(isinstance(error, reason) for _, error in lost)


def test_a_job_that_fails_is_done_in_parts():
    results = []
    jobs = [["a", "raise", "b"], ["c"]]
    lost = run_jobs(act, jobs, Scripted({}), lambda job, result: results.append(result))
    assert set(results) == {"a", "b", "c"}
    assert [(job, str(error)) for job, error in lost] == [(["raise"], "too much")]


@pytest.mark.parametrize("when", ["reporting", "waiting", "in a worker"])
def test_an_interrupt_keeps_what_has_ended(when):
    results = set()

    def on_result(job, result):
        nonlocal when
        if when == "reporting":
            when = ""
            raise KeyboardInterrupt
        results.add(result)
        if when == "waiting" and len(results) == 4:
            Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()

    last = KeyboardInterrupt("there") if when == "in a worker" else None
    executor = Scripted({"never": ["wait"], "last": [last]})
    with pytest.raises(KeyboardInterrupt):
        run_jobs(act, [["never"], *ABC, ["last"]], executor, on_result)
    assert {"a", "b", "c"} <= results


@pytest.mark.slow
def test_a_process_that_dies_costs_nothing_but_the_job_that_kills_it(tmp_path):
    once = f"die once {tmp_path / 'died'}"
    results = []
    with Processes(2) as executor:
        jobs = [["a"], [once], ["b", "die"], ["c"], ["d"]]
        lost = run_jobs(act, jobs, executor, lambda job, result: results.append(result))
    assert sorted(results) == sorted(["a", once, *"bcd"])
    assert [job for job, _ in lost] == [["die"]]
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
    print(run_jobs(len, [["abc"]], executor, print))
"""


def start(path: Path, source: str) -> subprocess.Popen:
    path.write_text(source, "utf-8")
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, path], **pipes)


@pytest.mark.slow
def test_a_script_without_a_guard_is_told_so(tmp_path):
    program = start(tmp_path / "script.py", GUARDLESS)
    _, said = program.communicate()
    assert program.returncode == 1
    assert 'if __name__ == "__main__"' in [x for x in said.split("\n") if "CannotStart: " in x][-1]


ORPHANS = """
import os, time
from dreamlab.measure.workers import Processes
if __name__ == "__main__":
    with Processes(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def test_processes_end_when_their_parent_is_killed(tmp_path):
    program = start(tmp_path / "script.py", ORPHANS)
    child = int(program.stdout.readline())
    program.kill()
    program.wait()
    with pytest.raises(ProcessLookupError):
        for _ in range(1200):  # a minute
            os.kill(child, 0)
            time.sleep(0.05)
