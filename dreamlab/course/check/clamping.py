"""Checks of chapter 5: the projection, bytes, a range penalty that is felt, a momentum let go."""

from collections.abc import Callable

import torch

from dreamlab.course.check.verdict import NotYet, alike, ask_loss, ask_number, ask_tensor, verdict


@verdict
def project(answer: Callable) -> str:
    """Check `answer(values, low, high)`: the nearest point to `values` in [low, high]^N."""
    generator = torch.Generator().manual_seed(1)
    for low, high in ((0.0, 1.0), (-1.0, 1.0), (0.25, 0.5)):
        x = low + (high - low) * (0.5 + torch.randn(2, 3, 5, 4, generator=generator))
        found = ask_tensor(answer, x, low, high, shape=x.shape)
        if alike(found, x.clamp(low, high)):
            continue
        spread = (x - x.min()) / (x.max() - x.min())
        if alike(found, x.clamp(0, 1)):
            raise NotYet("it always goes to [0, 1]; low and high have no effect")
        if alike(found, x):
            raise NotYet("the values stay where they are")
        if alike(found, x.clamp(min=low)) or alike(found, x.clamp(max=high)):
            raise NotYet("one wall is missing: values still leave on the other side")
        if alike(found, low + (high - low) * spread):
            raise NotYet(
                "that squeezes the whole picture into the range, so values move that were inside; "
                "the nearest point leaves those alone"
            )
        if alike(found, low + (x - low).remainder(high - low)):
            raise NotYet("that wraps round: a value just above the range comes back at the bottom")
        wave = (x - low).remainder(2 * (high - low))
        if alike(found, low + torch.minimum(wave, 2 * (high - low) - wave)):
            raise NotYet("that reflects at the wall; the nearest point is on the wall itself")
        if alike(found, low + (high - low) * x.sigmoid()):
            raise NotYet("a sigmoid moves values that were inside; the nearest point does not")
        inside = (x >= low) & (x <= high)
        if not alike(found[inside], x[inside]):
            raise NotYet("it moves values that were already inside")
        at = int((found - x.clamp(low, high)).abs().argmax())
        raise NotYet(
            f"with low = {low:g} and high = {high:g}, {x.flatten()[at]:.2f} became "
            f"{found.flatten()[at]:.2f}; the nearest allowed value is "
            f"{x.flatten()[at].clamp(low, high):g}"
        )
    return "inside, nothing moves; outside, every value goes to the wall that is nearest."


@verdict
def to_bytes(answer: Callable) -> str:
    """Check `answer(values)`: what a screen shows, whole numbers from 0 to 255; 1.0 is 255."""
    x = torch.tensor(
        [[0.0, 1.0, 0.2, 0.5012, 0.1004, 0.9031], [1.01, 2.0, 19.0, -0.25, -4.0, 0.337]]
    )
    found = ask_tensor(answer, x, shape=x.shape)
    wide = (x * 255).round()
    if alike(found, wide.clamp(0, 255)):
        return "rounded to the nearest step, and cut off at both ends."
    if alike(found, wide.remainder(256)):
        raise NotYet("too bright became dark, and too dark bright: cut off before you make bytes")
    if alike(found, wide):
        raise NotYet("a byte holds 0 to 255 only; what is beyond has to be cut off")
    if alike(found, (x * 255).clamp(0, 255)):
        raise NotYet("these are no whole numbers yet; round them")
    if alike(found, (x * 255).clamp(0, 255).floor()):
        raise NotYet("that cuts the fraction off; the nearest step is wanted, 50.9 is 51")
    if alike(found, (x * 256).clamp(0, 255).floor()) or alike(found, (x * 256).round()):
        raise NotYet("white is 1.0 and becomes 255, so the factor is 255")
    if alike(found, x.clamp(0, 1)) or alike(found, x.clamp(0, 1).round()):
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
        _, gradient = ask_loss(answer, x)
        above, below = x > 1, x < 0
        outside, inside = above | below, ~(above | below)
        if not gradient.any():
            raise NotYet(
                "its gradient is zero everywhere, so no pixel feels it; measure the distance of "
                "every pixel, and before the image is clamped"
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
        value = ask_number(answer, inner)
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
        # Near a wall is not at the wall.
        x.view(-1)[:2], mean.view(-1)[:2] = torch.tensor([0.01, 0.99]), torch.tensor([1.0, -1.0])
        black, white = x == 0, x == 1
        out = (black & (mean > 0)) | (white & (mean < 0))
        into = (black & (mean < 0)) | (white & (mean > 0))
        found = ask_tensor(answer, x, mean, shape=x.shape)
        if alike(found, mean.masked_fill(out, 0)):
            continue
        if alike(found, mean):
            raise NotYet("nothing is forgotten")
        if alike(found, torch.zeros_like(mean)):
            raise NotYet("everything is forgotten, also where no wall is near")
        if alike(found, mean.masked_fill(into, 0)):
            raise NotYet(
                "it forgets the way back instead of the way out; a pixel moves against its mean "
                "gradient, so at 1 it is a negative mean that points outside"
            )
        if alike(found, mean.masked_fill(black | white, 0)):
            raise NotYet(
                "it forgets at the wall whatever the direction; what points inside should stay"
            )
        if alike(found, mean.masked_fill(black & out, 0)):
            raise NotYet("it forgets at 0 only; there is a wall at 1 as well")
        if alike(found, mean.masked_fill(white & out, 0)):
            raise NotYet("it forgets at 1 only; there is a wall at 0 as well")
        if alike(found, mean.masked_fill(~out, 0)):
            raise NotYet("it keeps exactly what should go")
        inside = ~(black | white)
        if not alike(found[inside], mean[inside]):
            raise NotYet("it changes the momentum of pixels that are not at a wall")
        raise NotYet("at the wall, what points outside should become 0, and the rest stay")
    return "what points outside is forgotten, and the way back stays open."
