"""Chapter 5: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import numpy as np
import pytest
import torch
from chapters import functions

from dreamlab import Dream, Judge, Recipe
from dreamlab.adam import Adam
from dreamlab.course import check
from dreamlab.dream import to_pil

SENTENCES = ["a red heart", "two stars at night"]
RAW = Recipe.raw(size=64, steps=8)

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture
def define(tiny_clip):
    return functions(
        "05_clamping",
        clip=tiny_clip,
        judge=Judge(tiny_clip),
        captions=SENTENCES,
        texts=tiny_clip.encode_text(SENTENCES),
        sentence=SENTENCES[0],
    )


@pytest.fixture
def wide():
    """A picture with values on both sides of both walls."""
    return 0.5 + torch.randn(3, 9, 7, generator=torch.Generator().manual_seed(1))


def test_bytes_are_those_of_the_packages_pictures(define, wide):
    ours = define["cut_off"](wide).movedim(0, -1).numpy()
    assert np.array_equal(ours, np.asarray(to_pil(wide)))
    inside = wide.clamp(0, 1)
    assert torch.equal(define["wrapped"](inside), define["cut_off"](inside))


def test_wrapping_is_what_a_byte_does(define):
    whole = torch.arange(-600, 900)
    expected = torch.tensor([n % 256 for n in whole.tolist()])
    assert torch.equal(define["wrapped"](whole / 255).long(), expected)


def test_the_worst_value_is_named_with_its_place(define):
    image = torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(2))
    image[1, 4, 2], image[2, 8, 0] = 1.5, -0.75
    assert define["worst"](image) == "row 8, column 0, blue: -0.75"
    image[1, 4, 2] = 2.0
    assert define["worst"](image) == "row 4, column 2, green: 2.00"


def test_beyond_is_the_distance_to_the_range(define, wide):
    distance = torch.maximum(wide - 1, -wide).clamp(min=0)
    assert torch.allclose(define["beyond"](wide), distance)
    assert torch.isclose(define["penalty"](wide), distance.square().sum())


def test_loop_is_the_packages(define, tiny_clip):
    ours = define["dream"](SENTENCES, steps=8)
    packed = Dream(tiny_clip, SENTENCES, recipe=Recipe.raw(size=64, steps=8, clamp=True))
    packed.run()
    assert (ours - packed.pixels).abs().mean() < 2e-3
    free = Dream(tiny_clip, SENTENCES, recipe=RAW)
    free.run()
    assert (define["dream"](SENTENCES, "never", steps=8) - free.pixels).abs().mean() < 2e-3


def test_only_the_clamp_after_the_update_ends_inside(define):
    inside = define["dream"](SENTENCES, steps=30)
    assert inside.min() == 0 and inside.max() == 1
    for clamp in ("before", "never"):
        ended = define["dream"](SENTENCES, clamp, steps=30)
        assert ended.min() < 0 and ended.max() > 1


def test_the_free_loop_without_a_penalty_is_the_packages(define, tiny_clip):
    free = Dream(tiny_clip, SENTENCES, recipe=RAW)
    free.run()
    ours = define["dream_free"](SENTENCES, torch.clone, start=0.5, rate=0.05, steps=8)
    assert (ours - free.pixels).abs().mean() < 2e-3


def test_sigmoid_and_penalty_hold_the_values(define):
    sigmoid = define["dream_free"](SENTENCES, steps=30)
    assert sigmoid.min() > 0 and sigmoid.max() < 1
    free, held = (
        define["dream_free"](SENTENCES, torch.clone, 0.5, 0.05, weight, steps=30)
        for weight in (0.0, 10.0)
    )
    assert define["beyond"](held).sum() < define["beyond"](free).sum() / 2


@pytest.mark.parametrize(("push", "strength"), [(1, 1), (5, 1), (50, 1), (7, 3), (50, 10)])
def test_one_pixel_leaves_the_wall_when_adam_says_so(define, push, strength):
    x, adam = torch.ones(1), Adam.zeros_like(torch.ones(1))
    for _ in range(push):
        adam = adam.update(torch.tensor([-float(strength)]))
        x = (x - 0.05 * adam.direction()).clamp(0, 1)
        assert x == 1
    waited = 0
    while x == 1:
        adam = adam.update(torch.ones(1))
        x = (x - 0.05 * adam.direction()).clamp(0, 1)
        waited += 1
    assert define["steps_until_it_leaves"](push, strength) == waited


def test_only_memory_holds_a_pixel_back(define):
    by_adam, _ = define["held_back"](lambda adam, gradient: adam.direction(), 0.05, steps=40)
    by_descent, _ = define["held_back"](lambda adam, gradient: gradient.sign(), 0.05, steps=40)
    assert by_adam > 0.05 and by_descent == 0


# --- its checks -----------------------------------------------------------------------------------


def by_sorting(x, low, high):
    """The middle one of three numbers."""
    walls = torch.tensor([low, high], dtype=x.dtype).expand(*x.shape, 2)
    return torch.cat([x[..., None], walls], dim=-1).median(dim=-1).values


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, low, high: x.clamp(low, high),
        lambda x, low, high: np.clip(x.numpy(), low, high),
        lambda x, low, high: torch.where(x < low, low, torch.where(x > high, high, x)),
        lambda x, low, high: low + torch.relu(x - low) - torch.relu(x - high),
        lambda x, low, high: x.double().clamp(min=low).clamp(max=high),
        by_sorting,
    ],
)
def test_every_projection_is_right(answer):
    verdict = check.project(answer)
    assert verdict, verdict


def mirrored(x, low, high):
    wave = (x - low).remainder(2 * (high - low))
    return low + torch.minimum(wave, 2 * (high - low) - wave)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, low, high: x.clamp(0, 1), "no effect"),
        (lambda x, low, high: x, "stay where they are"),
        (lambda x, low, high: x.clamp(max=high), "one wall is missing"),
        (lambda x, low, high: x.clamp(min=low), "one wall is missing"),
        (
            lambda x, low, high: low + (high - low) * (x - x.min()) / (x.max() - x.min()),
            "squeezes",
        ),
        (lambda x, low, high: low + (x - low).remainder(high - low), "wraps round"),
        (mirrored, "reflects"),
        (lambda x, low, high: low + (high - low) * x.sigmoid(), "sigmoid"),
        (lambda x, low, high: x / x.abs().max(), "already inside"),
        (lambda x, low, high: torch.where((x < low) | (x > high), low, x), "nearest allowed"),
        (lambda x, low, high: x.clamp(low, high).sum(), "a single number"),
        (lambda x, low, high: "clamped", "and this is a str"),
    ],
)
def test_a_wrong_projection_is_told_what_is_wrong(answer, words):
    verdict = check.project(answer)
    assert not verdict and words in verdict.sentence, verdict


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: (x.clamp(0, 1) * 255).round(),
        lambda x: (x * 255).round().clamp(0, 255).to(torch.uint8),
        lambda x: (x.clamp(0, 1) * 255 + 0.5).long(),
        lambda x: np.rint(np.clip(x.numpy(), 0, 1) * 255).astype(np.uint8),
        lambda x: [[max(0, min(255, round(v * 255))) for v in row] for row in x.tolist()],
    ],
)
def test_all_bytes_are_right(answer):
    verdict = check.to_bytes(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: (x * 255).round().long().to(torch.uint8), "cut off before"),
        (lambda x: (x * 255).round(), "a byte holds 0 to 255"),
        (lambda x: x.clamp(0, 1) * 255, "round them"),
        (lambda x: (x.clamp(0, 1) * 255).to(torch.uint8), "cuts the fraction off"),
        (lambda x: (x * 256).clamp(0, 255).floor(), "the factor is 255"),
        (lambda x: x.clamp(0, 1), "scale from 0 to 1"),
        (lambda x: (x.clamp(0, 1) * 100).round(), "is due"),
        (lambda x: (x.clamp(0, 1) * 255).round().flatten(), "and this is (12,)"),
    ],
)
def test_wrong_bytes_are_told_what_is_wrong(answer, words):
    verdict = check.to_bytes(answer)
    assert not verdict and words in verdict.sentence, verdict


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: (x - x.clamp(0, 1)).square().sum(),
        lambda x: (x - x.clamp(0, 1)).square().mean(),
        lambda x: (x - x.clamp(0, 1)).abs().sum(),
        lambda x: (torch.relu(x - 1) + torch.relu(-x)).mean(),
        lambda x: 100 * (x.clamp(min=1) - 1).pow(3).sum() + (-x.clamp(max=0)).sum(),
        lambda x: torch.relu((x - 0.5).abs() - 0.5).sum(),
        lambda x: (x - x.detach().clamp(0, 1)).square().sum(),
        lambda x: torch.where(x > 1, x - 1, torch.where(x < 0, -x, 0 * x)).sum(),
    ],
)
def test_every_penalty_is_right(answer):
    verdict = check.range_penalty(answer)
    assert verdict, verdict


def clamped_first(x):
    x = x.clamp(0, 1)
    return (x - x.clamp(0, 1)).square().sum()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (clamped_first, "before the image is clamped"),
        (lambda x: -(x - x.clamp(0, 1)).square().sum(), "wrong way round"),
        (lambda x: (x - 0.5).square().sum(), "pulls at values that are inside"),
        (lambda x: x.square().mean(), "pulls at values that are inside"),
        (lambda x: torch.relu(x - 1).sum(), "one wall only"),
        (lambda x: torch.relu(x - 1.3).sum() + torch.relu(-x).sum(), "feel nothing"),
        (lambda x: (x - x.clamp(0, 1)).sum(), "pushed further out"),
        (lambda x: 1 + (x - x.clamp(0, 1)).square().sum(), "it should be 0"),
        (lambda x: (x - x.clamp(0, 1)).abs(), "one number is wanted"),
        (lambda x: (x - x.clamp(0, 1)).abs().sum().item(), "lost its gradient"),
    ],
)
def test_a_wrong_penalty_is_told_what_is_wrong(answer, words):
    verdict = check.range_penalty(answer)
    assert not verdict and words in verdict.sentence, verdict


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, m: m.masked_fill(((x == 0) & (m > 0)) | ((x == 1) & (m < 0)), 0),
        lambda x, m: torch.where(((x <= 0) & (m > 0)) | ((x >= 1) & (m < 0)), 0.0, m),
        # A tiny step against the mean, and what the clamp takes back of it.
        lambda x, m: torch.where((x - 1e-3 * m).clamp(0, 1) == x, 0.0, m),
        lambda x, m: m * ~(((x == 0) & (m > 0)) | ((x == 1) & (m < 0))),
        lambda x, m: np.where((x - 0.001 * m > 1) & (x == 1) | (x == 0) & (m > 0), 0, m),
        lambda x, m: torch.where(x == 0, m.clamp(max=0), torch.where(x == 1, m.clamp(min=0), m)),
    ],
)
def test_every_letting_go_is_right(answer):
    verdict = check.forget_momentum(answer)
    assert verdict, verdict


def black(x, m):
    return (x == 0) & (m > 0)


def white(x, m):
    return (x == 1) & (m < 0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, m: m, "nothing is forgotten"),
        (lambda x, m: 0 * m, "everything is forgotten"),
        (lambda x, m: m.masked_fill(black(x, -m) | white(x, -m), 0), "the way back instead"),
        (lambda x, m: m.masked_fill((x == 0) | (x == 1), 0), "whatever the direction"),
        (lambda x, m: m.masked_fill(black(x, m), 0), "at 0 only"),
        (lambda x, m: m.masked_fill(white(x, m), 0), "at 1 only"),
        (lambda x, m: m * (black(x, m) | white(x, m)), "exactly what should go"),
        (lambda x, m: m.clamp(min=0), "not at a wall"),
        (lambda x, m: torch.where((x == 0) | (x == 1), -m, m), "the rest stay"),
        (lambda x, m: m.mean(), "a single number"),
    ],
)
def test_wrong_letting_go_is_told_what_is_wrong(answer, words):
    verdict = check.forget_momentum(answer)
    assert not verdict and words in verdict.sentence, verdict
