"""What fuzzing found on its way: each file in `tests/seeds` is one answer of a reader.

`python tests/fuzz.py` looks for more, see there.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from fuzz import FIRST, READERS, SEEDS, changed, words

import dreamlab.figures.settings
import dreamlab.support.picture

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("reader", READERS)
def test_every_seed_is_taken_or_refused_in_a_sentence(reader):
    seeds = sorted((SEEDS / reader).iterdir())
    taken = [READERS[reader](seed.read_bytes()) for seed in seeds]
    assert len(taken) > 40 and 0 < sum(taken) < len(taken)


@pytest.mark.parametrize("reader", READERS)
def test_where_fuzzing_begins_is_taken(reader):
    first = FIRST[reader]()
    refused = {name for name, content in first.items() if not READERS[reader](content)}
    # Another format; and a kind of picture that Pillow reads from files only.
    assert {name.split("-")[0] for name in refused} <= {"format", "SPIDER"} and len(first) > 5
    assert words(reader).count("\n") > 8


@pytest.mark.parametrize(
    ("reader", "module", "name"),
    [
        ("picture", dreamlab.support.picture, "open_picture"),
        ("settings", dreamlab.figures.settings, "parsed"),
    ],
)
@pytest.mark.parametrize("error", [KeyError("x"), ValueError(""), ValueError("x" * 9999)])
def test_an_answer_that_may_not_be_is_noticed(monkeypatch, reader, module, name, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(module, name, fail)
    with pytest.raises((KeyError, AssertionError)):
        READERS[reader](next(iter(FIRST[reader]().values())))


def test_changed_settings_are_often_taken_and_often_refused():
    """The mutations neither stop at the first bracket nor change nothing."""
    begin = list(FIRST["settings"]().values())
    answers = [
        READERS["settings"](new)
        for seed in range(300)
        if (new := changed(begin[seed % len(begin)], Random(seed))) is not None
    ]
    assert len(answers) == 300 and 10 < sum(answers) < 250
    assert changed(b"{", Random(0)) is None


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="Atheris is not installed")
@pytest.mark.parametrize("reader", READERS)
def test_the_command_runs(reader, tmp_path):
    command = [sys.executable, ROOT / "tests" / "fuzz.py", reader, "--seconds", "3"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(
        [*command, "--keep", tmp_path], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0 and "DONE" in done.stderr, done.stderr[-3000:]
    assert list(tmp_path.iterdir()), "nothing reached a new line"
