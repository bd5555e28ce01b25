"""What the tools share: where the notebooks are, files that follow from others, options and errors.

Copies and pages are made in environments that have neither dreamlab nor what it needs.
"""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))
# These need nothing but Python.
from dreamlab.support.files import write_atomically  # noqa: E402

README = ROOT / "README.md"
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
APPENDICES = sorted((ROOT / "notebooks").glob("[A-Z]_*.ipynb"))
NOTEBOOKS = [*CHAPTERS, *APPENDICES]


def number(path: Path) -> str:
    """What a notebook is called by: "0", "1", … for a chapter, "A", "B", … for an appendix."""
    name = path.stem.partition("_")[0]
    return str(int(name)) if name.isdecimal() else name


def read_notebook(path: Path) -> Any:
    """The notebook in a file.

    Raises:
        ValueError: it is none, or one that Jupyter would not take; the file is named.
    """
    import nbformat  # which not all tools need

    try:
        nb = nbformat.read(path, as_version=4)
        nbformat.validate(nb)
    except OSError:
        raise
    except Exception as error:  # odd JSON raises anything from AttributeError to RecursionError
        why = str(error).splitlines()[:1] or [type(error).__name__]
        raise ValueError(f"{path} is no notebook: {why[0][:200]}") from error
    return nb


def rewrite(files: Mapping[Path, str]) -> Iterator[Path]:
    """Write each file whose text is not yet this; yields those that were changed."""
    for path, text in files.items():
        if text != path.read_text("utf-8"):
            write_atomically(path, text)
            yield path


def with_block(text: str, name: str, block: str) -> str:
    """The text with `block` between its lines `<!-- NAME:begin -->` and `<!-- NAME:end -->`.

    Raises:
        ValueError: it has not both lines, once each and in their order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if not (text.count(begin) == text.count(end) == 1 and text.index(begin) < text.index(end)):
        raise ValueError(f"there must be a line {begin} and, below it, {end}, each once")
    return f"{text.partition(begin)[0]}{begin}\n{block}\n{end}{text.partition(end)[2]}"


def put_block(path: Path, name: str, block: str) -> None:
    """Write `block` into the file, see `with_block`."""
    write_atomically(path, with_block(path.read_text("utf-8"), name, block))


def check_block(path: Path, name: str) -> None:
    """Raise before hours of work if there is nowhere to write to.

    Raises:
        ValueError, OSError: as `put_block` would.
    """
    try:
        with_block(path.read_text("utf-8"), name, "")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


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
    """End the program with the sentence of an error that the library raises for people."""
    try:
        yield
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    except KeyboardInterrupt as stop:
        parser.exit(130, f"{parser.prog}: stopped{f' ({stop})' if str(stop) else ''}\n")
