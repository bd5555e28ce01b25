"""Fill in what texts repeat: measured numbers, minutes, the repository's address.

    python tools/fill.py                              writes whatever is out of date
    python tools/fill.py https://github.com/you/fork  … with a new address, after a fork

Each has one home, and whatever repeats it follows:

- Measured numbers: the tables that `tools/ablation.py --write`, `tools/bench.py --write` and
  `tools/picturebook/score.py --write` put into README.md, between `<!-- NAME:begin -->` and
  `<!-- NAME:end -->`. A text that repeats one says where it is from, in a comment that no reader
  sees: table, row and column, then how it is written (`%` as "18 %", `.2` as ".19", `.2f` as
  "0.19", `[.2]` with its interval as ".19 [.17, .21]"); `minus` between two places is their
  difference. In a code cell the comment ends the line of the number.

      the judge finds only <!-- = ablation | raw | judge R-precision : % -->18 %<!-- = --> of them
      gains = {
          "windows": 0.148,  # = ablation | + views | judge's gain on the rung above

  A pipe would split a cell of a table, so no mark stands in one; the ladder so far is written
  whole, below a comment that names the table and its rungs ("views" are called windows):

      <!-- ladder = plain : raw; + views; + TV -->

- Minutes: an exercise says its own under its title, and the notes for teachers, the last cell of a
  chapter or appendix, have those of its sections. The head of the chapter, the exercises in the
  notes, the map in chapter 0 and the table in CLASSROOM.md follow.
- The address: `[project.urls] Repository` in pyproject.toml. Badges, README's clone line, the first
  cell of every notebook and the citation follow.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import nbformat
from course_files import NOTEBOOKS, README, ROOT, number, rewrite, with_block
from nbformat import NotebookNode

CLASSROOM = ROOT / "notebooks" / "CLASSROOM.md"
PYPROJECT = ROOT / "pyproject.toml"

# --- measured numbers -----------------------------------------------------------------------------

TABLES = re.compile(r"<!-- ([\w-]+):begin.*?-->(.*?)<!-- \1:end -->", re.DOTALL)
MARK = re.compile(r"(<!-- = ([^:]+?) : (\S+) -->)(.*?)(<!-- = -->)", re.DOTALL)
CODE_MARK = re.compile(r"(?m)[-\d.]+(?=,  # = (.+)$)")
LADDER = re.compile(r"(<!-- ladder = (.+?) : (.+?) -->\n)(?:\|.*(?:\n|$))*\n*")
GAIN = "judge's gain on the rung above"
LADDER_COLUMNS = {
    "judge score": ".2",
    GAIN: "[.3]",
    "judge R-precision": "%",
    "object named": "%",
    "grain": "%",
}
NUMBER = r"[-−]?\d*\.?\d+"
Place = tuple[str, str, str]  # table, row, column
Numbers = Mapping[Place, tuple[float, ...]]


def read_tables(text: str) -> Numbers:
    """The numbers of each cell that begins with one, in the marked tables of this text."""
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
                    if re.match(NUMBER, cell):
                        values = re.findall(NUMBER, cell.replace("−", "-"))
                        found[name, cells[0], column] = tuple(map(float, values))
    return found


def fill_numbers(text: str, numbers: Numbers, *, code: bool = False) -> str:
    """The text, or the code, with every marked number as it was measured.

    Raises:
        ValueError: a mark names a place that no table has.
    """

    def value(place: Place) -> tuple[float, ...]:
        if place not in numbers:
            raise ValueError(f"nothing was measured at '{' | '.join(place)}'")
        return numbers[place]

    def values(path: str) -> list[tuple[float, ...]]:
        places = (part.split("|") for part in path.split(" minus "))
        return [value(tuple(map(str.strip, place))) for place in places]

    def fill(mark: re.Match) -> str:
        (first, *ends), *others = values(mark[2])
        told = spelled(first - sum(other[0] for other in others), mark[3], ends)
        return f"{mark[1]}{told}{mark[5]}"

    def ladder(mark: re.Match) -> str:
        lines = ["| rung | judge score | gain | R-precision | object named | grain |"]
        lines.append("|---|---:|---|---:|---:|---:|")
        for rung in map(str.strip, mark[3].split(";")):
            cells = [rung.replace("views", "windows")]
            for column, form in LADDER_COLUMNS.items():
                place = mark[2], rung, column
                if column == GAIN and place not in numbers:  # the lowest rung has none
                    cells.append("")
                    continue
                number, *ends = value(place)
                cells.append(spelled(number, form, ends))
            lines.append(f"| {' | '.join(cells)} |")
        below = "" if mark.end() == len(text) else "\n\n"
        return mark[1] + "\n".join(lines) + below

    if code:
        return CODE_MARK.sub(lambda mark: str(values(mark[1])[0][0]), text)
    return LADDER.sub(ladder, MARK.sub(fill, text))


def spelled(value: float, form: str, interval: Sequence[float] = ()) -> str:
    """A number as a text writes it; `form` is `%`, `.2`, `[.2]` or what `format` takes."""
    if form.startswith("["):
        inner = form.strip("[]")
        ends = ", ".join(spelled(end, inner) for end in interval)
        return spelled(value, inner) + f" [{ends}]" * bool(ends)
    if form == "%":
        return f"{value:.0f} %"
    if re.fullmatch(r"\.\d", form):
        return f"{value:{form}f}".replace("-", "−").replace("0.", ".", 1)
    return f"{value:{form}}".replace("-", "−")


# --- minutes --------------------------------------------------------------------------------------

EXERCISE = re.compile(r"^[●○]{3} · (\d+) minutes$", re.MULTILINE)
SECTIONS = re.compile(
    r"(?<=\*\*Minutes\*\*\n\n\| section \| minutes \|\n\|---\|---\|\n)(?:\|.*\n)+"
)
ROW = re.compile(r"^\| (.+?) \| (\d+)(?: \+ \d+)*.* \|$", re.MULTILINE)
TIME = re.compile(r"^\| \*\*Time\*\* \| .* \|$", re.MULTILINE)
NOTED = re.compile(r"^(\| Exercises.*? \| )\d+(?: \+ \d+)*", re.MULTILINE)
MAP_ROW = re.compile(r"^(\| \[?(\d+|[A-Z]) · [^|]+ \| [^|]+ \| )\d+( \|)$", re.MULTILINE)


@dataclass(frozen=True)
class Minutes:
    """What a chapter takes."""

    read: int
    play: int
    exercises: tuple[int, ...]

    @property
    def all(self) -> int:
        return self.read + self.play + sum(self.exercises)

    def __str__(self) -> str:
        parts = {
            "to read and run": self.read,
            "to play": self.play,
            "for the exercises": sum(self.exercises),
        }
        told = ", ".join(f"{minutes} {what}" for what, minutes in parts.items() if minutes)
        return f"{self.all} minutes: {told}"

    @property
    def each_exercise(self) -> str:
        return " + ".join(map(str, self.exercises))


def read_minutes(nb: NotebookNode) -> Minutes:
    """The minutes of a chapter's sections and exercises.

    Raises:
        ValueError: the notes for teachers have no table of minutes, or a chapter's has no Play.
    """
    texts = [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
    if not (table := SECTIONS.search(texts[-1])):
        raise ValueError("the notes for teachers, its last cell, have no table of **Minutes**")
    rows = {name: int(first) for name, first in ROW.findall(table.group())}
    if "Play" not in rows and not re.match(r"# [A-Z] · ", texts[0]):
        raise ValueError(f"no row 'Play' among the minutes: {', '.join(rows)}")
    play = rows.pop("Play", 0)
    read = sum(value for name, value in rows.items() if not name.startswith("Exercises"))
    return Minutes(read, play, tuple(int(n) for text in texts for n in EXERCISE.findall(text)))


def fill_minutes(nb: NotebookNode, own: Minutes, chapters: Mapping[str, Minutes]) -> None:
    """Write the sum into the head, the exercises into the notes, all sums into a map."""
    head, notes = nb.cells[0], nb.cells[-1]
    head.source = TIME.sub(f"| **Time** | {own} |", head.source)
    notes.source = NOTED.sub(rf"\g<1>{own.each_exercise}", notes.source)
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## The map"):
            cell.source = MAP_ROW.sub(lambda r: f"{r[1]}{chapters[r[2]].all}{r[3]}", cell.source)


def minutes_table(chapters: Mapping[str, Minutes]) -> str:
    lines = ["| chapter | read and run | play | exercises | in all |", "|---|---:|---:|---|---:|"]
    for which, m in chapters.items():
        lines.append(f"| {which} | {m.read} | {m.play} | {m.each_exercise} | {m.all} |")
    together = sum(m.all for which, m in chapters.items() if which.isdecimal())
    return "\n".join([*lines, f"| all chapters | | | | {together} |"])


# --- the address ----------------------------------------------------------------------------------

ADDRESS = re.compile(r'^Repository = "(.*)"$', re.MULTILINE)
VALID = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)")
LAUNCH = re.compile(r"^\[Open in Colab\].*$", re.MULTILINE)


def launch_links(address: str, notebook: str) -> str:
    """Links that open a notebook, a path such as notebooks/01_x.ipynb, on Colab and on Binder."""
    name = VALID.fullmatch(address).group(1)
    colab = f"https://colab.research.google.com/github/{name}/blob/main/{notebook}"
    binder = f"https://mybinder.org/v2/gh/{name}/main?labpath={quote(notebook, safe='')}"
    # Words: a badge is a picture from the network, broken where there is none.
    return f"[Open in Colab]({colab}) · [Open on Binder]({binder})"


def fill_address(nb: NotebookNode, address: str, path: str) -> None:
    """Write these links under the title, and the address that Colab installs."""
    title = nb.cells[0]
    heading, _, rest = LAUNCH.sub("", title.source).partition("\n")
    title.source = f"{heading}\n\n{launch_links(address, path)}\n\n{rest.lstrip()}"
    for cell in nb.cells:
        if "google.colab" in cell.source:
            cell.source = re.sub(r"git\+https://\S+", f"git+{address}", cell.source)


# --- all of it ------------------------------------------------------------------------------------


def current_address() -> str:
    return ADDRESS.search(PYPROJECT.read_text("utf-8")).group(1)


def filled(address: str) -> dict[Path, str]:
    """What each file that repeats something should hold.

    Raises:
        ValueError: a mark names no number, or a chapter does not say how long its sections take.
    """
    numbers = read_tables(README.read_text("utf-8"))
    notebooks = {path: nbformat.read(path, as_version=4) for path in NOTEBOOKS}
    chapters, texts, path = {}, {}, README
    try:
        for path, nb in notebooks.items():
            chapters[number(path)] = read_minutes(nb)
        for path, nb in notebooks.items():
            fill_minutes(nb, chapters[number(path)], chapters)
            fill_address(nb, address, path.relative_to(ROOT).as_posix())
            for cell in nb.cells:
                code = cell.cell_type == "code"
                cell.source = fill_numbers(cell.source, numbers, code=code)
            texts[path] = nbformat.writes(nb) + "\n"
        for pattern in ("*.md", "notebooks/*.md", "dreamlab/picturebook/models/*.md"):
            for path in sorted(ROOT.glob(pattern)):
                texts[path] = fill_numbers(path.read_text("utf-8"), numbers)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    texts[CLASSROOM] = with_block(texts[CLASSROOM], "minutes", f"\n{minutes_table(chapters)}\n")
    readme = LAUNCH.sub(launch_links(address, "notebooks/00_start_here.ipynb"), texts[README])
    texts[README] = re.sub(r"git clone https://\S+", f"git clone {address}", readme)
    for path, line, new in (
        (PYPROJECT, ADDRESS, f'Repository = "{address}"'),
        (ROOT / "CITATION.cff", r"(?m)^repository-code: .*$", f'repository-code: "{address}"'),
    ):
        texts[path] = re.sub(line, new, path.read_text("utf-8"))
    return texts


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", help="https://github.com/owner/name")
    address = parser.parse_args(arguments).address or current_address()
    address = address.removesuffix("/").removesuffix(".git")
    if not VALID.fullmatch(address):
        # Binder could open other hosts, Colab could not.
        parser.error(f"{address!r} is no repository on GitHub: https://github.com/owner/name")
    for path in rewrite(filled(address)):
        print(f"changed {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
