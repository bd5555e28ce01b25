"""Add up the minutes of every chapter and write them wherever they are told.

    python tools/minutes.py

They have two homes: an exercise says its own under its title, and the notes for teachers, at the
end of a chapter or appendix, have those of its sections. The sums follow from them: its head, the
exercises in the notes, the map in chapter 0, and the table in CLASSROOM.md.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from course_files import NOTEBOOKS, ROOT, number, rewrite
from nbformat import NotebookNode

EXERCISE = re.compile(r"^[●○]{3} · (\d+) minutes$", re.MULTILINE)
SECTIONS = re.compile(
    r"(?<=\*\*Minutes\*\*\n\n\| section \| minutes \|\n\|---\|---\|\n)(?:\|.*\n)+"
)
ROW = re.compile(r"^\| (.+?) \| (\d+)(?: \+ \d+)*(.*) \|$", re.MULTILINE)
APPENDIX = re.compile(r"# [A-Z] · ")
TIME = re.compile(r"^\| \*\*Time\*\* \| .* \|$", re.MULTILINE)
MAP_ROW = re.compile(r"^(\| \[?(\d+|[A-Z]) · [^|]+ \| [^|]+ \| )\d+( \|)$", re.MULTILINE)
TABLE = re.compile(r"(?<=<!-- minutes:begin -->\n).*(?=<!-- minutes:end -->)", re.DOTALL)


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


def minutes_of(nb: NotebookNode) -> Minutes:
    """Read where they are at home.

    Raises:
        ValueError: the notes for teachers have no table of minutes, or a chapter's has no Play.
    """
    texts = [cell.source for cell in nb.cells if cell.cell_type == "markdown"]
    if not (table := SECTIONS.search(texts[-1])):
        raise ValueError("the notes for teachers, its last cell, have no table of **Minutes**")
    rows = {name: int(first) for name, first, _ in ROW.findall(table.group())}
    if "Play" not in rows and not APPENDIX.match(texts[0]):
        raise ValueError(f"no row 'Play' among the minutes: {', '.join(rows)}")
    play = rows.pop("Play", 0)
    read = sum(value for name, value in rows.items() if not name.startswith("Exercises"))
    return Minutes(read, play, tuple(int(n) for text in texts for n in EXERCISE.findall(text)))


def in_chapter(nb: NotebookNode, minutes: Minutes) -> None:
    """Write the sum into the head, and those of the exercises into the notes."""
    head, notes = nb.cells[0], nb.cells[-1]
    head.source = TIME.sub(f"| **Time** | {minutes} |", head.source)
    listed = " + ".join(map(str, minutes.exercises))
    notes.source = re.sub(
        r"^(\| Exercises.*? \| )\d+(?: \+ \d+)*", rf"\g<1>{listed}", notes.source, flags=re.M
    )


def in_map(text: str, chapters: dict[str, Minutes]) -> str:
    """The last column of a table of chapters; a row that belongs to none stays as it is."""

    def told(row: re.Match) -> str:
        return f"{row[1]}{chapters[row[2]].all}{row[3]}" if row[2] in chapters else row[0]

    return MAP_ROW.sub(told, text)


def in_classroom(text: str, chapters: dict[str, Minutes]) -> str:
    lines = ["| chapter | read and run | play | exercises | in all |", "|---|---:|---:|---|---:|"]
    for which, m in chapters.items():
        each = " + ".join(map(str, m.exercises))
        lines.append(f"| {which} | {m.read} | {m.play} | {each} | {m.all} |")
    together = sum(m.all for which, m in chapters.items() if which.isdecimal())
    lines.append(f"| all chapters | | | | {together} |")
    return TABLE.sub("\n" + "\n".join(lines) + "\n\n", text)


def rewritten() -> dict[Path, str]:
    """What each file that tells minutes should hold.

    Raises:
        ValueError: a chapter does not say how long its sections take.
    """
    notebooks, chapters = {}, {}
    for path in NOTEBOOKS:
        nb = notebooks[path] = nbformat.read(path, as_version=4)
        try:
            minutes = chapters[number(path)] = minutes_of(nb)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None
        in_chapter(nb, minutes)
    for nb in notebooks.values():
        for cell in nb.cells:
            if cell.cell_type == "markdown" and cell.source.startswith("## The map"):
                cell.source = in_map(cell.source, chapters)
    files = {path: nbformat.writes(nb) + "\n" for path, nb in notebooks.items()}
    classroom = ROOT / "notebooks" / "CLASSROOM.md"
    return files | {classroom: in_classroom(classroom.read_text("utf-8"), chapters)}


def main() -> None:
    for path in rewrite(rewritten()):
        print(f"changed {path.name}")


if __name__ == "__main__":
    main()
