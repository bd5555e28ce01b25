"""Chapter 3: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import functions

from dreamlab import Dream, Recipe, total_variation
from dreamlab.course import check

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture
def define(tiny_clip):
    return functions("03_total_variation", clip=tiny_clip)


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_total_variation_is_the_packages_but_for_the_mean(define, images):
    for shape in ((3, 8, 5), (1, 1, 4), (3, 6, 6)):
        image = torch.rand(shape, generator=torch.Generator().manual_seed(2))
        ours = define["my_total_variation"](image) / image.numel()
        assert torch.isclose(ours, total_variation(image), rtol=1e-5)
    assert define["my_total_variation"](torch.ones(5, 5)) == 0


def test_slope_agrees_with_finite_differences_and_adds_up_to_nothing(define):
    image = torch.rand(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    given = image.clone()
    slope = define["tv_slope"](image)
    assert torch.equal(image, given) and not image.requires_grad
    for i in range(image.numel()):
        nudge = torch.zeros_like(image)
        nudge.view(-1)[i] = 1e-7
        rise = define["my_total_variation"](image + nudge) - define["my_total_variation"](image)
        assert rise.item() / 1e-7 == pytest.approx(slope.view(-1)[i].item(), abs=1e-4)
    assert slope.sum().item() == pytest.approx(0)  # brighter as a whole costs nothing


def test_smoothing_approaches_the_minimum_that_is_known(define):
    """Strong and Chan: a bar on a wide ground keeps 1 − λ / width of its height."""
    bar = torch.zeros(1, 1, 4, 80)
    bar[..., 35:45] = 1
    for weight in (0.5, 1.5):
        height = define["smooth"](bar, weight, steps=400)[0, 0, 2, 40].item()
        assert height == pytest.approx(1 - weight / 10, abs=0.02)


def test_smoothing_gives_every_picture_its_own_weight(define, images):
    weights = torch.tensor([0.0, 0.1, 0.5])
    together = define["smooth"](images, weights, steps=20)
    for i in range(3):
        alone = define["smooth"](images[i : i + 1], weights[i], steps=20)
        assert torch.allclose(together[i], alone[0], atol=1e-4)
    assert torch.allclose(together[0], images[0], atol=1e-6)
    assert total_variation(together[2]) < total_variation(together[1]) < total_variation(images[1])


def test_squares_blur_an_edge_and_the_other_two_do_not(define):
    edge = define["edge"](1).expand(1, 1, 8, 32)
    steepest = {
        kind: define["smooth"](edge, weight, kind)[0, 0, 4].diff().max().item()
        for kind, weight in (("l1", 1.0), ("isotropic", 1.0), ("squared", 5.0))
    }
    assert steepest["l1"] > 0.8 and steepest["isotropic"] > 0.8
    assert steepest["squared"] < 0.4


def test_edges_rise_from_0_to_1_in_as_many_steps(define):
    for width in (1, 2, 5, 10):
        steps = define["edge"](width)[0, 0].diff()
        assert steps.sum().item() == pytest.approx(1)
        assert (steps > 1e-6).sum() == width


def test_cloud_has_the_spectrum_of_1_over_f(define):
    cloud = define["cloud"].__globals__
    cloud["generator"] = torch.Generator().manual_seed(4)
    power = torch.fft.rfft2(define["cloud"](128)).abs().square().mean(0)
    # Along one axis, at 4 to 8 times the frequency: 1/16 to 1/64 of the power.
    assert power[0, 8:12].mean() / power[0, 32:48].mean() == pytest.approx(16, rel=0.9)
    assert power[1:, 2:6].mean() > 20 * power[1:, 40:].mean()


def test_loop_is_the_packages(define, tiny_clip, images):
    for weight in (0.0, 0.5):
        weights = torch.tensor([weight])
        ours = define["dream_with_tv"](images[:1], ["a red heart"], weights, steps=6)
        recipe = Recipe.raw(size=32, steps=6, tv_weight=weight)
        dream = Dream(tiny_clip, "a red heart", start=images[:1], recipe=recipe)
        dream.run()
        assert (ours - dream.pixels).abs().mean() < 2e-3


def test_loop_smooths_the_more_the_greater_the_weight(define, images):
    same = images[:1].expand(3, -1, -1, -1)
    weights = torch.tensor([0.0, 1.0, 50.0])
    dreams = define["dream_with_tv"](same, ["a red heart"] * 3, weights, steps=15)
    variation = total_variation(dreams, per_image=True)
    assert variation[0] > variation[1] > variation[2]


# --- its checks -----------------------------------------------------------------------------------


def pad_steps(x):
    return F.pad(x.diff(dim=1), (0, 1)), F.pad(x.diff(dim=0), (0, 0, 0, 1))


def by_loops(x):
    height, width = x.shape
    total = 0.0
    for i in range(height):
        for j in range(width):
            total += float(x[i, j] - x[i, j + 1]) ** 2 if j + 1 < width else 0
            total += float(x[i, j] - x[i + 1, j]) ** 2 if i + 1 < height else 0
    return total / (height * width)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: (x.diff(dim=1).square().sum() + x.diff(dim=0).square().sum()) / x.numel(),
        lambda x: total_variation(x[None], "squared"),
        lambda x: sum(step.pow(2) for step in pad_steps(x)).mean(),
        lambda x: float(sum((np.diff(x.numpy(), axis=a) ** 2).sum() for a in (0, 1)) / x.numel()),
        lambda x: (
            ((x[1:] - x[:-1]) ** 2).sum() / x.numel()
            + ((x[:, 1:] - x[:, :-1]) ** 2).sum() / x.numel()
        ),
        by_loops,
    ],
)
def test_every_squared_variation_is_right(answer):
    verdict = check.squared_variation(answer)
    assert verdict, verdict
    assert repr(verdict).startswith("✓ Right: ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: x.diff(dim=1).square().sum() + x.diff(dim=0).square().sum(), "the sum"),
        (lambda x: x.diff(dim=1).square().mean() + x.diff(dim=0).square().mean(), "one step fewer"),
        (lambda x: total_variation(x[None]), "that is L1"),
        (lambda x: (total_variation(x[None]) * x.numel()) ** 2 / x.numel(), "squares the sum"),
        (lambda x: (x.diff(dim=1).sum() + x.diff(dim=0).sum()) ** 2 / x.numel(), "squares the sum"),
        (lambda x: x.diff(dim=1).square().sum() / x.numel(), "steps down are missing"),
        (lambda x: x.diff(dim=0).square().sum() / x.numel(), "to the right are missing"),
        (lambda x: x.diff(dim=0).square(), "one number is wanted"),
        (lambda x: 0.1, "it returns 0.1000"),
    ],
)
def test_a_wrong_squared_variation_is_told_what_is_wrong(answer, words):
    verdict = check.squared_variation(answer)
    assert not verdict and words in verdict.sentence, verdict


def neighbours(x, value=None):
    """Each pixel's four neighbours; those beyond the border equal the pixel itself."""
    wide = F.pad(x[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    return wide[1:-1, :-2], wide[1:-1, 2:], wide[:-2, 1:-1], wide[2:, 1:-1]


def counted(x):
    return sum((x > n).float() - (x < n).float() for n in neighbours(x))


def by_backward(x):
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        return torch.autograd.grad(total_variation(x[None]), x)[0]


def forward_only(x):
    right, down = pad_steps(x)
    return -right.sign() - down.sign()


@pytest.mark.parametrize(
    "answer",
    [
        counted,
        by_backward,  # of the mean: a positive factor is free
        lambda x: 3 * counted(x)[None],
        lambda x: counted(x).numpy(),
        lambda x: counted(x).tolist(),
        lambda x: sum(torch.sign(x - n) for n in neighbours(x)).int(),
    ],
)
def test_every_slope_is_right(answer):
    verdict = check.variation_slope(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: -counted(x), "the wrong way round"),
        (lambda x: sum(x - n for n in neighbours(x)), "only their signs count"),
        (forward_only, "right and down only"),
        (lambda x: sum(torch.sign(x - x.roll(s, d)) for s in (1, -1) for d in (0, 1)), "border"),
        (lambda x: counted(x)[1:-1, 1:-1], "and this is (3, 3)"),
        (lambda x: torch.zeros_like(x), "a speck alone in the dark has 4, and yours gives 0"),
        (lambda x: x.sum(), "a single number"),
        (lambda x: "four", "numbers of shape (5, 5) are wanted"),
    ],
)
def test_a_wrong_slope_is_told_what_is_wrong(answer, words):
    verdict = check.variation_slope(answer)
    assert not verdict and words in verdict.sentence, verdict


