"""The gallery of a class: every saved picture, what made it, and what is left out."""

import csv
import io
import json
import os
import re
import shutil
import sys
import threading
from pathlib import Path

import gallery
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dreamlab import Dream, Recipe, save_png
from dreamlab.figures.saving import read_settings
from dreamlab.judge import Judge

QUICK = Recipe(size=32, views=2, steps=2, octaves=(1.0,))
posix = pytest.mark.skipif(os.name != "posix", reason="pipes and links of POSIX")


@pytest.fixture(scope="module")
def original(tiny_clip, tmp_path_factory):
    """Two students in folders, one alone, a batch, a screenshot and a text in disguise."""
    folder = tmp_path_factory.mktemp("class") / "handed in"
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
def handed_in(original, tmp_path):
    return shutil.copytree(original, tmp_path / "handed in")


@pytest.fixture(autouse=True)
def judge(tiny_clip, monkeypatch):
    judge = Judge(tiny_clip)
    monkeypatch.setattr(gallery, "Judge", lambda: judge)
    return judge


def make(folder: Path, *more: str) -> None:
    assert gallery.main([str(folder), *more]) == 0


def found(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the pictures, and what is said of other files."""
    entries, problems = gallery.collect(folder)
    return [entry.name for entry in entries], problems


def test_every_saved_picture_is_found_and_every_other_named(handed_in):
    (handed_in / "bert.png").rename(handed_in / "bert.PNG")
    (handed_in / ".git").mkdir()
    for name in (".DS_Store", ".git/x.png"):
        (handed_in / name).write_bytes(b"x")
    names, problems = found(handed_in)
    assert names == ["anna/dream-001", "bert", "pair"]
    assert [problem.split(":")[0] for problem in problems] == ["screenshot.png", "text.png"]


def test_a_row_says_what_made_the_picture_and_what_the_judge_thinks(handed_in, judge):
    entries, _ = gallery.collect(handed_in)
    rows = anna, bert, pair = gallery.table(entries, judge)
    prompts = ["a red heart", "a boat + the sea", "a blue fish"]
    assert [row["prompt"] for row in rows] == prompts
    assert (anna["seed"], pair["seed"], anna["steps"], bert["steps"]) == (3, 6, 2, 1)
    assert (anna["not"], bert["not"]) == ("", "a tree")
    assert "views 2" in anna["recipe"] and "size 32" in anna["recipe"]
    score = judge.score([entries[2].image], "a blue fish").item()
    assert pair["judge"] == pytest.approx(score, abs=1e-3)
    assert all(row["rank"] in (0, 1, 2) for row in rows)


@pytest.mark.parametrize("out", ["wall", "handed in"])
def test_the_command_writes_a_sheet_and_a_table(handed_in, tmp_path, capsys, out):
    out = tmp_path / out
    for _ in range(2):  # the second time, its own sheet may lie among the pictures
        make(handed_in, "--out", str(out))
    said = capsys.readouterr()
    assert "3 pictures" in said.out and "left out: text.png: it is no picture" in said.err
    with Image.open(out / "gallery.png") as sheet:
        assert sheet.width > 3 * 200
    with (out / "gallery.csv").open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["anna/dream-001", "bert", "pair"]


def forge(path: Path, **change: object) -> None:
    """A copy of anna's picture, with settings changed."""
    source = path.parent / "anna" / "dream-001.png"
    text = PngInfo()
    text.add_itxt("dreamlab", json.dumps(read_settings(source) | change))
    with Image.open(source) as image:
        image.save(path, "png", pnginfo=text)


def blank(path: Path, side: int) -> None:
    Image.new("1", (side, side)).save(path)


DEEP = json.loads("[" * 900 + "]" * 900)
STRANGE = {  # what somebody hands in besides their dream, and words of why it is left out
    "pipe.png": (os.mkfifo, "no ordinary file"),
    "link.png": (lambda path: path.symlink_to("bert.png"), "links are not followed"),
    "linked": (lambda path: path.symlink_to(path.parent.parent), "links are not followed"),
    "secret.png": (lambda path: path.symlink_to("/etc/hostname"), "links are not followed"),
    "large.png": (lambda path: os.truncate(path.open("wb").name, 200 * 2**20), "than 100 MB"),
    "bomb.png": (lambda path: blank(path, 13_000), "13000 × 13000 pixels, more than any dream"),
    "half.png": (
        lambda path: path.write_bytes((path.parent / "bert.png").read_bytes()[:-200]),
        "cannot be read as a picture",
    ),
    "photo.jpg": (lambda path: blank(path, 8), "carries no dreamlab settings"),
    "deep.png": (lambda path: forge(path, recipe={"octaves": DEEP}), "octaves|cannot be read"),
    "many.png": (lambda path: forge(path, changes=[[1, "steps", 3]] * 300_000), "than any dream"),
    "model.png": (lambda path: forge(path, clip=["x"]), "'clip'"),
    "long.png": (lambda path: forge(path, prompts=["a heart " * 100_000]), "than 2000 letters"),
    "mute.png": (lambda path: forge(path, prompts=["\u200b"]), "prompt"),
    "notes.txt": (lambda path: path.write_text("a note"), "no picture of a kind"),
}


@posix
def test_no_file_stops_the_others(handed_in, capsys):
    for name, (write, _) in STRANGE.items():
        write(handed_in / name)
    make(handed_in)
    said = capsys.readouterr()
    assert "3 pictures" in said.out
    problems = dict(re.findall(r"^left out: (\S+): (.*)$", said.err, re.MULTILINE))
    assert len(problems) == len(STRANGE) + 2
    for name, (_, words) in STRANGE.items():
        # What the judge cannot read is named as a picture, not as a file.
        problem = problems.get(name) or problems[name.removesuffix(".png")]
        assert re.search(words, problem) and len(problem) < 600, name


def test_a_file_that_takes_too_long_is_left_out(handed_in, monkeypatch):
    released, entry = threading.Event(), gallery._entry

    def slow(name, content):
        if name == "bert":
            released.wait()
        return entry(name, content)

    monkeypatch.setattr(gallery, "_entry", slow)
    monkeypatch.setattr(gallery, "LONGEST_WAIT", 5.0)
    try:
        names, problems = found(handed_in)
    finally:
        released.set()
    assert names == ["anna/dream-001", "pair"]
    assert "bert.png: it was not read within 5 seconds" in problems


ODD = '=a \x1b[31mred\x07 heart\n\u202eback $x_{$ "q", \ud83d 👩\u200d👧'


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_odd_letters_are_shown_and_not_sent(handed_in, tmp_path, monkeypatch, encoding):
    """The console may lack letters; the table has all."""
    forge(handed_in / "odd.png", prompts=[ODD], clip="x/\x1b]0;y\x07")
    for name in ("bad\x1b[2J\n.png", "夢 λ.png"):
        (handed_in / name).write_text("x")
    written = io.BytesIO()
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, io.TextIOWrapper(written, encoding=encoding))
    make(handed_in, "--out", str(tmp_path / "wand"))
    sys.stdout.flush()
    sys.stderr.flush()
    said = written.getvalue().decode(encoding)
    table = (tmp_path / "wand" / "gallery.csv").read_text("utf-8-sig")
    for text in (said, table):
        assert all(letter.isprintable() or letter in "\n\r\u200d" for letter in text)
    assert r"bad\x1b[2J\n.png: it is no picture" in said
    assert r"'=a \x1b[31mred\x07 heart\n\u202eback $x_{$" in table, "no formula"
    assert ("夢 λ.png" if encoding == "utf-8" else "? lambda.png") in said


