"""The choice of arithmetic: what is faster, by a clock that the work moves, is taken and said."""

from types import SimpleNamespace

import precision
import pytest
import torch
from precision import choose_precision


@pytest.fixture
def work(monkeypatch):
    """Makes work that takes so many milliseconds in each arithmetic and number of threads."""
    clock = [0.0]
    monkeypatch.setattr(precision, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    before = torch.get_num_threads()
    torch.set_num_threads(4)

    def make(float32=2, bfloat16=2, threads=()):
        def run():
            cost = bfloat16 if torch.is_autocast_enabled("cpu") else float32
            if isinstance(cost, Exception):
                raise cost
            clock[0] += (cost + dict(threads).get(torch.get_num_threads(), 0)) / 1000

        return run

    yield make
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("costs", "dtype", "threads"),
    [
        ({"float32": 20, "bfloat16": 5}, "bfloat16", 4),
        ({"float32": 5, "bfloat16": 20}, "float32", 4),
        ({"bfloat16": RuntimeError("no kernel")}, "float32", 4),
        ({"float32": 30, "bfloat16": 5, "threads": {4: 20, 2: 0, 1: 10}}, "bfloat16", 2),
    ],
    ids=["fast", "slow", "impossible", "two"],
)
def test_what_is_faster_is_chosen_and_said(work, costs, dtype, threads):
    chosen = choose_precision(work(**costs), 0.3)
    assert (chosen.dtype, chosen.threads) == (dtype, threads)
    assert torch.get_num_threads() == 4, "the caller decides whether to follow"
    assert str(chosen).startswith(f"{dtype} on cpu with {threads} threads (measured: ")
    with pytest.raises(RuntimeError, match="shapes"):  # an error of the work itself
        choose_precision(work(float32=RuntimeError("shapes do not fit")), 0.01)
