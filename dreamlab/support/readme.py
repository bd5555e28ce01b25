"""What commands write into README: each its own part, between two comments that name it."""

import re
from pathlib import Path

from dreamlab.support.files import write_atomically

README = Path(__file__).parents[2] / "README.md"


def marks(name: str) -> tuple[str, str]:
    """The lines between which the part of this name stands."""
    return f"<!-- {name}:begin -->", f"<!-- {name}:end -->"


def check_readme(readme: Path, name: str) -> None:
    """Raise before hours of work if there is nowhere to write to.

    Raises:
        FileNotFoundError: there is no such file, as in an installed package.
        ValueError: it has not both marks, once each and in their order.
    """
    begin, end = marks(name)
    if not readme.is_file():
        raise FileNotFoundError(f"no {readme}: --write is for a clone of the repository")
    text = readme.read_text("utf-8")
    if not (text.count(begin) == text.count(end) == 1 and text.index(begin) < text.index(end)):
        raise ValueError(f"{readme} must hold the line {begin} and, below it, {end}, each once")


def put_into_readme(readme: Path, name: str, text: str) -> None:
    """Replace the part of this name. Raises as `check_readme` does, and then changes nothing."""
    check_readme(readme, name)
    begin, end = marks(name)
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    part = f"{begin}\n{text}\n{end}"
    write_atomically(readme, pattern.sub(lambda _: part, readme.read_text("utf-8")))
