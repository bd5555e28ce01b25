"""The copies for students and teachers: what is in which, and that they are the chapters."""

import nbformat
import pytest
from chapters import CHAPTERS, ROOT, cells, chapter, load_tool, python, tags

copies = load_tool("copies")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copies")
    copies.main(["--into", str(folder)])
    return folder


def read(folder, kind, path):
    nb = chapter(folder / kind / path.name)
    nbformat.validate(nb)
    return nb


def test_every_chapter_has_both_copies(folder):
    for kind in ("student", "teacher"):
        names = [path.name for path in sorted((folder / kind).iterdir())]
        assert names == [path.name for path in CHAPTERS]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_students_get_everything_but_solutions_notes_and_outputs(folder, path):
    source, student = chapter(path), read(folder, "student", path)
    kept = [cell for cell in source.cells if not {"solution", "teacher"} & set(tags(cell))]
    assert [cell.source for cell in student.cells] == [cell.source for cell in kept]
    assert len(kept) < len(source.cells)
    stubs = [cell for _, cell in cells(student, "code") if "exercise" in tags(cell)]
    assert len(stubs) >= 3 and all("..." in cell.source for cell in stubs)
    assert not any(cell.outputs or cell.execution_count for _, cell in cells(student, "code"))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_teachers_get_the_solutions_open_with_the_pictures_and_the_notes(folder, path):
    source, teacher = chapter(path), read(folder, "teacher", path)
    kept = [cell for cell in source.cells if "exercise" not in tags(cell)]
    assert [cell.source for cell in teacher.cells] == [cell.source for cell in kept]
    assert not any("jupyter" in cell.metadata for cell in teacher.cells)
    assert "teacher" in tags(teacher.cells[-1])
    outputs = [cell.outputs for cell in kept if cell.cell_type == "code"]
    assert [cell.outputs for _, cell in cells(teacher, "code")] == outputs
    assert any(outputs)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_copies_are_python_to_the_last_cell(folder, path):
    for kind in ("student", "teacher"):
        for _, cell in cells(read(folder, kind, path), "code"):
            python(cell)


def test_git_ignores_the_copies():
    assert "/copies/" in (ROOT / ".gitignore").read_text().splitlines()
