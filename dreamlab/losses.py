"""The losses: what a picture is asked to be, as numbers that can be differentiated.

Every loss is a pure function of tensors, on any device and floating dtype, and is a *mean*: a sum
would need another weight at every canvas size. `per_image=True` gives one number for each image.
"""

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

    The mean runs over the views of an image and over the prompts. A prompt attracts, a negative
    prompt repels. 0 is a perfect match, 1 is unrelated, 2 the opposite (without negatives).

    Args:
        image_features: (v, d) for the v views of one image, or (b, v, d) for b images. Unit rows,
            as `Clip.encode_image` returns them.
        text_features: (p, d), the same p prompts for every image, or (b, p, d), p prompts for
            each. Unit rows, as `Clip.encode_text` returns them.
        negative_features: (q, d) or (b, q, d), the prompts to keep away from.
        negative_weight: how strongly these repel.
        per_image: return (b,) instead of the mean, a scalar.
    """
    loss = 1 - _mean_cosine(image_features, text_features)
    if negative_features is not None:
        loss = loss + negative_weight * _mean_cosine(image_features, negative_features)
    return loss if per_image else loss.mean()


def _mean_cosine(image_features: Tensor, text_features: Tensor) -> Tensor:
    return (image_features @ text_features.mT).mean((-2, -1))


def _steps(images: Tensor) -> tuple[Tensor, Tensor]:
    """The step from each pixel to its right and to its lower neighbour, 0 at the border."""
    return F.pad(images.diff(dim=-1), (0, 1)), F.pad(images.diff(dim=-2), (0, 0, 0, 1))


def _root(squares: Tensor) -> Tensor:
    # The slope of √x at 0 is infinite, and infinity times 0 is NaN: start a hair above 0.
    return (squares + torch.finfo(squares.dtype).tiny).sqrt()


VARIATIONS = {
    "l1": lambda right, down: right.abs() + down.abs(),
    "isotropic": lambda right, down: _root(right.square() + down.square()),
    "squared": lambda right, down: right.square() + down.square(),
}


def local_variation(images: Tensor, kind: str = "l1") -> Tensor:
    """The variation at every value of images (…, h, w), of the same shape; see `total_variation`.

    Raises:
        ValueError: if `kind` is none that is there.
    """
    if kind not in VARIATIONS:
        raise ValueError(f"kind must be one of {', '.join(VARIATIONS)}, got {kind!r}")
    return VARIATIONS[kind](*_steps(images))


def total_variation(images: Tensor, kind: str = "l1", *, per_image: bool = False) -> Tensor:
    """How much an image changes from each pixel to the next: small if smooth, large if noisy.

    With → for the step to the right neighbour and ↓ for the step to the lower one, the mean over
    all h·w·channels values of

    - `"l1"`: |→| + |↓| (Rudin, Osher and Fatemi 1992, anisotropic form). An edge costs its
      height, however sharp it is.
    - `"isotropic"`: √(→² + ↓²). The same for every direction of an edge.
    - `"squared"`: →² + ↓². Often called "L2 total variation", but it is the Dirichlet energy: ten
      small steps cost a tenth of one large one, so it blurs edges.

    Args:
        images: (c, h, w) or (b, c, h, w), any range.
        per_image: return (b,) instead of the mean, a scalar.

    Raises:
        ValueError: if `kind` is none of these.
    """
    variation = local_variation(images, kind).mean((-3, -2, -1))
    return variation if per_image else variation.mean()


def masked_total_variation(images: Tensor, mask: Tensor, *, per_image: bool = False) -> Tensor:
    """Total variation that spares what the mask trusts: the mean of M · (→² + ↓²).

    The square lets small steps almost free and charges large ones heavily; the mask decides where.

    Args:
        images: (c, h, w) or (b, c, h, w), any range.
        mask: (1, h, w) or (b, 1, h, w), the smoothing weight M of every pixel, as `detail_mask`
            returns it. It is a constant here: give it without a gradient, or the optimiser will
            lower this loss by inventing edges that close the mask.
        per_image: return (b,) instead of the mean, a scalar.
    """
    variation = (mask * local_variation(images, "squared")).mean((-3, -2, -1))
    return variation if per_image else variation.mean()


# --- what a step asks of the pixels themselves: the slope of these losses -------------------------


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
    """What smoothness, and faithfulness to the start, ask of every value of images (b, 3, h, w).

        tv_weight · variation  +  keep_start / 2 · mean (I − I₀)²

    Worked through in stripes, so that the arrays on the way stay small on a canvas of any size.

    Args:
        pixels: (b, 3, h, w).
        tv_kind: a kind of `total_variation`, or "masked".
        start: I₀ at the size of the canvas; needed only if `keep_start` is not 0.
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
