"""Reading the stored chapters: their cells and tags, and the functions that they define."""

import ast
import importlib.util
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import nbformat
import torch
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode

TOOLS = Path(__file__).resolve().parent.parent / "tools"
sys.path.append(str(TOOLS))  # as it is for the tools themselves
from course_files import APPENDICES, CHAPTERS, NOTEBOOKS, ROOT, number  # noqa: E402, F401 - for all tests

CHECK = re.compile(r"^check\.(\w+)\((\w+)\)$", re.MULTILINE)


def load_tool(name: str) -> ModuleType:
    """A script of `tools/`, as a module."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chapter(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def core(nb: NotebookNode) -> list[NotebookNode]:
    """The cells that everybody reads: up to the exercises, without claims."""
    cells = []
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## Exercises"):
            break
        if "claim" not in tags(cell):
            cells.append(cell)
    return cells


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def is_folded(cell: NotebookNode, part: str) -> bool:
    """Whether JupyterLab shows but one line of its "source" or of its "outputs"."""
    return cell.metadata.get("jupyter", {}).get(f"{part}_hidden", False)


def cells(nb: NotebookNode, kind: str) -> list[tuple[int, NotebookNode]]:
    return [(i, cell) for i, cell in enumerate(nb.cells) if cell.cell_type == kind]


def python(cell: NotebookNode) -> ast.Module:
    """The syntax tree of a code cell; a line with a magic command counts as `pass`."""
    return ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", cell.source, flags=re.MULTILINE))


def without_tags(nb: NotebookNode, *unwanted: str) -> NotebookNode:
    """The copy that nbconvert makes when it removes the cells with one of these tags."""
    remover = TagRemovePreprocessor(remove_cell_tags=set(unwanted), enabled=True)
    return remover.preprocess(nbformat.from_dict(nb.copy() | {"cells": list(nb.cells)}), {})[0]


def functions(name: str, **known) -> dict:
    """The functions of a notebook, and what it imports, in one namespace; `known` are its globals.

    Later definitions win, as they do when the notebook runs; those of solutions are left out.
    """
    (path,) = (path for path in NOTEBOOKS if path.stem == name)
    namespace = {}
    for _, cell in cells(without_tags(chapter(path), "solution", "exercise"), "code"):
        tree = python(cell)
        kept = (ast.Import, ast.ImportFrom, ast.FunctionDef)
        tree.body = [node for node in tree.body if isinstance(node, kept)]
        exec(compile(tree, path.name, "exec"), namespace)
    namespace.update(known)
    return namespace


@lru_cache
def answers(tag: str) -> dict[str, Callable]:
    """The functions that the chapters hand to each check: with the tag "solution" the right ones,
    with "exercise" the stubs. By name of the check.
    """
    found = {}
    for path in NOTEBOOKS:
        for _, cell in cells(chapter(path), "code"):
            if tag in tags(cell) and (handed := CHECK.search(cell.source)):
                *rest, _ = python(cell).body
                namespace = {"torch": torch}
                exec(compile(ast.Module(rest, []), path.name, "exec"), namespace)
                name, answer = handed.groups()
                found[name] = namespace[answer]
    return found
