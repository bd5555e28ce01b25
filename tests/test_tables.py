"""Tables and sheets: means that do not pretend, cells that hold what they should."""

import csv

import pytest

from dreamlab.measure.tables import markdown, summarize
from dreamlab.support.files import csv_bytes


def rows(prompts, seeds, rank):
    return [
        {"recipe": "r", "prompt": p, "seed": s, "error": "", "rank": rank(p, s), "slope": -2.0 - p}
        for p in range(prompts)
        for s in range(seeds)
    ]


def test_summary_counts_hits_and_averages_and_more_seeds_do_not_narrow_the_interval():
    (summary,) = summarize(rows(10, 1, lambda p, s: 0 if p < 7 else 5))
    assert (summary["recipe"], summary["count"]) == ("r", 10) and "judge" not in summary
    assert (summary["top1"].value, summary["rank"].value) == (0.7, 1.5)
    assert summary["top1"].low == pytest.approx(0.397, abs=1e-3)  # Wilson's, of 7 in 10
    assert summary["slope"].value == -6.5
    (five,) = summarize(rows(10, 5, lambda p, s: 0 if p < 7 else 5))
    assert five["rank"] == summary["rank"] and five["count"] == 50


def test_markdown_cells_cannot_break_the_table():
    text = markdown([{"recipe": "a|b\n<script>", "slope": float("nan")}], ["recipe", "slope"])
    assert text.split("\n")[-1] == "| a\\|b &lt;script&gt; | – |"


def test_rows_are_written_as_csv_without_formulas():
    assert b"half \\ud83d" in csv_bytes([{"prompt": "half \ud83d"}])
    odd = ["=1+1", "+1", "-x", "@SUM(A1)", " =1", "\t=1", "＝1"]
    rows = [{"prompt": "ein schöner ❤", "rank": 0}, *({"prompt": value} for value in odd)]
    content = csv_bytes([*rows, {"slope": -2.5, "=1+1": ""}])
    assert content.startswith(b"\xef\xbb\xbf"), "spreadsheets know by it that it is UTF-8"
    first, *found, last = csv.DictReader(content.decode("utf-8-sig").splitlines())
    assert first == {"prompt": "ein schöner ❤", "rank": "0", "slope": "", "'=1+1": ""}
    assert [row["prompt"] for row in found] == [f"'{value}" for value in odd]
    assert last["slope"] == "-2.5", "a number is no formula"
