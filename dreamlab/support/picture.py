"""One reader for pictures: whatever somebody has becomes numbers, or an error that says why not.

Cameras turn pictures by a note in the file, phones use colours of their own, scanners 16 bits,
drawings have holes. Everybody who looks at a picture (a start, an upload, the judge, the figures,
the gallery) reads it here, so that all of them see the same:

    upright, on grey where it is transparent, in the colours of the screen (sRGB)
"""

import io
import re
import stat
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from dreamlab.support.files import user_path

BACKGROUND = 128  # of 255: the grey from which dreams start, seen through transparent parts
SPARE = 3  # a large picture is first reduced to no less than this many times what is needed

WHITE = {"uint8": 255, "uint16": 65535, "bool": 1}  # by the type of numbers; of floats it is 1
KNOWN = {  # how files begin that people take for pictures, and what to do about them
    rb"....ftyp(hei|hev|mif|msf)": "a HEIC photo, which Pillow does not read: export it as JPEG "
    "(iPhone: Settings, Camera, Formats, Most Compatible)",
    rb"....ftypavi": "an AVIF picture, which this Pillow does not read: save it as PNG or JPEG",
    rb"\xff\x0a|\0\0\0\x0cJXL ": "a JPEG XL picture, which Pillow does not read: save it as PNG",
    rb"%!PS|\xc5\xd0\xd3\xc6": "PostScript, a program and no picture: save it as PNG",
    rb"%PDF": "a PDF document: save the page as PNG",
    rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<svg": "a drawing in SVG: save it as PNG",
    rb"(?i)\s*<(!doctype )?html": "a web page: save the picture itself",
}

Picture = str | PathLike | Image.Image | np.ndarray | Tensor


def read_picture(picture: Picture, name: str = "", cover: tuple[int, int] | None = None) -> Tensor:
    """Any picture as floats (b, 3, h, w), b = 1 unless it is a batch; white is 1, black 0.

    Args:
        picture: a path; a PIL image of any mode; an array (h, w), (h, w, 1), (h, w, 3), (h, w, 4)
            or (b, h, w, ·); a tensor (1 or 3, h, w) or (b, 1 or 3, h, w). Arrays and tensors hold
            bytes (0 … 255), 16 bits (0 … 65535), booleans or floats (0 … 1), of which those outside
            of [0, 1] are left as they are. A tensor stays on its device.
        name: what messages call it.
        cover: (height, width) that are needed. A much larger picture may then be read at a fraction
            of its size, at least `SPARE` times this, which saves time and memory.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: something that is no picture.
        ValueError: it cannot be read, has another shape, or pixels that are not finite numbers.
    """
    if isinstance(picture, str | PathLike):
        return _as_tensor(open_picture(picture, name, cover))
    name = name or "a picture"
    if isinstance(picture, Image.Image):
        with _in_words(f"{name}, a PIL image of mode {picture.mode!r},"):
            return _as_tensor(_flattened(picture, cover))
    if isinstance(picture, Tensor):
        return _from_tensor(picture, name)
    if hasattr(picture, "__array__") or hasattr(picture, "__array_interface__"):
        return _from_array(np.asarray(picture), name, cover)
    raise TypeError(
        f"{name} must be a path, a PIL image, an array (h, w, 3) or a tensor (3, h, w) or "
        f"(b, 3, h, w), got {type(picture).__name__}"
    )


def open_picture(
    file: str | PathLike | io.BytesIO, name: str = "", cover: tuple[int, int] | None = None
) -> Image.Image:
    """A picture from a file, as an RGB image of 8 bits: upright, opaque, sRGB.

    Args:
        file: a path, ``~`` included, or the content of a file.
        name: what messages call it; a path is named in any case.
        cover: as for `read_picture`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no ordinary file, no picture, damaged, too large, or of a kind that
            Pillow does not read.
    """
    with opened(file, name) as image:
        if cover:  # JPEG can be decoded at a half, a quarter or an eighth of its size
            image.draft(None, (SPARE * max(cover),) * 2)
        return _flattened(image, cover)


