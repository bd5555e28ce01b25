"""Numbers that texts share are those that were measured."""

import re

import nbformat
import pytest
from chapters import ROOT, load_tool

measured = load_tool("measured")
FILES = measured.rewritten()

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
def test_what_a_text_says_is_what_was_measured(path):
    assert path.read_text("utf-8") == FILES[path], "run `python tools/measured.py`"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_line_begins_with_a_mark(path):
    """In Markdown such a line would be a paragraph of its own."""
    assert not re.search(r'^\s*"?\s*<!-- =', FILES[path], re.MULTILINE)


def test_readme_takes_its_own_numbers_from_its_tables():
    assert FILES[ROOT / "README.md"].count("<!-- = -->") >= 3


def test_the_tables_of_the_measurements_are_read():
    numbers = measured.measured((ROOT / "README.md").read_text("utf-8"))
    assert {name for name, *_ in numbers} >= {"scores", "ablation"}
    assert 0 < numbers["ablation", "raw", "judge score"] < 1


def test_a_number_has_a_table_a_row_and_a_column():
    assert measured.measured(TABLE) == {
        ("ladder", "raw", "judge score"): 0.31,
        ("ladder", "raw", "top"): 18,
        ("ladder", "full", "judge score"): 0.54,
        ("ladder", "full", "gain"): -0.003,
        ("ladder", "full", "top"): 92.5,
        ("ladder", "small", "count"): 84.3,
    }


@pytest.mark.parametrize(
    ("mark", "right"),
    [
        ("ladder | raw | top : %", "18 %"),
        ("ladder | raw | judge score : .2", ".31"),
        ("ladder | raw | judge score : .1f", "0.3"),
        ("ladder | full | gain : .3", "−.003"),
        ("ladder | full | judge score minus ladder | raw | judge score : .2", ".23"),
    ],
)
def test_a_wrong_number_is_found_and_put_right(mark, right):
    text = f"It is <!-- = {mark} -->7<!-- = --> so."
    filled = measured.filled(text, measured.measured(TABLE))
    assert filled == f"It is <!-- = {mark} -->{right}<!-- = --> so."
    assert measured.filled(filled, measured.measured(TABLE)) == filled


def test_only_the_prose_of_a_notebook_is_filled():
    text = "<!-- = ladder | raw | top : % -->7<!-- = -->"
    nb = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(text), nbformat.v4.new_code_cell(f"'{text}'")]
    )
    new = measured.in_notebook(nbformat.writes(nb), lambda part: part.replace("7", "18 %"))
    prose, code = nbformat.reads(new, as_version=4).cells
    assert "18 %" in prose.source and "7" in code.source


def test_a_place_that_no_table_has_is_named():
    with pytest.raises(ValueError, match=r"ladder \| raw \| speed"):
        measured.filled("<!-- = ladder | raw | speed : .2 -->1<!-- = -->", measured.measured(TABLE))
