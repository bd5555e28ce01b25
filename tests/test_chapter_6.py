"""Chapter 6: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import functions

from dreamlab import Dream, Recipe
from dreamlab.course import check
from dreamlab.octaves import compose, octave_at
from dreamlab.resample import cubic, linear, resize

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture
def define(tiny_clip):
    return functions("06_octaves", clip=tiny_clip)


@pytest.mark.parametrize("kernel", [cubic, linear])
@pytest.mark.parametrize("side", [5, 17, 24, 50])
def test_matrix_is_the_packages_resize(define, kernel, side):
    images = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    matrix = define["my_matrix"](24, side, kernel)
    assert torch.allclose(matrix.sum(1), torch.ones(side), atol=1e-5)
    assert torch.allclose(
        matrix @ images @ matrix.T, resize(images, (side, side), kernel), atol=1e-5
    )


def test_sum_is_the_packages(define):
    generator = torch.Generator().manual_seed(2)
    start, *deltas = (torch.rand(1, 3, side, side, generator=generator) for side in (40, 10, 20))
    for size in ((20, 20), (40, 40), (30, 24)):
        ours = define["my_compose"](start, deltas, size)
        assert torch.allclose(ours, compose(start, deltas, size), atol=1e-5)


def test_loop_is_the_packages(define, tiny_clip):
    sentences = ["a red heart", "two stars at night"]
    image, deltas, losses = define["dream_octaves"](sentences, (16, 32, 64), steps=9)
    recipe = Recipe.raw(size=64, octaves=(0.25, 0.5, 1.0), steps=9)
    dream = Dream(tiny_clip, sentences, recipe=recipe)
    dream.run()
    assert [step.clip_loss for step in dream.history] == pytest.approx(losses, abs=3e-3)
    assert (image - dream.pixels).abs().mean() < 5e-3
    for ours, theirs in zip(deltas, dream.deltas, strict=True):
        assert ours.shape == theirs.shape and (ours - theirs).abs().mean() < 5e-3
    assert (compose(dream.start, deltas, (64, 64)) - image).abs().max() < 1e-4


def test_a_loop_that_forgets_is_another(define):
    kept, lost = (
        define["dream_octaves"](["a red heart"], (16, 32), steps=8, carry=carry)[2]
        for carry in (True, False)
    )
    assert kept[:5] == pytest.approx(lost[:5], abs=1e-4), "the first octave is the same"
    assert kept[5:] != pytest.approx(lost[5:], abs=1e-4)


def test_spectrum_finds_the_wave(define):
    place = (torch.arange(64) + 0.5) / 64
    for waves in (5, 12, 20):
        picture = torch.cos(2 * torch.pi * waves * place).expand(2, 3, 64, 64)
        assert define["spectrum"](picture).argmax() == waves - 1


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


# --- its checks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda steps, octaves: steps * octaves // len(steps),
        lambda steps, octaves: [octave_at(int(s), len(steps), octaves) for s in steps],
        lambda steps, octaves: (steps.numpy() / len(steps) * octaves + 1e-9).astype(int),
        lambda steps, octaves: torch.div(steps * octaves, len(steps), rounding_mode="floor"),
        lambda steps, octaves: torch.cat(
            [torch.full_like(x, k) for k, x in enumerate(steps.tensor_split(octaves))]
        ),
        lambda steps, octaves: [
            k for k, x in enumerate(np.array_split(steps, octaves)) for _ in range(len(x))
        ],
        lambda steps, octaves: ((steps + 0.5) / len(steps) * octaves).floor(),
    ],
)
def test_every_octave_is_right(answer):
    verdict = check.octave_of(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda steps, octaves: steps * octaves // len(steps) + 1, "counted from 0"),
        (lambda steps, octaves: steps // (len(steps) // octaves), "there is none"),
        (lambda steps, octaves: 0 * steps, "all into octave 0"),
        (lambda steps, octaves: steps % octaves, "goes back to octave 0"),
        (lambda steps, octaves: (steps > 9) * (octaves - 1), "equal shares"),
        (lambda steps, octaves: octaves - 1 - steps * octaves // len(steps), "goes back"),
        (lambda steps, octaves: steps * octaves / len(steps), "whole number"),
        (lambda steps, octaves: (steps * octaves // len(steps))[1:], "and this is (149,)"),
        (lambda steps, octaves: 1, "a single number"),
    ],
)
def test_a_wrong_octave_is_told_what_is_wrong(answer, words):
    verdict = check.octave_of(answer)
    assert not verdict and words in verdict.sentence, verdict


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


def size_of(images):
    return tuple(images.shape[-2:])


@pytest.mark.parametrize(
    "answer",
    [
        lambda start, deltas, pixels: pixels - compose(start, deltas, size_of(pixels)),
        lambda start, deltas, pixels: (
            pixels
            - resize(start, size_of(pixels))
            - sum(resize(delta, size_of(pixels)) for delta in deltas)
        ),
        lambda start, deltas, pixels: (
            pixels - torch.stack([resize(x, size_of(pixels)) for x in [start, *deltas]]).sum(0)
        ),
    ],
)
def test_every_delta_is_right(answer):
    verdict = check.octave_delta(answer)
    assert verdict, verdict


def chained(start, deltas, pixels):
    picture = start
    for delta in deltas:
        picture = resize(picture, size_of(delta)) + delta
    return pixels - resize(picture, size_of(pixels))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, d, x: compose(s, d, size_of(x)) - x, "sign"),
        (lambda s, d, x: x - resize(s, size_of(x)), "earlier deltas"),
        (lambda s, d, x: x - sum(resize(y, size_of(x)) for y in d), "the start is still"),
        (lambda s, d, x: x - compose(s, d[-1:], size_of(x)), "only the last delta"),
        (lambda s, d, x: x - compose(s, d[:1], size_of(x)), "only the first delta"),
        (chained, "each term is resized once"),
        (lambda s, d, x: x, "it is not what was added"),
        (lambda s, d, x: resize(x, size_of(s)) - s, "the shape should be"),
        (lambda s, d, x: 1.0, "a single number"),
    ],
)
def test_a_wrong_delta_is_told_what_is_wrong(answer, words):
    verdict = check.octave_delta(answer)
    assert not verdict and words in verdict.sentence, verdict


def through(images, side, mode):
    small = F.interpolate(images, (side, side), mode=mode, antialias=True)
    return F.interpolate(small, size_of(images), mode=mode)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, side: x - resize(resize(x, (side, side)), size_of(x)),
        lambda x, side: x - through(x, side, "bicubic"),
        lambda x, side: x - through(x, side, "bilinear"),
        lambda x, side: x - F.interpolate(F.adaptive_avg_pool2d(x, side), size_of(x)),
    ],
)
def test_every_fine_part_is_right(answer):
    verdict = check.fine_part(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, side: resize(resize(x, (side, side)), size_of(x)) - x, "sign"),
        (lambda x, side: resize(resize(x, (side, side)), size_of(x)), "coarse part"),
        (lambda x, side: x.clone(), "unchanged"),
        (lambda x, side: x - resize(resize(x, (8, 8)), size_of(x)), "use its side"),
        (lambda x, side: x - resize(resize(x, (32, 32)), size_of(x)), "use its side"),
        (lambda x, side: resize(x, (side, side)), "the shape should be"),
        (lambda x, side: 0 * x, "a checker of pixels is too fine"),
        (
            lambda x, side: x - F.interpolate(F.interpolate(x, (side, side)), size_of(x)),
            "a checker of pixels became something else",
        ),
        (
            lambda x, side: (
                x
                - F.interpolate(
                    F.interpolate(x, (side, side), mode="bilinear"), size_of(x), mode="bilinear"
                )
            ),
            "a wave of 8 pixels became something else",
        ),
        (
            lambda x, side: (
                x
                - F.interpolate(
                    F.interpolate(
                        x, (side, side), mode="bilinear", antialias=True, align_corners=True
                    ),
                    size_of(x),
                    mode="bilinear",
                )
            ),
            "does the visit move it",
        ),
    ],
)
def test_a_wrong_fine_part_is_told_what_is_wrong(answer, words):
    verdict = check.fine_part(answer)
    assert not verdict and words in verdict.sentence, verdict
