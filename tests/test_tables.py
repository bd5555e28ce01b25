"""Tables and sheets: means that do not pretend, cells that hold what they should."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.figures.sheet import contact_sheet
from dreamlab.measure.tables import markdown, summarize, write_rows

# --- summaries and tables ---------------------------------------------------------------------


def rows(prompts, seeds, rank):
    return [
        {"recipe": "r", "prompt": p, "seed": s, "error": "", "rank": rank(p, s), "slope": -2.0 - p}
        for p in range(prompts)
        for s in range(seeds)
    ]


def test_summary_counts_hits_and_averages():
    (summary,) = summarize(rows(10, 1, lambda p, s: 0 if p < 7 else 5))
    assert summary["recipe"] == "r"
    assert summary["count"] == 10
    assert (summary["top1"].value, summary["rank"].value) == (0.7, 1.5)
    assert summary["top1"].low == pytest.approx(0.397, abs=1e-3)  # Wilson's, of 7 in 10
    assert summary["slope"].value == -6.5
    assert "judge" not in summary


def test_more_seeds_of_the_same_prompts_do_not_narrow_the_interval():
    (one,) = summarize(rows(10, 1, lambda p, s: p))
    (five,) = summarize(rows(10, 5, lambda p, s: p))
    assert five["rank"] == one["rank"]
    assert five["count"] == 50


def test_markdown_cells_cannot_break_the_table():
    text = markdown([{"recipe": "a|b\nc", "slope": float("nan")}], ["recipe", "slope"])
    assert text.split("\n")[-1] == "| a\\|b c | – |"


# --- files ------------------------------------------------------------------------------------


def test_rows_are_written_as_csv_without_formulas(tmp_path):
    odd = ["=1+1", "+1", "-x", "@SUM(A1)", " =1", "\t=1", "＝1"]
    rows = [{"prompt": "ein schöner ❤", "rank": 0}, *({"prompt": value} for value in odd)]
    path = write_rows(tmp_path / "rows.csv", [*rows, {"slope": -2.5}])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf"), "spreadsheets know by it that it is UTF-8"
    with path.open(encoding="utf-8-sig", newline="") as file:
        first, *found, last = csv.DictReader(file)
    assert first == {"prompt": "ein schöner ❤", "rank": "0", "slope": ""}
    assert [row["prompt"] for row in found] == [f"'{value}" for value in odd]
    assert last["slope"] == "-2.5", "a number is no formula"
    with pytest.raises(ValueError, match=r"\.csv, not as 'rows\.xls'"):
        write_rows(tmp_path / "rows.xls", [{"rank": 0}])


# --- contact sheets ---------------------------------------------------------------------------


def test_sheet_shows_each_picture_in_its_cell():
    def flat(colour):
        return Image.new("RGB", (40, 40), colour)

    sheet = contact_sheet(
        [[flat("red"), flat("lime")], [flat("blue"), None]], ["one", "two"], ["a", "b"], size=40
    )
    pixels = torch.from_numpy(np.array(sheet)).int()
    for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255)):
        assert (pixels == torch.tensor(colour)).all(-1).sum() == 1600


def test_sheet_keeps_the_shape_of_wide_pictures():
    wide = Image.new("RGB", (100, 50), "red")
    sheet = np.array(contact_sheet([[wide]], ["r"], ["c"], size=64))
    assert (sheet == (255, 0, 0)).all(-1).sum() == 64 * 32


def test_long_labels_are_broken_and_fit():
    long = "two yellow striped butterflies and a grey spotted castle in the mountains"
    short = contact_sheet([[Image.new("RGB", (64, 64))]], ["r"], ["c"], size=64)
    tall = contact_sheet([[Image.new("RGB", (64, 64))]], ["r"], [long], size=64)
    assert tall.width == short.width
    assert tall.height > short.height + 50


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [([], ["c"], "no pictures"), ([[None, None]], ["c"], "labels for 1 rows of 1")],
)
def test_sheets_that_cannot_be_laid_out_are_refused(images, labels, words):
    with pytest.raises(ValueError, match=words):
        contact_sheet(images, ["r"], labels)
