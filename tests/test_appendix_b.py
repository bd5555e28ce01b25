"""Appendix B: its functions are the package's, and its check accepts every right solution."""

import pytest
import torch
from chapters import functions

from dreamlab import detail_mask
from dreamlab.course import check

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture(scope="module")
def define():
    return functions("B_structure_tensor")


def test_mask_is_the_packages_and_has_a_gradient(define):
    image = torch.rand(1, 20, 24, generator=torch.Generator().manual_seed(1)).requires_grad_()
    ours = define["my_mask"](image)
    assert torch.allclose(ours, detail_mask(image), atol=1e-5)
    (gradient,) = torch.autograd.grad(ours.sum(), image)
    assert gradient.abs().max() > 0 and gradient.isfinite().all()


def test_eigenvalues_are_the_greatest_and_the_smallest_steepness(define):
    generator = torch.Generator().manual_seed(2)
    right, down = torch.randn(2, 5, 3, 4, dtype=torch.float64, generator=generator)
    xx, yy, xy = right.square().mean(0), down.square().mean(0), (right * down).mean(0)
    angle = torch.linspace(0, torch.pi, 2000, dtype=torch.float64)[:, None, None]
    steepness = xx * angle.cos() ** 2 + yy * angle.sin() ** 2 + xy * (2 * angle).sin()
    first, second = define["eigenvalues"](xx, yy, xy)
    assert torch.allclose(first, steepness.amax(0), rtol=1e-4)
    assert torch.allclose(second, steepness.amin(0), rtol=1e-4, atol=1e-5)


def test_loop_ends_in_the_last_frame_and_keeps_the_first(define):
    noise = 0.5 + 0.25 * torch.randn(1, 24, 24, generator=torch.Generator().manual_seed(9))
    frames, losses = define["smooth"](noise, detail_mask, steps=60)
    assert list(frames) == [0, 15, 50, 60] and len(losses) == 60
    assert torch.equal(frames[0], noise)
    assert losses[-1] < losses[0] / 10


def test_zero_is_mid_grey(define):
    shown = define["shown"](torch.tensor([-2.0, 0.0, 1.0]))
    assert torch.allclose(shown, torch.tensor([0.0, 0.5, 0.75]))


# --- the check ------------------------------------------------------------------------------------


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
        (lambda height: -searched(height), "κ is above 0"),
        (lambda height: ..., "returns nothing yet"),
    ],
)
def test_a_wrong_kappa_is_told_what_is_wrong(answer, words):
    verdict = check.kappa_for(answer)
    assert not verdict and words in verdict.sentence, verdict
