"""Chapters and appendices as texts: gates of quality, as functions that list problems."""

import ast
import builtins
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile
from statistics import median

import nbformat
import pytest
from chapters import (
    CHAPTERS,
    CHECK,
    NOTEBOOKS,
    ROOT,
    cells,
    chapter,
    core,
    is_folded,
    number,
    python,
    tags,
    without_tags,
)
from nbformat import NotebookNode
from test_project import project_files

from dreamlab.figures.static import IN_WORDS


def prose(nb: NotebookNode) -> str:
    """What is to be read as English: without code, formulas, addresses, HTML, tables' numbers."""
    text = "\n\n".join(cell.source for _, cell in cells(nb, "markdown"))
    code, formulas = r"```.*?```|`[^`]*`", r"\$\$.*?\$\$|\$[^$]*\$"
    links = r"!\[[^\]]*\]|\]\([^)]*\)"
    ladder = r"<!-- ladder.*?(?:\n\n|\Z)"  # a table that tools/fill.py writes
    return re.sub(rf"{code}|{formulas}|{links}|{ladder}|<[^>]*>|\|", " ", text, flags=re.DOTALL)


def length_problems(nb: NotebookNode) -> Iterator[str]:
    """Short cells, about as much prose as code: measured in courses worth admiring."""
    nb = without_tags(nb, "claim")  # nobody reads those
    code = cells(nb, "code")
    lines = {i: sum(bool(line.strip()) for line in cell.source.splitlines()) for i, cell in code}
    if median(lines.values()) > 7:
        yield f"the median code cell has {median(lines.values())} lines, more than 7"
    yield from (f"cell {i}: {n} lines, more than 25" for i, n in lines.items() if n > 25)
    ratio = len(cells(nb, "markdown")) / len(code)
    if not 0.6 <= ratio <= 1.7:
        yield f"{ratio:.2f} markdown cells for each code cell: about as many are wanted"
    least = 300 if is_appendix(nb) else 800
    if not least <= (words := len(prose(without_tags(nb, "teacher")).split())) <= 4000:
        yield f"{words} words: {least} to 4,000 are wanted"


def core_problems(nb: NotebookNode) -> Iterator[str]:
    """What a class reads in its lesson is short, and stands on what was said before it."""
    if is_appendix(nb):
        return
    read = nbformat.from_dict(nb.copy() | {"cells": core(nb)})
    words = len(prose(read).split())
    if len(read.cells) > 45 or words > 1700:
        yield f"{len(read.cells)} cells of {words} words before the exercises: 45 of 1,700 may be"
    own = int(re.match(r"# (\d+) · ", nb.cells[0].source)[1])
    named = re.compile(r"\b[Cc]hapters? (\d+(?:(?:, | and | to | or )\d+)*)")
    for cell in read.cells:
        if cell.cell_type == "markdown" and not cell.source.startswith("## The map"):
            for run in named.findall(cell.source):
                if max(map(int, re.findall(r"\d+", run))) > own:
                    yield f"leans on chapter {run}, which comes later: {cell.source[:60]!r}"


def figure_problems(nb: NotebookNode) -> Iterator[str]:
    """Pictures have words for those who cannot see them."""
    for i, cell in cells(nb, "code"):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                alt = output.metadata.get("image/png", {}).get("alt", "")
                if len(alt.split()) < 5:
                    yield f"cell {i}: a figure whose alternative text is {alt!r}"
    for i, cell in cells(nb, "markdown"):
        if re.search(r"!\[\s*\]\(", cell.source) or re.search(r"<img(?![^>]*alt=.\w)", cell.source):
            yield f"cell {i}: a picture without alternative text"


def link_problems(nb: NotebookNode) -> Iterator[str]:
    for i, cell in cells(nb, "markdown"):
        for link in re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", cell.source):
            if not (ROOT / "notebooks" / link).exists():
                yield f"cell {i}: {link} does not exist"


PARTS = (
    r"^# \d+ · ",
    r"\*\*Time\*\*",
    r"\*\*Predict",
    r"^## Play",
    r"^## Exercises",
    r"^## References",
    r"^## For teachers",
)


# What an appendix has of these; it may have the others.
APPENDIX_PARTS = (r"^# [A-Z] · ", *(part for part in PARTS if re.search("Time|Ref|For", part)))


def is_appendix(nb: NotebookNode) -> bool:
    return bool(re.match(r"# [A-Z] · ", nb.cells[0].source))


