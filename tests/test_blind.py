"""The blind test: sheets without a word on them, answers that are read with care, fair numbers."""

import csv
import math

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from dreamlab.measure import blind
from dreamlab.measure.blind import (
    Guess,
    Picture,
    by_guessing,
    choose,
    dream_all,
    main,
    make_key,
    picture_page,
    read_answers,
    read_key,
    report,
)
from dreamlab.measure.judge import Judge
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.world import OBJECTS, caption
from dreamlab.recipe import Recipe

# --- the pictures -----------------------------------------------------------------------------


def test_every_thing_comes_once_before_any_comes_again():
    scenes = choose(25, seed=3)
    assert scenes == choose(25, seed=3) != choose(25, seed=4)
    assert {scene.items[0].object for scene in scenes} == set(OBJECTS)
    assert [scene.items[0].object for scene in scenes] != sorted(OBJECTS)
    assert len({caption(scene) for scene in scenes}) == len({s.seed for s in scenes}) == 25
    few, many = choose(7), choose(50)
    assert len({scene.items[0].object for scene in few}) == 7
    names = [scene.items[0].object for scene in many]
    assert sorted(names) == sorted([*OBJECTS, *OBJECTS])


@pytest.mark.parametrize("count", [0, 51])
def test_a_sheet_has_its_limits(count):
    with pytest.raises(ValueError, match=f"1 to 50 pictures, got {count}"):
        choose(count)


def test_batches_do_not_change_the_dreams(tiny_clip):
    scenes, recipe = choose(3), Recipe(size=32, steps=2, octaves=(1.0,), views=2)
    one, all_at_once = (dream_all(tiny_clip, scenes, recipe, batch=n) for n in (1, 3))
    assert len(one) == 3
    for mine, theirs in zip(one, all_at_once, strict=True):
        assert np.abs(np.asarray(mine, int) - np.asarray(theirs, int)).max() <= 1
    assert np.asarray(one[0]).tolist() != np.asarray(one[1]).tolist()


def test_the_key_says_what_is_there_and_what_the_judge_sees(tiny_clip):
    scenes = choose(4)
    images = [draw(scene, 64) for scene in scenes]
    key = make_key(scenes, images, Judge())
    assert [picture.number for picture in key] == [1, 2, 3, 4]
    assert [picture.thing for picture in key] == [scene.items[0].object for scene in scenes]
    assert all(picture.judge in OBJECTS for picture in key)
    for judge in (None, Judge(tiny_clip)):
        assert {picture.judge for picture in make_key(scenes, images, judge)} == {""}


# --- from start to end ------------------------------------------------------------------------


def filled(folder, right, viewer="anna", second=""):
    """The table of answers with `right` of the things named, the rest left empty."""
    key = read_key(folder / blind.KEY)
    rows = [(viewer, p.number, p.thing if p.number <= right else "", second) for p in key]
    return "".join(f"{v},{n},{a},{s}\n" for v, n, a, s in rows)


