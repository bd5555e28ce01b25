"""The gallery of a class: every saved picture, what made it, and what is left out."""

import csv

import pytest
from PIL import Image

from dreamlab import Dream, Recipe, save_png
from dreamlab.course import gallery
from dreamlab.measure.judge import Judge

QUICK = Recipe(size=32, views=2, steps=2, octaves=(1.0,))


@pytest.fixture
def handed_in(tiny_clip, tmp_path):
    """Two students in folders, one alone, a batch, a screenshot and a text in disguise."""
    folder = tmp_path / "handed in"
    anna = Dream(tiny_clip, "a red heart", recipe=QUICK, seed=3)
    anna.run()
    save_png(anna, folder / "anna" / "dream-001.png")
    bert = Dream(tiny_clip, {"a boat": 2.0, "the sea": 1.0}, negative_prompt="a tree", recipe=QUICK)
    next(bert)
    save_png(bert, folder / "bert.png")
    pair = Dream(tiny_clip, ["a red heart", "a blue fish"], recipe=QUICK, seed=[5, 6])
    pair.run()
    save_png(pair, folder / "pair.png", index=1)
    Image.new("RGB", (8, 8)).save(folder / "screenshot.png")
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.fixture
def judge(tiny_clip):
    return Judge(tiny_clip)


def test_every_saved_picture_is_found_and_every_other_named(handed_in):
    entries, problems = gallery.collect(handed_in)
    assert [entry.name for entry in entries] == ["anna/dream-001", "bert", "pair"]
    assert [entry.prompt for entry in entries] == ["a red heart", "a boat + the sea", "a blue fish"]
    assert any("screenshot.png carries no dreamlab settings" in problem for problem in problems)
    assert any("text.png is no picture" in problem for problem in problems)
    assert len(problems) == 2


def test_a_row_says_what_made_the_picture_and_what_the_judge_thinks(handed_in, judge):
    entries, _ = gallery.collect(handed_in)
    anna, bert, pair = gallery.table(entries, judge)
    assert (anna["seed"], pair["seed"]) == (3, 6)
    assert (anna["steps"], bert["steps"]) == (2, 1)
    assert (anna["not"], bert["not"]) == ("", "a tree")
    assert "views 2" in anna["recipe"] and "size 32" in anna["recipe"]
    score = judge.score([entries[2].image], "a blue fish").item()
    assert pair["judge"] == pytest.approx(score, abs=1e-3)
    assert all(row["rank"] in (0, 1, 2) for row in (anna, bert, pair))


def test_one_prompt_for_all_has_no_rank(handed_in, judge):
    entries, _ = gallery.collect(handed_in / "anna")
    (row,) = gallery.table(entries, judge)
    assert row["rank"] == ""


@pytest.mark.parametrize("out", ["wall", "handed in"])
def test_the_command_writes_a_sheet_and_a_table(handed_in, tmp_path, capsys, out):
    out = tmp_path / out
    for _ in range(2):  # the second time, its own sheet may lie among the pictures
        assert gallery.main([str(handed_in), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "3 pictures" in said.out and "left out: text.png is no picture" in said.err
    with Image.open(out / "gallery.png") as sheet:
        assert sheet.width > 3 * 200
    with (out / "gallery.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["anna/dream-001", "bert", "pair"]


@pytest.mark.parametrize("folder", ["missing", "."])
def test_nothing_to_show_is_said(folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        gallery.main([str(tmp_path / folder)])
    assert "no folder" in (said := capsys.readouterr().err) or "was saved by dreamlab" in said
