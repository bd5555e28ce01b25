"""The bar: it changes nothing, counts steps by their cost, and knows early what is too large."""

import sys
from types import SimpleNamespace

import pytest
import torch

import dreamlab.dream
from dreamlab import Dream, Recipe, sweep


@pytest.fixture
def make_dream(tiny_clip):
    recipe = Recipe(size=(48, 64), steps=6, octaves=(0.5, 1.0), views=2)
    return lambda: Dream(tiny_clip, "a red heart", seed=3, recipe=recipe)


def test_a_dream_with_a_bar_is_the_same_dream(make_dream, capsys):
    plain, shown = make_dream(), make_dream()
    next(plain), next(shown)
    plain.run()
    shown.run(progress=True)
    assert torch.equal(shown.pixels, plain.pixels)
    assert [s.losses for s in shown.history] == [s.losses for s in plain.history]
    bar = capsys.readouterr().err
    assert "step 6 of 6, 48 × 64 100%" in bar and "left" in bar


def test_a_canvas_that_does_not_fit_is_known_before_the_first_step(make_dream, monkeypatch):
    plain = dreamlab.dream.prior

    def small(pixels, **rest):
        if pixels.shape[-1] > 40:
            raise MemoryError("DefaultCPUAllocator: can't allocate memory")
        return plain(pixels, **rest)

    monkeypatch.setattr(dreamlab.dream, "prior", small)
    dream = make_dream()
    with pytest.raises(MemoryError):
        dream.run(progress=True)
    assert dream.history == []


@pytest.mark.parametrize("console", [None, SimpleNamespace(write=lambda text: 1 / 0)])
def test_a_console_that_is_missing_or_fails_ends_no_dream(make_dream, monkeypatch, console):
    monkeypatch.setattr(sys, "stderr", console)
    dream = make_dream()
    dream.run(progress=True)
    tiny = {"clip": dream.clip, "judge": None, "progress": True}
    assert dream.done and not sweep("a star", dream.recipe, **tiny).failures