@contextmanager
def opened(
    file: str | PathLike | io.BytesIO, name: str = "", formats: Sequence[str] | None = None
) -> Iterator[Image.Image]:
    """A picture's file as it is, not yet decoded, for this block; errors as for `open_picture`.

    Args:
        file, name: as for `open_picture`.
        formats: which ones, by Pillow's names; default: all but PostScript.
    """
    if isinstance(file, io.BytesIO):
        said = name
    else:
        said = f"{name}={_quoted(file)}" if name else _quoted(file)
        file = _ordinary(file, said)
    # What Pillow warns of is either read all the same, or said.
    with _in_words(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file, formats=formats or _formats())
        except UnidentifiedImageError:
            raise Unreadable(f"{said} is {_what_it_is(file)}") from None
        with image:
            yield image


class Unreadable(ValueError):
    """A picture cannot be read; the message says which, and why."""


# --- files ----------------------------------------------------------------------------------------


def _quoted(path: str | PathLike) -> str:
    """A path as it was typed, in quotes and not too long."""
    text = repr(str(path))
    return text if len(text) < 200 else f"{text[:190]}…{text[0]}"


def _ordinary(file: str | PathLike, said: str) -> Path:
    """The path, if an ordinary file is there: a pipe would be read for ever."""
    path = user_path(file)
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise Unreadable(f"{said} may not be read ({error.strerror})") from None
    except (OSError, ValueError):
        if re.match(r"\w[\w+.-]+:/", str(file)):
            raise Unreadable(f"{said} is an address: download the picture first") from None
        raise FileNotFoundError(f"{said}: there is no such file") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
        raise Unreadable(f"{said} is {kind}: give a picture")
    return path


def _formats() -> list[str]:
    """All that Pillow reads, but for PostScript: that is a program, which Ghostscript would run."""
    Image.init()
    return [name for name in Image.ID if name != "EPS"]


def _what_it_is(file: Path | io.BytesIO) -> str:
    if isinstance(file, Path):
        with file.open("rb") as opened:
            begin = opened.read(1000)
    else:
        begin = file.getvalue()[:1000]
    if not begin:
        return "empty"
    for pattern, words in KNOWN.items():
        if re.match(pattern, begin, re.DOTALL):
            return words
    return "no picture of a kind that Pillow reads"


@contextmanager
def _in_words(said: str) -> Iterator[None]:
    """Whatever a decoder raises over a damaged file, as one `Unreadable`."""
    try:
        yield
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        most = 2 * Image.MAX_IMAGE_PIXELS // 10**6
        raise Unreadable(
            f"{said} has more than {most} million pixels: make it smaller first"
        ) from None
    except MemoryError:
        raise Unreadable(f"{said} is too large for the memory: make it smaller first") from None
    except Exception as error:  # AVIF's is a SyntaxError, others' anything from KeyError to OSError
        why = str(error) or type(error).__name__
        raise Unreadable(f"{said} cannot be read as a picture: {why}") from error


# --- PIL images -----------------------------------------------------------------------------------


