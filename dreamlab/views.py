"""Views: the many crops, chosen at random on the CPU, through which CLIP looks at a picture."""

from collections.abc import Iterator, Sequence
from math import ceil, floor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamlab.support.resample import Band, bands, mix, resample_matrix, unmix
from dreamlab.support.surroundings import undisturbed

# The side of a window as a share of the canvas' short side, for each class of `view_mix`. Middle
# ones reach up to 1: shifted against the patches into which a vision transformer cuts a picture.
SCALES = {"global": (1.0, 1.0), "middle": (0.75, 1.0), "local": (0.25, 0.5)}
# On a canvas with a longer side, each window is looked through on its own.
LARGE = {"cpu": 512}
LARGE_ELSEWHERE = 2048


def draw_windows(
    canvas: tuple[int, int], views: int, mix: Sequence[float], generators: Sequence[torch.Generator]
) -> Tensor:
    """Draw square windows on a canvas of (h, w) pixels, for one image per (CPU) generator.

    Sides, rows and columns are stratified: of v views, each has its own v-th of the range. The
    *centre* falls anywhere on the canvas and the window is then pushed inside.

    Returns:
        (b, v, 3): top, left and side in canvas pixels (fractions), all inside the canvas.
    """
    uniform = np.stack([_uniform(5, views, g) for g in generators], axis=1)
    # The side goes through the strata in order, rows and columns through two shuffles of them.
    side = window_sides((np.arange(views) + uniform[0]) / views, mix) * min(canvas)
    extent = np.array(canvas)[:, None, None]
    centre = (uniform[1:3].argsort(-1) + uniform[3:5]) / views * extent
    top, left = np.clip(centre - side / 2, 0, extent - side)
    return torch.from_numpy(np.stack([top, left, side], axis=-1).astype(np.float32))


def window_sides(numbers: np.ndarray, mix: Sequence[float]) -> np.ndarray:
    """Map numbers in [0, 1) to window sides: the inverse distribution function for a `view_mix`."""
    ends = np.cumsum(mix) / sum(mix)
    begins = [0, *ends[:-1]]
    places = np.stack([begins, ends], axis=1).ravel()
    return np.interp(numbers, places, np.ravel(list(SCALES.values())))


def draw_deviations(views: int, strength: float, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw how noisy each view is: (b, v) standard deviations, stratified over [0, strength]."""
    uniform = np.stack([_uniform(2, views, g) for g in generators], axis=1)
    deviations = strength * (uniform[0].argsort(-1) + uniform[1]) / views
    return torch.from_numpy(deviations.astype(np.float32))


def _uniform(rows: int, columns: int, generator: torch.Generator) -> np.ndarray:
    # As doubles: in floats, (7 + .99999994) / 8 is 1, which is beyond the last stratum.
    return torch.rand(rows, columns, generator=generator).double().numpy()


@undisturbed(gradients=None)
def look(images: Tensor, windows: Tensor, size: int) -> Tensor:
    """What is seen through each window: a crop, resized to `size` × `size`, antialiased.

    All views of all images in two matrix products; on a large canvas, each window on its own.

    Args:
        images: (b, c, h, w).
        windows: (b, v, 3), top, left and side in pixels of the image.

    Returns:
        (b, v, c, size, size), differentiable with respect to the images.
    """
    if max(images.shape[-2:]) > LARGE.get(images.device.type, LARGE_ELSEWHERE):
        return _LookOneByOne.apply(images, windows, size)
    top, left, side = windows.to(images.device, non_blocking=True).unbind(-1)
    rows = resample_matrix(top, side, images.shape[-2], size).to(images.dtype)
    columns = resample_matrix(left, side, images.shape[-1], size).to(images.dtype)
    # As torch.einsum("bvih,bchw,bvjw->bvcij", rows, images, columns), with less ado.
    b, c, h, w = images.shape
    strips = rows.flatten(1, 2) @ images.transpose(1, 2).reshape(b, h, c * w)  # b, v·i, c·w
    views = strips.view(b, -1, size * c, w) @ columns.mT  # b, v, i·c, j
    return views.view(b, -1, size, c, size).transpose(2, 3)


class _LookOneByOne(torch.autograd.Function):
    """The same, with no more of the canvas in a product than a window needs."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, windows: Tensor, size: int) -> Tensor:
        ctx.windows, ctx.shape = windows, images.shape
        views = images.new_empty(*windows.shape[:2], images.shape[1], size, size)
        for image, window, view in _one_by_one(images, windows, views):
            place, rows, columns = _cut_out(window, image, size)
            view.copy_(mix(image[place], rows, columns))
        return views

    @staticmethod
    def backward(ctx: Any, views: Tensor) -> tuple[Tensor, None, None]:
        gradient = views.new_zeros(ctx.shape)
        for image, window, view in _one_by_one(gradient, ctx.windows, views):
            place, rows, columns = _cut_out(window, image, views.shape[-1])
            unmix(view, rows, columns, into=image[place])
        return gradient, None, None


def _one_by_one(
    images: Tensor, windows: Tensor, views: Tensor
) -> Iterator[tuple[Tensor, list[float], Tensor]]:
    """Each image with each of its windows and what is seen through it."""
    for image, its_windows, its_views in zip(images, windows.tolist(), views, strict=True):
        for window, view in zip(its_windows, its_views, strict=True):
            yield image, window, view


def _cut_out(
    window: list[float], image: Tensor, size: int
) -> tuple[tuple[slice, ...], tuple[Band, ...], tuple[Band, ...]]:
    """The part of an image (c, h, w) from which a view is mixed, and how: rows and columns."""
    *starts, side = window
    margin = 2 * max(1, side / size)
    place, mixed = [slice(None)], []
    for start, extent in zip(starts, image.shape[1:], strict=True):
        low, high = max(0, floor(start - margin)), min(extent, ceil(start + side + margin))
        place.append(slice(low, high))
        mixed.append(bands(start - low, side, high - low, size, like=image))
    rows, columns = mixed
    return tuple(place), rows, columns


@undisturbed(gradients=None)
def add_noise(views: Tensor, deviations: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Add white noise to (b, v, c, n, n), of deviations (b, v), by one generator per image."""
    noise = torch.empty_like(views, memory_format=torch.contiguous_format)
    for image_noise, generator in zip(noise, generators, strict=True):
        image_noise.normal_(generator=generator)
    deviations = deviations.to(views.device, views.dtype, non_blocking=True)
    return torch.addcmul(views, noise, deviations[..., None, None, None])
