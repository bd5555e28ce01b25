"""Checks of chapter 6: the projection, bytes, a range penalty that is felt, a momentum let go."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from .verdict import Table, alike, ask_loss, ask_number, ask_tensor, raise_first, table


def _worst(values: Tensor, found: Tensor, right: Tensor) -> list[float]:
    """An entry of each, where the result is worst."""
    at = int((found - right).abs().argmax())
    return [float(tensor.flatten()[at]) for tensor in (values, found, right)]


@table(((0.0, 1.0), (-1.0, 1.0), (0.25, 0.5)), seed=1)
def project(answer: Callable, generator: Generator, low: float, high: float) -> Table:
    """Check `answer(values, low, high)`: the nearest point to `values` in [low, high]^N."""
    width = high - low
    x = low + width * (0.5 + torch.randn(2, 3, 5, 4, generator=generator))
    found, right = ask_tensor(answer, x, low, high, shape=x.shape), x.clamp(low, high)
    inside, wave = right == x, (x - low).remainder(2 * width)
    squeezed = low + width * (x - x.min()) / (x.max() - x.min())
    was, became, due = _worst(x, found, right)
    return found, {
        "inside, nothing moves; outside, every value goes to the wall that is nearest.": right,
        "it always goes to [0, 1]; low and high have no effect": x.clamp(0, 1),
        "the values stay where they are": x,
        "one wall is missing; values leave there": [x.clamp(low), x.clamp(max=high)],
        "that squeezes all into the range, so values move that were inside": squeezed,
        "that wraps round: just above the range comes back at the bottom": low + wave % width,
        "that reflects at the wall; stay on it": low + torch.minimum(wave, 2 * width - wave),
        "a sigmoid moves values that were inside": low + width * x.sigmoid(),
        "it moves values that were already inside": not alike(found[inside], x[inside]),
        f"in [{low:g}, {high:g}], {was:.2f} became {became:.2f}; the nearest is {due:g}": True,
    }


@table([(0.0, 1.0, 0.2, 0.5012, 0.1004, 0.9031, 1.01, 2.0, 19.0, -0.25, -4.0, 0.337)])
def to_bytes(answer: Callable, *values: float) -> Table:
    """Check `answer(values)`: what a screen shows, whole numbers from 0 to 255; 1.0 is 255."""
    x = torch.tensor(values).view(2, 6)
    cut, found = 255 * x.clamp(0, 1), ask_tensor(answer, x, shape=x.shape)
    wide, by_256 = (x * 255).round(), [(x * 256).clamp(0, 255).floor(), (x * 256).round()]
    was, became, due = _worst(x, found, cut.round())
    return found, {
        "rounded to the nearest step, and cut off at both ends.": cut.round(),
        "too bright became dark, too dark bright: cut off before you make bytes": wide % 256,
        "a byte holds 0 to 255 only; what is beyond has to be cut off": wide,
        "these are no whole numbers yet; round them": cut,
        "that cuts the fraction off; the nearest step is wanted, 50.9 is 51": cut.floor(),
        "white is 1.0 and becomes 255, so the factor is 255": by_256,
        "that is still on the scale from 0 to 1; bytes go to 255": [cut / 255, (cut / 255).round()],
        f"{was:g} became {became:g}, and {due:g} is due": True,
    }


@table([()] * 3, seed=3)
def range_penalty(answer: Callable, generator: Generator) -> Table:
    """Check `answer(image)`: 0 in [0, 1], and its gradient leads back only what is outside."""
    x = 0.5 + torch.randn(1, 3, 6, 5, generator=generator)
    x = x + 0.01 * (x > 0.5) - 0.01 * (x <= 0.5)  # none sits on the wall
    sign = ask_loss(answer, x)[1].sign()
    above, below, inside = sign[x > 1], -sign[x < 0], sign[(x >= 0) & (x <= 1)]
    outside, silent = torch.cat([above, below]), not sign.any()  # 1 where it leads back
    raise_first({
        "no pixel feels it; measure each pixel's distance, before the image is clamped": silent,
        "it pulls at values that are inside; those should feel nothing": inside.any(),
        "it rewards what is outside; the sign is the wrong way round": (outside == -1).all(),
        "it sees one wall only; values leave on the other": not (above.any() and below.any()),
        "some values outside feel nothing": not outside.all(),
        "some values outside are pushed further out": (outside < 0).any(),
    })  # fmt: skip
    value = ask_number(answer, x.clamp(0.01, 0.99))
    return value, {
        "felt by every value outside, by none inside, and it leads back.": abs(value) <= 1e-6,
        f"for an image in range it is {value:.3g}; it should be 0": True,
    }


@table([()] * 3, seed=4)
def forget_momentum(answer: Callable, generator: Generator) -> Table:
    """Check `answer(image, mean)`: Adam's mean gradient, 0 where it pushes 0 or 1 further out."""
    x = (0.5 + torch.randn(2, 3, 5, 4, generator=generator)).clamp(0, 1)
    mean = torch.randn(x.shape, generator=generator)
    x.view(-1)[:2], mean.view(-1)[:2] = torch.tensor([0.01, 0.99]), torch.tensor([1.0, -1.0])
    wall, low, high = (x == 0) | (x == 1), (x == 0) & (mean > 0), (x == 1) & (mean < 0)
    out, found = low | high, ask_tensor(answer, x, mean, shape=x.shape)
    back, elsewhere = mean * ~(wall & ~out), not alike(found[~wall], mean[~wall])
    return found, {
        "what points outside is forgotten, and the way back stays open.": mean * ~out,
        "nothing is forgotten": mean,
        "everything is forgotten, also where no wall is near": 0 * mean,
        "it forgets the way back, not the way out; at 1, a negative mean points outside": back,
        "it forgets at the wall whatever the direction; what points inside stays": mean * ~wall,
        "it forgets at 0 only; there is a wall at 1 as well": mean * ~low,
        "it forgets at 1 only; there is a wall at 0 as well": mean * ~high,
        "it keeps exactly what should go": mean * out,
        "it changes the momentum of pixels that are not at a wall": elsewhere,
        "at the wall, what points outside should become 0, and the rest stay": True,
    }
