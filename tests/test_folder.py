"""A sweep in a folder: whatever ends it, what is finished is there, and only the rest is done."""

import csv
import errno
import json
import math
import os
import shutil
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import dreamlab.dream
from dreamlab.clip import load_clip
from dreamlab.figures.saving import KEY, load_dream, read_settings
from dreamlab.measure.folder import LOCK, RECORD, ROW, TABLE
from dreamlab.measure.sweep import Sweep, sweep
from dreamlab.recipe import Recipe

MODULE = sys.modules["dreamlab.measure.sweep"]
TINY = Recipe(size=32, steps=1, octaves=(1.0,), views=1)
COUNT = 8  # dreams
ASKS = TINY.steps + 1  # until a dream is finished
GREY = Image.new("RGB", (9, 9), "grey")


pytestmark = pytest.mark.usefixtures("one_thread")  # as a worker has: sums differ in their last bit


@pytest.fixture(scope="module")
def arguments(tiny_clip_dir, tiny_resnet_dir):
    return {
        "prompts": ["=a red heart", "two stars, at night"],
        "recipes": {"plain": replace(TINY, tv_weight=0.0), "full": TINY},
        "seeds": (3, 4),
        "clip": f"local-dir:{tiny_clip_dir}",
        "judge": f"local-dir:{tiny_resnet_dir}",
        "device": "cpu",
        "batch": 1,
    }


@pytest.fixture(scope="module")
def whole(one_thread, arguments) -> Sweep:
    """What an uninterrupted sweep gives."""
    return sweep(**arguments)


@pytest.fixture(scope="module")
def kept(one_thread, arguments, tmp_path_factory) -> Path:
    """The folder of a finished sweep."""
    folder = tmp_path_factory.mktemp("kept") / "deep" / "sweep"
    sweep(**arguments, folder=folder)
    return folder


@pytest.fixture
def folder(kept, tmp_path) -> Path:
    """A copy of that folder."""
    return shutil.copytree(kept, tmp_path / "sweep")


@pytest.fixture
def dreamt(monkeypatch) -> list:
    """The (prompts, seeds) of each run that is begun."""
    begun = []

    class Counting(dreamlab.dream.Dream):
        def __init__(self, clip, prompt, **options):
            begun.append((prompt, options["seed"]))
            super().__init__(clip, prompt, **options)

    monkeypatch.setattr(MODULE, "Dream", Counting)
    return begun


@pytest.fixture
def no_dreams(monkeypatch) -> None:
    """Every attempt to dream fails."""
    monkeypatch.setattr(MODULE, "Dream", None)


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def equal(one: Sweep, two: Sweep) -> bool:
    pairs = zip(one.images, two.images, strict=True)
    return one.rows == two.rows and all(np.array_equal(a, b) for a, b in pairs)


def stopping(monkeypatch, error: BaseException, at: int) -> None:
    """Raise when a step is asked for the `at`th time. Each dream of a sweep asks once too often."""
    steps = []

    class Stopping(dreamlab.dream.Dream):
        def __next__(self):
            steps.append(self)
            if len(steps) == at:
                raise error
            return super().__next__()

    monkeypatch.setattr(MODULE, "Dream", Stopping)


def test_each_dream_has_a_file_with_its_settings_and_a_row(arguments, whole, kept):
    files = pictures(kept)
    assert [file.name for file in files] == [f"dream-{n:03d}.png" for n in range(1, COUNT + 1)]
    for file, row, image in zip(files, whole.rows, whole.images, strict=True):
        assert np.array_equal(Image.open(file), image)
        made = read_settings(file)
        assert made["recipe"]["tv_weight"] == (0.0 if row["recipe"] == "plain" else TINY.tv_weight)
        assert (made["prompts"], made["seeds"]) == ([row["prompt"]], [row["seed"]])
    (again,) = load_dream(files[-1], load_clip(arguments["clip"], device="cpu")).run()
    assert np.array_equal(again, whole.images[-1])
    assert {*os.listdir(kept)} - {LOCK} == {*(file.name for file in files), RECORD, TABLE}
    with (kept / TABLE).open(encoding="utf-8-sig", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["file"] for row in rows] == [file.name for file in files]
    for read, row in zip(rows, whole.rows, strict=True):
        assert read["prompt"] == row["prompt"].replace("=", "'=")  # no formula
        assert float(read["judge"]) == row["judge"]
        assert set(read) == {"file", *row}


