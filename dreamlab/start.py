"""The picture a dream starts from: grey, noise, or a photo of any kind and size."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dreamlab.resample import resize

Start = str | PathLike | Image.Image | np.ndarray | Tensor | None

NOISE = 0.1  # standard deviation around grey


def starting_picture(
    start: Start,
    canvas: tuple[int, int],
    first: tuple[int, int],
    generators: Sequence[torch.Generator],
) -> Tensor:
    """The start I₀ of as many images as there are (CPU) generators, (b, 3, h, w) in [0, 1].

    - None or "grey": .5 everywhere.
    - "noise": white noise of standard deviation .1 around grey, drawn on the canvas `first` of the
      first octave: drawn on the full canvas, its finest grain would come back in every octave.
    - A path, a PIL image, an array or a tensor: a photo, scaled to cover the `canvas` and cut to
      its shape in the middle, so nothing is distorted.

    Raises:
        FileNotFoundError, ValueError, TypeError: if it is no usable picture, saying why.
    """
    if start is None or (isinstance(start, str) and start in ("grey", "gray")):
        return torch.full((len(generators), 3, *canvas), 0.5)
    if isinstance(start, str) and start == "noise":
        noise = [torch.randn(3, *first, generator=g) for g in generators]
        return (0.5 + NOISE * torch.stack(noise)).clamp(0, 1)
    photo = _cover(_as_tensor(start).cpu(), canvas)
    if len(photo) not in (1, len(generators)):
        raise ValueError(
            f"start holds {len(photo)} images, but this dream makes {len(generators)}: "
            "give one image for all, or one for each"
        )
    return photo.repeat(len(generators) // len(photo), 1, 1, 1)


def _cover(images: Tensor, canvas: tuple[int, int]) -> Tensor:
    """Cut the middle of the canvas' shape out of (b, 3, h, w) and resize it, still in [0, 1]."""
    shrink = min(images.shape[-2] / canvas[0], images.shape[-1] / canvas[1])
    height, width = (max(1, round(side * shrink)) for side in canvas)
    top, left = (images.shape[-2] - height) // 2, (images.shape[-1] - width) // 2
    cut = images[..., top : top + height, left : left + width]
    return resize(cut, canvas).clamp(0, 1)


def _as_tensor(start: Start) -> Tensor:
    """Any picture as floats (b, 3, h, w) in [0, 1]."""
    if isinstance(start, str | PathLike):
        start = _open(Path(start))
    if isinstance(start, Image.Image):
        start = np.array(_opaque(ImageOps.exif_transpose(start)))
    if isinstance(start, np.ndarray):
        start = torch.from_numpy(_rgb(start)).movedim(-1, -3)
    if not isinstance(start, Tensor):
        raise TypeError(
            'start must be None, "grey", "noise", a path, a PIL image, an array (h, w, 3) or a '
            f"tensor (3, h, w) or (b, 3, h, w), got {type(start).__name__}"
        )
    images = start.detach()[None] if start.ndim == 3 else start.detach()
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise ValueError(
            "start must have the shape (3, h, w) or (b, 3, h, w) as a tensor, (h, w, 3) as an "
            f"array, got {tuple(start.shape)}"
        )
    if images.dtype == torch.uint8:
        return images.float() / 255
    if not images.is_floating_point():
        raise ValueError(f"start must hold bytes (0…255) or floats (0…1), got {images.dtype}")
    images = images.float()
    if not ((images >= 0) & (images <= 1)).all():  # NaN fails too
        raise ValueError(
            "start must hold floats from 0 to 1 (divide by 255, or give bytes), got values from "
            f"{images.min():.3g} to {images.max():.3g}"
        )
    return images


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise FileNotFoundError(
            f'start={str(path)!r} is neither "grey" nor "noise" nor the path of a file'
        ) from None
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"start={str(path)!r} cannot be read as an image: {error}") from error


def _opaque(image: Image.Image) -> Image.Image:
    """Lay transparent parts on grey, the colour from which dreams start."""
    grey = Image.new("RGBA", image.size, (128, 128, 128, 255))
    return Image.alpha_composite(grey, image.convert("RGBA")).convert("RGB")


def _rgb(array: np.ndarray) -> np.ndarray:
    """An array in which a grey (h, w) or transparent (h, w, 4) picture has become (h, w, 3)."""
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=-1)
    if array.ndim == 3 and array.shape[-1] == 4 and array.dtype == np.uint8:
        array = np.array(_opaque(Image.fromarray(array)))
    if array.ndim < 3 or array.shape[-1] != 3:
        raise ValueError(f"start must have the shape (h, w, 3) as an array, got {array.shape}")
    return np.array(array, order="C")
