"""Moving pixels with two small matrices: resizing, cropping and blurring as A · I · Bᵀ.

Exact, differentiable, and the same bits each time (a `grid_sample` is not: its gradient on a GPU
adds up in random order). `bands` leaves out the zeros of a large matrix.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from dreamlab.support.surroundings import undisturbed

Kernel = Callable[[Tensor], Tensor]
# Up to so many old rows, one product with all the zeros is quicker than several without them: few
# on a CPU, which counts multiplications, many on a GPU, which counts products.
DENSE = {"cpu": 192}
DENSE_ELSEWHERE = 1024
BELL = 5.5  # standard deviations beyond which a Gaussian is smaller than the rounding of float32


def cubic(x: Tensor) -> Tensor:
    """Keys' cubic kernel, a = −½ (Keys 1981), that of Pillow, torch and CLIP's preprocessing."""
    far = (2 - x.abs()).clamp_(min=0)
    near = (far - 1).clamp_(min=0)
    return (1 - 2 * near).mul_(near.square()).add_((far - 1).mul_(far.square()), alpha=0.5)


def linear(x: Tensor) -> Tensor:
    """The triangle kernel: 1 at 0, 0 from ±1 on. Never negative, so it never overshoots."""
    return (1 - x.abs()).clamp(min=0)


@lru_cache(maxsize=16)  # the same object for the same blur, so that its bands are found again
def gaussian(sigma: float) -> Kernel:
    """The normal distribution's bell with a standard deviation of `sigma` pixels."""

    def kernel(x: Tensor) -> Tensor:
        # e⁻³⁰ is nothing already, and smaller ones become subnormal numbers: a CPU gets slow.
        return (-0.5 * (x / sigma).square()).clamp(min=-30).exp()

    return kernel


def resample_matrix(
    start: Tensor, length: Tensor, source: int, target: int, kernel: Kernel = cubic
) -> Tensor:
    """The matrix that maps `source` pixels to `target` pixels spread over a window of them.

    Args:
        start, length: of the window, in source pixels and fractions, (...); [0, source] is all.
        kernel: widened where the window shrinks (antialiasing), and renormalised at the border.

    Returns:
        (..., target, source), rows that sum to 1.
    """
    start, scale = start[..., None, None], length[..., None, None] / target
    old = torch.arange(source, dtype=start.dtype, device=start.device) + 0.5
    new = torch.arange(target, dtype=start.dtype, device=start.device)[:, None] + 0.5
    weights = kernel((old - (start + scale * new)) / scale.clamp(min=1))
    return weights / weights.sum(-1, keepdim=True)


class Band(NamedTuple):
    """Some rows of a matrix without the zeros beside them: new[target] = matrix @ old[source]."""

    target: slice
    source: slice
    matrix: Tensor


def bands(
    start: float,
    length: float,
    source: int,
    target: int,
    kernel: Kernel = cubic,
    reach: float = 2,
    *,
    like: Tensor,
) -> tuple[Band, ...]:
    """One `resample_matrix` of plain numbers, in bands; a single one where the matrix is small.

    `reach`: how far from 0 the kernel is not 0; `like`: a tensor of the dtype and device of images.
    """
    scale = length / target
    reach *= max(1, scale)
    # So many rows that about half of what they are mixed from is shared with their neighbours.
    dense = source <= DENSE.get(like.device.type, DENSE_ELSEWHERE)
    rows = target if dense else max(16, round(2 * reach / scale))
    exact = like.new_zeros((), dtype=torch.promote_types(like.dtype, torch.float32))
    result = []
    for first in range(0, target, rows):
        last = min(first + rows, target)
        begin, end = start + scale * first, start + scale * last
        low, high = max(0, math.floor(begin - reach)), min(source, math.ceil(end + reach))
        where = exact + (begin - low), exact + (end - begin)
        matrix = resample_matrix(*where, high - low, last - first, kernel)
        result.append(Band(slice(first, last), slice(low, high), matrix.to(like.dtype)))
    return tuple(result)


@lru_cache(maxsize=32)  # every step needs the same few
@torch.inference_mode(False)  # else the first caller's mode would stay with them
def _same_bands(
    source: int, target: int, kernel: Kernel, reach: float, dtype: torch.dtype, device: torch.device
) -> tuple[Band, ...]:
    like = torch.empty(0, dtype=dtype, device=device)
    return bands(0, source, source, target, kernel, reach, like=like)


def mix(images: Tensor, rows: Sequence[Band], columns: Sequence[Band]) -> Tensor:
    """A · I · Bᵀ: (..., h, w) becomes (..., new h, new w)."""
    strips = [band.matrix @ images[..., band.source, :] for band in rows]
    images = strips[0] if len(strips) == 1 else torch.cat(strips, dim=-2)
    strips = [images[..., band.source] @ band.matrix.mT for band in columns]
    return strips[0] if len(strips) == 1 else torch.cat(strips, dim=-1)


def unmix(gradient: Tensor, rows: Sequence[Band], columns: Sequence[Band], into: Tensor) -> None:
    """Add Aᵀ · G · B to `into`: what a new pixel feels goes to the old ones it was mixed from."""
    strips = gradient.new_zeros(*gradient.shape[:-1], into.shape[-1])
    for band in columns:
        strips[..., band.source] += gradient[..., band.target] @ band.matrix
    for band in rows:
        into[..., band.source, :] += band.matrix.mT @ strips[..., band.target, :]


@undisturbed(gradients=None)
def resize(images: Tensor, size: tuple[int, int], kernel: Kernel = cubic) -> Tensor:
    """Resize (b, c, h, w) to `size` (h, w), as `F.interpolate(mode="bicubic", antialias=True)`."""
    if images.shape[-2:] == tuple(size):
        return images
    pairs = zip(images.shape[-2:], size, strict=True)
    return mix(images, *(_same_bands(*s, kernel, 2, images.dtype, images.device) for s in pairs))


@undisturbed(gradients=None)
def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (..., h, w), `sigma` in pixels; weights are renormalised at the border."""
    how = gaussian(sigma), BELL * sigma, images.dtype, images.device
    return mix(images, *(_same_bands(side, side, *how) for side in images.shape[-2:]))
