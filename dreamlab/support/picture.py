"""One reader for pictures: upright, on grey where transparent, in sRGB, white at 255."""

import base64
import io
import math
import re
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dreamlab.support.files import user_path

BACKGROUND = 128  # of 255: the grey from which dreams start, seen through transparent parts
SPARE = 3  # a large picture is first reduced to no less than this many times what is needed
MOST = 2**29  # numbers that a few repeated ones may stand for
WHITE = {"uint8": 255, "uint16": 65535, "bool": 1}  # by the type of numbers; of floats it is 1
KNOWN = {  # how files begin that people take for pictures, and what to do about them
    rb"....ftyp(hei|hev|mif|msf)": "a HEIC photo, which Pillow does not read: export it as JPEG "
    "(iPhone: Settings, Camera, Formats, Most Compatible)",
    rb"%!PS|\xc5\xd0\xd3\xc6": "PostScript, a program and no picture: save it as PNG",
    rb"%PDF": "a PDF document: save the page as PNG",
    rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg": "a drawing in SVG: save it as PNG",
    rb"(?i)\s*<(!doctype )?html": "a web page: save the picture itself",
    rb"$": "empty",
    rb"": "no picture of a kind that Pillow reads",
}
Picture = str | PathLike | Image.Image | np.ndarray | Tensor


class Unreadable(ValueError):
    """A picture cannot be read; the message says which, and why."""


def read_picture(picture: Picture, name: str = "", cover: tuple[int, int] | None = None) -> Tensor:
    """Any picture as floats (b, 3, h, w), b = 1 unless it is a batch; white is 1, black 0.

    Args:
        picture: a path; a PIL image of any mode; an array (h, w), (h, w, 1 | 3 | 4), (b, h, w, ·);
            a tensor (1 | 3, h, w) or (b, 1 | 3, h, w), which stays on its device. Numbers are
            bytes, 16 bits (0 … 65535), booleans or floats (0 … 1), kept as they are outside.
        name: what messages call it.
        cover: (height, width) that are needed; a much larger file may be read at a fraction of it.

    Raises:
        FileNotFoundError, TypeError, ValueError: no such file; no picture; one that cannot be read.
    """
    if isinstance(picture, str | PathLike):
        return _as_tensor(open_picture(picture, name, cover))
    name = name or "a picture"
    if isinstance(picture, Image.Image):
        with _one_error(f"{name}, a PIL image of mode {picture.mode!r},"):
            return _as_tensor(_flattened(picture, cover))
    if isinstance(picture, Tensor):
        return _from_numbers(picture, name)
    if hasattr(picture, "__array__") or hasattr(picture, "__array_interface__"):
        return _from_numbers(np.asarray(picture), name)
    kinds = "a path, a PIL image, an array (h, w, 3) or a tensor (3, h, w) or (b, 3, h, w)"
    raise TypeError(f"{name} must be {kinds}, got {type(picture).__name__}")


def open_picture(
    file: str | PathLike | io.BytesIO, name: str = "", cover: tuple[int, int] | None = None
) -> Image.Image:
    """A picture from a path or the content of a file, see `opened`: RGB, upright, opaque, sRGB."""
    with opened(file, name) as image:
        if cover:  # JPEG can be decoded at a half, a quarter or an eighth of its size
            image.draft(None, (SPARE * max(cover),) * 2)
        return _flattened(image, cover)


def to_png_text(image: Image.Image) -> str:
    """An image as PNG in base64, for JSON."""
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return base64.b64encode(buffer.getvalue()).decode()


def from_png_text(text: str, name: str, most: int) -> Image.Image:
    """The RGB image that `to_png_text` wrote; ValueError, also above `most` pixels."""
    with opened(io.BytesIO(base64.b64decode(text, validate=True)), name, ("PNG",)) as image:
        if image.width * image.height > most:
            raise Unreadable(f"{name} is too large: {image.width} × {image.height} px")
        return image.convert("RGB")


