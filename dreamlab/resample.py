"""Moving pixels with two small matrices: resizing, cropping and blurring as A · I · Bᵀ.

Each row of A says how one row of the new image is mixed from the rows of the old one, and each row
of B the same for columns. So every operation of this kind is two matrix products: exact, fast on
any device, differentiable, and the same bits each time (a `grid_sample` is not: its gradient on a
GPU adds up in random order).
"""

from functools import lru_cache

import torch
from torch import Tensor


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel with a = −½ (Keys 1981): 1 at 0, 0 at ±1 and from ±2 on.

    Pillow and torch's antialiased bicubic use the same, and CLIP's own preprocessing too.
    """
    far = (2 - x.abs()).clamp_(min=0)
    near = (far - 1).clamp_(min=0)
    return (1 - 2 * near).mul_(near.square()).add_((far - 1).mul_(far.square()), alpha=0.5)


def linear(x: Tensor) -> Tensor:
    """The triangle kernel: 1 at 0, 0 from ±1 on. Never negative, so it never overshoots."""
    return (1 - x.abs()).clamp(min=0)


def resample_matrix(
    start: Tensor, length: Tensor, source: int, target: int, kernel=cubic
) -> Tensor:
    """The matrix that maps `source` pixels to `target` pixels spread over a window of them.

    Args:
        start, length: where the window begins and how long it is, in source pixels and of any
            shape (...): one matrix for each entry. Fractions are fine; [0, source] is everything.
        kernel: `cubic` or `linear`. It is widened where the window shrinks, so that no pixel is
            skipped (antialiasing), and renormalised at the border.

    Returns:
        (..., target, source), rows that sum to 1.
    """
    start, scale = start[..., None, None], length[..., None, None] / target
    old = torch.arange(source, dtype=start.dtype, device=start.device) + 0.5
    new = torch.arange(target, dtype=start.dtype, device=start.device)[:, None] + 0.5
    weights = kernel((old - (start + scale * new)) / scale.clamp(min=1))
    return weights / weights.sum(-1, keepdim=True)


def resize(images: Tensor, size: tuple[int, int], kernel=cubic) -> Tensor:
    """Resize (b, c, h, w) to `size` (height, width), antialiased.

    Equal to `F.interpolate(images, size, mode="bicubic", antialias=True)`, and as there the cubic
    kernel can overshoot the range of the image a little beside an edge.
    """
    if images.shape[-2:] == tuple(size):
        return images
    exact = images.new_zeros((), dtype=torch.promote_types(images.dtype, torch.float32))
    rows, columns = (
        resample_matrix(exact, exact + old, old, new, kernel).to(images.dtype)
        for old, new in zip(images.shape[-2:], size, strict=True)
    )
    return rows @ images @ columns.mT


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (..., h, w) with a standard deviation of `sigma` pixels.

    At the border the weights that would fall outside go to the pixels inside.
    """
    height, width = images.shape[-2:]
    rows, columns = (
        _gaussian_matrix(length, sigma, images.dtype, images.device) for length in (height, width)
    )
    return rows @ images @ columns.mT


@lru_cache(maxsize=16)  # every step needs the same few
def _gaussian_matrix(length: int, sigma: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    place = torch.arange(length, dtype=dtype, device=device)
    exponent = -0.5 * ((place - place[:, None]) / sigma).square()
    # e⁻³⁰ is nothing already, and smaller ones become subnormal numbers, which make a CPU slow.
    weights = exponent.clamp(min=-30).exp()
    return weights / weights.sum(-1, keepdim=True)
