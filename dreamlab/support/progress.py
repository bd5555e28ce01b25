"""A bar with the time left, for dreams whose last steps take far longer than the first."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, repeat
from typing import Any

from tqdm import tqdm

BAR = "{desc} {percentage:3.0f}% |{bar:20}| {elapsed} passed, about {remaining} left"


class StandardError:
    """Standard error as it is now; where there is none, or it fails, what is said is lost."""

    def write(self, text: str) -> None:
        with suppress(Exception):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(Exception):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


def with_bar(steps: Iterable[Any], expected: Sequence[float]) -> Iterator[Any]:
    """Pass the steps on and show how far they are, in proportion to the `expected` seconds."""
    with tqdm(file=StandardError(), total=sum(expected), bar_format=BAR, desc="dreaming") as bar:
        for step, seconds in zip(steps, chain(expected, repeat(0)), strict=False):
            height, width = step.size
            words = f"step {step.step} of {step.steps}, {height} × {width}"
            bar.set_description_str(words, refresh=False)
            bar.update(seconds)
            yield step
