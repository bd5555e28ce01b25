"""What `tests/fuzz.py` found on its way: each file in `tests/seeds` is one answer of a reader."""

import pytest
from fuzz import READERS, SEEDS


@pytest.mark.parametrize("reader", READERS)
def test_every_seed_is_taken_or_refused_in_a_sentence(reader):
    taken = [READERS[reader](seed.read_bytes()) for seed in (SEEDS / reader).iterdir()]
    assert len(taken) > 40 and 0 < sum(taken) < len(taken)


def test_settings_of_every_kind_are_taken():
    for name in ("plain", "batch", "picture", "short", "large", "broken"):
        assert READERS["settings"]((SEEDS / "settings" / name).read_bytes())
