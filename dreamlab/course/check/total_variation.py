"""Checks of chapter 4: squared steps, total variation's gradient, a root at 0, eroded contrast."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .verdict import Table, ask_loss, ask_number, ask_tensor, compare, raise_first, table


def _image(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _steps(image: Tensor) -> tuple[Tensor, Tensor]:
    """From each pixel (h, w) to the right and down, 0 beyond the border."""
    return F.pad(image.diff(dim=1), (0, 1)), F.pad(image.diff(dim=0), (0, 0, 0, 1))


@table([(1, 5, 7), (2, 4, 4)])
def squared_variation(answer: Callable, seed: int, height: int, width: int) -> Table:
    """Check `answer(image)`: the mean over (h, w) of the squared steps to the right and down."""
    image = _image(seed, height, width)
    value, n, (right, down) = ask_number(answer, image), image.numel(), _steps(image)
    across, along = right.square().mean(), down.square().mean()
    fewer = across * width / (width - 1) + along * height / (height - 1)
    wanted, lengths = across + along, (right.abs() + down.abs()).mean()
    squared = [lengths**2 * n, (right + down).mean() ** 2 * n]
    return value, {
        "ten steps of a tenth now cost a tenth of one whole step.": wanted,
        "that is the sum; the mean over all pixels does not grow with the canvas": wanted * n,
        "there is one step fewer than pixels in a row; divide by the number of pixels": fewer,
        "that is L1: the steps enter as they are, and should be squared": lengths,
        "that squares the sum; each step is squared by itself, then added": squared,
        "the steps down are missing": across,
        "the steps to the right are missing": along,
        f"{value:.4f} where {wanted:.4f} is due: the sum of right² + down², over h · w": True,
    }


@table()
def variation_gradient(answer: Callable) -> Table:
    """Check `answer(image)`: the gradient of the summed total variation of (h, w), any scale."""
    speck = torch.zeros(5, 5)
    speck[2, 2] = 1.0
    at_speck = ask_tensor(answer, speck, shape=speck.shape, any_ones=True)[2, 2]
    for image in (speck, _image(3, 6, 5), _image(4, 3, 7).round(decimals=1)):
        found = ask_tensor(answer, image, shape=image.shape, any_ones=True)
        right, down = _steps(image.double())
        signs, inside = _gradient(right.sign(), down.sign()), (slice(1, -1), slice(1, -1))
        at_border = min(image.shape) > 3 and _along(found[inside], signs[inside])
        one_sided = -right.sign() - down.sign()
        mistakes = {
            "all signs are the wrong way round: a lower neighbour counts +1": _along(-found, signs),
            "that adds up the steps themselves; only their signs count": _gradient(right, down),
            "right inside, but a pixel at the border has fewer than four neighbours": at_border,
            "each pixel looks right and down only; those to the left and above count": one_sided,
            "it is not the number of lower neighbours less that of higher ones; a speck alone "
            f"in the dark has 4, and yours gives {at_speck:.3g}": True,
        }
        compare(found, signs, mistakes, close=_along)
    return "a pixel hears how many neighbours are lower and how many higher, not by how much."


def _gradient(right: Tensor, down: Tensor) -> Tensor:
    """The sum of the steps to each pixel, less that of the steps away from it."""
    return right.roll(1, 1) - right + down.roll(1, 0) - down  # the last step of a line is 0


def _along(found: Tensor, wanted: Tensor) -> bool:
    """Whether these are the same numbers but for a positive factor."""
    factor = (found * wanted).sum() / wanted.square().sum()
    return bool(factor > 0) and torch.allclose(found, factor * wanted, atol=1e-4 * float(factor))


@table()
def isotropic_variation(answer: Callable) -> Table:
    """Check `answer(image)`: the mean over (h, w) of √(right² + down²), with a finite gradient."""
    for image in (_image(5, 6, 6), _image(6, 5, 8)):
        value, gradient = ask_loss(answer, image)
        given = image.double().requires_grad_()
        wanted = (sum(step.square() for step in _steps(given)) + 1e-12).sqrt().mean()
        (due,) = torch.autograd.grad(wanted, given)
        wanted, n, (right, down) = wanted.detach(), image.numel(), _steps(image.double())
        squares, lengths = right.square() + down.square(), (right.abs() + down.abs()).mean()
        inner, one_root = squares[:-1, :-1].sqrt(), [squares.sum().sqrt(), squares.mean().sqrt()]
        inner = [inner.mean(), inner.sum() / n]
        mistakes = {
            "that is the sum; divide by the number of pixels": wanted * n,
            "the root is missing: these are the squares": squares.mean(),
            "that is L1; the two steps of a pixel go under one root": lengths,
            "that is one root of everything; every pixel has a root of its own": one_root,
            "the last row and column are left out; pad their missing steps with 0": inner,
            f"{value:.4f}, not {wanted:.4f}; root of right² + down² per pixel, then the mean": True,
        }
        # A small number under the root, against its infinite gradient at 0, may show a little.
        compare(value, bool(abs(value - wanted) <= 0.02 * wanted), mistakes)
        foreign = "the value is right, but its gradient is not that of this value; is it detached?"
        raise_first({foreign: (gradient - due).norm() > 0.05 * due.norm()})
    for image, what in ((torch.full((4, 4), 0.5), "a flat image"), (torch.eye(4), "flat parts")):
        broken = not ask_loss(answer, image, finite=False)[1].isfinite().all()
        raise_first({f"on {what} the gradient is NaN; add a little under the root": broken})
    return "every direction costs the same, and a flat image does not break the gradient."


@table(((10, 2.0), (4, 1.0), (20, 5.0), (8, 0.0), (16, 3.0), (2, 4.0), (3, 5.0)))
def contrast_left(answer: Callable, width: int, weight: float) -> Table:
    """Check `answer(width, weight)`: the height 1 − weight / width that a bar of height 1 keeps."""
    value, lost = ask_number(answer, width, weight), weight / width
    praise = "the narrower a thing, the more of its contrast it loses, and its edge stays sharp."
    if lost > 1:
        gone = f"a bar {width} wide is gone at weight {weight:g}, and yours has {value:.3f}"
        return value, {praise: [0.0, 1 - lost], gone: True}
    return value, {
        praise: 1 - lost,
        "that is what the bar loses; what it keeps is asked for": lost,
        "twice too much is lost: (w·d²)′ is 2·w·d, which must equal 2·weight": 1 - 2 * lost,
        "half too little is lost: a bar has two edges, and both become cheaper": 1 - lost / 2,
        "the width plays a part: a wide bar has more pixels to move": 1 - weight,
        "a wider bar loses less, not more": [1 - weight * width, 1 - width * weight / 2],
        f"a bar {width} wide at weight {weight:g} keeps {1 - lost:.3f} of its height": True,
    }
