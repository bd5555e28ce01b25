"""The choice of arithmetic: what is measured faster is taken, and said.

Work moves a clock of ours: on a busy machine, real time would choose now this, now that.
"""

import os
import platform
import subprocess
import sys

import pytest
import torch

import dreamlab.support.precision
from dreamlab.support.precision import Precision, choose_precision

MILLISECOND = 0.001


class Clock:
    """Shows the seconds that work has taken."""

    now = 0.0

    def perf_counter(self):
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def _our_clock(monkeypatch):
    monkeypatch.setattr(dreamlab.support.precision, "time", CLOCK)


@pytest.fixture
def four_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


class Work:
    """Takes so many milliseconds in each arithmetic and, on top, for each number of threads."""

    def __init__(self, float32=2, bfloat16=2, threads=None):
        self.cost = {False: float32, True: bfloat16}
        self.threads = threads or {}
        self.calls = []

    def __call__(self):
        bfloat16 = torch.is_autocast_enabled("cpu")
        self.calls.append((bfloat16, torch.get_num_threads()))
        cost = self.cost[bfloat16]
        if isinstance(cost, Exception):
            raise cost
        CLOCK.now += (cost + self.threads.get(torch.get_num_threads(), 0)) * MILLISECOND


SLOW_ALONE = {4: 0, 2: 15, 1: 30}
BEST_WITH_TWO = {4: 20, 2: 0, 1: 10}


@pytest.mark.parametrize(
    ("work", "dtype", "threads"),
    [
        (Work(float32=20, bfloat16=5), "bfloat16", 4),
        (Work(float32=5, bfloat16=20), "float32", 4),
        (Work(float32=20, bfloat16=20), "float32", 4),  # no better is not better
        (Work(bfloat16=RuntimeError("no kernel")), "float32", 4),
        (Work(bfloat16=NotImplementedError("no kernel")), "float32", 4),
        (Work(threads=SLOW_ALONE), "float32", 4),
        (Work(threads=BEST_WITH_TWO), "float32", 2),
        (Work(float32=30, bfloat16=5, threads=BEST_WITH_TWO), "bfloat16", 2),
    ],
    ids=["fast", "slow", "same", "impossible", "unknown", "all-threads", "two", "both"],
)
def test_what_is_faster_is_chosen(four_threads, work, dtype, threads):
    chosen = choose_precision(work, 0.3)
    assert (chosen.dtype, chosen.threads) == (dtype, threads)
    assert torch.get_num_threads() == 4, "the caller decides whether to follow"
    assert not torch.is_autocast_enabled("cpu")
    assert f"{dtype} on cpu with {threads} threads (measured: " in str(chosen)
    assert "2 threads" in str(chosen) and "1 thread " in str(chosen) and "bfloat16" in str(chosen)


def test_the_sentence_gives_the_ratio():
    assert "bfloat16 0.2" in str(choose_precision(Work(float32=10, bfloat16=45), 0.2))
    assert "no bfloat16 here" in str(choose_precision(Work(bfloat16=RuntimeError()), 0.01))


def test_what_is_hopeless_runs_once():
    work = Work(float32=5, bfloat16=300)
    assert choose_precision(work, 0.1).dtype == "float32"
    assert sum(bfloat16 for bfloat16, _ in work.calls) == 1


def test_slow_work_is_measured_at_least_twice():
    work = Work(float32=100, bfloat16=40)
    assert choose_precision(work, 0.01).dtype == "bfloat16"
    assert [bfloat16 for bfloat16, _ in work.calls][-4:] == [False, True, False, True]


def test_an_error_of_the_work_itself_is_not_hidden(four_threads):
    with pytest.raises(RuntimeError, match="shapes"):
        choose_precision(Work(float32=RuntimeError("shapes do not fit")), 0.01)
    assert torch.get_num_threads() == 4


def test_a_decision_that_was_kept_can_be_used_again():
    kept = Precision("bfloat16", 3, "cpu", "bfloat16 1.6 × as fast as float32")
    again = Precision(kept.dtype, kept.threads, kept.device)
    assert again == kept
    assert str(again) == "bfloat16 on cpu with 3 threads"
    a = torch.rand(4, 4)
    with again.autocast():
        assert (a @ a).dtype == torch.bfloat16
    with Precision("float32", 1).autocast():
        assert (a @ a).dtype == torch.float32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("float16", 1), "dtype must be one of float32, bfloat16, got 'float16'"),
        (("float32", 0), "threads must be"),
    ],
)
def test_no_such_arithmetic(values, message):
    with pytest.raises(ValueError, match=message):
        Precision(*values)


REAL = """
import torch
from dreamlab.support.precision import choose_precision
layers = torch.nn.Sequential(*[torch.nn.Linear(256, 256) for _ in range(4)])
images = torch.rand(512, 256)
print(choose_precision(lambda: layers(images).sum().backward()))
"""


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="not an x86")
def test_a_processor_without_bfloat16_stays_with_float32():
    """Any x86 processor can be told to forget what it has beyond AVX2."""
    plain = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", REAL], env=os.environ | plain, capture_output=True, text=True
    )
    assert done.stdout.startswith("float32 on cpu with 1 thread (measured: bfloat16 0."), (
        done.stdout + done.stderr
    )
