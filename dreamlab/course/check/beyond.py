"""Checks of appendix D: when workers pay, when the last one is finished, what is left to do."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from .verdict import Table, ask_list, ask_number, brief, table


@table(((6.0, 0.75, 2), (10.0, 0.5, 4), (3.0, 1.5, 3), (8.0, 0.2, 16)))
def break_even(answer: Callable, start: float, each: float, workers: int) -> Table:
    """Check `answer(start, each, workers)`: from how many dreams on (of `each` s) workers pay."""
    found, alone, saved = ask_number(answer, start, each, workers), start / each, 1 - 1 / workers
    right, one, many = alone / saved, found * each, start + found * each / workers
    says = f"for start {start:g}, each {each:g}, workers {workers} it says {found:.4g}"
    return found, {
        "below that number, starting them costs more than they save.": right,
        f"{says}: while they start, one process dreams on; but they are quicker then": alone,
        f"{says}: that is how many they dream in the time they took to start": alone * workers,
        f"{says}: start is divided by what a dream saves": alone * saved,
        f"{says}: turned over: dreams are asked for": 1 / right,
        f"{says}: do not round yet": [math.ceil(right), math.floor(right)],
        f"{says} dreams: {one:.4g} s alone, {many:.4g} s with workers; where equal?": True,
    }


JOBS = (
    ([3.0, 3.0], 2),
    ([5.0, 1.0, 1.0, 1.0, 1.0], 2),  # whoever deals them out in turn takes 7
    ([2.0, 2.0, 3.0, 6.0], 2),  # 8; half of the sum is 6.5, the longest first would take 7
    ([4.0], 3),
    ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 3),
    ([2.0, 1.0, 4.0], 1),
)


def last_finish(seconds: Iterable[float], workers: int) -> float:
    """When all is done, if whoever is free takes the next job in the list."""
    free = [0.0] * workers
    for job in seconds:
        free[free.index(min(free))] += job
    return max(free)


@table(JOBS)
def finish(answer: Callable, seconds: list[float], workers: int) -> Table:
    """Check `answer(seconds, workers)`: how long jobs take if a free worker takes the next one."""
    found, total = ask_number(answer, seconds, workers), sum(seconds)
    jobs = ", ".join(f"{job:g}" for job in seconds)
    says = f"for jobs of {jobs} s and {workers} workers it says {found:g} s"
    dealt = max(sum(seconds[first::workers]) for first in range(workers))
    longest_first = last_finish(sorted(seconds, reverse=True), workers)
    return found, {
        "the sweep is as long as its last worker.": last_finish(seconds, workers),
        f"{says}: that is one worker's time": total,
        f"{says}: jobs cannot be cut: the last worker may still be busy": total / workers,
        f"{says}: dealt out in turn; but whoever is free takes the next": dealt,
        f"{says}: that is with the longest first; keep the order of the list": longest_first,
        f"{says}: a worker that has finished takes another one": max(seconds),
        f"{says}; write down who is busy until when": True,
    }


WANTED = [(recipe, seed) for recipe in ("plain", "full") for seed in (1, 2, 3)]


def _row(recipe: str, seed: int, error: str = "") -> dict:
    numbers = {} if error else {"judge": 0.4}
    return {"recipe": recipe, "prompt": "a red heart", "seed": seed, "error": error} | numbers


DONE = [_row("full", 2), _row("plain", 1), _row("plain", 3)]
FAILED = [_row("full", 1, "interrupted"), _row("plain", 2, "its process died")]


@table([(rows,) for rows in ([], DONE, DONE + FAILED, [_row(*key) for key in WANTED])])
def left_to_do(answer: Callable, rows: list[dict]) -> Table:
    """Check `answer(wanted, rows)`: the wanted (recipe, seed) pairs without a finished row."""
    listed = [_key(key) for key in ask_list(answer, WANTED, rows, of="pairs")]
    errors = {(row["recipe"], row["seed"]): row["error"] for row in rows}
    finished = [key for key in WANTED if errors.get(key) == ""]
    right = [key for key in WANTED if key not in finished]
    ordered, never = sorted(listed, key=repr), [key for key in WANTED if key not in errors]
    return listed, {
        "what is on the disk is not dreamt again, and what failed is.": listed == right,
        "that is what is finished; the others are asked for": listed == finished != [],
        "a dream that failed has a row, with an error; it is to be done again": listed == never,
        "all are there; keep them in the wanted order": ordered == sorted(right, key=repr),
        f"with {len(finished)} of 6 finished it says {brief(listed)}; {right} are left": True,
    }


def _key(value: Any) -> Any:
    """A pair as a tuple; whatever is no text and no number, as it is written."""
    if isinstance(value, list | tuple):
        return tuple(_key(part) for part in value)
    return value if isinstance(value, str | int) else brief(value)
