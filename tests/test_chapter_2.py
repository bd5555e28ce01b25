"""Chapter 2: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import functions

from dreamlab import Dream, Recipe
from dreamlab.course import check
from dreamlab.measure.judge import spectrum_slope

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture
def define(tiny_clip):
    return functions("02_the_collapse", clip=tiny_clip, FRAMES=(1, 2, 3, 5))


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def slow_noise(size: int, exponent: float, seed: int = 1) -> torch.Tensor:
    """A picture (3, size, size) whose power falls like f^(2 · exponent)."""
    f = torch.fft.fftfreq(size, 1 / size)
    f = torch.hypot(f[:, None], f).clamp(min=1)
    waves = torch.fft.ifft2(torch.fft.fft2(noise(size, size, seed=seed) - 0.5) * f**exponent).real
    return (0.5 + 0.1 * waves / waves.std()).expand(3, size, size)


# Sides that are powers of two, and ends between two waves: no wave lies on the edge of a ring,
# where rounding would decide whether it is in.
@pytest.mark.parametrize(("size", "finest"), [(64, 25.6), (64, 19.1), (128, 51.2), (128, 25.6)])
@pytest.mark.parametrize("exponent", [0.0, -0.5, -1.3])
def test_spectrum_is_the_packages(define, size, finest, exponent):
    images = torch.stack([slow_noise(size, exponent, seed) for seed in range(8)])
    ours = [define["my_slope"](*define["my_spectrum"](image, finest)).item() for image in images]
    assert ours == pytest.approx(spectrum_slope(images, finest).tolist(), abs=1e-4)
    assert sum(ours) / 8 == pytest.approx(2 * exponent, abs=0.4)


def test_slope_is_a_straight_lines(define):
    f = torch.tensor([4.0, 5.0, 9.0, 20.0])
    for s in (-2.5, 0.0, 1.0):
        assert define["my_slope"](f, 3 * f**s).item() == pytest.approx(s, abs=1e-5)


def test_spectra_are_averaged_relative_to_their_slowest_ring(define):
    images = torch.stack([slow_noise(64, -1.0), 0.5 + (slow_noise(64, -1.0) - 0.5) / 2])
    frequency, power = define["mean_spectrum"](images, 25.6)
    single = define["my_spectrum"](images[0], 25.6)
    assert frequency == pytest.approx(single[0].tolist())
    assert power == pytest.approx((single[1] / single[1][0]).tolist(), rel=1e-3)


def test_film_keeps_the_frames_of_the_dream(define, tiny_clip):
    def dream():
        return Dream(tiny_clip, "a red heart", start="noise", recipe=Recipe.raw(size=32, steps=6))

    frames = define["film"](dream())
    assert sorted(frames) == [0, 1, 2, 3, 5]
    assert torch.equal(frames[0], dream().start)
    other = dream()
    for step in other:
        if step.step in frames:
            assert torch.equal(frames[step.step], other.pixels)


def test_dreamer_reads_each_picture_with_its_own_sentence(define, tiny_clip):
    images, sentences = noise(2, 3, 32, 32), ["a red heart", "two stars at night"]
    read = define["dreamer"](images, sentences)
    table = tiny_clip.encode_image(images) @ tiny_clip.encode_text(sentences).T
    assert read.tolist() == pytest.approx(table.diagonal().tolist(), abs=1e-6)
    assert define["dreamer"](images, sentences[0]).tolist() == pytest.approx(
        table[:, 0].tolist(), abs=1e-6
    )


def test_over_time_leaves_out_the_start(define):
    steps, values = define["over_time"]({0: torch.zeros(2), 1: torch.ones(2), 5: noise(2)}, sum)
    assert steps == [1, 5] and values[0] == 2 and isinstance(values[1], float)


def test_meters_know_their_harms(define):
    meters, smooth = define["meters"], slow_noise(64, -2.0)
    tiles = noise(3, 8, 8, seed=2).repeat(1, 8, 8)
    assert meters(smooth)["grain"] < 0.2 < 0.9 < meters(noise(3, 64, 64))["grain"]
    assert meters(tiles)["wallpaper"] > 0.8 and abs(meters(noise(3, 64, 64))["wallpaper"]) < 0.05
    magenta = torch.tensor([1.0, 0.0, 1.0])[:, None, None] + 0.01 * noise(3, 64, 64)
    assert meters(magenta)["neon"] > 0.95 and meters(smooth)["neon"] == 0
    assert meters(3 * magenta - 1) == pytest.approx(meters((3 * magenta - 1).clamp(0, 1)))


def test_gradient_agrees_with_finite_differences(define, tiny_clip):
    image = noise(3, 32, 32)
    gradient = define["gradient"](image, "a red heart")
    assert gradient.shape == image.shape and not image.requires_grad
    way = gradient / gradient.norm()
    up, down = (
        define["dreamer"]((image + sign * 0.02 * way)[None], "a red heart").item()
        for sign in (1, -1)
    )
    assert (up - down) / 0.04 == pytest.approx(gradient.norm().item(), rel=0.05)


def test_blurred(define):
    images = noise(2, 3, 32, 32)
    assert define["blurred"](images, 0) is images
    once, more = (define["blurred"](images, radius) for radius in (0.5, 2.0))
    assert more.std() < once.std() < images.std()
    assert more.mean().item() == pytest.approx(images.mean().item(), abs=0.02)


# --- its checks -----------------------------------------------------------------------------------


def outside(x):
    return (x < 0) | (x > 1)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: outside(x).any(dim=0).float().mean(),
        lambda x: (x != x.clamp(0, 1)).any(0).double().mean().item(),
        lambda x: ((x.amax(0) > 1) | (x.amin(0) < 0)).sum() / x[0].numel(),
        lambda x: np.mean(((x.numpy() < 0) | (x.numpy() > 1)).any(axis=0)),
        lambda x: 1 - ((x >= 0) & (x <= 1)).all(dim=0).float().mean(),
        lambda x: ((x - 0.5).abs() > 0.5).any(0).float().mean()[None],
    ],
)
def test_every_overflow_is_right(answer):
    verdict = check.overflow(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: outside(x).float().mean(), "share of values"),
        (lambda x: outside(x).any(0).sum(), "counts the pixels"),
        (lambda x: 100 * outside(x).any(0).float().mean(), "per cent"),
        (lambda x: 1 - outside(x).any(0).float().mean(), "can show"),
        (lambda x: (x > 1).any(0).float().mean(), "one end only"),
        (lambda x: (x < 0).any(0).float().mean(), "one end only"),
        (lambda x: outside(x).all(0).float().mean(), "one is enough"),
        (lambda x: ((x <= 0) | (x >= 1)).any(0).float().mean(), "can be shown"),
        (lambda x: outside(x).any(0), "one number is wanted"),
        (lambda x: 0.123, "finds 0.123"),
    ],
)
def test_a_wrong_overflow_is_told_what_is_wrong(answer, words):
    verdict = check.overflow(answer)
    assert not verdict and words in verdict.sentence, verdict


@pytest.mark.parametrize(
    "answer",
    [
        lambda w, step: step * w.sign(),
        lambda w, step: torch.where(w > 0, step, -step),
        lambda w, step: np.sign(w.numpy()) * step,
        lambda w, step: step * w / w.abs().clamp(min=1e-9),
        lambda w, step: (1e9 * w).clamp(-step, step),
        lambda w, step: (step * w.sign())[None],
    ],
)
def test_every_worst_change_is_right(answer):
    verdict = check.worst_change(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, step: -step * w.sign(), "the other way round"),
        (lambda w, step: w.sign(), "size of the step is missing"),
        (lambda w, step: step * w / w.abs().max(), "in proportion"),
        (lambda w, step: step * w / w.norm(), "in proportion"),
        (lambda w, step: step * torch.ones_like(w), "all pixels the same way"),
        (lambda w, step: 3 * step * w.sign(), "is allowed"),
        (lambda w, step: step * torch.cos(w), "can be had"),
        (lambda w, step: step * w.abs().sum(), "the shape should be"),
        (lambda w, step: "up", "this is a str"),
    ],
)
def test_a_wrong_worst_change_is_told_what_is_wrong(answer, words):
    verdict = check.worst_change(answer)
    assert not verdict and words in verdict.sentence, verdict


APART = range(2, 13)


def difference(x, k):
    return (x[..., k:] - x[..., :-k]).square().mean().item()


def correlation(x, k):
    return np.corrcoef(x[..., k:].flatten().numpy(), x[..., :-k].flatten().numpy())[0, 1]


def by_fourier(x):
    """The autocorrelation of each row, all shifts at once."""
    power = torch.fft.rfft(x - x.mean(), n=2 * x.shape[-1]).abs() ** 2
    return 2 + torch.fft.irfft(power).mean((0, 1))[2:13].argmax()


def by_excess(x):
    """What a shift has more than its two neighbours."""
    c = {k: correlation(x, k) for k in range(1, 14)}
    return max(APART, key=lambda k: c[k] - (c[k - 1] + c[k + 1]) / 2)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: min(APART, key=lambda k: difference(x, k)),
        lambda x: max(APART, key=lambda k: correlation(x, k)),
        lambda x: torch.tensor([difference(x, k) for k in APART]).argmin() + 2,
        lambda x: min(APART, key=lambda k: (x - x.roll(k, -1)).abs().mean()),
        by_fourier,
        by_excess,
    ],
)
def test_every_period_is_right(answer):
    verdict = check.period(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: torch.tensor([difference(x, k) for k in APART]).argmin(), "out by two"),
        (lambda x: torch.tensor([difference(x, k) for k in APART]).argmin() + 1, "out by one"),
        (lambda x: min(APART, key=lambda k: difference(x.transpose(1, 2), k)), "looks down"),
        (lambda x: min(range(2, 12), key=lambda k: difference(x, k)), "for wallpaper of 12"),
        (lambda x: min(range(4, 13), key=lambda k: difference(x, k)), "for wallpaper of 2"),
        (lambda x: 0, "too small"),
        (lambda x: 16, "up to 12 only"),
        (lambda x: 4, "differ least"),
        (lambda x: [difference(x, k) for k in APART], "one number is wanted"),
    ],
)
def test_a_wrong_period_is_told_what_is_wrong(answer, words):
    verdict = check.period(answer)
    assert not verdict and words in verdict.sentence, verdict


def blocks(x, size):
    c, h, w = x.shape
    return x.reshape(c, h // size, size, w // size, size)


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, size: F.avg_pool2d(x, size),
        lambda x, size: F.avg_pool2d(x[None], size),
        lambda x, size: blocks(x, size).mean((2, 4)),
        lambda x, size: blocks(x, size).numpy().mean(axis=(2, 4)),
        lambda x, size: F.interpolate(x[None], scale_factor=1 / size, mode="area")[0],
        lambda x, size: x.unfold(1, size, size).unfold(2, size, size).mean((3, 4)),
    ],
)
def test_every_step_back_is_right(answer):
    verdict = check.step_back(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, size: blocks(x, size).sum((2, 4)), "the sum of a block"),
        (lambda x, size: F.max_pool2d(x, size), "the largest value"),
        (lambda x, size: x[:, ::size, ::size], "forgets the others"),
        (
            lambda x, size: F.avg_pool2d(x, size).mean(0, keepdim=True).expand(3, -1, -1),
            "mixes red, green and blue",
        ),
        (lambda x, size: F.avg_pool2d(x, size, stride=1), "the shape should be"),
        (lambda x, size: x, "the shape should be"),
        (lambda x, size: 0.5 * F.avg_pool2d(x, size), "became"),
        (lambda x, size: F.avg_pool2d(x, size).mean(), "the shape should be"),
    ],
)
def test_a_wrong_step_back_is_told_what_is_wrong(answer, words):
    verdict = check.step_back(answer)
    assert not verdict and words in verdict.sentence, verdict
