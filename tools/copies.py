"""Write two copies of every chapter: one for students, one for teachers.

    python tools/copies.py                 into copies/student and copies/teacher
    python tools/copies.py --into FOLDER   into FOLDER/student and FOLDER/teacher

Students get the exercises without solutions and notes, and nothing that was computed: they predict
first. Teachers get solutions in place of the stubs, unfolded, the stored pictures and notes. The
chapters in `notebooks/` stay the only source: which cell goes where is in its tags.
"""

import argparse
import sys
from pathlib import Path

from nbconvert import NotebookExporter
from nbconvert.preprocessors import Preprocessor
from traitlets.config import Config

from dreamlab.files import write_atomically

ROOT = Path(__file__).resolve().parent.parent
REMOVED = {"student": {"solution", "teacher"}, "teacher": {"exercise"}}


class Unfold(Preprocessor):
    """Solutions are folded in the chapters, so that they are not seen by accident."""

    def preprocess_cell(self, cell, resources, index):
        cell.metadata.pop("jupyter", None)
        return cell, resources


def exporter(kind: str) -> NotebookExporter:
    """What makes one kind of copy: "student" or "teacher"."""
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = REMOVED[kind]
    config.ClearOutputPreprocessor.enabled = kind == "student"
    return NotebookExporter(config=config, preprocessors=[Unfold] if kind == "teacher" else [])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "copies", help="folder (copies)")
    folder = parser.parse_args(arguments).into
    chapters = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    for kind in REMOVED:
        convert = exporter(kind).from_filename
        for chapter in chapters:
            text, _ = convert(str(chapter))
            write_atomically(folder / kind / chapter.name, text + "\n")
    print(f"{len(chapters)} chapters in {folder / 'student'} and {folder / 'teacher'}")


if __name__ == "__main__":
    sys.exit(main())
