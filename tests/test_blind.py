"""The blind test: sheets without a word on them, answers that are read with care, fair numbers."""

import csv

import blind
import pytest
from blind import Guess, Picture, main, read_answers, read_key, report
from matplotlib.text import Text

from dreamlab.measure.blind import choose
from dreamlab.picturebook.world import OBJECTS, caption


def test_every_thing_comes_once_before_any_comes_again():
    scenes = choose(25, seed=3)
    assert scenes == choose(25, seed=3) != choose(25, seed=4)
    assert len({caption(scene) for scene in scenes}) == len({s.seed for s in scenes}) == 25
    for count in (7, 25, 50):
        names = [scene.items[0].object for scene in choose(count)]
        assert set(names) <= set(OBJECTS) and len(set(names)) == min(count, 25)


def test_one_command_makes_sheets_and_another_scores(tmp_path, tiny_clip_dir, capsys, monkeypatch):
    shown, picture_page, dreamt, dream_all = [], blind.picture_page, [], blind.dream_all

    def noting(*arguments):
        page = picture_page(*arguments)
        shown.append(" ".join(text.get_text() for text in page.findobj(Text)))
        return page

    monkeypatch.setattr(blind, "picture_page", noting)
    monkeypatch.setattr(blind, "dream_all", lambda *a: dreamt.append(a[2]) or dream_all(*a))
    folder = tmp_path / "blind"
    few = ["--things", "6", "--steps", "2", "--size", "32"]
    making = ["make", str(folder), *few, "--clip", f"local-dir:{tiny_clip_dir}", "--device", "cpu"]
    main(making)
    assert [recipe.differences() for recipe in dreamt] == ["size 32, steps 2"], "as asked for"
    for stem in ("sheet", "answer-sheet", "key"):
        assert (folder / f"{stem}.png").is_file()
        assert (folder / f"{stem}.pdf").read_bytes().startswith(b"%PDF")
    key = read_key(folder / blind.KEY)
    assert [picture.thing for picture in key] == [scene.items[0].object for scene in choose(6)]
    assert all(picture.judge in OBJECTS for picture in key)
    rows = list(csv.DictReader((folder / blind.ANSWERS).open()))
    assert [(row["number"], row["answer"]) for row in rows] == [(str(n), "") for n in range(1, 7)]
    sheet, told = shown
    assert all(p.thing in told and p.thing not in sheet for p in key), "not a word on the sheet"

    lines = ["viewer,number,answer", *(f"anna,{p.number},{p.thing}" for p in key[:3])]
    lines += [f"anna,{p.number}," for p in key[3:]] + [f"bob,{p.number},{p.thing}" for p in key]
    (folder / "class.csv").write_text("\n".join(lines), "utf-8")
    main(["score", str(folder), "--answers", str(folder / "class.csv")])
    printed = capsys.readouterr().out
    assert "| anna | 3 of 6 | 50 % [" in printed and "| bob | 6 of 6 | 100 % [" in printed
    assert "| all 2 |  | 75 % [" in printed and "The judge, told all but the thing" in printed

    with pytest.raises(SystemExit):
        main(making)
    assert "holds a blind test already" in capsys.readouterr().err


def test_drawings_need_no_model(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(blind, "load_clip", None)
    monkeypatch.setattr(blind, "save_page", lambda *_: None)
    main(["make", str(tmp_path), "--drawings", "--things", "2", "--judge", "", "--size", "32"])
    assert [picture.judge for picture in read_key(tmp_path / blind.KEY)] == ["", ""]
    with pytest.raises(SystemExit):  # before a model is loaded
        main(["make", str(tmp_path / blind.KEY / "x")])
    assert blind.KEY in capsys.readouterr().err


HEAD = "viewer,number,answer,second\n"


def answers(tmp_path, text):
    content = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "answers.csv").write_bytes(content)
    return read_answers(tmp_path / "answers.csv", 2)


@pytest.mark.parametrize(
    ("text", "second"),
    [
        (HEAD + "anna,1,heart,eye\nanna,2,,\n", "eye"),
        ("Number;Answer;Viewer;Second\n1;a heart;anna;an eye\n2;?;anna;-\n\n", "eye"),
        *(  # as Excel saves it: "CSV", "Unicode text"
            ("viewer;number;answer;m\xfcller\nanna;1;heart\nanna;2;\n".encode(encoding), "")
            for encoding in ("cp1252", "utf-16")
        ),
        ("\ufeffviewer\tnumber\tanswer\tremarks\nanna\t1\tHearts\t!\nanna\t2\t\t\n", ""),
    ],
)
def test_answers_are_read_as_people_write_them(text, second, tmp_path):
    assert answers(tmp_path, text) == [Guess("anna", 1, "heart", second), Guess("anna", 2, "")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "lacks the columns viewer, number, answer"),
        (HEAD, "holds no answer"),
        (HEAD + "a,1,hart,\na,2,eye,\n", "line 2: 'hart' .*'heart'"),
        (HEAD + "a,1,heart,\na,2,eye,sunshine\n", "line 3: 'sunshine'"),
        (HEAD + ",1,heart,\na,2,eye,\n", "line 2: the viewer"),
        (HEAD + "a,3,heart,\na,2,eye,\n", "line 2: .* 1 to 2, got '3'"),
        (HEAD + "a,2,heart,\n", "a has no line for 1"),
        (HEAD + "a,1,heart,\na,1,eye,\na,2,eye,\n", "a answers twice to 1"),
        (HEAD + "a,1,x,\n" * 30, "line 13: 'x'.*\n… and 18 more"),
    ],
)
def test_what_is_wrong_with_answers_is_said_line_by_line(text, words, tmp_path):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        answers(tmp_path, text)


def test_the_report_counts_hits_second_guesses_and_confusions():
    things = ("heart", "eye", "ball", "moon")
    key = [Picture(i, thing, f"a {thing}", i) for i, thing in enumerate(things, start=1)]
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
    assert lines[2].startswith("| anna | 1 of 4 | 25 % [") and "] | 3 | 0.15 |" in lines[2]
    assert lines[3].startswith("| bob | 2 of 4 | 50 % [") and "] | 2 |" in lines[3]
    assert lines[4].startswith("| all 2 |  | 38 % [")
    for words in (
        "Who guesses names 0.16 of 4 (with second guesses 0.32).",
        "Named: heart 100 %, eye 50 %.",
        "Taken: ball for moon (2 ×), eye for ball (1 ×), moon for star (1 ×).",
        "Nothing seen: 1 of 8 times.",
    ):
        assert words in text