def test_one_command_makes_sheets_and_another_scores(tmp_path, tiny_clip_dir, capsys, monkeypatch):
    shown = []

    def spying(*arguments):
        page = picture_page(*arguments)
        shown.append([text.get_text() for text in page.findobj(Text)])
        return page

    monkeypatch.setattr(blind, "picture_page", spying)
    folder = tmp_path / "blind"
    few = ["--things", "6", "--steps", "2", "--size", "32", "--set", "views=2", "octaves=(1.0,)"]
    models = ["--clip", f"local-dir:{tiny_clip_dir}", "--device", "cpu"]
    main(["make", str(folder), *few, *models])
    for stem in ("sheet", "answer-sheet", "key"):
        page = Image.open(folder / f"{stem}.png")
        assert page.height > page.width > 1000
        assert (folder / f"{stem}.pdf").read_bytes().startswith(b"%PDF")
    pictures = read_key(folder / blind.KEY)
    assert [picture.number for picture in pictures] == [1, 2, 3, 4, 5, 6]
    rows = list(csv.DictReader((folder / blind.ANSWERS).open()))
    assert [row["number"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert {row["answer"] for row in rows} == {""}
    # Not a word about what is there.
    sheet, key = (" ".join(words) for words in shown)
    assert all(p.thing in key and p.thing not in sheet for p in pictures)

    with pytest.raises(SystemExit):
        main(["score", str(folder)])
    assert "holds no answer" in capsys.readouterr().err

    table = "viewer,number,answer,second\n" + filled(folder, 3) + filled(folder, 6, "bob")
    (folder / "class.csv").write_text(table, "utf-8")
    main(["score", str(folder), "--answers", str(folder / "class.csv")])
    printed = capsys.readouterr().out
    assert "| anna | 3 of 6 | 50 % [" in printed and "| bob | 6 of 6 | 100 % [" in printed
    assert "| all 2 |  | 75 % [" in printed
    assert "The judge, told all but the thing, names" in printed

    with pytest.raises(SystemExit):
        main(["make", str(folder), *few, *models])
    assert "holds a blind test already" in capsys.readouterr().err


def test_drawings_can_stand_in_for_dreams(tmp_path, monkeypatch):
    monkeypatch.setattr(blind, "load_clip", None)
    main(["make", str(tmp_path / "drawn"), "--drawings", "--things", "2", "--judge", "", "--size",
          "32"])  # fmt: skip
    assert [picture.judge for picture in read_key(tmp_path / "drawn" / blind.KEY)] == ["", ""]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--things", "0"], "1 to 50 pictures"),
        (["--set", "steps"], "knob=value"),
        (["--set", "tv_wait=1"], "did you mean 'tv_weight'"),
        (["--set", "tv_weight=lots"], "tv_weight must be a number"),
        (["--steps", "0"], "steps must be"),
        (["--batch", "0"], "at least 1, got 0"),
    ],
)
def test_bad_options_are_refused_before_anything_is_dreamt(
    options, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(blind, "load_clip", None)
    with pytest.raises(SystemExit):
        main(["make", str(tmp_path), *options])
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_knobs_of_the_recipe_are_words_numbers_and_tuples():
    options = blind.argparse.Namespace(
        steps=5, size=48, set=["tv_kind=l1", "clamp=False", "octaves=(0.5, 1)", "tv_weight=.3"]
    )
    recipe = blind.recipe_from(options)
    assert recipe == Recipe(
        steps=5, size=48, tv_kind="l1", clamp=False, octaves=(0.5, 1.0), tv_weight=0.3
    )


# --- answers ----------------------------------------------------------------------------------

HEAD = "viewer,number,answer,second\n"


def answers(tmp_path, text, count=2):
    file = tmp_path / "answers.csv"
    file.write_text(text, "utf-8")
    return read_answers(file, count)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "anna,1,heart,eye\nanna,2,,\n",
        "Number;Answer;Viewer;Second\n1;a heart;anna;an eye\n2;?;anna;-\n\n",
        "\ufeffviewer\tnumber\tanswer\tsecond\tremarks\nanna\t1\tHearts\tEYES\t!\nanna\t2\t\t\t\n",
    ],
)
def test_answers_are_read_as_people_write_them(text, tmp_path):
    assert answers(tmp_path, text) == [Guess("anna", 1, "heart", "eye"), Guess("anna", 2, "")]


