"""The detail mask M, the *smoothing weight*: low where a picture has structure (`detail`)."""

import math

import torch
from torch import Tensor

from dreamlab.support.resample import BELL, blur
from dreamlab.support.surroundings import undisturbed

SIGMA, RHO = 1.5, 3.0  # pixels
# So many pixels away from a place, nothing matters to its mask: two blurs, and a step between.
REACH = math.ceil(BELL * SIGMA) + 1 + math.ceil(BELL * RHO)


@undisturbed(gradients=False)
def detail_mask(
    images: Tensor,
    *,
    alpha: float = 0.2,
    kappa: float = 0.04,
    sigma: float = SIGMA,
    rho: float = RHO,
) -> Tensor:
    """The smoothing weight M of every pixel: near 1 in flat and noisy regions, low at edges.

        M = 1 / (1 + ((μ₁ − μ₂) + α·μ₂) / κ²)

    μ₁ ≥ μ₂ are the eigenvalues of the structure tensor: how fast the image changes along the
    steepest direction and across it. (Structure tensor of a colour image: Di Zenzo 1986. M as a
    function of steepness: Perona and Malik 1990; of a smoothed image's: Catté et al. 1992;
    coherence μ₁ − μ₂: Weickert 1998.)

    Args:
        images: (c, h, w) or (b, c, h, w), made for the range [0, 1]. h, w ≥ 2.
        alpha, kappa: the weight of what has no direction; the steepness at which an edge halves M.
        sigma, rho: pixels: blur before rises are taken, and where directions are compared.

    Returns:
        (1, h, w) or (b, 1, h, w) in (0, 1], without a gradient.
    """
    smooth = blur(images.to(torch.promote_types(images.dtype, torch.float32)), sigma)
    down, right = torch.gradient(smooth, dim=(-2, -1))
    # The mean over colours, not the sum: a grey image and its RGB copy get the same mask.
    pairs = (right, right), (down, down), (right, down)
    products = [(a * b).mean(-3, keepdim=True) for a, b in pairs]
    xx, yy, xy = blur(torch.stack(products), rho)
    difference = ((xx - yy).square() + 4 * xy.square()).sqrt()  # μ₁ − μ₂
    smaller = (xx + yy - difference) / 2  # μ₂
    return (1 / (1 + (difference + alpha * smaller) / kappa**2)).to(images.dtype)


def detail(images: Tensor, **knobs: float) -> Tensor:
    """The trust that a pixel belongs to real structure: 1 − `detail_mask`, in [0, 1)."""
    return 1 - detail_mask(images, **knobs)
