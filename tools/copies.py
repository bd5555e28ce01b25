"""Write copies of every chapter and appendix, for students, teachers and graders, and one lesson.

    python tools/copies.py                 into copies/student, teacher, nbgrader and lesson
    python tools/copies.py --into FOLDER   into FOLDER/student, FOLDER/teacher, …
    python tools/copies.py --force         over copies that somebody has worked in, too

Students get the exercises without solutions and notes, without the asserts that only hold the text,
and without anything that was computed: they predict first. Teachers get solutions in place of the
stubs, unfolded, the stored pictures and notes. nbgrader gets what students do. In its copies and
in the teachers' a cell below each check fails if the answer is wrong, and counts one point. The
chapters in `notebooks/` stay the only source: which cell goes where is in its tags.

The lesson is one notebook of 90 minutes for a class that comes once: the cells with the tag
`lesson`, chapter by chapter, a cell that two chapters share only once.

A copy that was changed or run since it was made is somebody's work: it is named and left alone.
"""

import argparse
import hashlib
import json
import re
import sys
from functools import partial
from pathlib import Path

import nbformat
from course_files import (
    CHAPTERS,
    NOTEBOOKS,
    ROOT,
    exit_on_user_error,
    read_notebook,
    write_atomically,
)
from nbconvert import NotebookExporter
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode
from traitlets.config import Config

# "chapter" is on what is true in the chapter alone, such as that solutions are folded away there.
REMOVED = {
    "student": {"solution", "teacher", "chapter", "claim"},
    "teacher": {"exercise", "chapter"},
    "nbgrader": {"solution", "teacher", "chapter", "claim"},
}
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:)([^)#]*)[^)]*\)")
CHECK = re.compile(r"^check\.(\w+)\(\w+\)$", re.MULTILINE)
LESSON = "one_lesson.ipynb"
HEAD = """# One lesson: from a sentence to a picture

*A number says how well a picture and a sentence agree. We climb it, find noise, ask why, and repair
it. Ninety minutes: first cells 5, compass and hand-climb 15, loop 15, blind test 10, bet 5,
windows 20, ladder 5, portrait 15.*

Cut from the chapters {chapters}. What a text says of chapters, appendices or the README is there.
The first two cells take some seconds: run them now.
"""


class Unfold(Preprocessor):
    """Solutions are folded in the chapters, so that they are not seen by accident."""

    def preprocess_cell(self, cell, resources, index):
        if "solution" in cell.metadata.get("tags", []):
            for name in ("jupyter", "cellView"):
                cell.metadata.pop(name, None)
        return cell, resources


class Grade(Preprocessor):
    """Below each check a cell that fails with its sentence, marked as nbgrader marks its tests."""

    def preprocess(self, nb, resources):
        cells = []
        for cell in nb.cells:
            cells.append(cell)
            check = CHECK.search(cell.source) if cell.cell_type == "code" else None
            if check and {"exercise", "solution"} & set(cell.metadata.get("tags", [])):
                cells.append(grade_cell(check[0], f"grade-{check[1]}"))
        nb.cells = cells
        return nb, resources


def grade_cell(call: str, name: str) -> NotebookNode:
    marks = {"grade": True, "solution": False, "task": False, "locked": True, "points": 1}
    marks |= {"grade_id": name, "schema_version": 3}
    source = f"verdict = {call}\nassert verdict, verdict"
    metadata = {"tags": ["grade"], "nbgrader": marks}
    return nbformat.v4.new_code_cell(source, id=name, metadata=metadata)


def exporter(kind: str) -> NotebookExporter:
    """What makes one kind of copy: "student", "teacher" or "nbgrader"."""
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = REMOVED[kind]
    config.ClearOutputPreprocessor.enabled = kind != "teacher"
    more = {"student": [], "teacher": [Unfold, Grade], "nbgrader": [Grade]}
    return NotebookExporter(config=config, preprocessors=more[kind])


def without_dead_links(nb: NotebookNode, names: set[str]) -> NotebookNode:
    """The notebook, its links to files that are not in its folder as plain text.

    Parameters:
        names: the files of the folder that are linked to.
    """
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(
                lambda link: link[0] if link[2] in names else link[1], cell.source
            )
    return nb


def fingerprint(nb: NotebookNode) -> str:
    """Of all that somebody can write or compute in a notebook; opening and saving keep it."""
    cells = [{k: v for k, v in cell.items() if k not in {"id", "metadata"}} for cell in nb.cells]
    return hashlib.sha256(json.dumps(cells, sort_keys=True).encode()).hexdigest()


def is_untouched(path: Path) -> bool:
    """Whether this is a copy as this program made it: it carries the fingerprint it had then."""
    try:
        nb = nbformat.read(path, as_version=4)
        return nb.metadata.dreamlab.fingerprint == fingerprint(nb)
    except Exception:  # not a notebook, or not one of ours
        return False


def write(path: Path, nb: NotebookNode) -> None:
    """The copy with its fingerprint, whole or not at all."""
    nb.metadata.dreamlab = {"fingerprint": fingerprint(nb)}
    write_atomically(path, nbformat.writes(nb) + "\n")


def lesson(chapters: list[Path]) -> NotebookNode:
    """The cells with the tag `lesson`, without what was computed.

    Raises:
        ValueError: no chapter has one.
    """
    cells, known, titles = [], set(), []
    for path in chapters:
        nb = read_notebook(path)
        cut = [c for c in nb.cells if "lesson" in c.metadata.get("tags", [])]
        for cell in cut:
            cell.id = f"{path.name[:2]}-{cell.id}"[:64]
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        cells += [cell for cell in cut if cell.source not in known]
        known |= {cell.source for cell in cut}
        if cut:
            titles.append(nb.cells[0].source.splitlines()[0].removeprefix("# "))
    if not cells:
        raise ValueError("no cell of any chapter has the tag 'lesson'")
    head = nbformat.v4.new_markdown_cell(HEAD.format(chapters=", ".join(titles)), id="title")
    cut = nbformat.v4.new_notebook(metadata=nb.metadata, cells=[head, *cells])
    return without_dead_links(cut, {""})


def copy(kind: str, path: Path) -> NotebookNode:
    """A chapter as its students or teachers get it."""
    text, _ = exporter(kind).from_notebook_node(read_notebook(path))
    names = {"", *(notebook.name for notebook in NOTEBOOKS)}
    return without_dead_links(nbformat.reads(text, as_version=4), names)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "copies", help="folder (copies)")
    parser.add_argument("--force", action="store_true", help="also over what somebody worked in")
    options = parser.parse_args(arguments)
    with exit_on_user_error(parser):
        return write_copies(options.into, options.force)


def write_copies(into: Path, force: bool) -> int:
    """Write all copies; 1 if some were left alone."""
    copies = {
        into / kind / path.name: partial(copy, kind, path) for kind in REMOVED for path in NOTEBOOKS
    }
    copies[into / "lesson" / LESSON] = partial(lesson, CHAPTERS)
    worked_in = []
    for path, make in copies.items():
        if path.exists() and not (force or is_untouched(path)):
            worked_in.append(path)
        else:
            write(path, make())
    print(f"{len(copies) - len(worked_in)} copies in {into}: {', '.join(REMOVED)}, lesson")
    for path in worked_in:
        print(f"left alone: {path} was changed or run since it was made", file=sys.stderr)
    if worked_in:
        print("--into another folder makes new ones there; --force overwrites", file=sys.stderr)
    return int(bool(worked_in))


if __name__ == "__main__":
    sys.exit(main())
