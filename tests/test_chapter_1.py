"""Chapter 1: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import functions

from dreamlab import Dream, Recipe, clip_loss
from dreamlab.course import check

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture
def define(tiny_clip):
    return functions("01_raw_clip_loss", clip=tiny_clip)


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def test_loss_is_the_packages(define):
    for seed in range(5):
        u, v = torch.randn(2, 7, generator=torch.Generator().manual_seed(seed))
        ours = define["my_clip_loss"](u, v)
        theirs = clip_loss((u / u.norm())[None], (v / v.norm())[None])
        assert torch.isclose(ours, theirs, atol=1e-6)
        assert torch.isclose(define["my_clip_loss"](5 * u, 0.1 * v), ours, atol=1e-6)


def test_agreement_is_one_minus_the_loss(define, tiny_clip, images):
    sentences = ["a red heart", "two stars at night"]
    table = define["agreement"](tiny_clip, images, sentences)
    assert table.shape == (3, 2) and not table.requires_grad
    for i, image in enumerate(tiny_clip.encode_image(images)):
        for j, text in enumerate(tiny_clip.encode_text(sentences)):
            assert torch.isclose(1 - table[i, j], clip_loss(image[None], text[None]), atol=1e-6)


def test_gradient_agrees_with_finite_differences(define, tiny_clip, images):
    image, sentence, width = images[:1], "a red heart", 0.01
    gradient = define["gradient_at"](image, sentence)
    assert gradient.shape == image.shape and not image.requires_grad
    random = torch.randn(image.shape, generator=torch.Generator().manual_seed(2))
    for direction in (gradient / gradient.norm(), gradient.sign() / gradient[0].numel() ** 0.5):
        direction = direction + 0.1 * random / random.norm()
        up, down = (
            1 - define["agreement"](tiny_clip, image + sign * width * direction, sentence).item()
            for sign in (1, -1)
        )
        promised = (gradient * direction).sum().item()
        assert (up - down) / (2 * width) == pytest.approx(promised, rel=0.05)


def test_neighbour_correlation(define):
    correlation = define["neighbour_correlation"]
    ramp = torch.linspace(0, 1, 32).expand(3, 32, 32)
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2
    noise = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(3))
    assert correlation(ramp) == pytest.approx(1, abs=1e-3)
    assert correlation(board.float().expand(3, 32, 32)) == pytest.approx(-1, abs=1e-3)
    assert abs(correlation(noise)) < 0.05


def test_loop_is_the_packages(define, tiny_clip, images):
    start, sentence = images[:1].clone(), "a red heart"
    pixels, losses = define["dream_raw"](start, sentence, steps=8)
    dream = Dream(tiny_clip, sentence, start=start, recipe=Recipe.raw(size=32, steps=8))
    dream.run()
    assert [step.clip_loss for step in dream.history] == pytest.approx(losses, abs=2e-3)
    assert (pixels - dream.pixels).abs().mean() < 2e-3
    assert losses[-1] < losses[0] - 0.01
    assert torch.equal(start, images[:1]), "the start belongs to the caller"
    assert not any(weight.requires_grad for weight in tiny_clip.model.parameters())


def test_loop_takes_several_images_and_mixes_nothing(define, images):
    sentences = ["a red heart", "two stars at night", "a boat on the sea"]
    together, _ = define["dream_raw"](images, sentences, steps=5)
    for i, sentence in enumerate(sentences):
        alone, _ = define["dream_raw"](images[i : i + 1], sentence, steps=5)
        assert (together[i] - alone[0]).abs().mean() < 2e-3


# --- its checks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda u, v: (u @ v) / (u.norm() * v.norm()),
        lambda u, v: F.cosine_similarity(u, v, dim=0),
        lambda u, v: F.normalize(u, dim=0) @ F.normalize(v, dim=0),
        lambda u, v: (u * v).sum() / math.sqrt((u**2).sum() * (v**2).sum()),
        lambda u, v: (
            np.inner(u.numpy(), v.numpy()) / np.sqrt(u.numpy() @ u.numpy() * (v @ v).item())
        ),
        lambda u, v: torch.cos(torch.arccos(u @ v / u.norm() / v.norm())),
        lambda u, v: (u[None] @ v[:, None]) / (u.norm() * v.norm()),
        lambda u, v: (
            sum(a * b for a, b in zip(u, v, strict=True)) / math.hypot(*u) / math.hypot(*v)
        ),
    ],
)
def test_every_cosine_is_right(answer):
    verdict = check.cosine(answer)
    assert verdict, verdict
    assert repr(verdict).startswith("✓ Right: ")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda u, v: u @ v, "dot product"),
        (lambda u, v: (u @ v) / ((u @ u) * (v @ v)), "squares"),
        (lambda u, v: (u @ v) / u.norm(), "one vector only"),
        (lambda u, v: (u @ v) / v.norm(), "one vector only"),
        (lambda u, v: 1 - F.cosine_similarity(u, v, dim=0), "that is the loss"),
        (lambda u, v: torch.arccos(F.cosine_similarity(u, v, dim=0)), "the angle itself"),
        (lambda u, v: 0.5, "it returns 0.500"),
        (lambda u, v: u * v, "shape (6,)"),
        (lambda u, v: "0.5 or so", "this is a str"),
    ],
)
def test_a_wrong_cosine_is_told_what_is_wrong(answer, words):
    verdict = check.cosine(answer)
    assert not verdict and words in verdict.sentence


@pytest.mark.parametrize(
    "answer",
    [
        lambda g, step: step * g.abs().sum(),
        lambda g, step: float((g * step * g.sign()).sum()),
        lambda g, step: np.abs(g.numpy() * step).sum(),
        lambda g, step: step * g.norm(p=1),
        lambda g, step: step * (g[g > 0].sum() - g[g < 0].sum()),
    ],
)
def test_every_promise_is_right(answer):
    verdict = check.promise(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda g, step: -step * g.abs().sum(), "positive number"),
        (lambda g, step: g.abs().sum(), "the step is missing"),
        (lambda g, step: step * g.sum(), "cancel"),
        (lambda g, step: abs(step * g.sum()), "cancel"),
        (lambda g, step: step * g.abs().mean(), "that is the mean"),
        (lambda g, step: step * g.norm(), "along the gradient"),
        (lambda g, step: step * (g**2).sum(), "whatever its derivative"),
        (lambda g, step: 1.0, "is due"),
        (lambda g, step: step * g.abs(), "one number is wanted"),
    ],
)
def test_a_wrong_promise_is_told_what_is_wrong(answer, words):
    verdict = check.promise(answer)
    assert not verdict and words in verdict.sentence


def dot(a, b):
    return (a * b).sum()


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, w, u, k: 1 - dot(x, w) + k * dot(x, u),
        lambda x, w, u, k: k * dot(x, u) - dot(x, w),  # a constant does not push
        lambda x, w, u, k: 5 * (2 - dot(x, w) + k * (1 + dot(x, u))),  # nor does a factor
        lambda x, w, u, k: 1 - x @ w.T + k * (x @ u.T),  # (1, 1)
        lambda x, w, u, k: 1 - F.cosine_similarity(x, w) + k * F.cosine_similarity(x, u),  # (1,)
        lambda x, w, u, k: clip_loss(x, w, negative_features=u, negative_weight=k),
        # On unit vectors, the squared distance is twice the loss.
        lambda x, w, u, k: ((x - w) ** 2).sum() - k * ((x - u) ** 2).sum(),
    ],
)
def test_every_pull_and_push_is_right(answer):
    verdict = check.pull_and_push(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, w, u, k: dot(x, w) - k * dot(x, u), "the opposite"),
        (lambda x, w, u, k: 1 - dot(x, w) - k * dot(x, u), "pulls to both"),
        (lambda x, w, u, k: dot(x, w) + k * dot(x, u), "pushes away from both"),
        (lambda x, w, u, k: 1 - dot(x, w), "one of the two"),
        (lambda x, w, u, k: 1 + dot(x, u), "one of the two"),
        (lambda x, w, u, k: 1 - dot(x, w) + dot(x, u), "no effect"),
        (lambda x, w, u, k: 1 - k * dot(x, w) + dot(x, u), "wrong sentence"),
        (lambda x, w, u, k: x.sum(), "does not turn"),
        (lambda x, w, u, k: (1 - dot(x, w) + k * dot(x, u)).item(), "lost its gradient"),
        (lambda x, w, u, k: 1 - x * w + k * x * u, "shape (1, 8)"),
    ],
)
def test_a_wrong_pull_and_push_is_told_what_is_wrong(answer, words):
    verdict = check.pull_and_push(answer)
    assert not verdict and words in verdict.sentence, verdict


def by_padding(images, right, down):
    """With black at the border."""
    height, width = images.shape[-2:]
    wide = F.pad(images, (4, 4, 4, 4))
    return wide[..., 4 - down : 4 - down + height, 4 - right : 4 - right + width]


def by_repeating(images, right, down):
    """With the border repeated."""
    rows = (torch.arange(images.shape[-2]) - down).clamp(0, images.shape[-2] - 1)
    columns = (torch.arange(images.shape[-1]) - right).clamp(0, images.shape[-1] - 1)
    return images[..., rows[:, None], columns]


@pytest.mark.parametrize(
    "answer",
    [
        lambda x, right, down: x.roll((down, right), (-2, -1)),
        lambda x, right, down: torch.roll(torch.roll(x, right, dims=3), down, dims=2),
        by_padding,
        by_repeating,
    ],
)
def test_every_shift_is_right(answer):
    verdict = check.shift(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, right, down: x.roll((-down, -right), (-2, -1)), "the other way"),
        (lambda x, right, down: x.roll((right, down), (-2, -1)), "exchanged"),
        (lambda x, right, down: x.roll((-down, right), (-2, -1)), "wrong sign"),
        (lambda x, right, down: x.clone(), "stay where they are"),
        (lambda x, right, down: x[..., down:, right:], "the shape should be"),
        (lambda x, right, down: x.numpy(), "stay where they are"),
        (lambda x, right, down: x.roll(2 * right, -1).roll(2 * down, -2), "should arrive"),
    ],
)
def test_a_wrong_shift_is_told_what_is_wrong(answer, words):
    verdict = check.shift(answer)
    assert not verdict and words in verdict.sentence, verdict