def test_second_guesses_may_be_left_out(tmp_path):
    assert answers(tmp_path, "viewer,number,answer\nanna,1,fish\nanna,2,star\n") == [
        Guess("anna", 1, "fish"),
        Guess("anna", 2, "star"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty.*viewer, number"),
        ("\n \n", "is empty"),
        ("who,number,answer\nanna,1,heart\n", "lacks the column viewer"),
        ("heart\neye\n", "lacks the columns viewer, number, answer"),
        (HEAD, "holds no answer"),
        (HEAD + "a,1,,\na,2,,\n", "holds no answer"),
        (HEAD + "a,1,hart,\na,2,eye,\n", "line 2: 'hart' is not in the list.*'heart'"),
        (HEAD + "a,1,heart,\na,2,eye,sunshine\n", "line 3: 'sunshine' is not in the list"),
        (HEAD + "a,1,a heart or a ball,\na,2,eye,\n", "line 2: 'a heart or a ball' is not"),
        (HEAD + ",1,heart,\na,2,eye,\n", "line 2: who"),
        (HEAD + "a,one,heart,\na,2,eye,\n", "line 2: number is one of 1 to 2, got 'one'"),
        (HEAD + "a,3,heart,\na,2,eye,\n", "line 2: number is one of 1 to 2, got '3'"),
        (HEAD + "a,2,heart,\n", "a has no line for 1: leave the answer empty"),
        (HEAD + "a,1,heart,\na,1,eye,\na,2,eye,\n", "a answers twice to 1"),
        (HEAD + "a,1,x,\n" * 30, "line 13: 'x'.*\n… and 18 more"),
    ],
)
def test_what_is_wrong_with_answers_is_said_line_by_line(text, words, tmp_path):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        answers(tmp_path, text)


def test_a_key_is_a_key(tmp_path):
    with pytest.raises(FileNotFoundError, match="`make` wrote"):
        read_key(tmp_path / blind.KEY)
    with pytest.raises(FileNotFoundError, match="columns viewer"):
        read_answers(tmp_path / blind.ANSWERS, 3)
    for text in ("", "number,thing\n1,heart\n", "number,thing,caption,seed,judge\n2,eye,e,1,\n"):
        (tmp_path / blind.KEY).write_text(text, "utf-8")
        with pytest.raises(ValueError, match="no key of a blind test"):
            read_key(tmp_path / blind.KEY)


# --- numbers ----------------------------------------------------------------------------------


def key_of(*things):
    return [Picture(i, thing, f"a {thing}", i) for i, thing in enumerate(things, start=1)]


def test_the_report_counts_hits_second_guesses_and_confusions():
    key = key_of("heart", "eye", "ball", "moon")
    said = {
        "anna": [("heart", ""), ("ball", "eye"), ("moon", "ball"), ("", "")],
        "bob": [("heart", ""), ("eye", ""), ("moon", ""), ("star", "")],
    }
    guesses = [
        Guess(viewer, number, *pair)
        for viewer, pairs in said.items()
        for number, pair in enumerate(pairs, start=1)
    ]
    text = report(key, guesses)
    lines = text.split("\n")
    assert lines[2].startswith("| anna | 1 of 4 | 25 % [") and lines[2].endswith("| 3 |")
    assert lines[3].startswith("| bob | 2 of 4 | 50 % [") and lines[3].endswith("| 2 |")
    assert lines[4].startswith("| all 2 |  | 38 % [")
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert "Who guesses names 0.16 of 4 (with second guesses 0.32)." in text
    assert "✗ Viewers name 38 %" in text
    assert "Named: heart 100 %, eye 50 %." in text
    assert "Taken: ball for moon (2 ×), eye for ball (1 ×), moon for star (1 ×)." in text
    assert "Nothing seen: 1 of 8 times." in text
    assert "The judge" not in text


def test_without_second_guesses_there_is_no_column_for_them():
    text = report(key_of("heart"), [Guess("anna", 1, "heart")])
    assert "second guesses" not in text and "Taken" not in text
    assert "✓ Viewers name 100 %" in text


def test_luck_is_the_tail_of_the_binomial_distribution():
    assert by_guessing(0, 25, 1 / 25) == pytest.approx(1)
    assert by_guessing(25, 25, 1 / 25) == pytest.approx(25.0**-25)
    assert by_guessing(1, 25, 1 / 25) == pytest.approx(1 - 0.96**25)
    draws = np.random.default_rng(0).binomial(25, 0.04, 100_000)
    for hits in (2, 4):
        expected = np.mean(draws >= hits)
        assert by_guessing(hits, 25, 0.04) == pytest.approx(expected, abs=4 / math.sqrt(100_000))
