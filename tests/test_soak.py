"""A short soak, and that a soak sees what grows: `python tests/soak.py` is the long one."""

import asyncio
import gc

import pytest
import soak
import torch
from soak import PARTS, Fragile, Held, grown, look_on

from dreamlab.lab.panel import Panel

TIMES = {"dreams": 18, "frames": 450, "presses": 120}


@pytest.fixture(autouse=True)
def what_is_new_only():
    """Most of what there is belongs to imported modules; to look at it takes half a second."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def soaked(name, clip, folder, times):
    looks = asyncio.run(look_on(PARTS[name][0], Fragile(clip), folder, times, say=lambda _: None))
    assert len(looks) == soak.LOOKS
    return grown(looks, times)


@pytest.mark.parametrize("name", PARTS)
def test_nothing_grows(tiny_clip, tmp_path, name):
    assert soaked(name, tiny_clip, tmp_path, TIMES[name]) == []


class Leak:
    """Keeps all that it is given."""

    def __init__(self):
        self.kept = []

    def around(self, function):
        def keeping(*arguments, **options):
            result = function(*arguments, **options)
            self.kept.append((arguments, result))
            return result

        return keeping


def test_dreams_that_are_kept_are_seen(tiny_clip, tmp_path, monkeypatch):
    leak = Leak()
    monkeypatch.setattr(soak, "load_dream", leak.around(soak.load_dream))
    assert "pixels" in str(soaked("dreams", tiny_clip, tmp_path, 9))


def test_panels_that_are_kept_are_seen(tiny_clip, tmp_path, monkeypatch):
    leak = Leak()
    monkeypatch.setattr(soak, "Panel", leak.around(Panel))
    monkeypatch.setattr(Panel, "close", lambda self: None)
    monkeypatch.setattr(soak, "PANEL", 5)
    assert "widgets" in str(soaked("presses", tiny_clip, tmp_path, 60))


def look(**others):
    return Held(**dict.fromkeys(Held.__annotations__, 5) | others)


@pytest.mark.parametrize("name", ["pixels", "widgets", "tasks", "loops", "threads", "files"])
def test_one_more_each_time_is_growth_and_up_and_down_is_none(name):
    assert grown([look(**{name: number}) for number in range(9)], 100)
    assert not grown([look(**{name: number % 3}) for number in range(9)], 100)


def test_what_is_alive_is_counted(tmp_path):
    async def count():
        first = Held.now(tmp_path)
        tensor, file = torch.zeros(1000), (tmp_path / ".dreamlab-1.tmp").open("w")
        task = asyncio.ensure_future(asyncio.sleep(60))
        second = Held.now(tmp_path)
        task.cancel()
        file.close()
        del tensor
        return first, second

    first, second = asyncio.run(count())
    assert second.pixels - first.pixels == 4000 and second.tasks - first.tasks == 1
    assert second.unfinished == 1
    if first.files:
        assert second.files - first.files == 1 and first.memory > 50