@posix
@pytest.mark.parametrize("suffix", ["png", "csv"])
def test_nothing_is_written_through_a_link_or_over_what_is_not_ours(handed_in, tmp_path, suffix):
    (tmp_path / "precious").write_text("precious")
    (handed_in / f"gallery.{suffix}").symlink_to(tmp_path / "precious")
    make(handed_in)
    assert (tmp_path / "precious").read_text() == "precious"
    assert (handed_in / "gallery-2.png").is_file() and (handed_in / "gallery-2.csv").is_file()
    forge(handed_in / "gallery-2.png", prompts=["a student's own"])
    theirs = (handed_in / "gallery-2.png").read_bytes()
    make(handed_in)
    assert (handed_in / "gallery-2.png").read_bytes() == theirs


def test_what_a_teacher_wrote_into_the_table_stays(handed_in):
    table = handed_in / "gallery.csv"
    for _ in range(2):
        make(handed_in)
    assert not (handed_in / "gallery-2.csv").exists()
    graded = table.read_bytes().replace(b"rank", b"rank,remark") + b"well done"
    table.write_bytes(graded)
    make(handed_in)
    assert table.read_bytes() == graded and (handed_in / "gallery-2.csv").is_file()


@posix
def test_no_pupil_is_left_out_in_silence(handed_in, monkeypatch):
    shutil.copy(handed_in / "bert.png", handed_in / "anna" / "DREAM-001.PNG")
    (handed_in / "carl").mkdir()
    scandir = os.scandir

    def forbidden(path):
        if Path(path).name == "carl":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    names, problems = found(handed_in)
    assert len(set(names)) == 4
    assert "carl: this folder cannot be read (Permission denied)" in problems


def test_a_path_that_cannot_be_is_a_sentence(handed_in, monkeypatch, capsys):
    (handed_in / "empty").mkdir()
    monkeypatch.chdir(handed_in)
    for words, *arguments in (["no folder", "missing"], ["was saved by dreamlab", "empty"]):
        with pytest.raises(SystemExit):
            gallery.main(arguments)
        assert words in capsys.readouterr().err
