"""A dream may start from anything that looks like a picture, and says no to what does not."""

import numpy as np
import pytest
import torch

from dreamlab.start import starting_picture


def start(picture, canvas=(24, 32), first=(12, 16), count=1):
    generators = [torch.Generator().manual_seed(seed) for seed in range(count)]
    return starting_picture(picture, canvas, first, generators)


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


def test_a_photo_is_cut_not_squashed():
    """A circle stays a circle: a wide photo loses its sides, the middle stays in the middle."""
    y, x = np.mgrid[:60, :200]
    disc = (((x - 99.5) ** 2 + (y - 29.5) ** 2) < 20**2).astype("float32")
    seen = start(np.dstack([disc] * 3), canvas=(60, 60))[0, 0] > 0.5
    assert seen.any(0).sum() == seen.any(1).sum() == 40
    assert torch.equal(seen, seen.flip(0)) and torch.equal(seen, seen.flip(1))


def test_a_photo_is_rounded_to_what_a_file_can_hold():
    """Else a saved picture could not carry what it started from; plain grey has a name.

    Enlarged, it would leave the range: bicubic interpolation goes beyond what it is given.
    """
    seen = start((torch.rand(2, 3, 7, 11) > 0.5).float(), count=2)
    levels = (seen * 255).round()
    assert torch.equal(seen, levels.byte().float() / 255)
    assert torch.equal(start(levels.byte(), count=2), seen), "once more changes nothing"
    mixed = start(torch.stack([torch.full((3, 24, 32), 0.5), seen[0]]), count=2)
    assert torch.equal(mixed[0], start("grey")[0]) and torch.equal(mixed[1], seen[0])


def test_numbers_out_of_range_are_refused():
    for value, words in ((255.0, "divide by 255"), (-0.01, "from 0 to 1")):
        with pytest.raises(ValueError, match=words):
            start(np.full((24, 32, 3), value))
