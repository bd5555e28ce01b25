"""Checks of chapter 2: values out of range, a small change that counts, a period, stepping back."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from .verdict import Table, alike, ask_number, ask_tensor, near, table


@table(((7, 9, 0.5), (9, 5, 0.35), (4, 4, 0.1)), seed=1)
def overflow(
    answer: Callable, generator: Generator, height: int, width: int, spread: float
) -> Table:
    """Check `answer(image)`: of (3, h, w) the share of pixels with a value below 0 or above 1."""
    image = 0.5 + spread * torch.randn(3, height, width, generator=generator)
    image[:, 0, 0], image[:, 1, 1], image[0, 2, 2] = 1.0, 0.0, 1.0
    value, count, above, below = ask_number(answer, image), height * width, image > 1, image < 0
    outside, closed = above | below, (image >= 1) | (image <= 0)
    one_end, wanted = [_share(above.any(0)), _share(below.any(0))], _share(outside.any(0))
    return value, {
        "a pixel is lost when one of its three values is, at either end.": wanted,
        "that counts the pixels; divide by how many there are": wanted * count,
        "that is in per cent; a share goes from 0 to 1": 100 * wanted,
        "that is the share of values; one is enough, so ask .any(dim=0) first": _share(outside),
        "that looks at one end only; there are values below 0 and above 1": one_end,
        "that asks for all three values to be outside; one is enough": _share(outside.all(0)),
        "0 and 1 themselves can be shown: black and full brightness": _share(closed.any(0)),
        "that is the share of the pixels that a screen can show": 1 - wanted,
        f"of {count} pixels it finds {value:.3f} outside, not {wanted:.3f}": True,
    }


def _share(hits: Tensor) -> float:
    return float(hits.float().mean())


@table((((4,), 0.01), ((3, 5, 6), 0.5), ((3, 4, 4), 2.0)), seed=2)
def worst_change(
    answer: Callable, generator: Generator, shape: tuple[int, ...], step: float
) -> Table:
    """Check `answer(weights, step)`: the change, at most `step`, that raises Σ w · x the most."""
    weights = torch.randn(shape, generator=generator)
    weights.view(-1)[1] = 0
    change = ask_tensor(answer, weights, step, shape=shape, any_ones=True)
    largest, felt = float(change.abs().max()), weights != 0
    too_far, moved, best = largest > step * 1.001, change[felt], step * weights.sign()[felt]
    opposite = -best
    one_way = alike(change, change.flatten()[0].expand_as(change), rtol=1e-5, atol=1e-8)
    along = F.cosine_similarity(change.flatten(), weights.double().flatten(), dim=0).abs()
    gain, most = float((weights * change).sum()), step * float(weights.abs().sum())
    best = alike(moved, best) and not too_far
    reversed_, in_proportion = alike(moved, opposite), near(along, 1)
    return change, {
        "every pixel goes the full step, in its own better direction, and all of it adds up.": best,
        "that moves no pixel at all": largest == 0,
        "the size of the step is missing": too_far and near(largest, 1),
        f"one value moves by {largest:.3g}, and {step:g} is allowed": too_far,
        "that lowers the sum as fast as can be; the other way round": reversed_,
        "that moves all pixels the same way; a negative weight wants less": one_way,
        "that moves each in proportion to its weight; let each go the full step": in_proportion,
        f"that raises the sum by {gain:.4g}, and {most:.4g} can be had, each in its own way": True,
    }


DOWN = 10  # after how many pixels the wallpapers repeat themselves downwards


@table([(wanted,) for wanted in (8, 7, 12, 9, 11, 2, 3, 5)], seed=3)
def period(answer: Callable, generator: Generator, wanted: int) -> Table:
    """Check `answer(image)`: after how many pixels to the right, 2 to 12, (3, h, w) recurs."""
    first, last = torch.rand(2, 3, DOWN, wanted, generator=generator).repeat(1, 1, 6, 33)
    noise, share = 0.15, torch.zeros(66)
    if 2 * wanted <= 12:  # the pattern changes slowly, so that twice as far is not as good
        noise, share = 0.01, torch.linspace(0, 1, 66)
    image = (1 - share) * first[..., :66] + share * last[..., :66]
    value = ask_number(answer, image + noise * torch.randn(image.shape, generator=generator))
    says = f"for wallpaper of {wanted} pixels it says {value:g}"
    return value, {
        "moved by one period, wallpaper lies on itself.": wanted,
        "it is out by two: the first shift that you tried was 2, not 0": wanted - 2,
        f"{says}: out by one; at which shift does your list begin?": [wanted - 1, wanted + 1],
        "that looks down; to the right is along the last dimension": DOWN,
        f"a shift of {value:g} is too small to mean anything; begin at 2": value in (0, 1),
        f"it says {value:g}; look at shifts up to 12 only": value > 12,
        f"{says}; move the image by 2, 3, … 12 and take where the two differ least": True,
    }


@table(((8, 12, 4), (6, 4, 2), (9, 6, 3), (4, 6, 1)), seed=4)
def step_back(answer: Callable, generator: Generator, height: int, width: int, size: int) -> Table:
    """Check `answer(image, size)`: (3, h, w) with each block of size × size pixels as its mean."""
    image = torch.rand(3, height, width, generator=generator)
    rows, columns = height // size, width // size
    blocks = image.view(3, rows, size, columns, size).transpose(2, 3).flatten(3)
    small = ask_tensor(answer, image, size, shape=(3, rows, columns), any_ones=True)
    picked = bool((small[..., None] - blocks).abs().amin(-1).max() < 1e-4)
    means, due = blocks.mean(-1), blocks[0, 0, 0].mean()
    return small, {
        "each block has become the mean of its pixels, as for an eye that steps back.": means,
        "that is the sum of a block; its mean is asked for": blocks.sum(-1),
        "that is the largest value of a block; its mean is asked for": blocks.amax(-1),
        "that picks one pixel of each block and forgets the others; take the mean": picked,
        "that mixes red, green and blue; each keeps its own": means.mean(0).expand_as(small),
        f"a block of {size} × {size} with mean red {due:.3f} became {small[0, 0, 0]:.3f}": True,
    }
