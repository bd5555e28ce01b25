"""One place for the repository's address: everything that shows it follows from pyproject.toml."""

import re
import subprocess
import sys

import nbformat
import pytest
import yaml
from chapters import NOTEBOOKS, ROOT, cells, chapter, load_tool
from test_project import load_pyproject, project_files

import dreamlab

tool = load_tool("address")
ADDRESS = load_pyproject()["project"]["urls"]["Repository"]
FORK = "https://github.com/some-teacher/my.fork"


def test_every_file_shows_the_address_of_pyproject():
    stale = [
        path.name
        for path, text in tool.rewritten(ADDRESS).items()
        if text != path.read_text("utf-8")
    ]
    assert stale == [], "run `python tools/address.py`"


def test_no_other_file_knows_the_address():
    """An address that the tool does not rewrite would be forgotten after a fork."""
    known = {ROOT / "pyproject.toml", *tool.rewritten(ADDRESS)}
    forgotten = [
        str(path.relative_to(ROOT))
        for path in project_files()
        if path not in known and ADDRESS.encode() in path.read_bytes()
    ]
    assert forgotten == []


def test_a_fork_is_rewritten_everywhere():
    files = tool.rewritten(FORK)
    owner = re.search(r"github\.com/([^/]+)/", ADDRESS).group(1)
    assert len(files) == len(NOTEBOOKS) + 2
    for path, text in files.items():
        assert "some-teacher/my.fork" in text, path.name
        assert owner + "/" not in text, path.name


def test_a_rewritten_chapter_has_badges_under_its_title_and_installs_from_the_fork():
    for path in NOTEBOOKS:
        name = f"notebooks/{path.name}"
        nb = nbformat.reads(tool.in_chapter(path.read_text("utf-8"), FORK, name), as_version=4)
        nbformat.validate(nb)
        title, blank, badges, *_ = nb.cells[0].source.split("\n")
        assert title.startswith("# ") and not blank
        assert f"colab.research.google.com/github/some-teacher/my.fork/blob/main/{name})" in badges
        assert f"labpath=notebooks%2F{path.name})" in badges
        assert f"git+{FORK}" in cells(nb, "code")[0][1].source
        assert len(nb.cells) == len(chapter(path).cells)


def test_rewriting_twice_changes_nothing():
    path = NOTEBOOKS[0]
    once = tool.in_chapter(path.read_text("utf-8"), FORK, "notebooks/a.ipynb")
    assert tool.in_chapter(once, FORK, "notebooks/a.ipynb") == once


@pytest.mark.parametrize(
    "address", ["https://gitlab.com/a/b", "github.com/a/b", "git@github.com:a/b"]
)
def test_an_address_that_colab_cannot_open_is_refused_and_nothing_written(address, capsys):
    before = (ROOT / "pyproject.toml").read_text("utf-8")
    with pytest.raises(SystemExit):
        tool.main([address])
    assert "https://github.com/owner/name" in capsys.readouterr().err
    assert (ROOT / "pyproject.toml").read_text("utf-8") == before


def test_the_command_writes_what_a_fork_needs(tmp_path):
    """In a copy of the files that it touches."""
    tools = (ROOT / "tools" / name for name in ("address.py", "course_files.py"))
    for path in (ROOT / "pyproject.toml", *tools, *tool.rewritten(ADDRESS)):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    command = [sys.executable, str(tmp_path / "tools" / "address.py"), FORK + ".git"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.count("changed") == len(NOTEBOOKS) + 3
    assert f'Repository = "{FORK}"' in (tmp_path / "pyproject.toml").read_text("utf-8")
    again = subprocess.run(command[:2], capture_output=True, text=True, check=True).stdout
    assert again == "", "it is all in place"


def test_citation_agrees_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = load_pyproject()["project"]
    assert citation["repository-code"] == ADDRESS
    assert citation["version"] == dreamlab.__version__
    assert citation["license"] == project["license"]
    assert citation["keywords"] == project["keywords"]
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in project["authors"]
    ]
