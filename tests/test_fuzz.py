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
from fuzz import READERS, SEEDS, changed

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("reader", READERS)
def test_every_seed_is_taken_or_refused_in_a_sentence(reader):
    taken = [READERS[reader](seed.read_bytes()) for seed in (SEEDS / reader).iterdir()]
    assert len(taken) > 40 and 0 < sum(taken) < len(taken)


def test_settings_of_every_kind_are_taken_and_changed_ones_too_or_refused():
    settings = {path.name: path.read_bytes() for path in (SEEDS / "settings").iterdir()}
    written = [settings[name] for name in ("plain", "batch", "picture", "short", "large", "broken")]
    assert all(map(READERS["settings"], written))
    answers = [
        READERS["settings"](changed(written[seed % len(written)], Random(seed)))
        for seed in range(200)
    ]
    assert 10 < sum(answers) < 180


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="Atheris is not installed")
@pytest.mark.parametrize("reader", READERS)
def test_the_command_runs(reader, tmp_path):
    command = [sys.executable, ROOT / "tests" / "fuzz.py", reader, "--seconds", "3"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [*command, "--keep", tmp_path],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0 and "DONE" in done.stderr, done.stderr[-3000:]
    assert list(tmp_path.iterdir()), "nothing reached a new line"
