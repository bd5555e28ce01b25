"""Checks of chapter 9: when workers pay, when the last one is finished, what is left to do."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from dreamlab.course.check.verdict import NotYet, ask_list, ask_number, near, shown, verdict

# --- when workers pay -----------------------------------------------------------------------------

COSTS = ((6.0, 0.75, 2), (10.0, 0.5, 4), (3.0, 1.5, 3), (8.0, 0.2, 16))


@verdict
def break_even(answer: Callable) -> str:
    """Check `answer(start, each, workers)`: from how many dreams on the workers pay.

    One process takes `each` seconds for a dream. So many workers first take `start` seconds
    together, and then share the dreams.
    """
    for start, each, workers in COSTS:
        found = ask_number(answer, start, each, workers)
        right = start / (each * (1 - 1 / workers))
        if near(found, right):
            continue
        given = f"start {start:g}, each {each:g}, workers {workers}"
        for wrong, words in (
            (start / each, "while they start, one process dreams on; but they are quicker then"),
            (start * workers / each, "that is how many they dream in the time they took to start"),
            (start / (each / workers), "they save less than a whole `each` on a dream"),
            (start * (1 - 1 / workers) / each, "start is divided by what a dream saves"),
            (1 / right, "turned over: dreams are asked for"),
            (math.ceil(right), "do not round yet"),
            (math.floor(right), "do not round yet"),
        ):
            if near(found, wrong):
                raise NotYet(f"for {given} it says {found:.4g}: {words}")
        one, many = found * each, start + found * each / workers
        raise NotYet(
            f"for {given} it says {found:.4g} dreams: one process would take {one:.4g} s for them, "
            f"and the workers {many:.4g} s. Where are these equal?"
        )
    return "below that number, starting them costs more than they save."


# --- when the last one is finished ----------------------------------------------------------------

JOBS = (
    ((3.0, 3.0), 2),
    ((5.0, 1.0, 1.0, 1.0, 1.0), 2),  # whoever deals them out in turn takes 7
    ((2.0, 2.0, 3.0, 6.0), 2),  # 8; half of the sum is 6.5, the longest first would take 7
    ((4.0,), 3),
    ((1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), 3),
    ((2.0, 1.0, 4.0), 1),
)


def last_finish(seconds: Iterable[float], workers: int) -> float:
    """When all is done, if whoever is free takes the next job in the list."""
    free = [0.0] * workers
    for job in seconds:
        first = free.index(min(free))
        free[first] += job
    return max(free)


@verdict
def finish(answer: Callable) -> str:
    """Check `answer(seconds, workers)`: how long a list of jobs takes, each job with its seconds,
    if a worker that is free takes the next one in the list.
    """
    for seconds, workers in JOBS:
        found = ask_number(answer, list(seconds), workers)
        if near(found, last_finish(seconds, workers)):
            continue
        what = f"for jobs of {', '.join(f'{s:g}' for s in seconds)} s and {workers} workers"
        for wrong, words in (
            (sum(seconds), "that is one worker's time"),
            (sum(seconds) / workers, "jobs cannot be cut: the last worker may still be busy"),
            (_dealt(seconds, workers), "dealt out in turn; but whoever is free takes the next"),
            (
                last_finish(sorted(seconds, reverse=True), workers),
                "that is with the longest first; keep the order of the list",
            ),
            (max(seconds), "a worker that has finished takes another one"),
        ):
            if near(found, wrong):
                raise NotYet(f"{what} it says {found:g} s: {words}")
        raise NotYet(f"{what} it says {found:g} s; write down who is busy until when")
    return "the sweep is as long as its last worker."


def _dealt(seconds: Iterable[float], workers: int) -> float:
    jobs = list(seconds)
    return max(sum(jobs[first::workers]) for first in range(workers))


# --- what is left to do ---------------------------------------------------------------------------

WANTED = [(recipe, seed) for recipe in ("plain", "full") for seed in (1, 2, 3)]


def _row(recipe: str, seed: int, error: str = "") -> dict:
    numbers = {} if error else {"judge": 0.4}
    return {"recipe": recipe, "prompt": "a red heart", "seed": seed, "error": error} | numbers


@verdict
def left_to_do(answer: Callable) -> str:
    """Check `answer(wanted, rows)`: which of the wanted (recipe, seed) pairs have no finished row.

    A row whose `error` is not empty is of a dream that failed, and is to be done again.
    """
    done = [_row("full", 2), _row("plain", 1), _row("plain", 3)]
    failed = [_row("full", 1, "interrupted"), _row("plain", 2, "its process died")]
    for rows in ([], done, done + failed, [_row(*key) for key in WANTED]):
        found = ask_list(answer, list(WANTED), rows, of="pairs")
        finished = {(row["recipe"], row["seed"]) for row in rows if not row["error"]}
        right = [key for key in WANTED if key not in finished]
        listed = [_key(key) for key in found]
        if listed == right:
            continue
        if listed and listed == [key for key in WANTED if key in finished]:
            raise NotYet("that is what is finished; the others are asked for")
        there = {(row["recipe"], row["seed"]) for row in rows}
        if listed == [key for key in WANTED if key not in there]:
            raise NotYet("a dream that failed has a row, with an error; it is to be done again")
        if sorted(map(repr, listed)) == sorted(map(repr, right)):
            raise NotYet("all are there; keep them in the order in which they are wanted")
        raise NotYet(
            f"with {len(finished)} of 6 finished it says {shown(listed)}, and {right} are left"
        )
    return "what is on the disk is not dreamt again, and what failed is."


def _key(value: Any) -> Any:
    """A pair as a tuple; whatever is no text and no number, as it is written."""
    if isinstance(value, list | tuple):
        return tuple(_key(part) for part in value)
    return value if isinstance(value, str | int) else shown(value)
