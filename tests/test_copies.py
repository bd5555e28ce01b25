"""The copies for students and teachers: what is in which, and that they are the chapters."""

import errno
import re

import nbformat
import pytest
from chapters import CHAPTERS, CHECK, NOTEBOOKS, cells, chapter, is_folded, load_tool, tags
from test_notebooks import dependence_problems

copies, pages = load_tool("copies"), load_tool("pages")
CHAPTER = CHAPTERS[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    assert copies.main(["--into", str(folder)]) == 0
    return folder


def read(folder, kind, path):
    nb = chapter(folder / kind / path.name)
    nbformat.validate(nb)
    return nb


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
PROMISE = re.compile(r"\bsolutions? (is|are|below|above)\b|\b(un)?fold(s|ed)?\b", re.IGNORECASE)


def without_grading(nb):
    return [cell for cell in nb.cells if "grade" not in tags(cell)]


def sources(cells):
    """What cells say, links to other files as plain text: some lead out of the copies' folder."""
    return [re.sub(r"\[([^\]]+)\]\((?!http)[^)]*\)", r"\1", cell.source) for cell in cells]


@every_notebook
def test_the_copies_hold_what_each_needs_and_nothing_else(folder, path):
    """That nbgrader takes the cells that grade is tested by `grading.py`."""
    source = chapter(path)
    student, teacher, graded = (read(folder, n, path) for n in ("student", "teacher", "nbgrader"))
    for nb, gone in (
        (student, {"solution", "teacher", "chapter", "claim"}),
        (teacher, {"exercise", "chapter"}),
    ):
        kept = [cell for cell in source.cells if not gone & set(tags(cell))]
        assert sources(without_grading(nb)) == sources(kept)
        for _, cell in cells(nb, "markdown"):
            assert not PROMISE.search(cell.source), "of what this copy has not"
            assert "](../" not in cell.source, "a link out of the folder"
    stubs = [cell for cell in student.cells if "exercise" in tags(cell)]
    assert (len(stubs) >= 3 or path not in CHAPTERS) and all("..." in c.source for c in stubs)
    assert not any(cell.outputs or cell.execution_count for _, cell in cells(student, "code"))

    shown = [cell for cell in without_grading(teacher) if cell.cell_type == "code"]
    assert [cell.outputs for cell in shown] == [c.outputs for c in kept if c.cell_type == "code"]
    for cell in shown:  # the solutions are open
        assert {"claim", "answer"} & set(tags(cell)) or not is_folded(cell, "source")
    assert "teacher" in tags(teacher.cells[-1])

    assert sources(without_grading(graded)) == sources(student.cells)
    names = []
    for nb, tag in ((teacher, "solution"), (graded, "exercise")):
        grading = [i for i, cell in enumerate(nb.cells) if "grade" in tags(cell)]
        for check, cell in ((nb.cells[i - 1], nb.cells[i]) for i in grading):
            assert tag in tags(check) and CHECK.search(check.source)[0] in cell.source
            assert "assert verdict, verdict" in cell.source
            assert cell.metadata.nbgrader.points == 1 and cell.metadata.nbgrader.locked
        names.append([nb.cells[i].metadata.nbgrader.grade_id for i in grading])
    assert names[0] == names[1] and len(set(names[0])) == len(names[0])


def test_the_lesson_is_cut_from_the_chapters_in_their_order(folder):
    """That it runs is tested by `classroom.py`."""
    nb = chapter(folder / "lesson" / copies.LESSON)
    wanted = [cell for path in CHAPTERS for cell in chapter(path).cells if "lesson" in tags(cell)]
    assert sources(nb.cells[1:]) == list(dict.fromkeys(sources(wanted)))
    assert not any(cell.outputs for _, cell in cells(nb, "code"))
    assert not any({"claim", "solution", "teacher"} & set(tags(cell)) for cell in nb.cells)
    assert "Panel(" in cells(nb, "code")[-1][1].source  # and ends in playing
    assert 40 <= len(nb.cells) <= 90
    assert not list(dependence_problems(nb)), "no cell needs a name that was left out"


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_cannot_be_written_is_a_sentence(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(copies, "NOTEBOOKS", [CHAPTER])
    monkeypatch.setattr("os.fsync", full_disk)
    (tmp_path / "file").touch()
    for into, words in (("file/x", "Not a directory"), ("a\0b", "null"), ("full", "No space")):
        with pytest.raises(SystemExit):
            copies.main(["--into", str(tmp_path / into)])
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "null", "{}", "[" * 100_000, '{"nbformat": 4, "cells": [1]}'])
def test_a_chapter_that_is_no_notebook_is_named(capsys, tmp_path, monkeypatch, text):
    (tmp_path / "01_odd.ipynb").write_text(text)
    for tool, do in ((copies, copies.main), (pages, lambda into: pages.lay_out(tmp_path))):
        monkeypatch.setattr(tool, "NOTEBOOKS", [tmp_path / "01_odd.ipynb"])
        with pytest.raises((SystemExit, ValueError)) as end:
            do(["--into", str(tmp_path / "copies")])
        assert "01_odd.ipynb is no notebook" in capsys.readouterr().err + str(end.value)


@pytest.fixture
def again(tmp_path, capsys, monkeypatch):
    """A folder with one chapter's copies, and what a second run says and leaves there."""
    monkeypatch.setattr(copies, "NOTEBOOKS", [CHAPTER])
    monkeypatch.setattr(copies, "CHAPTERS", [CHAPTER])

    def run(*options):
        capsys.readouterr()
        status = copies.main(["--into", str(tmp_path), *options])
        return status, capsys.readouterr()

    run()
    return tmp_path, run


def compute(nb):
    first = next(cell for cell in nb.cells if cell.cell_type == "code")
    first.outputs, first.execution_count = [nbformat.v4.new_output("stream", text="mine")], 1


WORK = [
    lambda nb: nb.cells[-1].update(source=nb.cells[-1].source + "\n\nmine"),
    compute,
]


@pytest.mark.parametrize("work", WORK)
def test_a_copy_that_somebody_worked_in_is_named_and_left_alone(again, work):
    folder, run = again
    path = folder / "student" / CHAPTER.name
    nb = chapter(path)
    work(nb)
    nbformat.write(nb, path)
    before = path.read_bytes()
    status, said = run()
    assert status == 1 and path.read_bytes() == before and f"left alone: {path}" in said.err
    status, said = run("--force")
    assert status == 0 and not said.err
    assert path.read_bytes() != before and copies.is_untouched(path)


def test_a_copy_that_was_only_saved_or_is_of_an_older_chapter_is_made_anew(again):
    folder, run = again
    path = folder / "student" / CHAPTER.name
    new, saved, old = path.read_text(), chapter(path), chapter(path)
    saved.metadata.language_info = {"name": "python", "version": "3.99"}
    saved.cells[0].metadata.scrolled = True
    old.cells[4].source = "as it stood last year"
    old.metadata.dreamlab = {"fingerprint": copies.fingerprint(old)}
    for nb in (saved, old):
        nbformat.write(nb, path)
        assert path.read_text() != new
        assert run()[0] == 0
        assert path.read_text() == new


@pytest.mark.parametrize("text", ["not a notebook", CHAPTER.read_text()])
def test_what_is_no_copy_of_ours_is_left_alone(again, text):
    folder, run = again
    path, own = folder / "student" / CHAPTER.name, folder / "student" / "my own.ipynb"
    for file in (path, own):
        file.write_text(text)
    assert run()[0] == 1
    assert path.read_text() == own.read_text() == text
    assert run("--force")[0] == 0
    assert own.read_text() == text and copies.is_untouched(path)
