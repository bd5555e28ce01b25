"""Appendix A: the spectrum that it derives is the package's."""

import pytest
import torch
from chapters import functions
from test_chapter_2 import slow_noise

from dreamlab.measure.judge import spectrum_slope


@pytest.fixture
def define():
    return functions("A_spectra")


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
