"""Chapter 10: its functions are right, it runs without Dask, its checks accept right solutions.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from chapters import CHAPTERS, cells, chapter, functions
from PIL import Image

from dreamlab.course import check
from dreamlab.measure.sweep import Sweep

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture(scope="module")
def define():
    return functions("10_beyond_one_machine", np=np)


def made(value: int = 0, **row) -> Sweep:
    picture = Image.new("RGB", (2, 2), (value, 0, 0))
    return Sweep([{"recipe": "full", "error": "", "judge": 0.5} | row], [picture])


def test_same_means_every_bit(define):
    same = define["same"]
    assert same(made(), made())
    assert not same(made(), made(1))
    assert not same(made(), made(judge=0.5 + 2**-53))
    assert not same(made(), replace(made(), images=[Image.new("RGB", (2, 1))]))


def test_lines_cross_where_the_exercise_says(define):
    seconds = define["my_seconds"]
    for start, each, workers in ((6, 0.75, 2), (10, 0.5, 4), (3, 1.5, 3)):
        crossing = start / (each * (1 - 1 / workers))
        assert seconds(crossing, each) == pytest.approx(seconds(crossing, each, start, workers))
        assert seconds(crossing + 1, each) > seconds(crossing + 1, each, start, workers)
        assert seconds(crossing - 1, each) < seconds(crossing - 1, each, start, workers)


@pytest.mark.parametrize("name", ["dask-import", "dask"])
def test_without_dask_it_says_what_to_install(name, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    (path,) = (path for path in CHAPTERS if path.stem.startswith("10_"))
    sources = {cell["id"]: cell.source for _, cell in cells(chapter(path), "code")}
    names = {}
    exec(sources["dask-import"], names)
    assert "pip install dask distributed" in capsys.readouterr().out
    exec(sources[name], names)  # nothing that it lacks is asked for


# --- checks: when workers pay ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda start, each, workers: start / (each * (1 - 1 / workers)),
        lambda start, each, workers: start * workers / (each * (workers - 1)),
        lambda start, each, workers: start / (each - each / workers),
    ],
)
def test_every_way_to_the_crossing_is_right(answer):
    verdict = check.break_even(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, a, w: s / a, "while they start, one process dreams on"),
        (lambda s, a, w: s * w / a, "in the time they took to start"),
        (lambda s, a, w: a * (1 - 1 / w) / s, "turned over"),
        (lambda s, a, w: (1 - 1 / w) * s / a, "divided by what a dream saves"),
        (lambda s, a, w: math.ceil(s / (a * (1 - 1 / w)) - 1e-9), "do not round yet"),
        (lambda s, a, w: s + a * w, "Where are these equal?"),
        (lambda s, a, w: None, "returns nothing yet"),
        (lambda s, a, w: "16", "one number is wanted, and this is a str"),
        (lambda s, a, w: s / 0, "stopped with ZeroDivisionError"),
    ],
)
def test_a_wrong_crossing_is_told_what_is_wrong(answer, words):
    verdict = check.break_even(answer)
    assert not verdict and words in verdict.sentence, verdict


# --- checks: when the last one is finished --------------------------------------------------------


def by_list(jobs, workers):
    busy = [0.0] * workers
    for job in jobs:
        busy[busy.index(min(busy))] += job
    return max(busy)


def by_heap(jobs, workers):
    import heapq

    busy = [0] * workers
    for job in jobs:
        heapq.heappush(busy, heapq.heappop(busy) + job)
    return max(busy)


def by_clock(jobs, workers):
    waiting, busy, now = list(jobs), [], 0.0
    while waiting or busy:
        while waiting and len(busy) < workers:
            busy.append(now + waiting.pop(0))
        now = min(busy)
        busy.remove(now)
    return np.float64(now)


@pytest.mark.parametrize("answer", [by_list, by_heap, by_clock])
def test_every_simulation_is_right(answer):
    verdict = check.finish(answer)
    assert verdict, verdict


def in_place(jobs, workers):
    busy = [0.0] * workers
    while jobs:
        busy[busy.index(min(busy))] += jobs.pop(0)
    return max(busy)


def dealt_out(jobs, workers):
    return max(sum(jobs[first::workers]) for first in range(workers))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda jobs, workers: sum(jobs), "one worker's time"),
        (lambda jobs, workers: sum(jobs) / workers, "jobs cannot be cut"),
        (dealt_out, "dealt out in turn"),
        (lambda jobs, workers: by_list(sorted(jobs, reverse=True), workers), "longest first"),
        (lambda jobs, workers: max(jobs), "takes another one"),
        (lambda jobs, workers: 1.0, "until when"),
        (in_place, "changes the list"),
        (lambda jobs, workers: [1.0, 2.0], "one number is wanted"),
    ],
)
def test_a_wrong_simulation_is_told_what_is_wrong(answer, words):
    verdict = check.finish(answer)
    assert not verdict and words in verdict.sentence, verdict


# --- checks: what is left to do -------------------------------------------------------------------


def by_set(wanted, rows):
    finished = {(row["recipe"], row["seed"]) for row in rows if not row["error"]}
    return [pair for pair in wanted if pair not in finished]


def by_loop(wanted, rows):
    left = [list(pair) for pair in wanted]
    for row in rows:
        if row["error"] == "":
            left.remove([row["recipe"], row["seed"]])
    return tuple(left)


@pytest.mark.parametrize("answer", [by_set, by_loop, lambda w, r: iter(by_set(w, r))])
def test_every_way_to_the_rest_is_right(answer):
    verdict = check.left_to_do(answer)
    assert verdict, verdict


def emptying(wanted, rows):
    for row in rows:
        wanted.remove((row["recipe"], row["seed"]))
    return wanted


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, r: [p for p in w if p not in by_set(w, r)] or w, "what is finished"),
        (
            lambda w, r: [p for p in w if p not in {(row["recipe"], row["seed"]) for row in r}],
            "a dream that failed has a row",
        ),
        (lambda w, r: by_set(w, r)[::-1], "keep them in the order"),
        (lambda w, r: set(by_set(w, r)), "keep them in the order"),
        (emptying, "changes the list it was given"),
        (lambda w, r: len(by_set(w, r)), "a list of pairs is wanted, and this is a int"),
        (lambda w, r: [row["error"] for row in r], "are left"),
    ],
)
def test_a_wrong_rest_is_told_what_is_wrong(answer, words):
    verdict = check.left_to_do(answer)
    assert not verdict and words in verdict.sentence, verdict
