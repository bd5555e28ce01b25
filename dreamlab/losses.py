"""The losses, means over all values; `per_image=True` gives one number for each image."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamlab.mask import REACH, detail_mask
from dreamlab.support.surroundings import undisturbed

STRIPE = 2**18  # pixels, of all images together


@undisturbed(gradients=None)
def clip_loss(
    image_features: Tensor,
    text_features: Tensor,
    *,
    negative_features: Tensor | None = None,
    negative_weight: float = 1.0,
    per_image: bool = False,
) -> Tensor:
    """How far an image is from what the prompts say, and how near to what they forbid.

        1 − mean cos(image, text)  +  negative_weight · mean cos(image, negative text)

    The mean runs over the views of an image and over the prompts. 0 is a perfect match, 1 is
    unrelated, 2 the opposite (without negatives).

    Args:
        image_features: unit rows (v, d) for the v views of one image, or (b, v, d) for b images.
        text_features, negative_features: unit rows (p, d) for every image, or (b, p, d).
        per_image: return (b,) instead of the mean, a scalar.
    """
    loss = 1 - (image_features @ text_features.mT).mean((-2, -1))
    if negative_features is not None:
        cosine = (image_features @ negative_features.mT).mean((-2, -1))
        loss = loss + negative_weight * cosine
    return loss if per_image else loss.mean()


def _steps(images: Tensor) -> tuple[Tensor, Tensor]:
    """The step from each pixel (…, h, w) to its right and its lower neighbour, 0 at the border."""
    return F.pad(images.diff(dim=-1), (0, 1)), F.pad(images.diff(dim=-2), (0, 0, 0, 1))


def _root(squares: Tensor) -> Tensor:
    return (squares + torch.finfo(squares.dtype).tiny).sqrt()  # the slope of √x at 0 is infinite


VARIATIONS = {
    "l1": lambda right, down: right.abs() + down.abs(),
    "isotropic": lambda right, down: _root(right.square() + down.square()),
    "squared": lambda right, down: right.square() + down.square(),
}


def local_variation(images: Tensor, kind: str = "l1") -> Tensor:
    """The variation at every value of images (…, h, w); see `total_variation`."""
    if kind not in VARIATIONS:
        raise ValueError(f"kind must be one of {', '.join(VARIATIONS)}, got {kind!r}")
    return VARIATIONS[kind](*_steps(images))


def total_variation(images: Tensor, kind: str = "l1", *, per_image: bool = False) -> Tensor:
    """How much an image changes from each pixel to the next: small if smooth, large if noisy.

    With → for the step to the right neighbour and ↓ for the step to the lower one, the mean over
    all h·w·channels values of

    - `"l1"`: |→| + |↓| (Rudin, Osher and Fatemi 1992, anisotropic form).
    - `"isotropic"`: √(→² + ↓²). The same for every direction of an edge.
    - `"squared"`: →² + ↓². Often called "L2 total variation", but it is the Dirichlet energy.

    Images are (c, h, w) or (b, c, h, w); `per_image` returns (b,) instead of the mean, a scalar.

    Raises:
        ValueError: if `kind` is none of these.
    """
    variation = local_variation(images, kind).mean((-3, -2, -1))
    return variation if per_image else variation.mean()


def masked_total_variation(images: Tensor, mask: Tensor, *, per_image: bool = False) -> Tensor:
    """Total variation that spares what the mask trusts: the mean of M · (→² + ↓²).

    Args:
        images: (c, h, w) or (b, c, h, w), any range.
        mask: (1, h, w) or (b, 1, h, w), M as `detail_mask` returns it, without a gradient.
        per_image: return (b,) instead of the mean, a scalar.
    """
    variation = (mask * local_variation(images, "squared")).mean((-3, -2, -1))
    return variation if per_image else variation.mean()


class Prior(NamedTuple):
    """The losses of each image, (b,), and the slope of their sum, (b, 3, h, w)."""

    variation: Tensor
    loss: Tensor
    slope: Tensor


@torch.no_grad()
def prior(
    pixels: Tensor,
    *,
    tv_kind: str,
    tv_weight: float,
    start: Tensor | None = None,
    keep_start: float = 0.0,
) -> Prior:
    """What smoothness, and faithfulness to the start I₀, ask of every value of images (b, 3, h, w).

        tv_weight · variation  +  keep_start / 2 · mean (I − I₀)²

    `tv_kind` is a kind of `total_variation`, or "masked". Worked through in stripes, so that the
    arrays on the way stay small on a canvas of any size.
    """
    values = pixels[0].numel()
    slope = torch.zeros_like(pixels)
    variation = pixels.new_zeros(len(pixels))
    for rows in _stripes(pixels):
        each, below, felt = _variation(pixels, rows, tv_kind)
        variation += each / values
        slope[..., below, :] += tv_weight * felt
    loss = tv_weight * variation
    if keep_start:
        distance = pixels - start
        loss = loss + keep_start / 2 * distance.square().mean((1, 2, 3))
        slope += keep_start * distance
    return Prior(variation, loss, slope)


def _stripes(pixels: Tensor) -> Iterator[slice]:
    count, _, height, width = pixels.shape
    rows = max(4 * REACH, STRIPE // (count * width))  # else most of the mask's work is at the seams
    for first in range(0, height, rows):
        yield slice(first, min(first + rows, height))


@torch.enable_grad()
def _variation(pixels: Tensor, rows: slice, kind: str) -> tuple[Tensor, slice, Tensor]:
    """The sum of the variation of some rows, (b,), and its slope on these and the row below."""
    below = slice(rows.start, min(rows.stop + 1, pixels.shape[-2]))
    part = pixels[..., below, :].detach().requires_grad_()
    each = local_variation(part, "squared" if kind == "masked" else kind)
    each = each[..., : rows.stop - rows.start, :]
    if kind == "masked":  # from as many rows more on either side as the mask depends on
        first = max(0, rows.start - REACH)
        mask = detail_mask(pixels[..., first : rows.stop + REACH, :])
        each = mask[..., rows.start - first : rows.stop - first, :] * each
    total = each.sum((1, 2, 3))
    (slope,) = torch.autograd.grad(total.sum(), part)
    return total.detach(), below, slope