def test_only_the_missing_are_dreamt(arguments, whole, folder, dreamt, capsys):
    how = {"batch": 4, "executor": None, "progress": True}  # how it is done may change
    assert equal(sweep(**arguments | how, folder=str(folder)), whole)
    assert "100%" in capsys.readouterr().err and not dreamt
    (folder / "dream-003.png").unlink()
    sweep(**arguments | how, folder=folder)
    assert dreamt == [(["two stars, at night"], [3])]
    assert "88%" in capsys.readouterr().err  # where the bar begins


def forged(name, change):
    """The same picture with another text of this name: itself, or what a dictionary changes."""

    def forge(file: Path) -> None:
        old = Image.open(file).text
        text = change if isinstance(change, str) else json.dumps(json.loads(old[name]) | change)
        notes = PngInfo()
        for key, note in (old | {name: text}).items():
            notes.add_itxt(key, note)
        Image.open(file).save(file, pnginfo=notes)

    return forge


ROWS = ["{}", "[" * 100_000, {"error": "none of yours"}, {"=1+1": 0}, {"said": "=1+1"}]
ROWS += [{"judge": "=1"}, {"judge": 10**400}, {"judge": math.inf}]
SPOILS = [
    Path.unlink,
    lambda file: file.write_bytes(file.read_bytes()[:-40]),
    lambda file: Image.open(file).save(file),  # loses the row
    lambda file: file.write_bytes(file.with_name("dream-001.png").read_bytes()),
    forged(KEY, {"recipe": {"tv_weight": 9.0}}),
    *(forged(ROW, row) for row in ROWS),
]


@pytest.mark.parametrize("spoil", SPOILS)
def test_only_what_is_missing_or_damaged_is_dreamt(arguments, whole, folder, dreamt, spoil):
    for number in (2, 7):
        spoil(folder / f"dream-{number:03d}.png")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = sweep(**arguments, folder=folder)
    assert equal(result, whole)
    assert dreamt == [(["=a red heart"], [4]), (["two stars, at night"], [3])]
    damaged = [str(w.message) for w in caught if "is damaged" in str(w.message)]
    assert len(damaged) == (0 if spoil is Path.unlink else 2)