@contextmanager
def opened(
    file: str | PathLike | io.BytesIO, name: str = "", formats: Sequence[str] | None = None
) -> Iterator[Image.Image]:
    """A picture's file (a path or its content) as it is, not yet decoded, for this block.

    Raises:
        FileNotFoundError, ValueError: no such file; no ordinary one, or no picture of `formats`.
    """
    if not isinstance(file, io.BytesIO):
        path = repr(str(file))
        path = path if len(path) < 200 else f"{path[:190]}…{path[0]}"
        name = f"{name}={path}" if name else path
        file = _ordinary(file, name)
    if formats is None:
        Image.init()
        formats = [format for format in Image.ID if format != "EPS"]
    with _one_error(name), warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")
        stream = file if isinstance(file, io.BytesIO) else stack.enter_context(file.open("rb"))
        try:
            image = stack.enter_context(Image.open(stream, formats=formats))
        except UnidentifiedImageError:
            stream.seek(0)
            begin = stream.read(1000)
            kind = next(kind for start, kind in KNOWN.items() if re.match(start, begin, re.DOTALL))
            raise Unreadable(f"{name} is {kind}") from None
        size = len(file.getbuffer()) if isinstance(file, io.BytesIO) else file.stat().st_size
        # Pillow would fill in the rest; a block of 8 × 8 takes at least a bit.
        if image.format in ("JPEG", "MPO") and image.width * image.height > 512 * size:
            said = f"{image.width} × {image.height} px in {size} bytes"
            raise Unreadable(f"{name} says that it has {said}: it is damaged or cut off")
        yield image


def _ordinary(file: str | PathLike, name: str) -> Path:
    """The path, if an ordinary file is there: a pipe would be read for ever."""
    path = user_path(file)
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise Unreadable(f"{name} may not be read ({error.strerror})") from None
    except (OSError, ValueError):
        if re.match(r"\w[\w+.-]+:/", str(file)):
            raise Unreadable(f"{name} is an address: download the picture first") from None
        raise FileNotFoundError(f"{name}: there is no such file") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
        raise Unreadable(f"{name} is {kind}: give a picture")
    return path


@contextmanager
def _one_error(name: str) -> Iterator[None]:
    """Whatever a decoder raises over a damaged file, as one `Unreadable`."""
    try:
        yield
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        most = 2 * Image.MAX_IMAGE_PIXELS // 10**6
        why = f"has more than {most} million pixels: make it smaller first"
        raise Unreadable(f"{name} {why}") from None
    except MemoryError:
        raise Unreadable(f"{name} is too large for the memory: make it smaller first") from None
    except Exception as error:  # anything from KeyError to OSError
        why = str(error) or type(error).__name__
        raise Unreadable(f"{name} cannot be read as a picture: {why}") from error


