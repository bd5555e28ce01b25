"""Chapter 7: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import functions

from dreamlab import Dream, Recipe, clip_loss
from dreamlab.course import check
from dreamlab.dream import unit_rms
from dreamlab.measure.judge import Judge
from dreamlab.views import SCALES, draw_windows, look, window_sides

MIX = (0.2, 0.7, 0.1)


@pytest.fixture
def define(tiny_clip):
    known = {"clip": tiny_clip, "judge": Judge(tiny_clip), "MIX": MIX, "HUES": ("red", "blue")}
    return functions("07_the_full_pipeline", **known)


def random(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# --- the functions that it defines ----------------------------------------------------------------


def test_sides_are_the_packages(define):
    for mix in (MIX, (0.5, 0.25, 0.25), (0.1, 0.1, 0.8)):
        for number in np.linspace(0.003, 0.997, 83):
            ours = define["my_side"](number, mix)
            assert ours == pytest.approx(window_sides(number, mix), abs=1e-9)
    assert define["my_side"](0.1) == SCALES["global"][0]


def test_dice_are_the_packages(define, tiny_clip):
    dream = Dream(tiny_clip, "a red heart", seed=5)
    for number in (0, 3, -4):
        (ours,), (theirs,) = define["dice"](number, seed=5), dream._generators(number)
        assert torch.equal(torch.rand(4, generator=ours), torch.rand(4, generator=theirs))


def test_sides_by_both_dice_come_from_the_same_distribution(define):
    means = []
    for name in ("independent_sides", "stratified_sides"):
        sides = np.stack([define[name](8, define["dice"](n)) for n in range(400)])
        assert sides.shape == (400, 8) and sides.min() >= 0.25 and sides.max() == 1
        means.append(sides.mean())
    assert means[0] == pytest.approx(means[1], abs=0.02)


def test_frames_are_drawn_where_the_windows_are(define):
    image = torch.full((3, 20, 20), 1.0)
    framed = define["framed"](image, torch.tensor([[4.0, 8.0, 10.0]]), zoom=4)
    assert framed.size == (80, 80)
    assert framed.getpixel((8 * 4 + 2, 4 * 4 + 20)) != (255, 255, 255)
    assert framed.getpixel((8 * 4 - 2, 4 * 4 + 20)) == (255, 255, 255)


def test_two_ways_to_shrink(define):
    images = random(1, 3, 32, 32)
    small = F.interpolate(images, 8, mode="bicubic", antialias=True)
    assert torch.allclose(define["averaging"](images), small, atol=1e-4)
    assert torch.equal(define["skipping"](images)[0, 0, 1, 2], images[0, 0, 4, 8])


def test_loss_is_the_packages(define):
    rows = F.normalize(random(3, 9) - 0.5, dim=1)
    for weight in (0.0, 0.5, 2.0):
        x, wanted, unwanted = rows
        theirs = clip_loss(
            x[None], wanted[None], negative_features=unwanted[None], negative_weight=weight
        )
        ours = define["my_loss"](x, wanted, unwanted, weight)
        assert torch.isclose(ours, theirs, atol=1e-6)


def test_unit_rms_is_the_packages(define):
    gradient = random(1, 3, 5, 6) - 0.3
    assert torch.allclose(define["my_unit_rms"](gradient), unit_rms(gradient))


def test_a_louder_clip_says_the_same(define, tiny_clip):
    louder = define["louder"](tiny_clip, 10)
    assert louder is not tiny_clip
    assert louder.image_size == tiny_clip.image_size
    assert torch.allclose(louder.encode_text(["a heart"]), 10 * tiny_clip.encode_text(["a heart"]))
    step = next(Dream(louder, "a heart", recipe=Recipe.raw(size=32)))
    quiet = next(Dream(tiny_clip, "a heart", recipe=Recipe.raw(size=32)))
    assert 1 - step.clip_loss == pytest.approx(10 * (1 - quiet.clip_loss), rel=1e-3)


def test_rate_is_the_packages(define):
    recipe = Recipe(learning_rate=0.2, final_learning_rate=0.05)
    for progress in np.linspace(0, 1, 30):
        ours = define["my_rate"](progress, 0.2, 0.05)
        assert float(ours) == pytest.approx(recipe.learning_rate_at(progress), abs=1e-6)


def test_movement_is_measured_step_by_step(define):
    define["captions"] = ["a red heart"]
    recipe = Recipe(size=32, steps=6, views=2, octaves=(1.0,), clamp=False)
    moved, dream = define["movement"](recipe)
    assert len(moved) == 6 and dream.done
    # Adam's first step moves every value that has a slope by the learning rate.
    assert 0.8 * recipe.learning_rate < moved[0] <= 1.001 * recipe.learning_rate


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"octaves": (1.0,)},
        {"octaves": (0.5, 1.0), "size": (32, 48)},
        {"views": 1, "view_mix": (1, 0, 0), "tv_weight": 3.0, "final_learning_rate": 1.0},
    ],
)
def test_loop_is_the_packages(define, tiny_clip, changes):
    recipe = Recipe(**{"size": 48, "steps": 9, "views": 3} | changes)
    dream = Dream(tiny_clip, "a red heart", recipe=recipe, seed=3)
    dream.run()
    ours = define["dream_full"]("a red heart", recipe, seed=3)
    assert ours.shape == dream.pixels.shape
    assert (ours - dream.pixels).abs().mean() < 2e-3


# --- its checks -----------------------------------------------------------------------------------


def shuffled(numbers):
    spread = (torch.arange(len(numbers)) + numbers) / len(numbers)
    return spread[torch.randperm(len(numbers), generator=torch.Generator().manual_seed(1))]


@pytest.mark.parametrize(
    "answer",
    [
        lambda u: (torch.arange(len(u)) + u) / len(u),
        lambda u: torch.linspace(0, 1, len(u) + 1)[:-1] + u / len(u),
        lambda u: [(k + float(x)) / len(u) for k, x in enumerate(u)],
        lambda u: (np.arange(len(u)) + u.numpy()) / len(u),
        lambda u: (torch.arange(len(u)) + 1 - u) / len(u),
        lambda u: ((torch.arange(len(u)) + u) / len(u)).flip(0),
        lambda u: (torch.arange(len(u)) + u.flip(0)) / len(u),
        lambda u: (torch.arange(len(u)) + u[0]) / len(u),  # a comb at a random place
        shuffled,
    ],
)
def test_every_stratification_is_right(answer):
    verdict = check.strata(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda u: u, "the numbers it was given"),
        (lambda u: u.sort().values, "the numbers it was given"),
        (lambda u: torch.arange(len(u)) + u, "belong into [0, 1)"),
        (lambda u: (torch.arange(len(u)) + 0.5) / len(u), "always at the same place"),
        (lambda u: torch.arange(len(u)) / len(u), "always at the same place"),
        (lambda u: torch.arange(len(u)) / len(u) + u, "belong into [0, 1)"),
        (lambda u: u / len(u), "parts got one"),
        (lambda u: (torch.arange(len(u)) + u / 2) / len(u), "do not reach everywhere"),
        (lambda u: (u[:-1] + 1) / len(u), "shape"),
        (lambda u: "even", "this is a str"),
    ],
)
def test_a_wrong_stratification_is_told_what_is_wrong(answer, words):
    verdict = check.strata(answer)
    assert not verdict and words in verdict.sentence, verdict


def by_mean(image, top, left, side, size):
    """By blocks where they fit, else by adaptive blocks: every pixel counts."""
    return F.adaptive_avg_pool2d(image[..., top : top + side, left : left + side], size)


def by_look(image, top, left, side, size):
    return look(image, torch.tensor([[[top, left, side]]]).float(), size)[0]


def cut(image, top, left, side):
    return image[..., top : top + side, left : left + side]


def by_pixel(image, top, left, side, size):
    """Nearest: skips."""
    return F.interpolate(cut(image, top, left, side), size)


@pytest.mark.parametrize(
    "answer",
    [
        by_mean,
        by_look,
        lambda x, top, left, s, n: F.interpolate(
            cut(x, top, left, s), n, mode="bicubic", antialias=True
        ),
        lambda x, top, left, s, n: F.interpolate(
            cut(x, top, left, s), n, mode="bilinear", antialias=True
        ),
        lambda x, top, left, s, n: F.interpolate(cut(x, top, left, s), (n, n), mode="area"),
        lambda x, top, left, s, n: by_mean(x, top, left, s, n).numpy(),
    ],
)
def test_every_cutout_is_right(answer):
    verdict = check.cutout(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (by_pixel, "skips pixels"),
        (
            lambda x, top, left, s, n: F.interpolate(cut(x, top, left, s), n, mode="bilinear"),
            "skips pixels",
        ),
        (lambda x, top, left, s, n: by_mean(x, left, top, s, n), "exchanged"),
        (lambda x, top, left, s, n: F.interpolate(x, n, mode="area"), "whole picture"),
        (lambda x, top, left, s, n: x[..., top : top + n, left : left + n], "as small as the view"),
        (lambda x, top, left, s, n: cut(x, top, left, s), "shape"),
        (lambda x, top, left, s, n: by_mean(x, top + 6, left, s, n), "shows something else"),
        (lambda x, top, left, s, n: by_mean(x, top, left + 1, s, n), "a pixel aside"),
        (lambda x, top, left, s, n: by_mean(x, top, left, s, n).flip(-1), "turned over"),
        (lambda x, top, left, s, n: by_mean(x, top, left, s, n).mT, "rows have become columns"),
        (lambda x, top, left, s, n: by_mean(x, top, left, s, n)[0], "shape"),
    ],
)
def test_a_wrong_cutout_is_told_what_is_wrong(answer, words):
    verdict = check.cutout(answer)
    assert not verdict and words in verdict.sentence, verdict


def rms(g):
    return g.square().mean((1, 2, 3), keepdim=True).sqrt()


@pytest.mark.parametrize(
    "answer",
    [
        unit_rms,
        lambda g: g / (rms(g) + 1e-12),
        lambda g: torch.nan_to_num(g / rms(g)),
        lambda g: torch.stack([x / max(x.square().mean() ** 0.5, 1e-12) for x in g]),
        lambda g: torch.where(rms(g) > 0, g / rms(g), g),
        lambda g: g.numpy() / np.sqrt(np.square(g.numpy()).mean((1, 2, 3), keepdims=True) + 1e-20),
        lambda g: F.normalize(g.flatten(1), dim=1).view_as(g) * math.sqrt(g[0].numel()),
    ],
)
def test_every_normalisation_is_right(answer):
    verdict = check.unit_rms(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda g: g / rms(g), "NaN"),
        (lambda g: -g / rms(g).clamp(min=1e-12), "sign has changed"),
        (lambda g: g / g.square().mean().sqrt(), "whole batch"),
        (lambda g: g / g.square().mean((2, 3), keepdim=True).sqrt(), "each colour"),
        (lambda g: F.normalize(g.flatten(1), dim=1).view_as(g), "length 1"),
        (lambda g: g / g.abs().amax((1, 2, 3), keepdim=True), "largest value"),
        (lambda g: g / g.abs().mean((1, 2, 3), keepdim=True), "absolute values"),
        (lambda g: g / g.std((1, 2, 3), keepdim=True), "standard deviation"),
        (lambda g: g / rms(g) ** 2, "root is missing"),
        (lambda g: g, "1 is wanted"),
        (lambda g: g.div_(rms(g)), "changes the tensor"),
        (lambda g: rms(g), "shape"),
    ],
)
def test_a_wrong_normalisation_is_told_what_is_wrong(answer, words):
    verdict = check.unit_rms(answer)
    assert not verdict and words in verdict.sentence, verdict


def half_cosine(progress):
    return (1 + math.cos(math.pi * progress)) / 2


def by_fraction(step, steps, octaves):
    return half_cosine(step * octaves / steps % 1)


@pytest.mark.parametrize(
    "answer",
    [
        by_fraction,
        lambda i, n, k: half_cosine(i % (n // k) / (n // k - 1)),
        lambda i, n, k: np.cos(np.pi / 2 * (i % (n // k)) / (n // k - 1)) ** 2,
        lambda i, n, k: torch.tensor(half_cosine(i % (n / k) / (n / k))),
        lambda i, n, k: Recipe(learning_rate=1, final_learning_rate=0).learning_rate_at(
            (i - i * k // n * (n // k)) / (n // k - 1)
        ),
    ],
)
def test_every_restart_is_right(answer):
    verdict = check.restarts(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda i, n, k: 1.0, "never changes"),
        (lambda i, n, k: half_cosine(i / (n - 1)), "whole run"),
        (lambda i, n, k: half_cosine(i / n), "whole run"),
        (lambda i, n, k: 1 - by_fraction(i, n, k), "it rises"),
        (lambda i, n, k: half_cosine(2 * (i % (n // k)) / (n // k)), "half of it"),
        (lambda i, n, k: 1 - i % (n // k) / (n // k), "straight line"),
        (lambda i, n, k: math.cos(math.pi * (i % (n // k)) / (n // k)), "below 0"),
        (lambda i, n, k: 0.05 * by_fraction(i, n, k), "which gives"),
        (lambda i, n, k: half_cosine(i % k / k), "which gives"),
        (lambda i, n, k: [1.0] * n, "one number is wanted"),
    ],
)
def test_a_wrong_restart_is_told_what_is_wrong(answer, words):
    verdict = check.restarts(answer)
    assert not verdict and words in verdict.sentence, verdict


def test_windows_of_the_chapter_are_one_per_stratum(define):
    windows = draw_windows((128, 128), 8, MIX, define["dice"](4))
    sides = windows[0, :, 2] / 128
    assert (sides == 1).sum() >= 1 and sides.min() >= 0.25
