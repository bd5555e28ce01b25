"""The picture a dream starts from: grey, noise, or a photo of any kind and size."""

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamlab.support.picture import Picture, read_picture
from dreamlab.support.resample import resize
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

    None or "grey" is .5 everywhere; "noise" of deviation .1 around it, on the canvas `first` of the
    first octave; a picture is scaled to cover the `canvas`, cut, and rounded to 256 levels.

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
        words = f'start={str(start)!r} is neither "grey" nor "noise" nor the path of a file'
        raise FileNotFoundError(words) from None
    if not ((photo >= 0) & (photo <= 1)).all():
        words = "start must hold floats from 0 to 1 (divide by 255, or give bytes), got values from"
        raise ValueError(f"{words} {photo.min():.3g} to {photo.max():.3g}")
    photo = cover(photo, canvas)
    # To k / 255, but for the grey of "grey", which lies between two of these.
    is_grey = (photo == 0.5).all(dim=(1, 2, 3), keepdim=True)
    photo = torch.where(is_grey, photo, (photo * 255).round() / 255)
    if len(photo) not in (1, len(generators)):
        words = f"start holds {len(photo)} images, but this dream makes {len(generators)}"
        raise ValueError(f"{words}: give one image for all, or one for each")
    return photo.repeat(len(generators) // len(photo), 1, 1, 1)


def cover(images: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Cut the middle of the canvas' shape out of (b, 3, h, w) and resize it, still in [0, 1]."""
    shrink = min(images.shape[-2] / canvas[0], images.shape[-1] / canvas[1])
    height, width = (max(1, round(side * shrink)) for side in canvas)
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    cut = images[..., top : top + height, left : left + width]
    return resize(cut, canvas).clamp(0, 1)
