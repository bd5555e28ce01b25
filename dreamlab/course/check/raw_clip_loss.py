"""Checks of chapter 1: the cosine, the gradient's promise, two sentences, a shifted picture."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .verdict import Table, alike, ask_loss, ask_number, ask_tensor, near, raise_first, table


@table([()] * 5, seed=1)
def cosine(answer: Callable, generator: Generator) -> Table:
    """Check `answer(u, v)`: the cosine of the angle between two vectors (d,) of any length."""
    u, v = 3 * torch.randn(2, 6, generator=generator)
    dot, lengths = float(u @ v), float(u.norm() * v.norm())
    value, right = ask_number(answer, u, v), dot / lengths
    one_only = [dot / u.norm(), dot / v.norm()]
    return value, {
        "the length of a vector no longer matters, only its direction does.": right,
        "that is the dot product; the two lengths are still in it": dot,
        "that divides by the squares of the lengths; take their roots": dot / lengths**2,
        "that divides by the length of one vector only; both are too long": one_only,
        "that is the loss; the cosine alone is asked for here": 1 - right,
        "that is the angle itself; its cosine is asked for": torch.tensor(right).arccos(),
        f"for a cosine of {right:.3f} it returns {value:.3f}: Σ u·v, over both lengths": True,
    }


@table([(0.01,), (0.5,), (0.002,)], seed=2)
def promise(answer: Callable, generator: Generator, step: float) -> Table:
    """Check `answer(gradient, step)`: how much the loss falls, to first order: step · Σ |g|."""
    gradient = torch.randn(1, 3, 5, 4, generator=generator)
    value, wanted = ask_number(answer, gradient, step), step * float(gradient.abs().sum())
    size, mean, total = abs(value) / step, gradient.abs().mean(), abs(gradient.sum())
    norm, squares = gradient.norm(), gradient.square().sum()
    return value, {
        "each value promises the size of its derivative times its step, and the promises add "
        "up.": wanted,
        "the size is right; a fall of the loss is a positive number here": -wanted,
        "the size of the step is missing: half a step promises half as much": wanted / step,
        "positive and negative derivatives cancel; but all of them help": near(size, total),
        "that is the mean; the promises of all values add up": near(size, mean),
        "that is for a step along the gradient; here each value moves so far": near(size, norm),
        "each value moves by the full step, whatever its derivative": near(size, squares),
        f"for a step of {step} it promises {value:.4g}; Σ step · |g| = {wanted:.4g} is due": True,
    }


@table()
def pull_and_push(answer: Callable) -> Table:
    """Check `answer(image, wanted, unwanted, weight)`: a loss of unit rows (1, d), any scale."""
    tried = []
    for image, wanted, unwanted, weight in _triples():
        gradient = ask_loss(answer, image, wanted, unwanted, weight)[1]
        pull, push, rest = _parts(image, wanted, unwanted, gradient)
        tried.append((float((image * unwanted).sum()), weight, pull, push, rest))
    both = any(pull > 0.01 and push > 0.01 for _, weight, pull, push, _ in tried if weight)
    for agreement, weight, pull, push, rest in tried:
        right = pull > 0 and abs(push - weight * pull) < 0.01 * max(pull, push)
        one_only = bool(weight) and min(abs(pull), abs(push)) < 0.01
        exchanged = abs(pull - weight * push) < 0.01
        still, partly = pull == push == 0, one_only and both
        times = f"{push / pull:.2g}" if pull else "many"
        problems = {
            f"at weight {weight:g}, there is a picture that it leaves where it is": still,
            f"at weight {weight:g}, it does not turn the image; use both cosines": rest > 0.01,
            "": right,  # nothing to say
            f"where image and unwanted agree by {agreement:.2f}, only one counts": partly,
            "it looks at one of the two sentences only": one_only,
            "it does the opposite: minimising it turns the image to the unwanted": pull < 0 >= push,
            "it pulls to both sentences; one sign is wrong": pull > 0 > push,
            "it pushes away from both sentences; one sign is wrong": pull < 0,
            "it pulls and pushes, but the weight has no effect": abs(push - pull) < 0.01,
            "it pulls and pushes, but the weight is on the wrong sentence": exchanged,
            f"at weight {weight:g}, it pushes {times} times as strongly as it pulls": True,
        }
        raise_first(problems)
    return "what is wanted pulls, what is unwanted pushes, and the weight sets how hard."


def _triples() -> Iterator[tuple[Tensor, Tensor, Tensor, float]]:
    """A picture and two sentences, unit rows (1, 8), and a weight; of both signs of agreement."""
    generator = torch.Generator().manual_seed(3)
    for weight in (0.5, 0.0, 2.0):
        for sign in (1, -1):
            image, wanted, unwanted = F.normalize(torch.randn(3, 1, 8, generator=generator), dim=-1)
            yield image, wanted, sign * (image * unwanted).sum().sign() * unwanted, weight


def _parts(image: Tensor, wanted: Tensor, unwanted: Tensor, gradient: Tensor) -> list[float]:
    """How strongly a descent pulls and pushes, the greater being 1, and what part does neither."""
    rows = torch.cat([gradient, -wanted, unwanted]).double()
    # A unit vector can only turn: what points along it has no effect.
    way, *basis = rows - (rows @ image.double().T) * image
    if way.norm() < 1e-9:
        return [0.0, 0.0, 0.0]
    basis = torch.stack(basis, dim=1)
    parts = torch.linalg.lstsq(basis, way[:, None]).solution[:, 0]
    rest = (way - basis @ parts).norm() / way.norm()
    return [*(parts / parts.abs().max().clamp(min=1e-12)).tolist(), rest.item()]


@table(((3, 2), (1, 0), (0, 1), (0, 0)))
def shift(answer: Callable, right: int, down: int) -> Table:
    """Check `answer(images, right, down)`: (n, 3, h, w) moved by whole pixels, whatever enters."""
    images = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(4))
    found = ask_tensor(answer, images, right, down, shape=images.shape)
    moved = partial(_is_moved, images, found)
    well, turned = moved(right, down), moved(down, right)
    return found, {
        "every pixel arrives where it should; what enters at the border is up to you.": well,
        "it moves the images the other way: left and up": moved(-right, -down),
        "right and down are exchanged: width is the last dimension, height before": turned,
        "one of the two directions has the wrong sign": moved(right, -down) or moved(-right, down),
        "the images stay where they are": moved(0, 0),
        f"all should arrive {down} rows down and {right} columns right, and not all do": True,
    }


def _is_moved(before: Tensor, after: Tensor, right: int, down: int) -> bool:
    """Whether everything was moved like this that is still inside the images."""
    height, width = before.shape[-2:]
    there = after[..., max(down, 0) : height + down, max(right, 0) : width + right]
    here = before[..., max(-down, 0) : height - down, max(-right, 0) : width - right]
    return alike(there, here)
