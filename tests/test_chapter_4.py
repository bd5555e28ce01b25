"""Chapter 4: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import numpy as np
import pytest
import torch
from chapters import functions

from dreamlab import detail_mask, masked_total_variation, total_variation
from dreamlab.course import check
from dreamlab.resample import blur

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture(scope="module")
def define():
    return functions("04_masked_tv")


@pytest.fixture
def images():
    return torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(1))


def test_mask_is_the_packages(define, images):
    assert torch.allclose(define["my_mask"](images), detail_mask(images), atol=1e-5)
    for knobs in ({"alpha": 0.5, "kappa": 0.03}, {"alpha": 0.0, "kappa": 0.1}):
        ours = define["my_mask"](images[0], **knobs)
        assert torch.allclose(ours, detail_mask(images[0], **knobs), atol=1e-5)


def test_its_mask_has_a_gradient_and_the_packages_has_none(define, images):
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(define["my_mask"](images).sum(), images)
    assert gradient.abs().max() > 0 and gradient.isfinite().all()
    assert not detail_mask(images).requires_grad


def test_masked_variation_is_the_packages(define, images):
    mask = torch.rand(2, 1, 20, 24)
    right, down = torch.zeros_like(images), torch.zeros_like(images)
    right[..., :-1], down[..., :-1, :] = images.diff(dim=-1), images.diff(dim=-2)
    ours = define["my_masked_tv"](right, down, mask)
    assert torch.isclose(ours, masked_total_variation(images, mask))


def test_eigenvalues(define):
    slopes = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    xx, yy, xy = slopes[0].square().mean(0), slopes[1].square().mean(0), slopes.prod(0).mean(0)
    first, second = define["eigenvalues"](xx, yy, xy)
    assert (first >= second).all()
    assert torch.allclose(first + second, xx + yy)
    assert torch.allclose(first * second, xx * yy - xy**2)


def test_equal_mean_weight(define):
    edge = torch.full((1, 16, 16), 0.2)
    edge[..., 8:] = 0.8
    mask = detail_mask(edge)
    assert mask.mean() < 0.99
    shared = define["masked"](edge)
    assert torch.isclose(shared, masked_total_variation(edge, mask) / mask.mean())
    ones = define["masked"](edge, lambda image: torch.full_like(image, 0.3))
    assert torch.isclose(ones, total_variation(edge, "squared"))


def test_descend_goes_downhill(define, images):
    moved = define["descend"](images, define["squared"], 0.05, steps=3)
    assert define["squared"](moved) < define["squared"](images) / 2
    assert not moved.requires_grad
    same = images
    for _ in range(3):
        same = define["descend"](same, define["squared"], 0.05)
    assert torch.equal(moved, same)


def test_without_detach_edges_are_invented(define):
    """With another patch of noise than the chapter's."""
    noise = 0.5 + 0.25 * torch.randn(1, 48, 48, generator=torch.Generator().manual_seed(9))
    mask = define["my_mask"]
    honest, _ = define["smooth"](noise, lambda image: mask(image).detach(), steps=80)
    cheating, losses = define["smooth"](noise, mask, steps=80)
    assert losses[-1] < losses[0] / 10
    assert mask(cheating).mean() < 0.7 < 0.9 < mask(honest).mean()
    assert define["squared"](cheating) > 5 * define["squared"](honest)


def test_outlines(define):
    flat, noise = torch.full((1, 3, 40, 40), 0.3), torch.rand(1, 3, 40, 40)
    square = flat.clone()
    square[..., 15:25, 15:25] = 0.9
    outlines = define["outlines"]
    assert outlines(square).item() > 0.75 > 0.35 > outlines(noise).item() > 0.1
    # It does not depend on how strong a picture is.
    assert torch.isclose(outlines(0.5 * square), outlines(square), atol=1e-3)


# --- the checks -----------------------------------------------------------------------------------


def by_library(xx, yy, xy):
    tensors = torch.stack([torch.stack([xx, xy], -1), torch.stack([xy, yy], -1)], -2)
    values = torch.linalg.eigvalsh(tensors)
    return values[..., 1] - values[..., 0]


