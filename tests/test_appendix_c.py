"""Appendix C: its functions are the package's, and its check accepts every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import functions

from dreamlab import Dream, Recipe
from dreamlab.adam import Adam
from dreamlab.course import check
from dreamlab.resample import cubic, linear, resize

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture
def define(tiny_clip):
    return functions("C_resampling", clip=tiny_clip, captions=["a red heart", "two stars at night"])


@pytest.mark.parametrize("kernel", [cubic, linear])
@pytest.mark.parametrize("side", [5, 17, 24, 50])
def test_matrix_is_the_packages_resize(define, kernel, side):
    images = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    matrix = define["my_matrix"](24, side, kernel)
    assert torch.allclose(matrix.sum(1), torch.ones(side), atol=1e-5)
    assert torch.allclose(
        matrix @ images @ matrix.T, resize(images, (side, side), kernel), atol=1e-5
    )


def test_forgetful_adam_is_another(define):
    recipe = Recipe.raw(size=32, octaves=(0.5, 1.0), steps=8)
    kept, lost = (define["dream_with"](how, recipe) for how in (Adam.resized, define["forget"]))
    assert isinstance(kept, Dream)
    losses, others = ([step.clip_loss for step in dream.history] for dream in (kept, lost))
    assert losses[:5] == pytest.approx(others[:5], abs=1e-4), "the first octave is the same"
    assert losses[5:] != pytest.approx(others[5:], abs=1e-4)
    assert Adam.resized is not define["forget"], "the package's is back in its place"


def test_layers_of_all_sizes_give_a_picture(define):
    layers = [torch.full((1, 3, side, side), 0.1) for side in (1, 5, 9)]
    picture = define["stacked"](layers)
    assert picture.shape == (1, 3, 128, 128)
    assert torch.allclose(picture, torch.full_like(picture, 0.5 + 0.5 * np.tanh(0.3)), atol=1e-4)
    assert define["stacked"]([30 * layer for layer in layers]).max() <= 1


def test_all_sizes_at_once_learn(define):
    sentences = ["a red heart", "two stars at night"]
    images = define["direct_ascent"](sentences, rate=0.01, steps=2)
    assert images.shape == (2, 3, 128, 128)
    assert images.min() >= 0 and images.max() <= 1
    assert not torch.allclose(images[0], images[1], atol=1e-3), "each follows its own sentence"


# --- its check ------------------------------------------------------------------------------------


def half(images):
    return images.shape[-2] // 2, images.shape[-1] // 2


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 2).numpy(),
        lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear"),
        lambda x: x.unflatten(-1, (-1, 2)).mean(-1).unflatten(-2, (-1, 2)).mean(-2),
        lambda x: (
            (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
        ),
        lambda x: resize(x, half(x)),
        lambda x: resize(x, half(x), linear),
        lambda x: F.interpolate(x, half(x), mode="area"),
        lambda x: F.interpolate(x, half(x), mode="bicubic", antialias=True),
        lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True),
    ],
)
def test_every_half_is_right(answer):
    verdict = check.halved(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x[..., ::2, ::2], "became black"),
        (lambda x: x[..., ::2, 1::2], "became white"),
        (lambda x: F.interpolate(x, half(x), mode="nearest"), "became black"),
        (lambda x: F.max_pool2d(x, 2), "became white"),
        (lambda x: 0.75 * x[..., ::2, ::2] + 0.25 * x[..., ::2, 1::2], "even grey"),
        (
            lambda x: 0 * F.avg_pool2d(x, 2) + 0.5,
            "a flat colour of .25 became 0.50",
        ),
        (lambda x: F.avg_pool2d(x, 2).roll(1, -2), "grows down"),
        (lambda x: F.avg_pool2d(x, 2).flip(-1), "grows right"),
        (lambda x: F.avg_pool2d(x, 2, stride=1), "the shape should be"),
    ],
)
def test_a_wrong_half_is_told_what_is_wrong(answer, words):
    verdict = check.halved(answer)
    assert not verdict and words in verdict.sentence, verdict
