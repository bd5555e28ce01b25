"""The scenes of the blind test, one thing in each (see `tools/blind.py`)."""

import math
from collections.abc import Sequence

import numpy as np

from dreamlab.picturebook.world import BACKGROUNDS, COLOURS, OBJECTS, Scene, compose

MOST = 50  # pictures that still fit on a page


def choose(count: int = len(OBJECTS), seed: int = 0) -> list[Scene]:
    """Scenes of one thing each in random order, none twice before all came; `count` is 1 to 50."""
    if not 1 <= count <= MOST:
        raise ValueError(f"a sheet holds 1 to {MOST} pictures, got {count}")
    rng = np.random.default_rng([7, seed])

    def in_turn(values: Sequence[str]) -> list[str]:
        rounds = [rng.permutation(values) for _ in range(math.ceil(count / len(values)))]
        return [str(value) for value in np.concatenate(rounds)][:count]

    attributes = zip(in_turn(OBJECTS), in_turn(COLOURS), in_turn(tuple(BACKGROUNDS)), strict=True)
    return [
        compose(background, [(thing, colour, "plain", 1)], seed=int(rng.integers(2**31)))
        for thing, colour, background in attributes
    ]