def by_formula(xx, yy, xy):
    p, q = xx + yy, xx * yy - xy**2
    root = (p**2 / 4 - q).clamp(min=0).sqrt()
    return (p / 2 + root) - (p / 2 - root)


@pytest.mark.parametrize(
    "answer",
    [
        lambda xx, yy, xy: ((xx - yy) ** 2 + 4 * xy**2).sqrt(),
        lambda xx, yy, xy: ((xx - yy).square() + (2 * xy).square()) ** 0.5,
        lambda xx, yy, xy: torch.hypot(xx - yy, 2 * xy),
        lambda xx, yy, xy: np.hypot((xx - yy).numpy(), 2 * xy.numpy()),
        by_library,
        by_formula,
    ],
)
def test_every_coherence_is_right(answer):
    verdict = check.coherence(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda xx, yy, xy: -torch.hypot(xx - yy, 2 * xy), "wrong way round"),
        (lambda xx, yy, xy: (xx - yy) ** 2 + 4 * xy**2, "take the root"),
        (lambda xx, yy, xy: torch.hypot(xx - yy, 2 * xy) / 2, "half"),
        (lambda xx, yy, xy: (xx + yy + torch.hypot(xx - yy, 2 * xy)) / 2, "λ₁ alone"),
        (lambda xx, yy, xy: (xx + yy - torch.hypot(xx - yy, 2 * xy)) / 2, "λ₂ alone"),
        (lambda xx, yy, xy: xx + yy, "λ₁ + λ₂"),
        (lambda xx, yy, xy: xx * yy - xy**2, "λ₁ · λ₂"),
        (lambda xx, yy, xy: (xx - yy).abs(), "diagonal"),
        (lambda xx, yy, xy: xx - yy, "has a sign"),
        (lambda xx, yy, xy: torch.hypot(xx - yy, xy), "four times"),
        (lambda xx, yy, xy: ((xx - yy) ** 2 + 2 * xy**2).sqrt(), "not twice"),
        (lambda xx, yy, xy: torch.hypot(xx - yy, 2 * xy) / (xx + yy), "difference itself"),
        (lambda xx, yy, xy: xx * 3, "is due"),
        (lambda xx, yy, xy: (xx - yy).mean(), "a single number"),
        (lambda xx, yy, xy: "much", "numbers of shape (4, 5) are wanted"),
        (lambda xx, yy, xy: ..., "returns nothing yet"),
        (lambda xx, yy, xy: xx / 0, "infinite"),
    ],
)
def test_a_wrong_coherence_is_told_what_is_wrong(answer, words):
    verdict = check.coherence(answer)
    assert not verdict and words in verdict.sentence, verdict


def test_a_coherence_that_breaks_where_nothing_changes():
    def share_times_sum(xx, yy, xy):
        return torch.hypot(xx - yy, 2 * xy) / (xx + yy) * (xx + yy)

    verdict = check.coherence(share_times_sum)
    assert not verdict and "division by zero" in verdict.sentence, verdict


def one_by_one(masks):
    return torch.stack([mask / mask.mean() for mask in masks])


@pytest.mark.parametrize(
    "answer",
    [
        lambda m: m / m.mean((1, 2, 3), keepdim=True),
        lambda m: m / m.flatten(1).mean(1).view(-1, 1, 1, 1),
        lambda m: m * m[0].numel() / m.sum((-3, -2, -1), keepdim=True),
        lambda m: m.numpy() / m.numpy().mean((1, 2, 3), keepdims=True),
        one_by_one,
    ],
)
def test_every_equal_weight_is_right(answer):
    verdict = check.equal_weight(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda m: m / m.mean(), "not that of each"),
        (lambda m: m / m.amax((1, 2, 3), keepdim=True), "greatest weight"),
        (lambda m: m / m.max(), "greatest weight"),
        (lambda m: m / m.sum((1, 2, 3), keepdim=True), "the sum is 1"),
        (lambda m: m * m.mean((1, 2, 3), keepdim=True), "instead of divided"),
        (lambda m: m + 1 - m.mean((1, 2, 3), keepdim=True), "by adding"),
        (lambda m: m, "as they were"),
        (lambda m: torch.ones_like(m), "no longer what they were"),
        (lambda m: 2 * m / m.mean((1, 2, 3), keepdim=True), "should be 1 each"),
        (lambda m: m.mean((1, 2, 3)), "the shape should be"),
        (lambda m: m.div_(m.mean((1, 2, 3), keepdim=True)), "changes the tensor"),
        (lambda m: m / m.mean((1, 2, 3)), "stopped with RuntimeError"),
    ],
)
def test_a_wrong_equal_weight_is_told_what_is_wrong(answer, words):
    verdict = check.equal_weight(answer)
    assert not verdict and words in verdict.sentence, verdict


