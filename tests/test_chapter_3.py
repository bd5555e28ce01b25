"""Chapter 3: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import cmath
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import functions

from dreamlab import Dream, Recipe
from dreamlab.course import check
from dreamlab.measure.judge import Judge
from dreamlab.views import SCALES, draw_windows, look, window_sides

MIX = (0.2, 0.7, 0.1)
WAYS = {
    "neither": (1.0, 1.0, False),
    "move": (0.8, 0.8, True),
    "zoom": (0.5, 1.0, False),
    "both": (0.5, 1.0, True),
}


@pytest.fixture
def define(tiny_clip):
    known = {"clip": tiny_clip, "judge": Judge(tiny_clip), "MIX": MIX, "WAYS": WAYS}
    return functions("03_windows", **known, captions=["a red heart"])


def random(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# --- the functions that it defines ----------------------------------------------------------------


def test_what_the_moves_leave_is_a_mean_of_moved_copies(define):
    gradient = random(3, 12, 10)
    for reach in (1, 2, 5):
        moves = [(-down, -right) for down in range(reach) for right in range(reach)]
        copies = torch.stack([gradient.roll(move, (-2, -1)) for move in moves])
        assert torch.allclose(define["heard"](gradient, reach), copies.mean(0), atol=1e-6)


def test_the_gradient_of_many_places_is_a_blur_from_grey_and_only_there(define):
    grey, photo = torch.full((3, 32, 32), 0.5), random(3, 32, 32)
    moves = [(down, right) for down in range(4) for right in range(4)]
    for start, equal in ((grey, True), (photo, False)):
        one, many = define["pull"](start, [(0, 0)]), define["pull"](start, moves)
        apart = (many - define["heard"](one, 4)).abs().max() / one.abs().max()
        assert (apart < 1e-3) == equal


def test_gradients_are_moved_back(define):
    picture = random(3, 32, 32)
    moved = define["pull"](picture.roll((3, 5), (-2, -1)), [(0, 0)])
    assert torch.allclose(define["pull"](picture, [(3, 5)]), moved.roll((-3, -5), (-2, -1)))


def test_a_wave_is_coarse_if_it_is_longer_than_a_patch(define):
    at = torch.arange(64)
    for period, share in ((16, 1), (4, 0), (2, 0)):
        wave = torch.cos(2 * torch.pi * at / period).expand(3, 64, 64)
        assert define["coarse_share"](wave) == pytest.approx(share, abs=1e-4)


def test_windows_move_or_zoom_as_their_name_says(define):
    seen = {
        way: torch.cat(
            [define["a_window"](way, torch.Generator().manual_seed(n)) for n in range(200)]
        )
        for way in WAYS
    }
    for windows in seen.values():
        assert (windows >= 0).all() and (windows[:, :2] + windows[:, 2:] <= 64 + 1e-4).all()
    assert (seen["neither"] == torch.tensor([0, 0, 64])).all()
    middles = {way: windows[:, :2] + windows[:, 2:] / 2 for way, windows in seen.items()}
    assert torch.allclose(middles["zoom"], torch.tensor(32.0))
    assert (middles["move"].std(0) > 3).all() and (middles["both"].std(0) > 3).all()
    assert seen["move"][:, 2].std() < 1e-4 < 5 < seen["zoom"][:, 2].std()


def test_without_windows_the_loop_is_the_packages(define, tiny_clip):
    sentences = ["a red heart", "a blue star"]
    film = define["dream_through"]("neither", sentences, kept=(2, 6))
    dream = Dream(tiny_clip, sentences, recipe=Recipe.raw(size=64, steps=6))
    dream.run()
    assert list(film) == [2, 6]
    assert (film[6] - dream.pixels).abs().mean() < 2e-3


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


def test_a_frame_is_drawn_where_the_window_is(define):
    framed = define["framed"](torch.full((3, 40, 40), 0.5), torch.tensor([8.0, 16.0, 20.0]))
    assert framed.size == (40, 40)
    inside, border, outside = (framed.getpixel(at) for at in ((26, 18), (17, 18), (10, 18)))
    assert inside == (127, 127, 127) and border[0] > border[2] and min(outside) > 200


def test_two_ways_to_shrink(define):
    images = random(1, 3, 32, 32)
    small = F.interpolate(images, 8, mode="bicubic", antialias=True)
    assert torch.allclose(define["averaging"](images), small, atol=1e-4)
    assert torch.equal(define["skipping"](images)[0, 0, 1, 2], images[0, 0, 4, 8])


def test_windows_of_the_chapter_are_one_per_stratum(define):
    windows = draw_windows((128, 128), 8, MIX, define["dice"](4))
    sides = windows[0, :, 2] / 128
    assert (sides == 1).sum() >= 1 and sides.min() >= 0.25


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


def wave(period, reach):
    return sum(cmath.exp(2j * cmath.pi * s / period) for s in range(reach)) / reach


def closed_form(period, reach):
    under = reach * math.sin(math.pi / period)
    return abs(math.sin(math.pi * reach / period) / under)


def by_amplitude(period, reach):
    """From the wave itself, in two phases."""
    at = torch.arange(reach) * 2 * torch.pi / period
    return torch.hypot(torch.cos(at).mean(), torch.sin(at).mean())


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, n: abs(wave(p, n)),
        lambda p, n: torch.exp(-2j * torch.pi * torch.arange(n) / p).mean().abs(),
        lambda p, n: np.abs(np.exp(2j * np.pi * np.arange(n) / p).mean()),
        closed_form,
        by_amplitude,
    ],
)
def test_every_way_to_what_is_left_of_a_wave_is_right(answer):
    verdict = check.wave_left(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, n: n * abs(wave(p, n)), "the sum"),
        (lambda p, n: abs(wave(p, n)) ** 2, "square"),
        (lambda p, n: wave(p, n).real, "mean of cosines"),
        (lambda p, n: wave(p, n).imag, "mean of sines"),
        (lambda p, n: abs(wave(p, n + 1)), "one place too many"),
        (lambda p, n: abs(wave(2 * math.pi * p, n)), "a full turn is 2π"),
        (lambda p, n: abs(wave(2 * p, n)), "half a turn"),
        (lambda p, n: abs(wave(n, int(p))), "and this says"),
        (lambda p, n: float(p > n), "and this says"),
        (lambda p, n: wave(p, n), "one number is wanted"),
    ],
)
def test_a_wrong_remainder_of_a_wave_is_told_what_is_wrong(answer, words):
    verdict = check.wave_left(answer)
    assert not verdict and words in verdict.sentence, verdict
