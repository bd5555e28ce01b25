"""Checks of chapter 4: squared steps, total variation's gradient, a root at 0, eroded contrast."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .verdict import NotYet, ask_loss, ask_number, ask_tensor, compare, verdict


def _image(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@verdict
def squared_variation(answer: Callable) -> str:
    """Check `answer(image)`: the mean over (h, w) of the squared steps to the right and down."""
    for image in (_image(1, 5, 7), _image(2, 4, 4)):
        right, down, n = image.diff(dim=-1), image.diff(dim=-2), image.numel()
        total = right.square().sum() + down.square().sum()
        lengths, heights = right.abs().sum() + down.abs().sum(), right.sum() + down.sum()
        value, squared = ask_number(answer, image), [lengths**2 / n, heights**2 / n]
        mistakes = {
            "that is the sum; the mean over all pixels does not grow with the canvas": total,
            "that divides by the number of steps, and there is one step fewer than pixels in a row "
            "or column; divide both sums by the number of "
            "pixels": right.square().mean() + down.square().mean(),
            "that is L1: the steps enter as they are, and should be squared": lengths / n,
            "that squares the sum; each step is squared by itself, then added": squared,
            "the steps down are missing": right.square().sum() / n,
            "the steps to the right are missing": down.square().sum() / n,
            f"for an image where {total / n:.4f} is due it returns {value:.4f}; square every step "
            "to the right and every step down, add up, divide by the number of pixels": True,
        }
        compare(value, total / n, mistakes)
    return "ten steps of a tenth now cost a tenth of one whole step."


@verdict
def variation_gradient(answer: Callable) -> str:
    """Check `answer(image)`: for every pixel of (h, w), how many neighbours are lower less how many
    are higher, which is the gradient of the summed total variation; a positive factor is free.
    """
    speck = torch.zeros(5, 5)
    speck[2, 2] = 1.0
    at_speck = ask_tensor(answer, speck, shape=speck.shape, any_ones=True)[2, 2]
    for image in (speck, _image(3, 6, 5), _image(4, 3, 7).round(decimals=1)):
        found = ask_tensor(answer, image, shape=image.shape, any_ones=True)
        right, down = image.double().diff(dim=1), image.double().diff(dim=0)
        signs, inside = _gradient(right.sign(), down.sign()), (slice(1, -1), slice(1, -1))
        one_sided = -F.pad(right.sign(), (0, 1)) - F.pad(down.sign(), (0, 0, 0, 1))
        mistakes = {
            "all signs are the wrong way round: a lower neighbour counts +1": _along(-found, signs),
            "that adds up the steps themselves; only their signs count": _gradient(right, down),
            "right inside, but a pixel at the border has fewer than four neighbours": min(
                image.shape
            )
            > 3
            and _along(found[inside], signs[inside]),
            "each pixel looks right and down only; the neighbours to the left and above count as "
            "well": one_sided,
            "it is not the number of lower neighbours less the number of higher ones; a speck "
            f"alone in the dark has 4, and yours gives {at_speck:.3g}": True,
        }
        compare(found, signs, mistakes, close=_along)
    return "a pixel hears how many neighbours are lower and how many higher, not by how much."


def _gradient(right: Tensor, down: Tensor) -> Tensor:
    """The sum of the steps to each pixel, less that of the steps away from it."""
    return (
        F.pad(right, (1, 0)) - F.pad(right, (0, 1))
        + F.pad(down, (0, 0, 1, 0)) - F.pad(down, (0, 0, 0, 1))
    )  # fmt: skip


def _along(found: Tensor, wanted: Tensor) -> bool:
    """Whether these are the same numbers but for a positive factor."""
    factor = (found * wanted).sum() / wanted.square().sum()
    return bool(factor > 0) and torch.allclose(found, factor * wanted, atol=1e-4 * float(factor))


@verdict
def isotropic_variation(answer: Callable) -> str:
    """Check `answer(image)`: the mean over (h, w) of √(right² + down²), 0 beyond the border, with a
    gradient that is finite on a flat image.
    """
    for image in (_image(5, 6, 6), _image(6, 5, 8)):
        value, gradient = ask_loss(answer, image)
        given = image.double().requires_grad_()
        right, down = F.pad(given.diff(dim=1), (0, 1)), F.pad(given.diff(dim=0), (0, 0, 0, 1))
        squares = right.square() + down.square()
        wanted = (squares + 1e-12).sqrt().mean()
        wanted.backward()
        right, down, squares, wanted = (x.detach() for x in (right, down, squares, wanted))
        inner, n = squares[:-1, :-1].sqrt().sum(), image.numel()
        mistakes = {
            "that is the sum; divide by the number of pixels": wanted * n,
            "the root is missing: these are the squares": squares.mean(),
            "that is L1; the two steps of a pixel go under one root": (
                right.abs() + down.abs()
            ).mean(),
            "that is one root of everything; every pixel has a root of its own": [
                squares.sum().sqrt(),
                squares.mean().sqrt(),
            ],
            "the last row and column are left out; pad their missing steps with 0, for they still "
            "have a neighbour on one side": [inner / squares[:-1, :-1].numel(), inner / n],
            f"for an image where {wanted:.4f} is due it returns {value:.4f}; for each pixel, the "
            "root of right² + down², then the mean": True,
        }
        # A small number under the root, against its infinite gradient at 0, may show a little.
        compare(value, bool(abs(value - wanted) <= 0.02 * wanted), mistakes)
        if (gradient - given.grad).norm() > 0.05 * given.grad.norm():
            raise NotYet(
                "the value is right, but its gradient is not that of this value; is something in "
                "it detached?"
            )
    for image, what in ((torch.full((4, 4), 0.5), "a flat image"), (torch.eye(4), "flat parts")):
        if not ask_loss(answer, image, finite=False)[1].isfinite().all():
            raise NotYet(
                f"the value is right, but on {what} the gradient is NaN: the derivative of a root "
                "at 0 is infinite; add a very small number under it"
            )
    return "every direction costs the same, and a flat image does not break the gradient."


@verdict
def contrast_left(answer: Callable) -> str:
    """Check `answer(width, weight)`: the height that a bar, 1 high and `width` pixels wide on a
    wide ground, keeps where (image − bar)² + weight · total variation is least: 1 − weight / width.
    """
    for width, weight in ((10, 2.0), (4, 1.0), (20, 5.0), (8, 0.0), (16, 3.0)):
        value, lost = ask_number(answer, width, weight), weight / width
        wider = [1 - weight * width, 1 - width * weight / 2]
        mistakes = {
            "that is what the bar loses; what it keeps is asked for": lost,
            "twice too much is lost: the derivative of w·d² is 2·w·d, which must equal 2·weight": 1
            - 2 * lost,
            "half too little is lost: a bar has two edges, and both become cheaper": 1 - lost / 2,
            "the width plays a part: a wide bar has more pixels to move": 1 - weight,
            "a wider bar loses less, not more": wider,
            f"a bar {width} pixels wide at weight {weight:g} keeps {1 - lost:.3f} of its height, "
            f"and yours {value:.3f}; find the d at which w·d² − 2·weight·d is least": True,
        }
        compare(value, 1 - lost, mistakes)
    for width, weight in ((2, 4.0), (3, 5.0)):
        value = ask_number(answer, width, weight)
        gone = f"a bar {width} wide is gone at weight {weight:g}, and yours has {value:.3f}"
        compare(value, [0.0, 1 - weight / width], {gone: True})
    return "the narrower a thing, the more of its contrast it loses, and its edge stays sharp."
