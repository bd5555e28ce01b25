"""What texts repeat is what its home says: measured numbers, minutes, the repository's address."""

import re

import fill
import pytest
import yaml
from chapters import NOTEBOOKS, ROOT
from course_files import with_block
from test_project import load_pyproject, project_files

import dreamlab

FORK = "https://github.com/some-teacher/my.fork"
FILES = fill.filled(fill.current_address())
FORKED = fill.filled(FORK)

TABLE = """Before.
<!-- ladder:begin -->
| rung | judge score | gain | top |
| --- | ---: | --- | ---: |
| raw | 0.31 [0.28, 0.34] |  | 18 % [9, 32] |
| full | 0.54 [0.52, 0.56] | -0.003 [-0.012, 0.005] | 92.5% (0.60) |

Words about 7 things.

| model | count |
|---|---|
| small | 84.3% |
<!-- ladder:end -->
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_text_repeats_what_its_home_says(path):
    assert path.read_text("utf-8") == FILES[path], "run `python tools/fill.py`"
    # Such a line would be a paragraph of its own, and a pipe would split the cell of a table.
    assert not re.search(r'^\s*"?\s*(\|.*)?<!-- =', FILES[path], re.MULTILINE)


def test_a_block_is_replaced_between_its_marks():
    text = "a\n<!-- x:begin -->\nold\n<!-- x:end -->\nb\n"
    assert with_block(text, "x", r"new \1") == text.replace("old", r"new \1")
    begin, end = "<!-- y:begin -->", "<!-- y:end -->"
    for text in ("", begin, f"{end}\n{begin}", f"{begin}{end}" * 2):
        with pytest.raises(ValueError, match="y:begin"):
            with_block(text, "y", "new")


def test_a_number_is_taken_from_a_table_a_row_and_a_column():
    numbers = fill.read_tables(TABLE)
    assert numbers["ladder", "small", "count"] == (84.3,) and len(numbers) == 6
    for mark, right in {
        "ladder | raw | top : %": "18 %",
        "ladder | raw | judge score : .2": ".31",
        "ladder | full | gain : [.3]": "−.003 [−.012, .005]",
        "ladder | full | judge score minus ladder | raw | judge score : .2": ".23",
    }.items():
        wrong, filled = (f"It is <!-- = {mark} -->{text}<!-- = --> so." for text in ("7", right))
        assert fill.fill_numbers(wrong, numbers) == filled
    wrong, filled = (f'    "x": {n},  # = ladder | full | gain' for n in ("7", "-0.003"))
    assert fill.fill_numbers(wrong, numbers, code=True) == filled
    with pytest.raises(ValueError, match=r"ladder \| raw \| speed"):
        fill.fill_numbers("<!-- = ladder | raw | speed : .2 -->1<!-- = -->", numbers)


def test_the_command_takes_what_colab_can_open_and_writes_it(capsys, monkeypatch):
    written = []
    monkeypatch.setattr(fill, "rewrite", lambda files: written.append(files) or [])
    for address in ("https://gitlab.com/a/b", "git@github.com:a/b"):
        with pytest.raises(SystemExit):
            fill.main([address])
        assert "https://github.com/owner/name" in capsys.readouterr().err and not written
    fill.main([f"{FORK}.git"])
    assert written == [FORKED]


def test_citation_agrees_with_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = load_pyproject()["project"]
    assert citation["repository-code"] == fill.current_address()
    assert citation["version"] == dreamlab.__version__
    assert citation["license"] == project["license"]


def test_a_fork_is_written_everywhere_and_no_other_file_knows_the_address():
    """An address that is not rewritten would be forgotten after a fork."""
    address = fill.current_address()
    changed = {path for path in FORKED if FORKED[path] != FILES[path]}
    others = {ROOT / "README.md", ROOT / "CITATION.cff", ROOT / "pyproject.toml"}
    assert changed == {*NOTEBOOKS, *others}
    for path in changed:
        assert "some-teacher/my.fork" in FORKED[path] and address not in FORKED[path], path.name
    for path in project_files():
        assert path in changed or address.encode() not in path.read_bytes(), path.name
