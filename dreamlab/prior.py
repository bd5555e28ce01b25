"""How: what smoothness, and faithfulness to the start, ask of every pixel.

    tv_weight · variation  +  keep_start / 2 · mean (I − I₀)²

The picture is worked through in stripes, since mask and variation of a pixel depend on what is near
it alone. So the dozen arrays that they need on the way stay small on a canvas of any size; a small
canvas is one stripe.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from dreamlab.losses import local_variation
from dreamlab.mask import REACH, detail_mask
from dreamlab.recipe import Recipe
from dreamlab.resample import resize

STRIPE = 2**18  # pixels, of all images together


class Prior(NamedTuple):
    """The losses of each image, (b,), and what each of its values feels of them, (b, 3, h, w).

    That is the slope of the sum. The slope of a mean would fall with the number of values, and mean
    something else on every canvas.
    """

    variation: Tensor
    loss: Tensor
    slope: Tensor


@torch.no_grad()
def prior(pixels: Tensor, start: Tensor, recipe: Recipe) -> Prior:
    """How rough these images (b, 3, h, w) are and how far from their start (b, 3, ·, ·)."""
    values = pixels[0].numel()
    slope = torch.zeros_like(pixels)
    variation = pixels.new_zeros(len(pixels))
    for rows in _stripes(pixels):
        each, below, felt = _variation(pixels, rows, recipe.tv_kind)
        variation += each / values
        slope[..., below, :] += recipe.tv_weight * felt
    loss = recipe.tv_weight * variation
    if recipe.keep_start:
        distance = pixels - resize(start, tuple(pixels.shape[-2:]))
        loss = loss + recipe.keep_start / 2 * distance.square().mean((1, 2, 3))
        slope += recipe.keep_start * distance
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
    if kind == "masked":
        each = _mask(pixels, rows) * each
    total = each.sum((1, 2, 3))
    (slope,) = torch.autograd.grad(total.sum(), part)
    return total.detach(), below, slope


def _mask(pixels: Tensor, rows: slice) -> Tensor:
    """The detail mask of some rows, from as many more on either side as it depends on."""
    first = max(0, rows.start - REACH)
    mask = detail_mask(pixels[..., first : rows.stop + REACH, :])
    return mask[..., rows.start - first : rows.stop - first, :]
