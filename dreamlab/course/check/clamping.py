"""Checks of chapter 5: the projection, bytes, a range penalty that is felt, a momentum let go."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, ask, slope, verdict


def _tensor(result: Any, shape: torch.Size) -> Tensor:
    """An answer of this shape, whatever kind of array it came in."""
    try:
        tensor = torch.as_tensor(result).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise NotYet(f"an array of numbers is wanted, and this is {result!r:.60}") from None
    if tensor.shape != shape:
        raise NotYet(f"values of shape {tuple(shape)} came back as {tuple(tensor.shape)}")
    return tensor


def _same(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.double(), b.double(), atol=1e-5)


@verdict
def project(answer: Callable) -> str:
    """Check `answer(values, low, high)`: the nearest point to `values` in [low, high]^N."""
    generator = torch.Generator().manual_seed(1)
    for low, high in ((0.0, 1.0), (-1.0, 1.0), (0.25, 0.5)):
        x = low + (high - low) * (0.5 + torch.randn(2, 3, 5, 4, generator=generator))
        found = _tensor(ask(answer, x, low, high), x.shape)
        if _same(found, x.clamp(low, high)):
            continue
        spread = (x - x.min()) / (x.max() - x.min())
        if _same(found, x.clamp(0, 1)):
            raise NotYet("it always goes to [0, 1]; low and high have no effect")
        if _same(found, x):
            raise NotYet("the values stay where they are")
        if _same(found, x.clamp(min=low)) or _same(found, x.clamp(max=high)):
            raise NotYet("one wall is missing: values still leave on the other side")
        if _same(found, low + (high - low) * spread):
            raise NotYet(
                "that squeezes the whole picture into the range, so values move that were inside; "
                "the nearest point leaves those alone"
            )
        if _same(found, low + (x - low).remainder(high - low)):
            raise NotYet("that wraps round: a value just above the range comes back at the bottom")
        wave = (x - low).remainder(2 * (high - low))
        if _same(found, low + torch.minimum(wave, 2 * (high - low) - wave)):
            raise NotYet("that reflects at the wall; the nearest point is on the wall itself")
        if _same(found, low + (high - low) * x.sigmoid()):
            raise NotYet("a sigmoid moves values that were inside; the nearest point does not")
        inside = (x >= low) & (x <= high)
        if not _same(found[inside], x[inside]):
            raise NotYet("it moves values that were already inside")
        raise NotYet(
            f"with low = {low:g} and high = {high:g}, {float(x.max()):.2f} became "
            f"{float(found.flatten()[x.argmax()]):.2f}; the nearest allowed value is {high:g}"
        )
    return "inside, nothing moves; outside, every value goes to the wall that is nearest."


@verdict
def to_bytes(answer: Callable) -> str:
    """Check `answer(values)`: what a screen shows, whole numbers from 0 to 255; 1.0 is 255."""
    x = torch.tensor(
        [[0.0, 1.0, 0.2, 0.5012, 0.1004, 0.9031], [1.01, 2.0, 19.0, -0.25, -4.0, 0.337]]
    )
    found = _tensor(ask(answer, x), x.shape).double()
    wide = (x * 255).round()
    if _same(found, wide.clamp(0, 255)):
        return "rounded to the nearest step, and cut off at both ends."
    if _same(found, wide.remainder(256)):
        raise NotYet("too bright became dark, and too dark bright: cut off before you make bytes")
    if _same(found, wide):
        raise NotYet("a byte holds 0 to 255 only; what is beyond has to be cut off")
    if _same(found, (x * 255).clamp(0, 255)):
        raise NotYet("these are no whole numbers yet; round them")
    if _same(found, (x * 255).clamp(0, 255).floor()):
        raise NotYet("that cuts the fraction off; the nearest step is wanted, 50.9 is 51")
    if _same(found, (x * 256).clamp(0, 255).floor()) or _same(found, (x * 256).round()):
        raise NotYet("white is 1.0 and becomes 255, so the factor is 255")
    if _same(found, x.clamp(0, 1)) or _same(found, x.clamp(0, 1).round()):
        raise NotYet("that is still on the scale from 0 to 1; bytes go to 255")
    at = int((found - wide.clamp(0, 255)).abs().argmax())
    raise NotYet(
        f"{float(x.flatten()[at]):g} became {float(found.flatten()[at]):g}, and "
        f"{float(wide.clamp(0, 255).flatten()[at]):g} is due"
    )


@verdict
def range_penalty(answer: Callable) -> str:
    """Check `answer(image)`: a loss that is 0 for an image in [0, 1] and whose gradient leads
    every value outside back, and leaves those inside alone.
    """
    generator = torch.Generator().manual_seed(3)
    for _ in range(3):
        x = 0.5 + torch.randn(1, 3, 6, 5, generator=generator)
        x = x + 0.01 * (x > 0.5) - 0.01 * (x <= 0.5)  # none sits on the wall
        gradient = slope(answer, x)
        above, below = x > 1, x < 0
        outside, inside = above | below, ~(above | below)
        if not gradient.any():
            raise NotYet(
                "its gradient is zero everywhere, so no pixel feels it; measure the distance "
                "before the image is clamped"
            )
        if (gradient[inside] != 0).any():
            raise NotYet("it pulls at values that are inside; those should feel nothing")
        if (gradient[above] < 0).all() and (gradient[below] > 0).all():
            raise NotYet("it rewards what is outside; the sign is the wrong way round")
        if not gradient[above].any() or not gradient[below].any():
            raise NotYet("it sees one wall only; values leave on the other side")
        if (gradient[outside] == 0).any():
            raise NotYet("some values outside feel nothing")
        if (gradient[above] < 0).any() or (gradient[below] > 0).any():
            raise NotYet("some values outside are pushed further out")
        inner = x.clamp(0.01, 0.99)
        value = float(ask(answer, inner))
        if abs(value) > 1e-6:
            raise NotYet(f"for an image in range it is {value:.3g}; it should be 0")
    return "felt by every value outside, by none inside, and it leads back."


@verdict
def forget_momentum(answer: Callable) -> str:
    """Check `answer(image, mean)`: Adam's mean gradient, set to 0 where a value sits at 0 or 1 and
    the mean would push it further out. Descent moves *against* the mean.
    """
    generator = torch.Generator().manual_seed(4)
    for _ in range(3):
        x = (0.5 + torch.randn(2, 3, 5, 4, generator=generator)).clamp(0, 1)
        mean = torch.randn(x.shape, generator=generator)
        black, white = x == 0, x == 1
        out = (black & (mean > 0)) | (white & (mean < 0))
        into = (black & (mean < 0)) | (white & (mean > 0))
        found = _tensor(ask(answer, x, mean), x.shape)
        if _same(found, mean.masked_fill(out, 0)):
            continue
        if _same(found, mean):
            raise NotYet("nothing is forgotten")
        if _same(found, torch.zeros_like(mean)):
            raise NotYet("everything is forgotten, also where no wall is near")
        if _same(found, mean.masked_fill(into, 0)):
            raise NotYet(
                "it forgets the way back instead of the way out; a pixel moves against its mean "
                "gradient, so at 1 it is a negative mean that points outside"
            )
        if _same(found, mean.masked_fill(black | white, 0)):
            raise NotYet(
                "it forgets at the wall whatever the direction; what points inside should stay"
            )
        if _same(found, mean.masked_fill(black & out, 0)):
            raise NotYet("it forgets at 0 only; there is a wall at 1 as well")
        if _same(found, mean.masked_fill(white & out, 0)):
            raise NotYet("it forgets at 1 only; there is a wall at 0 as well")
        if _same(found, mean.masked_fill(~out, 0)):
            raise NotYet("it keeps exactly what should go")
        inside = ~(black | white)
        if not _same(found[inside], mean[inside]):
            raise NotYet("it changes the momentum of pixels that are not at a wall")
        raise NotYet("at the wall, what points outside should become 0, and the rest stay")
    return "what points outside is forgotten, and the way back stays open."
