"""The detail mask reproduces its table, and masked variation does what it is for."""

import pytest
import torch

from dreamlab.mask import detail, detail_mask

SIDE = 192
Y, X = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")


def patch(brightness) -> torch.Tensor:
    return brightness.float().expand(1, 3, SIDE, SIDE)


def noise(deviation: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return deviation * torch.randn(1, 1, SIDE, SIDE, generator=generator).expand(1, 3, SIDE, SIDE)


def edge(height: float) -> torch.Tensor:
    return patch(0.5 + height * ((X >= SIDE // 2).float() - 0.5))


def checker(cell: int) -> torch.Tensor:
    return patch(0.25 + 0.5 * ((X // cell + Y // cell) % 2))


INSIDE = (..., slice(24, -24), slice(24, -24))
AT_EDGE = (..., slice(24, -24), slice(SIDE // 2 - 1, SIDE // 2 + 1))


IDS = "ramp noise.15 edge noisy-edge weak-edge checker8 stripes"


@pytest.mark.parametrize(
    ("picture", "where", "weight"),
    [
        (patch(X / SIDE), INSIDE, 0.98),
        (0.5 + noise(0.15), INSIDE, 0.94),
        (edge(0.5), AT_EDGE, 0.23),
        (edge(0.5) + noise(0.05), AT_EDGE, 0.22),
        (edge(0.1), AT_EDGE, 0.88),
        (checker(8), INSIDE, 0.63),
        (patch(0.25 + 0.5 * ((X // 8) % 2)), INSIDE, 0.22),
    ],
    ids=IDS.split(),
)
def test_weight_by_region(picture, where, weight):
    assert detail_mask(picture)[where].mean().item() == pytest.approx(weight, abs=0.015)


def test_shapes_range_and_names():
    images = torch.rand(2, 3, 20, 30)
    mask = detail_mask(images)
    assert mask.shape == (2, 1, 20, 30)
    assert ((mask > 0) & (mask <= 1)).all()
    assert torch.equal(detail(images), 1 - mask)
    assert torch.allclose(detail_mask(images[1]), mask[1], atol=1e-6)
    assert detail_mask(images[:, :1]).shape == mask.shape
