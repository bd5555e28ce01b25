"""One reader for pictures: what it is handed becomes the same numbers everywhere, or an error.

The reference is a small picture whose four corners differ, so that a turn or a flip is seen.
"""

import io
import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from dreamlab.figures.static import to_array
from dreamlab.judge import as_tensors
from dreamlab.start import starting_picture
from dreamlab.support.picture import BACKGROUND, open_picture, read_picture

CORNERS = np.zeros((24, 32, 3), np.uint8)
CORNERS[:12, :16], CORNERS[:12, 16:], CORNERS[12:, :16] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
PHOTO = Image.fromarray(CORNERS)


def levels(picture, **options) -> np.ndarray:
    """What the reader makes of it, (h, w, 3) in 0 … 255, not rounded."""
    (pixels,) = read_picture(picture, **options)
    assert pixels.dtype == torch.float32
    return 255 * pixels.movedim(0, -1).numpy()


def saved(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


# --- the same picture, however it comes -------------------------------------------------------


OPTIONS = {  # with which a format keeps the picture as it is, or nearly
    "PNG": {},
    "tif": {},
    "gif": {},
    "webp": {"lossless": True},
    "jpg": {"quality": 95, "subsampling": 0},
}


@pytest.mark.parametrize("suffix", OPTIONS)
def test_files_of_every_kind(tmp_path, suffix):
    path = saved(PHOTO, tmp_path / f"photo.{suffix}", **OPTIONS[suffix])
    off = 12 if suffix == "jpg" else 0
    with Image.open(path) as image:
        for form in (path, str(path), image):
            assert np.abs(levels(form) - CORNERS).max() <= off
    assert open_picture(io.BytesIO(path.read_bytes()), "upload").size == (32, 24)


def test_everybody_sees_the_same(tmp_path):
    """Start, judge and figures: a turned, half transparent picture in other colours."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = PHOTO.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    path = saved(image, tmp_path / "x.png", exif=exif, icc_profile=exchanged())
    seen = read_picture(path)
    assert seen.shape == (1, 3, 32, 24)
    assert torch.equal(as_tensors(path)[0], seen)
    assert np.array_equal(to_array(path), seen[0].movedim(0, -1))
    start = starting_picture(str(path), (32, 24), (32, 24), [torch.Generator()])
    assert torch.equal(start, seen)
    assert np.array_equal(np.asarray(open_picture(path)), levels(path).round())


# --- upright ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("orientation", "suffix"),
    [*((n, "png") for n in range(1, 9)), (6, "jpg"), (6, "tif")],
)
def test_the_cameras_note_on_how_it_was_held_is_followed(tmp_path, orientation, suffix):
    stored = {  # how the sensor's picture lies, for each of EXIF's orientations
        1: CORNERS,
        2: CORNERS[:, ::-1],
        3: CORNERS[::-1, ::-1],
        4: CORNERS[::-1],
        5: CORNERS.transpose(1, 0, 2),
        6: np.rot90(CORNERS),
        7: np.rot90(CORNERS, 2).transpose(1, 0, 2),
        8: np.rot90(CORNERS, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    path = saved(image, tmp_path / f"x.{suffix}", exif=exif, **OPTIONS.get(suffix, {}))
    assert np.abs(levels(path) - CORNERS).max() <= (12 if suffix == "jpg" else 0)
    once = open_picture(path)
    assert np.array_equal(levels(once), np.asarray(once)), "read again, it is not turned again"


@pytest.mark.parametrize(
    "note", [b"nonsense", b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 50]
)
def test_a_damaged_note_is_no_reason_to_refuse_a_picture(tmp_path, note, recwarn):
    path = saved(PHOTO, tmp_path / "x.jpg", exif=note)
    assert levels(path).shape == (24, 32, 3) and not recwarn.list


def test_a_note_that_pillow_cannot_write_again_is_followed():
    image = Image.fromarray(np.rot90(CORNERS).copy())
    exif = image.getexif()
    exif[0x0112], exif[0x829A] = 6, object()  # an exposure time that is none
    assert np.array_equal(levels(image), CORNERS)


# --- bits -------------------------------------------------------------------------------------

RAMP = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
GREY = np.repeat((RAMP / 257)[..., None], 3, axis=-1)  # what it shows, in 0 … 255


@pytest.mark.parametrize("kind", ["I;16 png", "I;16B tif", "pgm"])
def test_a_ramp_of_16_bits_stays_a_ramp(tmp_path, kind):
    mode, _, suffix = kind.rpartition(" ")
    path = tmp_path / f"ramp.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 16 16 65535\n" + RAMP.astype(">u2").tobytes())
    else:
        image = Image.frombytes(mode, (16, 16), RAMP.astype(">u2" if "B" in mode else "<u2"))
        image.save(path)
    assert np.abs(levels(path) - GREY).max() <= 1


def test_floats_and_32_bits_are_scaled_or_refused(tmp_path):
    ramp = (RAMP / 65535).astype(np.float32)
    assert np.abs(levels(saved(Image.fromarray(ramp), tmp_path / "x.tif")) - GREY).max() <= 1
    for image, words in (
        (Image.fromarray(ramp * 255), "values go from 0 to 255"),
        (Image.fromarray(ramp - 1), "values go from -1"),
        (Image.fromarray(np.full((4, 4), np.nan, np.float32)), "values go from nan"),
        (Image.fromarray(RAMP.astype(np.int32)), "do not say how much is white"),
    ):
        with pytest.raises(ValueError, match=words):
            read_picture(image)


# --- transparency -----------------------------------------------------------------------------


def with_holes(mode: str) -> Image.Image:
    """Its left half is there, its right half transparent; what hides below differs."""
    alpha = Image.new("L", (32, 24), 0)
    alpha.paste(255, (0, 0, 16, 24))
    if mode in ("RGBA", "RGBa", "PA"):
        image = PHOTO.quantize(4).convert("PA") if mode == "PA" else PHOTO.convert("RGBA")
        image.putalpha(alpha)
        return image.convert(mode)
    if mode == "LA":
        return Image.merge("LA", (PHOTO.convert("L"), alpha))
    image = PHOTO.quantize(4) if mode == "P" else PHOTO.copy()
    hole = image.getpixel((31, 0))
    image.paste(hole, (16, 0, 32, 24))
    image.info["transparency"] = hole
    return image


@pytest.mark.parametrize("mode", ["RGBA", "RGBa", "LA", "PA", "P", "RGB"])
def test_what_is_transparent_shows_one_background(mode, tmp_path):
    forms = [with_holes(mode)]
    if mode not in ("RGBa", "PA"):  # which no file has
        forms.append(saved(with_holes(mode), tmp_path / "x.png"))
    for form in forms:
        seen = levels(form)
        assert (seen[:, 16:] == BACKGROUND).all()
        assert seen[5, 5, 0] == (76 if mode == "LA" else 255)


def test_transparent_arrays_have_the_same_background():
    array = np.asarray(with_holes("RGBA"))
    for form in (array, array / 255, array.astype("u2") * 257):
        assert np.abs(levels(form) - levels(with_holes("RGBA"))).max() < 0.3


# --- colours ----------------------------------------------------------------------------------


def profile_bytes(kind: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()


def exchanged() -> bytes:
    """sRGB's profile with the columns of red and green exchanged: as other as colours can be."""
    content = profile_bytes("sRGB")
    content = content.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    return content.replace(b"s\0R\0G\0B", b"o\0t\0h\0e").replace(b"sRGB", b"othe")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_other_colour_spaces_are_converted(tmp_path, suffix):
    path = saved(PHOTO, tmp_path / f"x.{suffix}", icc_profile=exchanged(), quality=95)
    red, green = levels(path)[6, 4], levels(path)[6, 28]
    assert red[1] > 200 > red[0] and green[0] > 200 > green[1], "what was red is green"


@pytest.mark.parametrize("profile", [profile_bytes("sRGB"), b"", b"broken", profile_bytes("LAB")])
def test_srgb_and_damaged_profiles_change_nothing(tmp_path, profile):
    path = saved(PHOTO, tmp_path / "x.png", icc_profile=profile)
    assert np.array_equal(levels(path), CORNERS)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LAB"])
def test_every_mode_of_pillow(mode):
    if mode == "LAB":
        source, target = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(PHOTO, source, target, outputMode="LAB")
    else:
        image = PHOTO.convert(mode)
    seen, expected = levels(image), CORNERS
    if mode in ("1", "L"):
        expected = np.asarray(PHOTO.convert(mode).convert("RGB"))
    assert np.abs(seen - expected).max() <= (25 if mode == "LAB" else 4)  # 8 bits for all of LAB


# --- arrays and tensors -----------------------------------------------------------------------

ARRAYS = {
    "bytes": CORNERS,
    "floats": CORNERS / 255,
    "half": (CORNERS / 255).astype("f2"),
    "big endian": (CORNERS / 255).astype(">f8"),
    "16 bits": CORNERS.astype("u2") * 257,
    "booleans": CORNERS > 0,
    "backwards": CORNERS[::-1, ::-1][::-1, ::-1],
    "batch": CORNERS[None],
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_every_kind(kind):
    array = ARRAYS[kind].view()
    array.flags.writeable = False
    assert np.abs(levels(array) - CORNERS).max() < 0.1


@pytest.mark.parametrize("kind", sorted(ARRAYS.keys() - {"big endian"}))
def test_tensors_of_every_kind(kind):
    tensor = torch.from_numpy(ARRAYS[kind].copy()).movedim(-1, -3)
    tensor.requires_grad_(tensor.is_floating_point())
    assert np.abs(levels(tensor) - CORNERS).max() < 0.1
    assert not read_picture(tensor).requires_grad
    if kind == "half":
        assert np.abs(levels(tensor.bfloat16()) - CORNERS).max() < 1


def test_grey_has_one_channel_or_none():
    grey = CORNERS[..., 0]
    for form in (grey, grey[..., None], grey / 255, torch.from_numpy(grey)[None]):
        assert np.abs(levels(form) - np.dstack([grey] * 3)).max() < 1e-4
    assert read_picture(torch.zeros(5, 1, 4, 4)).shape == (5, 3, 4, 4)
    assert read_picture(np.zeros((5, 4, 4, 3))).shape == (5, 3, 4, 4)


def test_what_no_screen_can_show_is_left_to_the_caller():
    assert levels(np.full((2, 2, 3), 1.5))[0, 0, 0] == 382.5
    assert to_array(np.full((2, 2, 3), 1.5)).max() == 1


@pytest.mark.parametrize(
    ("picture", "error", "words"),
    [
        (np.zeros(()), ValueError, r"got \(\)"),
        (np.zeros((0, 4, 3)), ValueError, r"got \(0, 4, 3\)"),
        (np.zeros((4, 4, 2)), ValueError, r"got \(4, 4, 2\)"),
        (np.zeros((3, 4, 5)), ValueError, "channels last"),
        (np.zeros((4, 4, 3), int), ValueError, "got int64"),
        (np.full((4, 4, 3), None), ValueError, "got object"),
        (np.full((4, 4, 3), 1e300), ValueError, "NaN or infinite"),
        (torch.zeros(4, 4), ValueError, r"got \(4, 4\)"),
        (torch.zeros(1, 4, 5, 3), ValueError, "channels first"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), ValueError, r"got int64"),
        (torch.zeros(3, 4, 4).to_sparse(), ValueError, "neither sparse nor quantized"),
        (torch.full((3, 4, 4), torch.nan), ValueError, "NaN or infinite"),
        (Image.new("RGB", (0, 5)), ValueError, "no pixels"),
        (torch.zeros(3, 4, 4, device="meta"), ValueError, "plain tensor.*meta"),
        (torch.nested.nested_tensor([torch.zeros(3, 4, 4)]), ValueError, "plain tensor.*nested"),
        (np.broadcast_to(np.zeros(3), (500_000, 500_000, 3)), ValueError, "repeated"),
        (torch.zeros(1).expand(3, 500_000, 500_000), ValueError, "repeated"),
        ([[0, 1], [1, 0]], TypeError, "got list"),
        (None, TypeError, "got NoneType"),
    ],
)
def test_numbers_that_are_no_picture(picture, error, words):
    with pytest.raises(error, match=f"^start.*{words}"):
        read_picture(picture, "start")


# --- files that are no pictures ---------------------------------------------------------------

FIRST = {  # how a file begins, and what is said of it
    "empty": (b"", "empty"),
    "text": (b"hello", "no picture of a kind that Pillow reads"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photo.*export it as JPEG"),
    "svg": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="x">', "SVG"),
    "html": (b"\n<!DOCTYPE html><html>", "a web page: save the picture itself"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript, a program"),
}


@pytest.mark.parametrize("kind", FIRST)
def test_a_file_that_is_no_picture_is_named_for_what_it_is(tmp_path, kind):
    content, words = FIRST[kind]
    path = tmp_path / "strange.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^'[^=]*strange\.png' is .*{words}"):
        read_picture(path)
    with pytest.raises(ValueError, match=rf"^my\.png is .*{words}"):
        open_picture(io.BytesIO(content), "my.png")


def test_postscript_is_never_run(tmp_path, monkeypatch):
    """Pillow would hand it to Ghostscript, whatever the file is called."""
    from PIL import EpsImagePlugin

    asked = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: asked.append(a))
    path = saved(PHOTO, tmp_path / "x.eps")
    with pytest.raises(ValueError, match="PostScript"):
        read_picture(path.rename(tmp_path / "x.png"))
    assert not asked


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("nosuch.png", FileNotFoundError, "'nosuch.png': there is no such file"),
        (".", ValueError, "'.' is a folder"),
        ("x\0y.png", ValueError, "null character"),
        ("a" * 5000, FileNotFoundError, "aaa…': there is no such file"),
        ("~nobody-of-this-name/x.png", FileNotFoundError, "no such file"),
        ("https://example.org/cat.png?x=1", ValueError, "is an address"),
    ],
)
def test_paths_where_no_picture_is(path, error, words):
    with pytest.raises(error, match=words):
        read_picture(path)


