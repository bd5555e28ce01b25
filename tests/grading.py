"""The exercises of a chapter graded by nbgrader: right answers get all points, empty ones none.

    python tests/grading.py                an environment with nbgrader is made for it
    python tests/grading.py ENVIRONMENT    that has nbgrader

The notebooks are executed by this Python's kernel. Needs network for the first way.
"""

import ast
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from chapters import CHAPTERS, CHECK, ROOT, python, tags

CHAPTER = CHAPTERS[0]


def without_dreams(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Of cells that are no part of an exercise the imports alone: the rest takes a minute."""
    for cell in nb.cells:
        if cell.cell_type == "code" and not {"exercise", "grade"} & set(tags(cell)):
            kept = [
                line for line in python(cell).body if isinstance(line, ast.Import | ast.ImportFrom)
            ]
            cell.source = "\n".join(map(ast.unparse, kept))
    return nb


def solve(nb: nbformat.NotebookNode, solved: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A student's copy with the solutions of the teacher's."""
    cells = [cell for cell in solved.cells if "solution" in tags(cell)]
    right = {found[1]: cell.source for cell in cells if (found := CHECK.search(cell.source))}
    for cell in nb.cells:
        if "exercise" in tags(cell):
            cell.source = right[CHECK.search(cell.source)[1]]
    return nb


def main(environment: Path | None = None) -> int:
    with tempfile.TemporaryDirectory(prefix="dreamlab-grading-") as temporary:
        folder = Path(temporary)
        if environment is None:
            environment = folder / "environment"
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
            subprocess.run([*pip, "nbgrader"], check=True)
        kernel = ["-m", "ipykernel", "install", "--prefix", environment, "--name", "python3"]
        subprocess.run([sys.executable, *kernel], check=True)
        copies = ROOT / "tools" / "copies.py"
        subprocess.run([sys.executable, copies, "--into", folder / "copies"], check=True)

        programs = environment.absolute() / "bin"  # nbgrader calls another of them by its name
        within = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}

        def nbgrader(*words: str) -> None:
            subprocess.run([programs / "nbgrader", *words], cwd=folder, env=within, check=True)

        def read(*place: str) -> nbformat.NotebookNode:
            return nbformat.read(folder.joinpath(*place, CHAPTER.name), as_version=4)

        def write(nb: nbformat.NotebookNode, *place: str) -> None:
            path = folder.joinpath(*place, CHAPTER.name)
            path.parent.mkdir(parents=True)
            nbformat.write(nb, path)

        write(without_dreams(read("copies", "nbgrader")), "source", "dreams")
        nbgrader("generate_assignment", "dreams")
        write(read("release", "dreams"), "submitted", "empty", "dreams")
        right = solve(read("release", "dreams"), read("copies", "teacher"))
        write(right, "submitted", "right", "dreams")
        # A busy machine may be long silent.
        nbgrader("autograde", "dreams", "--Execute.timeout=1200", "--Execute.iopub_timeout=600")
        nbgrader("export", "--to", "grades.csv")
        with (folder / "grades.csv").open(encoding="utf-8", newline="") as file:
            grades = {row["student_id"]: row for row in csv.DictReader(file)}
    scores = {name: float(row["score"]) for name, row in grades.items()}
    points = float(grades["right"]["max_score"])
    print(f"of {points:g} points: {scores}")
    exercises = sum("exercise" in tags(cell) for cell in nbformat.read(CHAPTER, 4).cells)
    return int(points != exercises or scores != {"right": points, "empty": 0})


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
