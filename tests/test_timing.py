"""Two jobs in turns: what is counted, when it ends, and what the ratio is."""

import time

import pytest
import torch

from dreamlab.measure.timing import FEWEST, WARM_UP, Pairs, in_turns, machine, peak_memory, seconds

CPU = torch.device("cpu")


def compute(milliseconds):
    """Keep the processor busy: sleeping would not count as computing."""
    end = time.thread_time() + milliseconds / 1000
    while time.thread_time() < end:
        pass


def test_the_ratio_is_the_median_of_pairs():
    pairs = Pairs(first=(2.0, 3.0, 100.0), second=(1.0, 2.0, 10.0))
    assert pairs.ratio == 2
    assert pairs.quartiles == (1.75, 6.0)
    assert pairs.medians == (3.0, 2.0)
    assert pairs.row() == {"ratio": 2, "low": 1.75, "high": 6.0, "pairs": 3}
    assert Pairs((3.0,), (2.0,)).quartiles == (1.5, 1.5)


def test_jobs_take_turns_and_the_first_pairs_do_not_count():
    order = []
    measured = in_turns(
        lambda: order.append("a"),
        lambda: order.append("b"),
        device=CPU,
        pairs=4,
        prepare=lambda: order.append("-"),
    )
    assert "".join(order) == "-ab-ba-ab-ba-ab-ba-ab"
    assert len(order) == 3 * (WARM_UP + 4)
    assert len(measured.first) == len(measured.second) == 4


def test_a_slower_job_is_seen_to_be_slower(one_thread):
    measured = in_turns(lambda: compute(6), lambda: compute(2), device=CPU, pairs=5)
    assert 1.5 < measured.ratio < 6


def test_what_is_prepared_does_not_count(one_thread):
    def slow():
        compute(20)

    measured = in_turns(lambda: compute(1), lambda: compute(1), device=CPU, pairs=3, prepare=slow)
    assert max(measured.medians) < 0.010


def test_long_jobs_are_timed_a_few_times_only():
    calls = []

    def job():
        calls.append(1)
        compute(20)

    measured = in_turns(job, job, device=CPU, pairs=1000, most=0.02)
    assert len(measured.first) == FEWEST and len(calls) == 2 * (1 + FEWEST)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match=r"pairs .* got 0"):
        in_turns(int, int, device=CPU, pairs=0)


def test_one_thread_on_a_cpu_counts_its_own_computing_alone(one_thread):
    alone = seconds(lambda: time.sleep(0.05), CPU)
    torch.set_num_threads(2)
    wall = seconds(lambda: time.sleep(0.05), CPU)
    assert wall >= 0.05
    if time.get_clock_info("thread_time").resolution < 1e-5:
        assert alone < 0.025


def test_the_machine_is_named():
    details = machine(CPU)
    assert details["processor"] and details["cores"] >= 1 and details["threads"] >= 1
    assert details["torch"] == torch.__version__ and details["accelerator"] is None


def test_memory_is_the_most_ever_held():
    before = peak_memory()
    if before is None:
        pytest.skip("this system does not say")
    held = torch.ones(60_000_000)  # 240 MB
    after = peak_memory()
    del held
    assert before + 0.1 < after or before > 1.5  # more was held before
    assert peak_memory() > after - 0.05, "it stays, but for what the system counts late"
