"""The prior: its slope is that of the public losses, and stripes make no difference."""

import pytest
import torch
from conftest import Operations

import dreamlab.losses
import dreamlab.support.resample
import dreamlab.views
from dreamlab import Dream, Recipe, detail_mask, masked_total_variation, total_variation
from dreamlab.losses import prior

KINDS = ("masked", "l1", "isotropic", "squared")


def variation_of(images, kind):
    if kind == "masked":
        return masked_total_variation(images, detail_mask(images), per_image=True)
    return total_variation(images, kind, per_image=True)


def picture(*shape, seed=0):
    """An edge in noise: a mask with something to spare."""
    images = 0.1 * torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    images[..., shape[-1] // 2 :] += 0.6
    return images


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [7, 1000])
def test_it_is_the_sum_of_the_public_losses(monkeypatch, kind, rows):
    """A canvas of 61 rows, in stripes of so many.."""
    monkeypatch.setattr(dreamlab.losses, "_stripes", lambda pixels: cut(61, rows))
    images, start = picture(2, 3, 61, 50), picture(1, 3, 61, 50, seed=1).expand(2, -1, -1, -1)
    found = prior(images, tv_kind=kind, tv_weight=0.7, start=start, keep_start=2.0)

    images.requires_grad_()
    variation = variation_of(images, kind)
    distance = images - start
    loss = 0.7 * variation + 2.0 / 2 * distance.square().mean((1, 2, 3))
    (slope,) = torch.autograd.grad(loss.sum() * images[0].numel(), images)
    assert torch.allclose(found.variation, variation, rtol=1e-4)
    assert torch.allclose(found.loss, loss, rtol=1e-4)
    assert torch.allclose(found.slope, slope, atol=1e-5 * slope.abs().max())
    assert not any(part.requires_grad for part in found)


def cut(height, rows):
    return [slice(first, min(first + rows, height)) for first in range(0, height, rows)]


def test_memory_grows_with_the_canvas_and_not_with_its_square(tiny_clip):
    """A strip of 4000 × 16: one full matrix for its long side would be 16 million numbers."""
    recipe = Recipe(size=(4000, 16), steps=2, octaves=(0.5, 1.0), views=2)
    dream = Dream(tiny_clip, "a red heart", recipe=recipe)
    with Operations() as operations:
        dream.run()
    assert 1 <= operations.largest / (3 * 4000 * 16) < 1.5


def test_a_dream_on_a_large_canvas_is_that_on_a_small_one(tiny_clip, monkeypatch):
    recipe = Recipe(size=(40, 56), steps=6, octaves=(0.5, 1.0), views=3, keep_start=0.2)

    def dreamt():
        dream = Dream(tiny_clip, ["a red heart", "a castle"], start="noise", recipe=recipe)
        dream.run()
        return dream

    small = dreamt()
    dreamlab.support.resample._same_bands.cache_clear()
    monkeypatch.setattr(dreamlab.support.resample, "DENSE", {"cpu": 0})
    monkeypatch.setattr(dreamlab.views, "LARGE", {"cpu": 0})
    monkeypatch.setattr(dreamlab.losses, "_stripes", lambda pixels: cut(pixels.shape[-2], 9))
    large = dreamt()
    dreamlab.support.resample._same_bands.cache_clear()
    assert (large.pixels - small.pixels).abs().mean() < 1e-3
    losses, same = ([s.loss for s in d.history] for d in (large, small))
    assert losses == pytest.approx(same, abs=1e-3)
