"""Checks of chapter 3: squared steps, total variation's slope, a root at 0, eroded contrast."""

from collections.abc import Callable

import torch
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, ask_loss, ask_number, ask_tensor, near, verdict


def _image(seed: int, *shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _steps(image: Tensor) -> tuple[Tensor, Tensor]:
    """Steps to the right (…, h, w − 1) and down (…, h − 1, w)."""
    return image.diff(dim=-1), image.diff(dim=-2)


@verdict
def squared_variation(answer: Callable) -> str:
    """Check `answer(image)`: the mean over (h, w) of the squared steps to the right and down."""
    for image in (_image(1, 5, 7), _image(2, 4, 4)):
        right, down = _steps(image)
        total = float(right.square().sum() + down.square().sum())
        value = ask_number(answer, image)
        if near(value, total / image.numel()):
            continue
        if near(value, total):
            raise NotYet("that is the sum; the mean over all pixels does not grow with the canvas")
        if near(value, float(right.square().mean() + down.square().mean())):
            raise NotYet(
                "that divides by the number of steps, and there is one step fewer than pixels in a "
                "row or column; divide both sums by the number of pixels"
            )
        if near(value, float(right.abs().sum() + down.abs().sum()) / image.numel()):
            raise NotYet("that is L1: the steps enter as they are, and should be squared")
        if near(value, float(right.abs().sum() + down.abs().sum()) ** 2 / image.numel()):
            raise NotYet("that squares the sum; each step is squared by itself, then added")
        if near(value, float(right.sum() + down.sum()) ** 2 / image.numel()):
            raise NotYet("that squares the sum; each step is squared by itself, then added")
        if near(value, float(right.square().sum()) / image.numel()):
            raise NotYet("the steps down are missing")
        if near(value, float(down.square().sum()) / image.numel()):
            raise NotYet("the steps to the right are missing")
        raise NotYet(
            f"for an image where {total / image.numel():.4f} is due it returns {value:.4f}; square "
            "every step to the right and every step down, add up, divide by the number of pixels"
        )
    return "ten steps of a tenth now cost a tenth of one whole step."


@verdict
def variation_slope(answer: Callable) -> str:
    """Check `answer(image)`: for every pixel of (h, w), how many neighbours are lower less how many
    are higher, which is the gradient of the summed total variation; a positive factor is free.
    """
    speck = torch.zeros(5, 5)
    speck[2, 2] = 1.0
    for image in (speck, _image(3, 6, 5), _image(4, 3, 7).round(decimals=1)):
        found = ask_tensor(answer, image, shape=image.shape, any_ones=True)
        signs, steps = _slope(image, sign=True), _slope(image, sign=False)
        if _along(found, signs):
            continue
        if _along(-found, signs):
            raise NotYet("all signs are the wrong way round: a lower neighbour counts +1")
        if _along(found, steps):
            raise NotYet("that adds up the steps themselves; only their signs count")
        inside = (slice(1, -1), slice(1, -1))
        if min(image.shape) > 3 and _along(found[inside], signs[inside]):
            raise NotYet("right inside, but a pixel at the border has fewer than four neighbours")
        one_sided = torch.zeros_like(signs)
        right, down = (step.sign().double() for step in _steps(image))
        one_sided[:, :-1] -= right
        one_sided[:-1] -= down
        if _along(found, one_sided):
            raise NotYet(
                "each pixel looks right and down only; the neighbours to the left and above "
                "count as well"
            )
        raise NotYet(
            "it is not the number of lower neighbours less the number of higher ones; a speck "
            f"alone in the dark has 4, and yours gives "
            f"{ask_tensor(answer, speck, shape=speck.shape, any_ones=True)[2, 2]:.3g}"
        )
    return "a pixel hears how many neighbours are lower and how many higher, not by how much."


def _slope(image: Tensor, sign: bool) -> Tensor:
    """Σ over the neighbours of (image − neighbour), or of its sign."""
    right, down = (step.sign() if sign else step for step in _steps(image.double()))
    slope = torch.zeros(image.shape, dtype=torch.float64)
    slope[:, :-1] -= right
    slope[:, 1:] += right
    slope[:-1] -= down
    slope[1:] += down
    return slope


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
        right = torch.nn.functional.pad(image.diff(dim=1), (0, 1))
        down = torch.nn.functional.pad(image.diff(dim=0), (0, 0, 0, 1))
        inner = (right.square() + down.square())[:-1, :-1].sqrt()
        wanted = float((right.square() + down.square()).sqrt().mean())
        value, gradient = ask_loss(answer, image)
        # A small number under the root, against its infinite slope at 0, may show a little.
        if abs(value - wanted) <= 0.02 * wanted:
            if not _turns_like(gradient, image):
                raise NotYet(
                    "the value is right, but its gradient is not that of this value; is something "
                    "in it detached?"
                )
            continue
        if near(value, wanted * image.numel()):
            raise NotYet("that is the sum; divide by the number of pixels")
        if near(value, float((right.square() + down.square()).mean())):
            raise NotYet("the root is missing: these are the squares")
        if near(value, float((right.abs() + down.abs()).mean())):
            raise NotYet("that is L1; the two steps of a pixel go under one root")
        if near(value, float((right.square() + down.square()).sum().sqrt())) or near(
            value, float((right.square() + down.square()).mean().sqrt())
        ):
            raise NotYet("that is one root of everything; every pixel has a root of its own")
        if near(value, float(inner.mean())) or near(value, float(inner.sum()) / image.numel()):
            raise NotYet(
                "the last row and column are left out; pad their missing steps with 0, for they "
                "still have a neighbour on one side"
            )
        raise NotYet(
            f"for an image where {wanted:.4f} is due it returns {value:.4f}; for each pixel, the "
            "root of right² + down², then the mean"
        )
    for image, what in ((torch.full((4, 4), 0.5), "a flat image"), (torch.eye(4), "flat parts")):
        if not ask_loss(answer, image, finite=False)[1].isfinite().all():
            raise NotYet(
                f"the value is right, but on {what} the gradient is NaN: the slope of a root at 0 "
                "is infinite; add a very small number under it"
            )
    return "every direction costs the same, and a flat image does not break the gradient."


def _turns_like(gradient: Tensor, image: Tensor) -> bool:
    """Whether this is, but for a few hundredths, the gradient of the isotropic variation."""
    given = image.double().requires_grad_()
    right = torch.nn.functional.pad(given.diff(dim=1), (0, 1))
    down = torch.nn.functional.pad(given.diff(dim=0), (0, 0, 0, 1))
    (right.square() + down.square() + 1e-12).sqrt().mean().backward()
    return bool((gradient - given.grad).norm() <= 0.05 * given.grad.norm())


@verdict
def contrast_left(answer: Callable) -> str:
    """Check `answer(width, weight)`: the height that a bar, 1 high and `width` pixels wide on a
    wide ground, keeps where (image − bar)² + weight · total variation is least: 1 − weight / width.
    """
    cases = ((10, 2.0), (4, 1.0), (20, 5.0), (8, 0.0), (16, 3.0))
    for width, weight in cases:
        value = ask_number(answer, width, weight)
        wanted = 1 - weight / width
        if near(value, wanted):
            continue
        if near(value, weight / width):
            raise NotYet("that is what the bar loses; what it keeps is asked for")
        if near(value, 1 - 2 * weight / width):
            raise NotYet(
                "twice too much is lost: w·d² has the slope 2·w·d, which must equal 2·weight"
            )
        if near(value, 1 - weight / (2 * width)):
            raise NotYet("half too little is lost: a bar has two edges, and both become cheaper")
        if near(value, 1 - weight):
            raise NotYet("the width plays a part: a wide bar has more pixels to move")
        if near(value, 1 - weight * width) or near(value, 1 - width * weight / 2):
            raise NotYet("a wider bar loses less, not more")
        raise NotYet(
            f"a bar {width} pixels wide at weight {weight:g} keeps {wanted:.3f} of its height, and "
            f"yours {value:.3f}; find the d at which w·d² − 2·weight·d is least"
        )
    for width, weight in ((2, 4.0), (3, 5.0)):
        value = ask_number(answer, width, weight)
        if not (near(value, 0.0) or near(value, 1 - weight / width)):
            raise NotYet(
                f"a bar {width} wide is gone at weight {weight:g}, and yours has {value:.3f}"
            )
    return "the narrower a thing, the more of its contrast it loses, and its edge stays sharp."
