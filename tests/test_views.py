"""Views: the windows are where they say, and what is seen through them is right."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

import dreamlab.support.resample
import dreamlab.views
from dreamlab.support.resample import blur, linear, resize
from dreamlab.views import SCALES, add_noise, draw_deviations, draw_windows, look

few = settings(deadline=None, max_examples=15)
EVEN = (1, 1, 1)


def generators(*seeds):
    return [torch.Generator().manual_seed(seed) for seed in seeds]


@few
@given(
    old=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    new=st.tuples(st.integers(2, 40), st.integers(2, 40)),
)
def test_resize_is_antialiased_bicubic(old, new):
    images = torch.rand(2, 3, *old, generator=torch.Generator().manual_seed(0))
    reference = F.interpolate(images, new, mode="bicubic", antialias=True)
    assert torch.allclose(resize(images, new), reference, atol=1e-5)
    reference = F.interpolate(images, new, mode="bilinear", antialias=True)
    assert torch.allclose(resize(images, new, linear), reference, atol=1e-5)


def test_blur_keeps_the_sum_of_weights_and_spreads_a_point():
    assert torch.allclose(blur(torch.full((1, 3, 9, 14), 0.3), 2.0), torch.tensor(0.3))
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    spread = blur(point, 2.0)[0, 0].sum(0)
    place = torch.arange(41.0)
    assert (spread * (place - 20).square()).sum().sqrt().item() == pytest.approx(2, abs=0.01)


@pytest.fixture
def in_bands(monkeypatch):
    """Small matrices are cut into bands as large ones are."""
    dreamlab.support.resample._same_bands.cache_clear()
    monkeypatch.setattr(dreamlab.support.resample, "DENSE", {"cpu": 0})
    yield
    dreamlab.support.resample._same_bands.cache_clear()


def test_resize_and_blur_in_bands(in_bands):
    images = torch.rand(2, 3, 97, 83)
    for size in ((70, 150), (300, 41)):
        reference = F.interpolate(images, size, mode="bicubic", antialias=True)
        assert torch.allclose(resize(images, size), reference, atol=1e-5)
    cut = blur(images, 2.0)
    dreamlab.support.resample._same_bands.cache_clear()
    dreamlab.support.resample.DENSE["cpu"] = 1000
    assert torch.allclose(blur(images, 2.0), cut, atol=1e-6)


@few
@given(
    height=st.integers(16, 300),
    width=st.integers(16, 300),
    views=st.integers(1, 40),
    mix=st.tuples(*[st.floats(0, 1)] * 3).filter(lambda mix: sum(mix) > 0.01),
    seed=st.integers(0, 1000),
)
def test_windows_lie_on_the_canvas_and_in_the_stated_range(height, width, views, mix, seed):
    windows = draw_windows((height, width), views, mix, generators(seed))
    assert windows.shape == (1, views, 3)
    top, left, side = windows[0].double().T
    assert (top >= 0).all() and (left >= 0).all()
    assert (top + side <= height + 1e-3).all() and (left + side <= width + 1e-3).all()
    share = side / min(height, width)
    ranges = [
        (share >= low - 1e-5) & (share <= high + 1e-5)
        for (low, high), part in zip(SCALES.values(), mix, strict=True)
        if part > 0
    ]
    assert torch.stack(ranges).any(0).all()


def test_the_mix_is_met_and_sides_are_stratified_within_each_class():
    """With 8 middle views, each eighth of the middle range has exactly one."""
    low, high = SCALES["middle"]
    for seed in range(10):
        share = draw_windows((200, 200), 16, (1, 2, 1), generators(seed))[0, :, 2] / 200
        middle = share[(share >= low) & (share < high)]
        assert (share == 1).sum() == (share < low).sum() == 4
        eighth = ((middle - low) / (high - low) * 8).floor().sort().values
        assert eighth.tolist() == list(range(8))


@pytest.mark.parametrize(
    ("canvas", "mix"), [((40, 100), (1, 0, 0)), ((60, 60), (0, 1, 0)), ((100, 40), (0, 0, 1))]
)
def test_every_pixel_is_seen_the_border_too(canvas, mix):
    """A corner pixel is seen least, but not never, as where a window's corner is drawn evenly."""
    seen = torch.zeros(canvas)
    for seed in range(100):
        for top, left, side in draw_windows(canvas, 8, mix, generators(seed))[0].tolist():
            rows = slice(round(top), round(top + side))
            seen[rows, round(left) : round(left + side)] += 1
    assert seen.min() > 0.08 * seen.max()


def test_the_whole_canvas_is_what_clip_would_see():
    images = torch.rand(2, 3, 64, 64)
    whole = torch.tensor([0.0, 0.0, 64]).expand(2, 1, 3)
    for size in (32, 64, 100):
        reference = F.interpolate(images, (size, size), mode="bicubic", antialias=True)
        assert torch.allclose(look(images, whole, size)[:, 0], reference, atol=1e-5)


def test_every_view_has_its_own_noise():
    views = torch.full((2, 8, 3, 32, 32), 0.5)
    deviations = draw_deviations(8, 0.2, generators(0, 1))
    eighth = (deviations / 0.2 * 8).sort(-1).values
    assert torch.equal(eighth.floor(), torch.arange(8.0).expand(2, 8))  # one in each eighth
    noise = add_noise(views, deviations, generators(0, 1)) - views
    assert torch.allclose(noise.std((2, 3, 4)), deviations, rtol=0.1)
    assert noise.mean().abs() < 0.01
    alone = add_noise(views[1:], deviations[1:], generators(1)) - views[1:]
    assert torch.equal(alone[0], noise[1])