def part_problems(nb: NotebookNode) -> Iterator[str]:
    parts = APPENDIX_PARTS if is_appendix(nb) else PARTS
    text = "\n".join(cell.source for _, cell in cells(nb, "markdown"))
    yield from (f"no {part}" for part in parts if not re.search(part, text, re.MULTILINE))
    notes = [i for i, cell in enumerate(nb.cells) if "teacher" in tags(cell)]
    if notes != [len(nb.cells) - 1]:
        yield f"cells {notes} are tagged 'teacher': the notes for teachers should be the last cell"
        return
    wanted = ["**Minutes**", "**Usual mistakes**"]
    if not is_appendix(nb):
        wanted += ["**Expected answers**", "**Pictures differ**", "**One CPU**"]
    for part in wanted:
        if part not in nb.cells[-1].source:
            yield f"the notes for teachers have no {part}"


EXERCISE = re.compile(r"^### \d · .+\n\n(●○○|●●○|●●●) · \d+ minutes\n", re.MULTILINE)


def exercise_problems(nb: NotebookNode) -> Iterator[str]:
    """At least three in a chapter; each with difficulty, minutes, hint, then stub, then solution.

    The solution is under a folded heading: running a cell unfolds the cell, but no heading above.
    Stub and solution end in the same check. What is stored is its sentence before and after.
    """
    headings = [i for i, cell in cells(nb, "markdown") if cell.source.startswith("### ")]
    exercises = [i for i in headings if "exercise" in tags(nb.cells[i + 1])]
    if len(exercises) < 3 and not is_appendix(nb):
        yield f"{len(exercises)} exercises, fewer than 3"
    for i, cell in enumerate(nb.cells):
        code = cell.cell_type == "code"
        hidden = is_folded(cell, "source") and (not code or cell.metadata.get("cellView") == "form")
        if "solution" in tags(cell) and not hidden:
            yield f"cell {i}: a solution that is not folded, or not on Colab"
        if "solution" in tags(cell) and code and not is_folded(cell, "outputs"):
            yield f"cell {i}: a solution whose output is not folded"
    on_colab = nb.metadata.get("colab", {}).get("collapsed_sections", ())
    for i in exercises:
        text, (stub, fold, solution) = nb.cells[i].source, nb.cells[i + 1 : i + 4]
        folded = fold.metadata.get("jp-MarkdownHeadingCollapsed", False)
        if not folded or not fold.source.startswith("#### "):
            yield f"cell {i}: no folded heading between stub and solution"
        if fold.metadata.get("id") not in on_colab:
            yield f"cell {i}: the heading of its solution is not folded on Colab"
        if not EXERCISE.search(text):
            yield f"cell {i}: an exercise begins '### 1 · title', then '●○○ · 5 minutes'"
        if not re.search(r"<details><summary>Hint.*?</summary>\n\n.+?\n\n</details>", text, re.S):
            yield f"cell {i}: no folded hint"
        checks = [CHECK.search(cell.source) for cell in (stub, solution)]
        if "solution" not in tags(solution) or not all(checks):
            yield f"cell {i}: no stub with a check, followed by a solution with one"
            continue
        if checks[0].groups() != checks[1].groups():
            yield f"cell {i}: stub and solution are checked differently"
        for cell, sentence in ((stub, "○ Not yet: "), (solution, "✓ Right: ")):
            if "nbval-check-output" not in tags(cell):
                yield f"cell {i}: its sentences should be compared by nbval"
            stored = cell.outputs[0].get("data", {}).get("text/plain", "") if cell.outputs else ""
            if not stored.startswith(sentence):
                yield f"cell {i}: stored is {stored[:20]!r}, not {sentence!r}"