def root(x, small=0.0):
    right, down = pad_steps(x)
    return (right**2 + down**2 + small).sqrt()


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: root(x, 1e-12).mean(),
        lambda x: root(x, 1e-8).sum() / x.numel(),
        lambda x: root(x, torch.finfo(x.dtype).tiny).mean(),
        lambda x: total_variation(x[None], "isotropic"),
        lambda x: torch.hypot(pad_steps(x)[0] + 1e-9, pad_steps(x)[1] + 1e-9).mean(),
        lambda x: torch.stack(pad_steps(x)).norm(dim=0).mean(),  # torch's norm has slope 0 at 0
        lambda x: sum((r**2 + d**2).clamp(min=1e-12) ** 0.5 for r, d in [pad_steps(x)]).mean(),
    ],
)
def test_every_isotropic_variation_is_right(answer):
    verdict = check.isotropic_variation(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: root(x).mean(), "the gradient is NaN"),
        (lambda x: root(x, 1e-12).sum(), "that is the sum"),
        (lambda x: root(x).square().mean(), "the root is missing"),
        (lambda x: sum(step.abs() for step in pad_steps(x)).mean(), "that is L1"),
        (lambda x: root(x).square().mean().sqrt(), "one root of everything"),
        (lambda x: root(x).square().sum().sqrt(), "one root of everything"),
        (lambda x: root(x)[:-1, :-1].mean(), "last row and column"),
        (lambda x: root(x).mean().item(), "lost its gradient"),
        (lambda x: root(x), "a Tensor of shape (6, 6)"),
        (lambda x: x.mean(), "it returns"),
    ],
)
def test_a_wrong_isotropic_variation_is_told_what_is_wrong(answer, words):
    verdict = check.isotropic_variation(answer)
    assert not verdict and words in verdict.sentence, verdict