def calm(image, kappa, sigma=1.5):
    down, right = torch.gradient(blur(image, sigma), dim=(-2, -1))
    return 1 / (1 + (right**2 + down**2) / kappa**2)


def calm_by_steps(image, kappa):
    """With steps to the next pixel instead of central differences."""
    smooth = blur(image, 1.5)
    right, down = torch.zeros_like(image), torch.zeros_like(image)
    right[..., :-1], down[..., :-1, :] = smooth.diff(dim=-1), smooth.diff(dim=-2)
    return kappa**2 / (kappa**2 + right**2 + down**2)


def calm_by_boxes(image, kappa):
    """With an average over squares instead of a Gaussian."""
    pool = torch.nn.AvgPool2d(5, stride=1, padding=2, count_include_pad=False)
    down, right = torch.gradient(pool(image), dim=(-2, -1))
    return 1 / (1 + (right**2 + down**2) / kappa**2)


@pytest.mark.parametrize(
    "answer",
    [
        calm,
        calm_by_steps,
        calm_by_boxes,
        lambda image, kappa: calm(image, kappa, sigma=1.0),
        lambda image, kappa: calm(image, kappa, sigma=2.5),
        lambda image, kappa: calm(image, kappa).squeeze(0)[None],
        lambda image, kappa: calm(image, kappa).numpy(),
    ],
)
def test_every_calm_mask_is_right(answer):
    verdict = check.calm_mask(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda image, kappa: calm(image, kappa, sigma=0.3), "blur the image before"),
        (lambda image, kappa: 1 - calm(image, kappa), "that is the trust"),
        (lambda image, kappa: calm(image, 0.04), "κ has no such effect"),
        (lambda image, kappa: calm(image, kappa, sigma=9.0), "should be spared"),
        (lambda image, kappa: calm(image, kappa**0.5), "should be spared"),
        (lambda image, kappa: 2 * calm(image, kappa), "nothing changes there"),
        (lambda image, kappa: 2 * calm(image, kappa) - 1, "between 0 and 1"),
        (lambda image, kappa: calm(image, kappa)[0], "the shape should be"),
    ],
)
def test_a_wrong_calm_mask_is_told_what_is_wrong(answer, words):
    verdict = check.calm_mask(answer)
    assert not verdict and words in verdict.sentence, verdict


def searched(height):
    """By halving, without a formula."""
    card = torch.full((1, 64, 64), 0.5)
    card[..., 32:] += height
    low, high = 1e-4, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if detail_mask(card, kappa=middle)[0, 32, 31:33].mean() < 0.5:
            low = middle
        else:
            high = middle
    return middle


@pytest.mark.parametrize(
    "answer",
    [searched, lambda height: searched(0.5) * height / 0.5, lambda h: torch.tensor(searched(h))],
)
def test_every_kappa_is_right(answer):
    verdict = check.kappa_for(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda height: 0.04, "too small"),
        (lambda height: searched(0.5), "grow with the height"),
        (lambda height: searched(0.5) * (height / 0.5) ** 0.5, "grow with the height"),
        (lambda height: 3 * searched(height), "too large"),
        (lambda height: -searched(height), "a slope above 0"),
        (lambda height: ..., "returns nothing yet"),
    ],
)
def test_a_wrong_kappa_is_told_what_is_wrong(answer, words):
    verdict = check.kappa_for(answer)
    assert not verdict and words in verdict.sentence, verdict