@pytest.mark.skipif(sys.platform == "win32", reason="special files of POSIX")
@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_special_files_hang_nothing(tmp_path, kind):
    path = Path(kind)
    if kind == "pipe":
        path = tmp_path / "x.png"
        os.mkfifo(path)
    with pytest.raises(ValueError, match="no ordinary file"):
        read_picture(path)


def test_a_bomb_is_named_and_never_unpacked(tmp_path):
    path = tmp_path / "bomb.png"
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    begin = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    path.write_bytes(begin + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT5\xaf\x06\x1e")
    with pytest.raises(ValueError, match=r"bomb\.png' has more than 178 million pixels"):
        read_picture(path)


def test_a_small_file_that_claims_a_large_picture_is_refused(tmp_path):
    """Pillow would fill 5 GB."""
    path = saved(PHOTO, tmp_path / "claims.jpg")
    content = path.read_bytes()
    begin = content.index(b"\xff\xc0") + 5  # height and width
    path.write_bytes(content[:begin] + struct.pack(">HH", 13_000, 13_000) + content[begin + 4 :])
    with pytest.raises(ValueError, match=r"claims\.jpg' says that it has 13000"):
        read_picture(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_half_a_file_is_refused(tmp_path, suffix):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    path = saved(noise, tmp_path / f"half.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"half\.{suffix}' (is no|cannot be read as a) picture"):
        read_picture(path)


# --- large ones -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jpg", "png", "image"])
def test_a_large_photo_is_reduced_first_and_looks_the_same(tmp_path, form):
    rows, columns = np.indices((600, 800))
    photo = (127 + 100 * np.sin(rows / 45) * np.cos(columns / 35)).round().astype(np.uint8)
    picture = image = Image.fromarray(photo).convert("RGB")
    if form != "image":
        picture = saved(image, tmp_path / f"x.{form}", quality=95)
    small = read_picture(picture, cover=(24, 32))
    assert small.shape[-2] >= 3 * 24 and small.shape[-1] <= 2 * 3 * 32
    tensor = torch.from_numpy(np.array(image)).movedim(-1, 0)  # which is not reduced
    start, whole = (
        starting_picture(given, (24, 32), (24, 32), [torch.Generator()])
        for given in (picture, tensor)
    )
    assert (start - whole).abs().max() < (4 if form == "jpg" else 2) / 255


def test_a_long_side_is_no_reason_to_lose_the_short_one():
    assert read_picture(Image.new("L", (64, 4000)), cover=(32, 32)).shape[-2:] == (4000, 64)
