"""What a console cannot print."""

# Imported by `dreamlab.course.machine`, so read by older Pythons too.
from __future__ import annotations

import codecs
import sys

SIMILAR = {
    "→": "->", "−": "-", "–": "-", "×": "x", "·": "*", "…": "...", "≥": ">=", "≤": "<=", "±": "+-",
    "λ": "lambda", "“": '"', "”": '"', "’": "'", "✓": "ok", "✗": "NOT",
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
