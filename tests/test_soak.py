"""A short soak: `python tests/soak.py` is the long one."""

import asyncio
import gc

import pytest
from soak import PARTS, Fragile, grown, look_on

TIMES = {"dreams": 18, "frames": 450, "presses": 120}


@pytest.mark.parametrize("name", PARTS)
def test_nothing_grows(tiny_clip, tmp_path, name):
    gc.collect()
    gc.freeze()  # most of what there is belongs to imported modules
    work, clip = PARTS[name][0], Fragile(tiny_clip)
    looks = asyncio.run(look_on(work, clip, tmp_path, TIMES[name], say=lambda _: None))
    gc.unfreeze()
    assert grown(looks, TIMES[name]) == []
