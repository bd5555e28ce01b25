"""Write the numbers that texts share, from the tables that the measurements wrote.

    python tools/measured.py

`python -m dreamlab.measure.ablation --write` and `python tools/picturebook/score.py --write` put
their tables into README.md, between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. Those are the
one place of each number. Whoever repeats one, in README, a chapter or the notes, says where it is
from, in a comment that no reader sees:

    the judge finds only <!-- = ablation | raw | judge R-precision : % -->18 %<!-- = --> of them

The table, the row and the column, then how it is written: `%` as "18 %", `.2` as ".19", `.2f` as
"0.19". A difference is written as two places with `minus` between them.
"""

import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from course_files import ROOT, rewrite

SOURCE = ROOT / "README.md"
TABLES = re.compile(r"<!-- (\w+):begin.*?-->(.*?)<!-- \1:end -->", re.DOTALL)
MARK = re.compile(r"(<!-- = ([^:]+?) : (\S+) -->)(.*?)(<!-- = -->)", re.DOTALL)
NUMBER = re.compile(r"[-−]?\d*\.?\d+")


def measured(text: str) -> dict[tuple[str, str, str], float]:
    """The first number of each cell of the tables in this text, by table, row and column."""
    found = {}
    for name, body in TABLES.findall(text):
        columns = None
        for line in body.splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            if not line.startswith("|"):
                columns = None
            elif columns is None:
                columns = cells
            else:
                for column, cell in zip(columns[1:], cells[1:], strict=True):
                    if number := NUMBER.match(cell):
                        found[name, cells[0], column] = float(number.group().replace("−", "-"))
    return found


def spelled(value: float, form: str) -> str:
    """A number as a text writes it; `form` is `%`, `.2` or what `format` takes."""
    if form == "%":
        return f"{value:.0f} %"
    if re.fullmatch(r"\.\d", form):
        return f"{value:{form}f}".replace("-", "−").replace("0.", ".", 1)
    return f"{value:{form}}".replace("-", "−")


def filled(text: str, numbers: dict[tuple[str, str, str], float]) -> str:
    """The text with every marked number as it was measured.

    Raises:
        ValueError: a mark names a place that no table has.
    """

    def place(path: str) -> float:
        key = tuple(part.strip() for part in path.split("|"))
        if key not in numbers:
            raise ValueError(f"nothing was measured at '{path.strip()}'")
        return numbers[key]

    def fill(mark: re.Match) -> str:
        first, *others = map(place, mark[2].split(" minus "))
        return f"{mark[1]}{spelled(first - sum(others), mark[3])}{mark[5]}"

    return MARK.sub(fill, text)


def in_notebook(text: str, fill: Callable[[str], str]) -> str:
    """A notebook's file with its Markdown cells filled."""
    nb = nbformat.reads(text, as_version=4)
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = fill(cell.source)
    return nbformat.writes(nb) + "\n"


def rewritten() -> dict[Path, str]:
    """What each file with a marked number should hold."""
    numbers = measured(SOURCE.read_text("utf-8"))
    files = {}
    for pattern in ("*.md", "notebooks/*", "dreamlab/picturebook/models/*.md"):
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text("utf-8") if path.suffix in {".md", ".ipynb"} else ""
            if "<!-- = " not in text:
                continue
            try:
                if path.suffix == ".md":
                    files[path] = filled(text, numbers)
                else:
                    files[path] = in_notebook(text, lambda part: filled(part, numbers))
            except ValueError as error:
                raise ValueError(f"{path.name}: {error}") from None
    return files


def main() -> None:
    for path in rewrite(rewritten()):
        print(f"changed {path.name}")


if __name__ == "__main__":
    main()