def _flattened(image: Image.Image, cover: tuple[int, int] | None) -> Image.Image:
    """A PIL image of any mode as RGB of 8 bits: upright, opaque, sRGB. A new one, without notes."""
    if 0 in image.size:
        raise ValueError(f"it has no pixels ({image.width} × {image.height})")
    image.load()
    profile = image.info.get("icc_profile")
    image = _upright(_eight_bits(image))
    transparent = image.has_transparency_data
    if transparent:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    elif image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    if cover:
        factor = min(image.height // (SPARE * cover[0]), image.width // (SPARE * cover[1]))
        image = image.reduce(max(1, factor))
    colours = _in_srgb(image.convert(image.mode.removesuffix("A")), profile)
    if transparent:
        grey = Image.new("RGB", image.size, (BACKGROUND,) * 3)
        colours = Image.composite(colours, grey, image.getchannel("A"))
    colours.info = {}  # else whoever reads it again would turn it again
    return colours


def _eight_bits(image: Image.Image) -> Image.Image:
    """An image with more than 8 bits a pixel, scaled so that its white is 255."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    if image.mode == "I" and image.format not in ("PNG", "PPM"):  # which have 16 bits
        raise ValueError("32 bits do not say how much is white; save it with 8 or 16 bits")
    values, white = np.asarray(image), 1 if image.mode == "F" else 65535
    low, high = values.min(), values.max()
    if not 0 <= low <= high <= white:
        raise ValueError(f"its values go from {low:.3g} to {high:.3g}, and not from 0 to {white}")
    scaled = Image.fromarray((values * np.float32(255 / white)).round().astype(np.uint8))
    scaled.info = {**image.info}
    scaled.info.pop("transparency", None)  # a value of the old scale
    return scaled


def _upright(image: Image.Image) -> Image.Image:
    """Turned as the camera's note asks; a damaged note is no reason to refuse the picture."""
    with suppress(Exception):
        # A note of this one entry: Pillow cannot write all those again that it can read.
        note = Image.Exif()
        note[ExifTags.Base.Orientation] = image.getexif()[ExifTags.Base.Orientation]
        noted = image.copy()
        noted.info["exif"] = note.tobytes()
        return ImageOps.exif_transpose(noted)
    return image


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image of mode L, RGB, CMYK or LAB in the colours of the screen."""
    if profile is None and image.mode != "LAB":
        return image.convert("RGB")
    with suppress(Exception):  # a damaged profile, one of other channels, no LittleCMS
        from PIL import ImageCms

        if image.mode == "LAB":
            source = ImageCms.createProfile("LAB")
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = ImageCms.getProfileDescription(source).lower()
            if name.startswith("srgb") and "linear" not in name:
                return image.convert("RGB")
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    return image.convert("RGB")


def _as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).movedim(-1, 0)[None].float() / 255


def _from_numbers(numbers: np.ndarray | Tensor, name: str) -> Tensor:
    """An array (h, w) or (…, h, w, 1 | 3 | 4), or a tensor (…, 1 | 3, h, w), as (b, 3, h, w)."""
    if isinstance(numbers, Tensor) and (numbers.is_nested or numbers.is_meta):
        kind = "a nested one" if numbers.is_nested else "one on the device 'meta'"
        raise Unreadable(f"{name} must be a plain tensor with numbers in it, got {kind}")
    shape, dtype = tuple(numbers.shape), numbers.dtype
    if isinstance(numbers, Tensor):
        kind, channels = str(dtype).removeprefix("torch."), shape[-3:-2]
        fits = len(shape) in (3, 4) and channels in ((1,), (3,))
        wanted = "(3, h, w) or (b, 3, h, w) as a tensor, its channels first"
    else:
        numbers = numbers[..., None] if numbers.ndim == 2 else numbers
        kind, channels = dtype.name, numbers.shape[-1:]
        fits = numbers.ndim in (3, 4) and channels in ((1,), (3,), (4,))
        wanted = "(h, w, 3) as an array, its channels last"
    if not fits or 0 in shape:
        raise Unreadable(f"{name} must have the shape {wanted}, got {shape}")
    strides = numbers.stride() if isinstance(numbers, Tensor) else numbers.strides
    if 0 in strides and math.prod(shape) > MOST:
        raise Unreadable(f"{name} is a few numbers repeated to {shape}, too many for the memory")
    white = 1 if "float" in kind else WHITE.get(kind)
    if white is None:
        raise Unreadable(f"{name} must hold bytes (0 … 255), 16 bits or floats (0 … 1), got {kind}")
    if isinstance(numbers, Tensor):
        if numbers.layout != torch.strided or numbers.is_quantized:
            raise Unreadable(f"{name} must be a plain tensor, neither sparse nor quantized")
        images = numbers.detach().float() / white
    else:
        with np.errstate(all="ignore"):
            values = np.array(numbers, dtype=np.float32, order="C")
        images = torch.from_numpy(values).movedim(-1, -3) / white
    if not images.isfinite().all():
        raise Unreadable(f"{name} holds pixels that are NaN or infinite")
    if channels == (4,):
        alpha = images[..., 3:, :, :].clamp(0, 1)
        images = alpha * images[..., :3, :, :] + (1 - alpha) * (BACKGROUND / 255)
    return images.reshape(-1, *images.shape[-3:]).expand(-1, 3, -1, -1)