def _flattened(image: Image.Image, cover: tuple[int, int] | None) -> Image.Image:
    """A PIL image of any mode as RGB of 8 bits: upright, opaque, sRGB. A new one, without notes."""
    image.load()
    profile = image.info.get("icc_profile")
    image = _upright(_eight_bits(image))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    elif image.mode not in ("L", "RGB", "CMYK", "LAB"):
        image = image.convert("RGB")
    if cover:
        factor = min(image.height // (SPARE * cover[0]), image.width // (SPARE * cover[1]))
        if factor > 1:
            image = image.reduce(factor)
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    if alpha is not None:
        image = image.getchannel("L") if image.mode == "LA" else image.convert("RGB")
    image = _in_srgb(image, profile)
    if alpha is not None:
        grey = Image.new("RGB", image.size, (BACKGROUND,) * 3)
        image = Image.composite(image, grey, alpha)
    image = image.copy()
    image.info = {}  # else whoever reads it again would turn it again
    return image


def _eight_bits(image: Image.Image) -> Image.Image:
    """An image with more than 8 bits a pixel, scaled so that its white is 255."""
    if image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image)
    low, high = values.min(), values.max()
    white = 65535
    if image.mode == "F":
        white = 1
    elif image.mode == "I" and image.format not in ("PNG", "PPM"):  # which have 16 bits
        raise ValueError(
            "whole numbers of 32 bits do not say how much is white; save it with 8 or 16 bits"
        )
    if not 0 <= low <= high <= white:
        raise ValueError(f"its values go from {low:.3g} to {high:.3g}, and not from 0 to {white}")
    scaled = Image.fromarray((values * np.float32(255 / white)).round().astype(np.uint8))
    scaled.info = dict(image.info)
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
    try:
        from PIL import ImageCms

        if image.mode == "LAB":
            source = ImageCms.createProfile("LAB")
        else:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            said = ImageCms.getProfileDescription(source).lower()
            if said.startswith("srgb") and "linear" not in said:
                return image.convert("RGB")
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    except Exception:  # a damaged profile, one of other channels, or a Pillow without the library
        return image.convert("RGB")


# --- arrays and tensors ---------------------------------------------------------------------------


def _as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).movedim(-1, 0)[None].float() / 255


def _from_array(array: np.ndarray, name: str, cover: tuple[int, int] | None) -> Tensor:
    shape = array.shape
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim not in (3, 4) or array.shape[-1] not in (1, 3, 4) or 0 in shape:
        hint = ""
        if len(shape) == 3 and shape[0] in (1, 3, 4):
            hint = "; an array has its channels last: np.moveaxis(array, 0, -1)"
        raise Unreadable(f"{name} must have the shape (h, w, 3) as an array, got {shape}{hint}")
    white = _white(array.dtype, array.dtype.name, name)
    if white == 255 and array.ndim == 3:  # the same way as from a file, to be reduced where large
        array = array[..., 0] if array.shape[-1] == 1 else array
        return _as_tensor(_flattened(Image.fromarray(np.ascontiguousarray(array)), cover))
    with np.errstate(all="ignore"):
        values = torch.from_numpy(np.array(array, dtype=np.float32, order="C")) / white
    if values.shape[-1] == 4:
        alpha = values[..., 3:].clamp(0, 1)
        values = alpha * values[..., :3] + (1 - alpha) * (BACKGROUND / 255)
    return _checked(values.movedim(-1, -3), name)


def _from_tensor(tensor: Tensor, name: str) -> Tensor:
    shape = tuple(tensor.shape)
    if len(shape) not in (3, 4) or shape[-3] not in (1, 3) or 0 in shape:
        hint = ""
        if len(shape) == 4 and shape[-1] in (1, 3, 4):
            hint = "; a tensor has its channels first: tensor.movedim(-1, -3)"
        raise Unreadable(
            f"{name} must have the shape (3, h, w) or (b, 3, h, w) as a tensor, got {shape}{hint}"
        )
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise Unreadable(f"{name} must be a plain tensor, neither sparse nor quantized")
    white = _white(tensor.dtype, str(tensor.dtype).removeprefix("torch."), name)
    return _checked(tensor.detach().float() / white, name)


def _white(dtype: np.dtype | torch.dtype, kind: str, name: str) -> int:
    white = 1 if "float" in kind else WHITE.get(kind)
    if white is None:
        raise Unreadable(
            f"{name} must hold bytes (0 … 255), 16 bits or floats (0 … 1), got {dtype}"
        )
    return white


def _checked(images: Tensor, name: str) -> Tensor:
    """(1 or 3, h, w) or (b, 1 or 3, h, w) as (b, 3, h, w), if all numbers are finite."""
    if not images.isfinite().all():
        raise Unreadable(f"{name} holds pixels that are NaN or infinite")
    return images.reshape(-1, *images.shape[-3:]).expand(-1, 3, -1, -1)
