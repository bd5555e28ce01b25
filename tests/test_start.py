"""A dream may start from anything that looks like a picture, and says no to what does not."""

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.start import starting_picture


def start(picture, canvas=(24, 32), first=(12, 16), count=1):
    generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
    return starting_picture(picture, canvas, first, generators)


PHOTO = Image.fromarray((np.indices((40, 60)).sum(0)[..., None] * [2, 1, 0]).astype("uint8"))


def test_grey():
    for name in (None, "grey", "gray"):
        assert torch.equal(start(name, count=2), torch.full((2, 3, 24, 32), 0.5))


def test_noise_is_seeded_and_lives_on_the_first_canvas():
    noise = start("noise", count=2)
    assert noise.shape == (2, 3, 12, 16)
    assert ((noise >= 0) & (noise <= 1)).all()
    assert noise.mean().item() == pytest.approx(0.5, abs=0.02)
    assert noise.std().item() == pytest.approx(0.1, abs=0.01)
    assert torch.equal(noise[:1], start("noise"))
    assert not torch.equal(noise[0], noise[1])


def test_every_kind_of_photo_is_the_same_photo(tmp_path):
    PHOTO.save(tmp_path / "photo.png")
    array = np.array(PHOTO)
    reference = start(PHOTO)
    assert reference.shape == (1, 3, 24, 32)
    for same in (
        tmp_path / "photo.png",
        str(tmp_path / "photo.png"),
        PHOTO.convert("RGBA"),
        array,
        array[:, ::-1][:, ::-1],
        np.dstack([array, np.full((40, 60), 255, "uint8")]),
        array / 255,
        (array / 255).astype("float32"),
        torch.from_numpy(array).movedim(-1, 0),
        torch.from_numpy(array / 255).movedim(-1, 0)[None],
    ):
        assert torch.allclose(start(same), reference, atol=1e-6)
        assert start(same).dtype == torch.float32


def test_grey_photos_and_transparency():
    grey = start(np.full((20, 20), 51, "uint8"))
    assert torch.allclose(grey, torch.tensor(0.2))
    assert torch.allclose(start(Image.new("L", (9, 9), 51)), torch.tensor(0.2))
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    assert torch.allclose(start(clear), torch.tensor(128 / 255))


def test_a_photo_is_cut_not_squashed():
    """A circle stays a circle: a wide photo loses its sides, the middle stays in the middle."""
    y, x = np.mgrid[:60, :200]
    disc = (((x - 99.5) ** 2 + (y - 29.5) ** 2) < 20**2).astype("float32")
    seen = start(np.dstack([disc] * 3), canvas=(60, 60))[0, 0] > 0.5
    assert seen.any(0).sum() == seen.any(1).sum() == 40
    assert torch.equal(seen, seen.flip(0)) and torch.equal(seen, seen.flip(1))


@pytest.mark.parametrize("canvas", [(24, 32), (200, 50), (16, 16)])
def test_any_size_fits_any_canvas_in_range(canvas):
    photo = (np.random.default_rng(0).random((37, 11, 3)) > 0.5).astype("float32")
    seen = start(photo, canvas=canvas)
    assert seen.shape == (1, 3, *canvas)
    assert ((seen >= 0) & (seen <= 1)).all(), "bicubic overshoot must be cut"


def test_a_turned_photo_is_turned_back(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    PHOTO.save(tmp_path / "turned.png", exif=exif)
    upright = PHOTO.transpose(Image.Transpose.ROTATE_270)
    assert torch.allclose(start(tmp_path / "turned.png"), start(upright))


def test_a_photo_is_rounded_to_what_a_file_can_hold():
    """Else a saved picture could not carry what it started from; plain grey has a name."""
    seen = start(torch.rand(2, 3, 48, 64), count=2)
    levels = (seen * 255).round()
    assert torch.equal(seen, levels.byte().float() / 255)
    assert torch.equal(start(levels.byte(), count=2), seen), "once more changes nothing"
    mixed = start(torch.stack([torch.full((3, 24, 32), 0.5), seen[0]]), count=2)
    assert torch.equal(mixed[0], start("grey")[0]) and torch.equal(mixed[1], seen[0])


def test_one_photo_for_all_or_one_each():
    photos = torch.randint(0, 256, (3, 3, 24, 32)) / 255
    assert torch.allclose(start(photos, count=3), photos, atol=1e-5)
    assert torch.equal(*start(photos[:1], count=2))
    with pytest.raises(ValueError, match="start holds 3 images, but this dream makes 2"):
        start(photos, count=2)


@pytest.mark.parametrize(
    ("picture", "error", "message"),
    [
        ("nosuch.png", FileNotFoundError, r"neither \"grey\" nor \"noise\" nor the path"),
        (__file__, ValueError, "is no picture"),
        (3, TypeError, "start must be a path, a PIL image"),
        (torch.rand(24, 32), ValueError, r"got \(24, 32\)"),
        (torch.rand(4, 24, 32), ValueError, r"got \(4, 24, 32\)"),
        (torch.rand(3, 0, 32), ValueError, r"got \(3, 0, 32\)"),
        (np.zeros((24, 32, 2)), ValueError, r"got \(24, 32, 2\)"),
        (np.zeros((24, 32, 3), int), ValueError, "bytes .* or floats"),
        (np.full((24, 32, 3), 255.0), ValueError, "divide by 255"),
        (torch.full((3, 24, 32), -0.01), ValueError, "from 0 to 1"),
        (torch.full((3, 24, 32), torch.nan), ValueError, "NaN"),
    ],
)
def test_what_is_no_picture(picture, error, message):
    with pytest.raises(error, match=message):
        start(picture)
