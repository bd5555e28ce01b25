"""Views: the many crops through which CLIP looks at a picture at once.

A CLIP that always sees the same pixels can be fooled by a pattern that means something to those
pixels only. A picture that scores well through many windows, large and small, each with its own
noise, has to contain the thing itself.

Where to look is random (`draw_windows`, `draw_deviations`): a few numbers, drawn on the CPU so that
every device sees the same. What is seen there is not (`look`), and all of it is one batch.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from dreamlab.resample import resample_matrix

# The side of a window as a share of the canvas' short side, for each class of `view_mix`.
# Global views see everything. Middle ones reach up to that: a crop that misses the border shows
# the scene too, each time shifted against the patches into which a vision transformer cuts it.
SCALES = {"global": (1.0, 1.0), "middle": (0.5, 1.0), "local": (0.25, 0.5)}


def draw_windows(
    canvas: tuple[int, int],
    views: int,
    mix: Sequence[float],
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Draw square windows on a canvas of (h, w) pixels, for one image per (CPU) generator.

    Sides, rows and columns are stratified: of v views, each has its own v-th of the range, so one
    step looks at every scale and everywhere (less variance than independent draws). The *centre*
    falls anywhere on the canvas and the window is then pushed inside; drawing its corner instead
    would hardly ever look at the border.

    A global window has the canvas' full short side. On a square canvas it is the whole canvas. On
    any other it slides along the long side, since squashing the canvas into CLIP's square would
    make it dream stretched things.

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
    """Map numbers in [0, 1) to window sides, so that `mix` says how many fall in each class.

    This is the inverse distribution function of the sides: the first `mix[0]` of the unit interval
    goes to global windows, the next `mix[1]` to middle ones, the rest to local ones, and within a
    class the sides are uniform over its range in `SCALES`. Evenly spread numbers therefore give
    evenly spread sides, in every class.
    """
    ends = np.cumsum(mix) / sum(mix)
    begins = [0, *ends[:-1]]
    # A piecewise linear function that jumps where one class ends and the next begins.
    places = np.stack([begins, ends], axis=1).ravel()
    return np.interp(numbers, places, np.ravel(list(SCALES.values())))


def draw_deviations(views: int, strength: float, generators: Sequence[torch.Generator]) -> Tensor:
    """Draw how noisy each view is: (b, v) standard deviations, stratified over [0, strength].

    So every step sees almost clean and quite noisy views.
    """
    uniform = np.stack([_uniform(2, views, g) for g in generators], axis=1)
    deviations = strength * (uniform[0].argsort(-1) + uniform[1]) / views
    return torch.from_numpy(deviations.astype(np.float32))


def _uniform(rows: int, columns: int, generator: torch.Generator) -> np.ndarray:
    # As doubles: in floats, (7 + .99999994) / 8 is 1, which is beyond the last stratum.
    return torch.rand(rows, columns, generator=generator).double().numpy()


def look(images: Tensor, windows: Tensor, size: int) -> Tensor:
    """What is seen through each window: a crop, resized to `size` × `size`.

    All views of all images in two matrix products (see `dreamlab.resample`), antialiased where a
    window shrinks. A window over a whole square canvas gives what CLIP's preprocessing gives.

    Args:
        images: (b, c, h, w).
        windows: (b, v, 3), top, left and side in pixels of the image.

    Returns:
        (b, v, c, size, size), differentiable with respect to the images.
    """
    top, left, side = windows.to(images.device, non_blocking=True).unbind(-1)
    rows = resample_matrix(top, side, images.shape[-2], size).to(images.dtype)
    columns = resample_matrix(left, side, images.shape[-1], size).to(images.dtype)
    # As torch.einsum("bvih,bchw,bvjw->bvcij", rows, images, columns), with less ado.
    b, c, h, w = images.shape
    strips = rows.flatten(1, 2) @ images.transpose(1, 2).reshape(b, h, c * w)  # b, v·i, c·w
    views = strips.view(b, -1, size * c, w) @ columns.mT  # b, v, i·c, j
    return views.view(b, -1, size, c, size).transpose(2, 3)


def add_noise(views: Tensor, deviations: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Add white noise to (b, v, c, n, n), with a standard deviation for each view, (b, v).

    There is one generator per image, on the device of the views.
    """
    noise = torch.empty_like(views, memory_format=torch.contiguous_format)
    for image_noise, generator in zip(noise, generators, strict=True):
        image_noise.normal_(generator=generator)
    deviations = deviations.to(views.device, views.dtype, non_blocking=True)
    return torch.addcmul(views, noise, deviations[..., None, None, None])
