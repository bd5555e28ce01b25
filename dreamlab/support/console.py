"""What every command line of the project has in common: letters, numbers, errors."""

# Imported by `dreamlab.course.machine`, so read by older Pythons too.
from __future__ import annotations

import argparse
import codecs
import contextlib
import sys
from collections.abc import Callable, Iterator

SIMILAR = {
    "→": "->", "−": "-", "–": "-", "×": "x", "·": "*", "…": "...", "≥": ">=", "≤": "<=", "±": "+-",
    "λ": "lambda", "“": '"', "”": '"', "’": "'", "✓": "ok", "✗": "NOT",
}  # fmt: skip


def print_plainly() -> None:
    """From now on, print what the console has no letter for as something similar, or as ``?``.

    Windows has a console of 256 letters where output goes into a file, `LANG=C` knows ASCII alone.
    """
    codecs.register_error("dreamlab.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has not, and has every letter
            stream.reconfigure(errors="dreamlab.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    lacking = error.object[error.start : error.end]
    return "".join(SIMILAR.get(letter, "?") for letter in lacking), error.end


def whole(low: int, high: float = float("inf")) -> Callable[[str], int]:
    """The type of an option that is a whole number from `low` to `high`."""
    allowed = f"of at least {low}" if high == float("inf") else f"from {low} to {high}"

    def read(text: str) -> int:
        with contextlib.suppress(ValueError):
            if low <= (number := int(text)) <= high:
                return number
        raise argparse.ArgumentTypeError(f"a whole number {allowed} is wanted, got {text!r}")

    return read


@contextlib.contextmanager
def exit_on_user_error(parser: argparse.ArgumentParser) -> Iterator[None]:
    """End the program with the sentence of an error of the library, without a traceback.

    Only what the library raises for people to read. A KeyError is a mistake in the program, and
    keeps its traceback.
    """
    try:
        yield
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt as stop:
        parser.exit(130, f"{parser.prog}: stopped{f' ({stop})' if str(stop) else ''}\n")
