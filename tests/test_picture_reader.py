"""One reader for pictures: what it is handed becomes the same numbers everywhere, or an error."""

import io
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image, ImageCms

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


OPTIONS = {  # with which a format keeps the picture as it is, or nearly
    "png": {},
    "tif": {},
    "gif": {},
    "webp": {"lossless": True},
    "jpg": {"quality": 95, "subsampling": 0},
}


@pytest.mark.parametrize("suffix", OPTIONS)
def test_files_of_every_kind(tmp_path, suffix):
    path = saved(PHOTO, tmp_path / f"photo.{suffix}", **OPTIONS[suffix])
    with Image.open(path) as image:
        for form in (path, str(path), image):
            assert np.abs(levels(form) - CORNERS).max() <= (12 if suffix == "jpg" else 0)
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


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_the_cameras_note_on_how_it_was_held_is_followed(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x0112] = 6  # the sensor's picture lies on its side
    image = Image.fromarray(np.rot90(CORNERS).copy())
    path = saved(image, tmp_path / f"x.{suffix}", exif=exif, **OPTIONS[suffix])
    assert np.abs(levels(path) - CORNERS).max() <= (12 if suffix == "jpg" else 0)
    once = open_picture(path)
    assert np.array_equal(levels(once), np.asarray(once)), "read again, it is not turned again"


RAMP = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
GREY = np.repeat((RAMP / 257)[..., None], 3, axis=-1)  # what it shows, in 0 … 255


@pytest.mark.parametrize("suffix", ["png", "pgm"])
def test_a_ramp_of_16_bits_stays_a_ramp(tmp_path, suffix):
    path = tmp_path / f"ramp.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 16 16 65535\n" + RAMP.astype(">u2").tobytes())
    else:
        Image.frombytes("I;16", (16, 16), RAMP.astype("<u2")).save(path)
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


def with_holes(mode: str) -> Image.Image:
    """Its left half is there, its right half transparent; what hides below differs."""
    alpha = Image.new("L", (32, 24), 0)
    alpha.paste(255, (0, 0, 16, 24))
    if mode == "RGBA":
        image = PHOTO.convert("RGBA")
        image.putalpha(alpha)
        return image
    if mode == "LA":
        return Image.merge("LA", (PHOTO.convert("L"), alpha))
    image = PHOTO.quantize(4) if mode == "P" else PHOTO.copy()
    hole = image.getpixel((31, 0))
    image.paste(hole, (16, 0, 32, 24))
    image.info["transparency"] = hole
    return image


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_what_is_transparent_shows_one_background(mode, tmp_path):
    image = with_holes(mode)
    forms = [image, saved(image, tmp_path / "x.png")]
    if mode == "RGBA":
        array = np.asarray(image)
        forms += [array, array / 255, array.astype("u2") * 257]
    for form in forms:
        seen = levels(form)
        assert np.abs(seen[:, 16:] - BACKGROUND).max() < 0.3
        assert seen[5, 5, 0] == pytest.approx(76 if mode == "LA" else 255)


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


ARRAYS = {
    "bytes": CORNERS,
    "floats": CORNERS / 255,
    "half": (CORNERS / 255).astype("f2"),
    "big endian": (CORNERS / 255).astype(">f8"),
    "16 bits": CORNERS.astype("u2") * 257,
    "booleans": CORNERS > 0,
    "batch": CORNERS[None],
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_and_tensors_of_every_kind(kind):
    array = ARRAYS[kind].view()
    array.flags.writeable = False
    assert np.abs(levels(array) - CORNERS).max() < 0.1
    if kind != "big endian":  # which torch has not
        tensor = torch.from_numpy(array.copy()).movedim(-1, -3)
        tensor.requires_grad_(tensor.is_floating_point())
        assert np.abs(levels(tensor) - CORNERS).max() < 0.1
        assert not read_picture(tensor).requires_grad


@pytest.mark.parametrize(
    ("picture", "error", "words"),
    [
        (np.zeros(()), ValueError, r"got \(\)"),
        (np.zeros((0, 4, 3)), ValueError, r"got \(0, 4, 3\)"),
        (np.zeros((3, 4, 5)), ValueError, "channels last"),
        (np.full((4, 4, 3), None), ValueError, "got object"),
        (np.full((4, 4, 3), 1e300), ValueError, "NaN or infinite"),
        (torch.zeros(1, 4, 5, 3), ValueError, "channels first"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), ValueError, r"got int64"),
        (torch.zeros(3, 4, 4).to_sparse(), ValueError, "sparse"),
        (torch.full((3, 4, 4), torch.nan), ValueError, "NaN or infinite"),
        (Image.new("RGB", (0, 5)), ValueError, "no pixels"),
        (torch.zeros(3, 4, 4, device="meta"), ValueError, "meta"),
        (torch.zeros(1).expand(3, 500_000, 500_000), ValueError, "repeated"),
        ([[0, 1], [1, 0]], TypeError, "got list"),
    ],
)
def test_numbers_that_are_no_picture(picture, error, words):
    with pytest.raises(error, match=f"^start.*{words}"):
        read_picture(picture, "start")


FIRST = {  # how a file begins, and what is said of it
    "empty": (b"", "empty"),
    "text": (b"hello", "no picture of a kind that Pillow reads"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "svg": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg xmlns="x">', "SVG"),
    "html": (b"\n<!DOCTYPE html><html>", "a web page"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
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
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("it ran"))
    path = saved(PHOTO, tmp_path / "x.eps")
    with pytest.raises(ValueError, match="PostScript"):
        read_picture(path.rename(tmp_path / "x.png"))


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("nosuch.png", FileNotFoundError, "no such file"),
        (".", ValueError, "'.' is a folder"),
        ("x\0y.png", ValueError, "null character"),
        ("half \ud83d.png", ValueError, "half of one"),
        ("a" * 5000, FileNotFoundError, "aaa…"),
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


@pytest.mark.parametrize(
    ("side", "words"), [(13_000, "says that it has 13000"), (40_000, "than 178 million pixels")]
)
def test_a_small_file_that_claims_a_large_picture_is_refused(tmp_path, side, words):
    path = saved(PHOTO, tmp_path / "claims.jpg")
    content = path.read_bytes()
    begin = content.index(b"\xff\xc0") + 5  # height and width
    path.write_bytes(content[:begin] + struct.pack(">HH", side, side) + content[begin + 4 :])
    with pytest.raises(ValueError, match=rf"claims\.jpg' .*{words}"):
        read_picture(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_half_a_file_is_refused(tmp_path, suffix):
    path = saved(PHOTO, tmp_path / f"half.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"half\.{suffix}' (is no|cannot be read as a) picture"):
        read_picture(path)


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
