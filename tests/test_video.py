"""Films as mp4, frame by frame."""

import weakref

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.figures.video import save_video

av = pytest.importorskip("av")


def shades(count):
    return (torch.full((3, 20, 31), n / count) for n in range(count))


def read(path):
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_film_shows_every_frame_in_order(tmp_path):
    frames = read(save_video(shades(10), tmp_path / "film.mp4", fps=12.5))
    assert [frame.shape for frame in frames] == 10 * [(20, 30, 3)]
    assert np.allclose([frame.mean() / 255 for frame in frames], np.arange(10) / 10, atol=0.03)


def test_frames_are_encoded_when_they_come_and_not_kept(tmp_path):
    alive, counts = [], []

    def frames():
        for n in range(200):
            image = Image.new("RGB", (16, 16), (n, 0, 0))
            alive.append(weakref.ref(image))
            yield image
            del image
            counts.append(sum(ref() is not None for ref in alive))

    assert len(read(save_video(frames(), tmp_path / "film.mp4"))) == 200
    assert max(counts) < 10, "however long the film is"


@pytest.mark.parametrize("error", [KeyboardInterrupt, FloatingPointError])
def test_what_ends_the_dream_keeps_the_film_so_far(tmp_path, error):
    def frames():
        yield from shades(5)
        raise error

    with pytest.raises(error):
        save_video(frames(), tmp_path / "film.mp4")
    assert len(read(tmp_path / "film.mp4")) == 5


@pytest.mark.parametrize(
    ("frames", "options", "words"),
    [
        ([], {}, "empty"),
        ([torch.zeros(2, 3, 8, 8)], {}, "batch"),
        (shades(1), {"path": "film.avi"}, "mp4"),
        (shades(1), {"fps": 0}, "fps"),
        (shades(1), {"fps": "24"}, "fps"),
        (shades(1), {"side": 10**6}, "side"),
    ],
)
def test_what_cannot_be_a_film_is_refused_and_leaves_no_file(frames, options, words, tmp_path):
    path = tmp_path / options.pop("path", "film.mp4")
    with pytest.raises(ValueError, match=words):
        save_video(frames, path, **options)
    assert list(tmp_path.iterdir()) == []