@pytest.mark.parametrize(
    "answer",
    [
        lambda width, weight: 1 - weight / width,
        lambda width, weight: max(0, 1 - weight / width),
        lambda width, weight: torch.tensor(1 - weight / width),
        lambda width, weight: np.float32((width - weight) / width),
        lambda width, weight: torch.tensor(1 - weight / width).clamp(min=0),
        lambda width, weight: min(
            np.linspace(0, 1, 10001),
            key=lambda h: (  # by trying them all
                width * (1 - h) ** 2 + 2 * weight * h
            ),
        ),
    ],
)
def test_every_contrast_is_right(answer):
    verdict = check.contrast_left(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda width, weight: weight / width, "what the bar loses"),
        (lambda width, weight: 1 - 2 * weight / width, "twice too much"),
        (lambda width, weight: 1 - weight / (2 * width), "two edges"),
        (lambda width, weight: 1 - weight, "the width plays a part"),
        (lambda width, weight: 1 - weight * width, "loses less, not more"),
        (lambda width, weight: 0.5, "keeps 0.800 of its height"),
        (lambda width, weight: abs(1 - weight / width), "is gone at weight 4"),
        (lambda width, weight: "most", "one number is wanted"),
    ],
)
def test_a_wrong_contrast_is_told_what_is_wrong(answer, words):
    verdict = check.contrast_left(answer)
    assert not verdict and words in verdict.sentence, verdict
