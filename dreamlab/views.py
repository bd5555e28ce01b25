"""Views: the many crops through which CLIP looks at a picture at once.

A CLIP that always sees the same pixels can be fooled by a pattern that means something to those
pixels only. A picture that scores well through many windows, large and small, each with its own
noise, has to contain the thing itself.

Where to look (`draw_windows`) is random, what is seen there (`look`) is not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamlab.resample import resample_matrix

# The side of a window as a share of the canvas' short side, for each class of `view_mix`.
# Global views see everything. Middle ones reach up to that: a crop that misses the border shows
# the scene too, each time shifted against the patches into which a vision transformer cuts it.
SCALES = {"global": (1.0, 1.0), "middle": (0.5, 1.0), "local": (0.25, 0.5)}


def window_sides(shares: Tensor, mix: Sequence[float]) -> Tensor:
    """Map numbers in [0, 1) to window sides, so that `mix` says how many fall in each class.

    This is the inverse distribution function of the sides: the first `mix[0]` of the unit interval
    goes to global windows, the next `mix[1]` to middle ones, the rest to local ones, and within a
    class the sides are uniform over its range in `SCALES`. Evenly spread numbers therefore give
    evenly spread sides, in every class.
    """
    sides, begin = torch.zeros_like(shares), 0.0
    for (low, high), part in zip(SCALES.values(), mix, strict=True):
        if part > 0:
            within = (shares - begin) * sum(mix) / part
            sides = torch.where(within >= 0, low + (high - low) * within.clamp(max=1), sides)
        begin += part / sum(mix)
    return sides


def draw_windows(
    canvas: tuple[int, int],
    views: int,
    mix: Sequence[float],
    generators: Sequence[torch.Generator],
) -> Tensor:
    """Draw square windows on a canvas of (h, w) pixels, for one image per generator.

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
    height, width = canvas
    uniform = torch.stack(
        [torch.rand(5, views, generator=g, device=g.device) for g in generators], dim=1
    )
    stratum = torch.arange(views, device=uniform.device)
    sides = window_sides((stratum + uniform[0]) / views, mix) * min(canvas)
    # The side goes through the strata in order, rows and columns through two shuffles of them.
    rows, columns = (uniform[1:3].argsort(-1) + uniform[3:5]) / views
    top = (rows * height - sides / 2).clamp(min=0).minimum(height - sides)
    left = (columns * width - sides / 2).clamp(min=0).minimum(width - sides)
    return torch.stack([top, left, sides], dim=-1)


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
    top, left, side = windows.unbind(-1)
    rows = resample_matrix(top, side, images.shape[-2], size).to(images.dtype)
    columns = resample_matrix(left, side, images.shape[-1], size).to(images.dtype)
    return torch.einsum("bvih,bchw,bvjw->bvcij", rows, images, columns)


def add_noise(views: Tensor, strength: float, generators: Sequence[torch.Generator]) -> Tensor:
    """Add white noise to (b, v, c, n, n), each view with its own standard deviation.

    The deviations are stratified over [0, strength], so that every step sees almost clean and
    quite noisy views.
    """
    if strength == 0:
        return views
    count = views.shape[1]
    uniform = torch.stack(
        [torch.rand(2, count, generator=g, device=g.device) for g in generators], dim=1
    )
    deviation = strength * (uniform[0].argsort(-1) + uniform[1]) / count
    noise = torch.empty_like(views, memory_format=torch.contiguous_format)
    for image_noise, g in zip(noise, generators, strict=True):
        image_noise.normal_(generator=g)
    return torch.addcmul(views, noise, deviation[..., None, None, None])
