"""The choice of arithmetic: what is measured faster is taken, and said.

Work moves a clock of ours: on a busy machine, real time would choose now this, now that.
"""

import precision
import pytest
import torch
from precision import choose_precision


class Clock:
    """Shows the seconds that work has taken."""

    now = 0.0

    def perf_counter(self):
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def four_threads(monkeypatch):
    monkeypatch.setattr(precision, "time", CLOCK)
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
        self.calls.append(bfloat16)
        cost = self.cost[bfloat16]
        if isinstance(cost, Exception):
            raise cost
        CLOCK.now += (cost + self.threads.get(torch.get_num_threads(), 0)) / 1000


@pytest.mark.parametrize(
    ("work", "dtype", "threads"),
    [
        (Work(float32=20, bfloat16=5), "bfloat16", 4),
        (Work(float32=5, bfloat16=20), "float32", 4),
        (Work(bfloat16=RuntimeError("no kernel")), "float32", 4),
        (Work(float32=30, bfloat16=5, threads={4: 20, 2: 0, 1: 10}), "bfloat16", 2),
    ],
    ids=["fast", "slow", "impossible", "two"],
)
def test_what_is_faster_is_chosen_and_said(work, dtype, threads):
    chosen = choose_precision(work, 0.3)
    assert (chosen.dtype, chosen.threads) == (dtype, threads)
    assert torch.get_num_threads() == 4, "the caller decides whether to follow"
    assert not torch.is_autocast_enabled("cpu")
    assert str(chosen).startswith(f"{dtype} on cpu with {threads} threads (measured: ")
    assert "bfloat16" in chosen.measured and "1 thread " in chosen.measured


def test_what_is_hopeless_runs_once_and_slow_work_twice():
    hopeless, slow = Work(float32=5, bfloat16=300), Work(float32=100, bfloat16=40)
    assert choose_precision(hopeless, 0.1).dtype == "float32"
    assert sum(hopeless.calls) == 1
    assert choose_precision(slow, 0.01).dtype == "bfloat16"
    assert slow.calls[-4:] == [False, True, False, True]


def test_an_error_of_the_work_itself_is_not_hidden():
    with pytest.raises(RuntimeError, match="shapes"):
        choose_precision(Work(float32=RuntimeError("shapes do not fit")), 0.01)
    assert torch.get_num_threads() == 4
