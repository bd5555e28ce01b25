"""The picture a dream starts from: grey, noise, or a photo of any kind and size."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamlab.resample import resize
from dreamlab.support.picture import Picture, read_picture
from dreamlab.support.surroundings import undisturbed

Start = Picture | None

NOISE = 0.1  # standard deviation around grey


@undisturbed()
def starting_picture(
    start: Start,
    canvas: tuple[int, int],
    first: tuple[int, int],
    generators: Sequence[torch.Generator],
) -> Tensor:
    """The start I₀ of as many images as there are (CPU) generators, (b, 3, h, w) in [0, 1].

    - None or "grey": .5 everywhere.
    - "noise": white noise of standard deviation .1 around grey, on the canvas `first` of the first
      octave: on the full one, its finest grain would come back in every octave.
    - A path, a PIL image, an array or a tensor: a photo, scaled to cover the `canvas`, cut to its
      shape in the middle, and rounded to the 256 levels that a file has.

    Raises:
        FileNotFoundError, ValueError, TypeError: if it is no usable picture, saying why.
    """
    if start is None or (isinstance(start, str) and start in ("grey", "gray")):
        # One number, seen as a picture: a large canvas of it takes no memory.
        return torch.tensor(0.5).expand(len(generators), 3, *canvas)
    if isinstance(start, str) and start == "noise":
        noise = [torch.randn(3, *first, generator=g) for g in generators]
        return (0.5 + NOISE * torch.stack(noise)).clamp(0, 1)
    try:
        photo = read_picture(start, "start", cover=canvas).cpu()
    except FileNotFoundError:
        raise FileNotFoundError(
            f'start={str(start)!r} is neither "grey" nor "noise" nor the path of a file'
        ) from None
    if not ((photo >= 0) & (photo <= 1)).all():
        raise ValueError(
            "start must hold floats from 0 to 1 (divide by 255, or give bytes), got values from "
            f"{photo.min():.3g} to {photo.max():.3g}"
        )
    photo = _eight_bits(cover(photo, canvas))
    if len(photo) not in (1, len(generators)):
        raise ValueError(
            f"start holds {len(photo)} images, but this dream makes {len(generators)}: "
            "give one image for all, or one for each"
        )
    return photo.repeat(len(generators) // len(photo), 1, 1, 1)


def cover(images: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Cut the middle of the canvas' shape out of (b, 3, h, w) and resize it, still in [0, 1]."""
    shrink = min(images.shape[-2] / canvas[0], images.shape[-1] / canvas[1])
    height, width = (max(1, round(side * shrink)) for side in canvas)
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    cut = images[..., top : top + height, left : left + width]
    return resize(cut, canvas).clamp(0, 1)


def _eight_bits(images: Tensor) -> Tensor:
    """Rounded to k / 255. The grey of "grey", which lies between two of these, stays as it is."""
    rounded = (images * 255).round() / 255
    is_grey = (images == 0.5).all(dim=(1, 2, 3), keepdim=True)
    return torch.where(is_grey, images, rounded)
