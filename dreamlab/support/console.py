"""What every command line of the project has in common.

A console may lack the letters that we print: Windows has one of 256 when output goes into a file,
and `LANG=C` knows ASCII alone. And whoever mistypes an option deserves a sentence, not a traceback.
"""

# Imported by `dreamlab.course.machine`, so read by older Pythons too.
from __future__ import annotations

import argparse
import codecs
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

SIMILAR = {
    "→": "->", "−": "-", "–": "-", "×": "x", "·": "*", "…": "...", "≥": ">=", "≤": "<=", "±": "+-",
    "λ": "lambda", "μ": "mu", "σ": "sigma", "²": "^2", "“": '"', "”": '"', "„": '"', "‘": "'",
    "’": "'", "■": "#", "₀": "0", "✓": "ok", "✗": "NOT",
}  # fmt: skip


def print_plainly() -> None:
    """From now on, print what the console has no letter for as something similar, or as ``?``."""
    codecs.register_error("dreamlab.plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has not, and has every letter
            stream.reconfigure(errors="dreamlab.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    lacking = error.object[error.start : error.end]
    return "".join(SIMILAR.get(letter, "?") for letter in lacking), error.end


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """The type of an option that is a whole number from `low` to `high`."""
    allowed = f"from {low} to {high}" if high is not None else f"of at least {low}"

    def read(text: str) -> int:
        with contextlib.suppress(ValueError):
            if low <= (number := int(text)) and (high is None or number <= high):
                return number
        raise argparse.ArgumentTypeError(f"a whole number {allowed} is wanted, got {text!r}")

    return read


def file_named(*suffixes: str) -> Callable[[str], Path]:
    """The type of an option that is a file whose name ends in one of these, in either case."""

    def read(text: str) -> Path:
        if Path(text).suffix.lower() in suffixes:
            return Path(text)
        wanted = " or ".join(suffixes)
        raise argparse.ArgumentTypeError(f"the name of the file must end in {wanted}, got {text!r}")

    return read


@contextlib.contextmanager
def exit_on_user_error(parser: argparse.ArgumentParser) -> Iterator[None]:
    """End the program with the sentence that an error of the library is, and without a traceback.

    Only what the library raises for people to read. A KeyError is a mistake in the program, and
    keeps its traceback.
    """
    try:
        yield
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt as stop:
        parser.exit(130, f"{parser.prog}: stopped{f' ({stop})' if str(stop) else ''}\n")
