"""What fuzzing found on its way: each file in `tests/seeds` is one answer of a reader.

`python tests/fuzz.py` looks for more, see there.
"""

from random import Random

import pytest
from fuzz import READERS, SEEDS, changed


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
