"""Checks of chapter 1: the cosine, the gradient's promise, two sentences, a shifted picture."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, ask, ask_number, near, slope, verdict


@verdict
def cosine(answer: Callable) -> str:
    """Check `answer(u, v)`: the cosine of the angle between two vectors (d,) of any length."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        u, v = 3 * torch.randn(2, 6, generator=generator)
        dot, lengths = float(u @ v), float(u.norm() * v.norm())
        value = ask_number(answer, u, v)
        if near(value, dot / lengths):
            continue
        if near(value, dot):
            raise NotYet("that is the dot product; the two lengths are still in it")
        if near(value, dot / lengths**2):
            raise NotYet("that divides by the squares of the lengths; take their roots")
        if near(value, dot / float(u.norm())) or near(value, dot / float(v.norm())):
            raise NotYet("that divides by the length of one vector only; both are too long")
        if near(value, 1 - dot / lengths):
            raise NotYet("that is the loss; the cosine alone is asked for here")
        if near(value, float(torch.arccos(torch.tensor(dot / lengths)))):
            raise NotYet("that is the angle itself; its cosine is asked for")
        raise NotYet(
            f"for two vectors whose cosine is {dot / lengths:.3f} it returns {value:.3f}; "
            "multiply place by place, add up, then divide by both lengths"
        )
    return "the length of a vector no longer matters, only its direction does."


@verdict
def promise(answer: Callable) -> str:
    """Check `answer(gradient, step)`: how much the loss should fall, to first order, if every value
    of the image moves by `step` in its own better direction: step · Σ |gradient|, positive.
    """
    generator = torch.Generator().manual_seed(2)
    for step in (0.01, 0.5, 0.002):
        gradient = torch.randn(1, 3, 5, 4, generator=generator)
        value = ask_number(answer, gradient, step)
        wanted = step * float(gradient.abs().sum())
        if near(value, wanted):
            continue
        if near(value, -wanted):
            raise NotYet("the size is right; a fall of the loss is a positive number here")
        if near(value, wanted / step):
            raise NotYet("the size of the step is missing: half a step promises half as much")
        if near(abs(value), step * abs(float(gradient.sum()))):
            raise NotYet(
                "positive and negative slopes cancel in this sum, but each value moves in its own "
                "better direction, so all of them help"
            )
        if near(abs(value), step * float(gradient.abs().mean())):
            raise NotYet("that is the mean; the promises of all values add up")
        if near(abs(value), step * float(gradient.norm())):
            raise NotYet(
                "that is the promise for a step of this length along the gradient; here every "
                "value moves by the full step"
            )
        if near(abs(value), step * float(gradient.square().sum())):
            raise NotYet(
                "that moves each value by step times its slope; here every value moves by the "
                "full step, whatever its slope"
            )
        raise NotYet(
            f"for a step of {step} it promises {value:.4g}, and {wanted:.4g} is due; one value "
            "with slope g promises step · |g|, and there are many values"
        )
    return "each value promises its slope times its step, and the promises add up."


@verdict
def pull_and_push(answer: Callable) -> str:
    """Check `answer(image, wanted, unwanted, weight)`: a loss that falls when the image's vector
    turns to `wanted` and away from `unwanted`, the latter `weight` times as strongly.

    All three are unit rows (1, d). What counts is where the loss pushes the image, so a constant
    that is added, or a positive factor, makes no difference.
    """
    generator = torch.Generator().manual_seed(3)
    for weight in (0.5, 0.0, 2.0):
        image, wanted, unwanted = F.normalize(torch.randn(3, 1, 8, generator=generator), dim=-1)

        def pushed(push: Tensor, image: Tensor = image) -> Tensor:
            # A unit vector can only turn: what points along it has no effect.
            return F.normalize(push - (push * image).sum() * image, dim=-1)

        def same(a: Tensor, b: Tensor) -> bool:
            return bool((a * b).sum() > 0.9999)

        found = pushed(slope(answer, image, wanted, unwanted, weight))
        pull, push = pushed(-wanted), pushed(unwanted)
        if same(found, pushed(weight * unwanted - wanted)):
            continue
        if same(found, pushed(wanted - weight * unwanted)):
            raise NotYet("it does the opposite: minimising it turns the image to the unwanted")
        if same(found, pushed(-wanted - weight * unwanted)):
            raise NotYet("it pulls to both sentences; one sign is wrong")
        if same(found, pushed(wanted + weight * unwanted)):
            raise NotYet("it pushes away from both sentences; one sign is wrong")
        if same(found, pull) or same(found, push):
            raise NotYet("it looks at one of the two sentences only")
        if same(found, pushed(unwanted - wanted)):
            raise NotYet("it pulls and pushes, but the weight has no effect")
        if same(found, pushed(unwanted - weight * wanted)):
            raise NotYet("it pulls and pushes, but the weight is on the wrong sentence")
        raise NotYet(
            f"at weight {weight:g} it does not turn the image from the unwanted to the wanted; "
            "start from 1 − cos(image, wanted) and add what should be small as well"
        )
    return "what is wanted pulls, what is unwanted pushes, and the weight sets how hard."


@verdict
def shift(answer: Callable) -> str:
    """Check `answer(images, right, down)`: images (n, 3, h, w) moved by whole pixels.

    What comes in at the border is free: wrapped round, repeated or black.
    """
    images = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(4))
    for right, down in ((3, 2), (1, 0), (0, 1), (-2, 1), (0, 0)):
        moved = ask(answer, images, right, down)
        if not isinstance(moved, Tensor) or moved.shape != images.shape:
            shape = tuple(moved.shape) if isinstance(moved, Tensor) else type(moved).__name__
            raise NotYet(f"images of {tuple(images.shape)} came back as {shape}")
        if _is_moved(images, moved, right, down):
            continue
        if _is_moved(images, moved, -right, -down):
            raise NotYet("it moves the images the other way: left and up")
        if _is_moved(images, moved, down, right):
            raise NotYet("right and down are exchanged: width is the last dimension, height before")
        if _is_moved(images, moved, right, -down) or _is_moved(images, moved, -right, down):
            raise NotYet("one of the two directions has the wrong sign")
        if _is_moved(images, moved, 0, 0):
            raise NotYet("the images stay where they are")
        raise NotYet(
            f"asked for {right} right and {down} down, pixel (row 5, column 5) should arrive at "
            f"(row {5 + down}, column {5 + right}), and does not"
        )
    return "every pixel arrives where it should; what enters at the border is up to you."


def _is_moved(before: Tensor, after: Tensor, right: int, down: int) -> bool:
    """Whether the middle of the images, away from the border, was moved like this."""
    return torch.allclose(
        after[..., 3 + down : 9 + down, 3 + right : 7 + right].float(), before[..., 3:9, 3:7]
    )
