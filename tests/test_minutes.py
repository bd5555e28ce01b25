"""Minutes are told in many places, and add up in all of them."""

import nbformat
import pytest
from chapters import load_tool

minutes = load_tool("minutes")
FILES = minutes.rewritten()

NOTES = """**Minutes**

| section | minutes |
|---|---|
| One | 3, and what it takes |
| Two | 4 |
| Play | 10, more if you let them |
| Exercises 1 to 2 | 1 + 1; the first is enough |
"""


def book(notes: str = NOTES, *, exercises: tuple[int, ...] = (5, 15)) -> nbformat.NotebookNode:
    texts = ["# 9 · A\n\n| | |\n|---|---|\n| **Time** | a while |\n| **You need** | - |"]
    texts += [f"### 1 · A\n\n●○○ · {n} minutes\n\nDo it." for n in exercises]
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell(t) for t in [*texts, notes]]
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_told_is_what_it_adds_up_to(path):
    assert path.read_text("utf-8") == FILES[path], "run `python tools/minutes.py`"


def test_sections_play_and_exercises_are_added_up():
    found = minutes.minutes_of(book())
    assert (found.read, found.play, found.exercises, found.all) == (7, 10, (5, 15), 37)
    assert str(found) == "37 minutes: 7 to read and run, 10 to play, 20 for the exercises"


def test_a_chapter_is_told_its_sum():
    nb = book()
    minutes.in_chapter(nb, minutes.minutes_of(nb))
    assert "| **Time** | 37 minutes: 7 to read" in nb.cells[0].source
    assert "| Exercises 1 to 2 | 5 + 15; the first is enough |" in nb.cells[-1].source
    assert minutes.minutes_of(nb).all == 37


@pytest.mark.parametrize(
    ("notes", "words"),
    [("**Minutes**: some", "no table"), (NOTES.replace("| Play", "| Game"), "no row 'Play'")],
)
def test_a_chapter_without_minutes_is_told_so(notes, words):
    with pytest.raises(ValueError, match=words):
        minutes.minutes_of(book(notes))


def test_the_map_and_the_teachers_table_are_filled_in():
    chapters = {"2": minutes.Minutes(30, 5, (5, 10)), "10": minutes.Minutes(1, 2, (3,))}
    rows = "| [2 · A](02_a.ipynb) | Why? | 7 |\n| 10 · this one | How? | 7 |"
    assert minutes.in_map(rows, chapters) == rows.replace("7 |", "50 |", 1).replace("7 |", "6 |")
    table = minutes.in_classroom("<!-- minutes:begin -->\n<!-- minutes:end -->", chapters)
    assert "| 2 | 30 | 5 | 5 + 10 | 50 |" in table and "| all | | | | 56 |" in table
    assert minutes.in_classroom(table, chapters) == table