@pytest.mark.parametrize(
    ("error", "at", "lost", "words"),
    [
        (KeyboardInterrupt(), ASKS + 1, range(1, COUNT), "interrupted: .*goes on from here"),
        (KeyboardInterrupt(), COUNT * ASKS, [COUNT - 1], "interrupted"),
        # The second dream is of the second recipe.
        (FloatingPointError("NaN"), ASKS + 1, [COUNT // 2], "a dream failed: .*NaN"),
    ],
)
def test_an_interrupt_or_a_failure_loses_what_is_under_way_and_no_more(
    arguments, whole, tmp_path, monkeypatch, error, at, lost, words
):
    with monkeypatch.context() as patch:
        stopping(patch, error, at)
        with pytest.warns(UserWarning, match=words):
            part = sweep(**arguments, folder=tmp_path)
    assert len(pictures(tmp_path)) == COUNT - len(lost)
    assert [n for n, row in enumerate(part.rows) if row["error"]] == list(lost)
    word = part.failures[0]["error"]
    assert (tmp_path / TABLE).read_text("utf-8-sig").count(word) == len(lost)
    assert equal(sweep(**arguments, folder=tmp_path), whole)
    assert word not in (tmp_path / TABLE).read_text("utf-8-sig")


SCRIPT = """
import json, sys
from dreamlab import Recipe, sweep

if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    arguments["recipes"] = {name: Recipe(**r) for name, r in arguments["recipes"].items()}
    sweep(**arguments)
"""


@pytest.mark.slow
def test_a_kill_loses_what_is_under_way_and_no_more(arguments, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    folder = tmp_path / "sweep"
    slow = arguments | {"seeds": tuple(range(6))}
    recipes = {name: vars(recipe) for name, recipe in slow["recipes"].items()}
    given = slow | {"recipes": recipes, "folder": str(folder), "executor": 2}
    program = subprocess.Popen([sys.executable, tmp_path / "script.py", json.dumps(given)])
    while program.poll() is None and len(pictures(folder)) < 2:
        time.sleep(0.01)
    program.kill()
    assert program.wait() != 0, "it had finished before it was killed"
    there = {file: file.stat().st_mtime_ns for file in pictures(folder)}
    assert len(there) >= 2
    assert equal(sweep(**slow, folder=folder), sweep(**slow))
    # What was finished was not touched.
    assert {file: file.stat().st_mtime_ns for file in there} == there


def test_a_full_disk_stops_the_sweep_and_loses_nothing(arguments, whole, tmp_path, monkeypatch):
    calls = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 5:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            sweep(**arguments, folder=tmp_path)
    assert 1 <= len(pictures(tmp_path)) < COUNT
    assert not list(tmp_path.glob("*.tmp"))
    assert equal(sweep(**arguments, folder=tmp_path), whole)


def test_no_run_has_more_pixels_than_the_largest_canvas(arguments, dreamt, monkeypatch):
    monkeypatch.setattr(MODULE, "LARGEST", 2 * 32**2)
    sweep(**arguments | {"batch": 8})
    assert [len(prompts) for prompts, _ in dreamt] == [2] * (COUNT // 2)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prompts": "a boat"}, r"prompts was \['=a red heart', 'two.*\], is \['a boat'\]"),
        ({"seeds": (3, 5)}, r"seeds\[1\] was 4, is 5"),
        ({"recipes": {"plain": TINY, "full": TINY}}, "'plain' 'tv_weight' was .*, is"),
        ({"judge": None}, "judge was 'local-dir:.*, is missing"),
        ({"start": GREY}, "start was missing, is"),
    ],
)
def test_changed_arguments_are_refused_by_name(arguments, kept, no_dreams, changed, words):
    with pytest.raises(ValueError, match=f"other arguments: .*{words}"):
        sweep(**arguments | changed, folder=kept)


def test_a_folder_of_something_else_is_refused(arguments, tmp_path, no_dreams):
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="file"):
        sweep(**arguments, folder=tmp_path / "file")
    GREY.save(tmp_path / "dream-004.png")
    with pytest.raises(ValueError, match=r"dream-004\.png is of no sweep"):
        sweep(**arguments, folder=tmp_path)


def test_one_sweep_at_a_time_writes_into_a_folder(arguments, folder, no_dreams):
    with FileLock(folder / LOCK), pytest.raises(ValueError, match="another sweep is writing"):
        sweep(**arguments, folder=folder)
    sweep(**arguments, folder=folder)


@pytest.mark.parametrize(
    "write",
    [
        *(
            lambda path, content=content: path.write_bytes(content)
            for content in (b"{", b"[]", b"[" * 100_000, b"\xff\xfe")
        ),
        os.mkfifo,  # which would be waited for
        lambda path: path.symlink_to("/dev/zero"),  # which has no end
        lambda path: os.truncate(path.open("wb").name, 2**40),
    ],
)
def test_a_damaged_record_is_refused(arguments, tmp_path, no_dreams, write):
    write(tmp_path / RECORD)
    with pytest.raises(ValueError, match=r"sweep\.json was damaged"):
        sweep(**arguments, folder=tmp_path)


def test_columns_of_others_are_left_alone(arguments, kept, tmp_path):
    folder = shutil.copytree(kept, tmp_path / "kept")
    (folder / TABLE).write_text("file,remark\ndream-001.png,lovely\n")
    with pytest.warns(UserWarning, match="columns .*remark.*new-rows"):
        sweep(**arguments, folder=folder)
    assert "lovely" in (folder / TABLE).read_text()
    assert len((folder / f"new-{TABLE}").read_text("utf-8-sig").splitlines()) == 1 + COUNT
