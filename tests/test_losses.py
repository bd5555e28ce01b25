"""The losses against pixels worked out by hand, finite differences and their own promises."""

import pytest
import torch
import torch.nn.functional as F

from dreamlab.losses import clip_loss, masked_total_variation, total_variation

KINDS = ("l1", "isotropic", "squared")


def unit(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator, dtype=dtype), dim=-1)


# 2 × 3 pixels.
PIXELS = torch.tensor([[[1.0, 4.0, 1.0], [5.0, 4.0, 8.0]]])
# right: 4−1=3, 1−4=−3, border 0 / 4−5=−1, 8−4=4, border 0
# down:  5−1=4, 4−4=0, 8−1=7 / border 0 0 0


@pytest.mark.parametrize(
    ("kind", "total"),
    [
        ("l1", (3 + 4) + (3 + 0) + (0 + 7) + (1 + 4 + 0)),
        ("squared", (9 + 16) + (9 + 0) + (0 + 49) + (1 + 16 + 0)),
        ("isotropic", 5 + 3 + 7 + (1 + 4 + 0)),
    ],
)
def test_total_variation_by_hand(kind, total):
    assert total_variation(PIXELS, kind).item() == pytest.approx(total / 6)


def test_masked_total_variation_by_hand():
    mask = torch.tensor([[[0.5, 1.0, 0.0], [1.0, 0.25, 1.0]]])
    total = 0.5 * (9 + 16) + 1.0 * 9 + 0.0 * 49 + 1.0 * 1 + 0.25 * 16
    assert masked_total_variation(PIXELS, mask).item() == pytest.approx(total / 6)
    plain = total_variation(PIXELS, "squared")
    assert torch.equal(masked_total_variation(PIXELS, torch.ones_like(mask)), plain)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_flat_image_has_no_variation_and_a_finite_gradient(dtype):
    for kind in KINDS:
        images = torch.full((1, 3, 6, 6), 0.5, dtype=dtype, requires_grad=True)
        loss = total_variation(images, kind)
        (gradient,) = torch.autograd.grad(loss, images)
        assert loss.dtype == dtype
        assert loss.item() == pytest.approx(0, abs=1e-2 if dtype == torch.float16 else 1e-12)
        assert torch.equal(gradient, torch.zeros_like(gradient))


@pytest.mark.parametrize("kind", KINDS)
def test_per_image_numbers_are_those_of_single_images(kind):
    for shape in ((3, 3, 9, 5), (2, 1, 1, 1)):
        images = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        each = total_variation(images, kind, per_image=True)
        assert torch.allclose(each, torch.stack([total_variation(i, kind) for i in images]))
        assert torch.allclose(each.mean(), total_variation(images, kind))


def test_clip_loss_by_hand():
    views = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    prompt, forbidden = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert clip_loss(views, prompt).item() == pytest.approx(1 - (1.0 + 0.6) / 2)
    both = clip_loss(views, prompt, negative_features=forbidden, negative_weight=0.5)
    assert both.item() == pytest.approx(1 - 0.8 + 0.5 * (0.0 + 0.8) / 2)


def test_every_image_has_its_own_clip_loss():
    views, prompts = unit(3, 4, 6, seed=1), unit(3, 2, 6, seed=9)
    each = clip_loss(views, prompts, per_image=True)
    single = torch.stack([clip_loss(views[i], prompts[i]) for i in range(3)])
    assert torch.allclose(each, single, atol=1e-6)