def bound(tree: ast.Module) -> set[str]:
    """The names that the top level of a cell gives a value."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ExceptHandler):
            names |= {node.name} - {None}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def used(tree: ast.Module) -> set[str]:
    """The names that a cell reads and does not itself bind anywhere, arguments included."""
    own = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - own
    return {name for name in read - bound(tree) if not hasattr(builtins, name)}


def dependence_problems(nb: NotebookNode) -> Iterator[str]:
    """Without solutions, claims and panels, everything else still has all the names it uses."""
    known: set[str] = set()
    student = without_tags(nb, "solution", "claim")
    for i, cell in cells(student, "code"):
        tree = python(cell)
        if missing := used(tree) - known:
            yield f"student copy, cell {i}: {sorted(missing)} come from what is not in it"
        if "Panel(" not in cell.source and "compare(" not in cell.source:
            known |= bound(tree)


def predict_problems(nb: NotebookNode) -> Iterator[str]:
    """What a *Predict* box asks is not answered below it before anybody has thought.

    Of the outputs and proofs after it in its section, one at least is folded, and so are ladders; a
    folded figure's first line of text does not tell what is to be seen.
    """
    for i, cell in cells(nb, "markdown"):
        if "**Predict.**" in cell.source:
            below = takewhile(lambda c: not c.source.startswith("#"), nb.cells[i + 1 :])
            section = list(below)
            shown = [c for c in section if "proof" in tags(c) or c.get("outputs")]
            if shown and not any(is_folded(c, "outputs") for c in shown):
                yield f"cell {i}: this Predict box is answered at first sight; fold the output"
            if any("<!-- ladder" in c.source and "<details>" not in c.source for c in section):
                yield f"cell {i}: the ladder below this Predict box is not folded"
    for i, cell in cells(nb, "code"):
        for output in cell.outputs[:1] if is_folded(cell, "outputs") else []:
            data = output.get("data", {})
            if "image/png" in data and not data["text/plain"].startswith(IN_WORDS + "\n"):
                yield f"cell {i}: folded, its figure still says {data['text/plain'][:40]!r}"


ASSERTED = (ast.Assert, ast.Assign, ast.For, ast.FunctionDef, ast.Import, ast.ImportFrom)


def claim_problems(nb: NotebookNode) -> Iterator[str]:
    """A *claim* says in code what the text says in words: it holds asserts and what they need, is
    folded, shows nothing, and is left out of the students' copies. A *proof* is an assert that the
    text announces. Solutions assert as they like. An *answer* tells what a Predict box asks.
    """
    for i, cell in cells(nb, "code"):
        tree, kinds = python(cell), {"claim", "proof"} & set(tags(cell))
        asserts = any(isinstance(node, ast.Assert) for node in ast.walk(tree))
        if {"solution", "exercise"} & set(tags(cell)):
            if kinds:
                yield f"cell {i}: exercise or solution, and also {kinds}"
        elif asserts != (len(kinds) == 1):
            yield f"cell {i}: an assert is either a 'claim' or a 'proof', and these are one"
        if is_folded(cell, "source") != bool({"claim", "solution", "answer"} & set(tags(cell))):
            yield f"cell {i}: claims, solutions and answers are folded, and nothing else is"
        if "claim" in kinds:
            if cell.outputs:
                yield f"cell {i}: a claim that shows something"
            if others := [node for node in tree.body if not isinstance(node, ASSERTED)]:
                yield f"cell {i}: a claim that does something: {ast.unparse(others[0])[:40]}"


INSTALL = re.compile(
    r'import sys\n\nif "google\.colab" in sys\.modules:\n    %pip install -q git\+https://\S+'
)


def install_problems(nb: NotebookNode) -> Iterator[str]:
    if not INSTALL.fullmatch(cells(nb, "code")[0][1].source):
        yield "the first code cell should install the course under Colab, and only there"


GATES = [length_problems, core_problems, figure_problems, part_problems, exercise_problems]
GATES += [dependence_problems, predict_problems, claim_problems, install_problems, link_problems]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_chapters_pass_every_gate(path):
    nb = chapter(path)
    assert [problem for gate in GATES for problem in gate(nb)] == []
    assert path.stat().st_size <= 1_000_000


def test_words_are_spelled_right():
    """codespell knows thousands of common slips; names and rare words it lets pass."""
    documents = (path for path in project_files() if path.suffix in {".md", ".cff", ".yml"})
    text = [prose(chapter(path)) for path in NOTEBOOKS]
    text += [path.read_text("utf-8") for path in documents]
    command = [sys.executable, "-m", "codespell_lib", "-"]
    found = subprocess.run(command, input="\n".join(text), capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_map_and_the_readme_name_every_chapter_as_it_names_itself():
    readme = (ROOT / "README.md").read_text("utf-8")
    (table,) = (c.source for c in chapter(CHAPTERS[0]).cells if c.source.startswith("## The map"))
    rows = re.findall(r"^\| \[?(\d+|[A-Z]) · .+? \| (.+?) \| (.+?) \|$", table, re.MULTILINE)
    assert [which for which, _, _ in rows] == [number(path) for path in NOTEBOOKS]
    for path, (_, question, minutes) in zip(NOTEBOOKS, rows, strict=True):
        assert question.endswith("?")
        title = chapter(path).cells[0].source
        assert f"**Time** | {minutes} minutes" in title, path.name
        (name,) = re.findall(r"^# (.+)$", title, re.MULTILINE)
        assert f"[{name}](notebooks/{path.name})" in readme
        assert f"[{name}]({path.name})" in table or f"{name} (this one)" in table
    asked = {which: question for which, question, _ in rows}
    found = re.findall(r"^\| \[(\w+) · .+?\]\(notebooks/.+?\) \| (.+?) \|$", readme, re.MULTILINE)
    assert len(found) > 5 and all(asked[which] == question for which, question in found)
