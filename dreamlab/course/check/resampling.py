"""The check of appendix C: halving."""

from collections.abc import Callable

import torch
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, alike, ask_tensor, verdict


@verdict
def halved(answer: Callable) -> str:
    """Check `answer(images)`: images (n, 3, h, w) at half their height and width.

    Any filter is right that skips no pixel and moves nothing: a checker of single pixels becomes
    grey away from the border, a flat colour stays, and a slow ramp stays where it is.
    """
    for height, width in ((12, 16), (16, 10)):
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        checker = ((rows + columns) % 2).float().expand(2, 3, height, width).contiguous()
        down, right = (rows + 0.5) / height, (columns + 0.5) / width
        ramp = torch.stack([down.expand(height, width), right.expand(height, width)])
        ramp = torch.stack([ramp[0], ramp[1], 0.25 + 0 * ramp[0]])[None]
        small_rows = (torch.arange(height // 2)[:, None] + 0.5) / (height // 2)
        small_columns = (torch.arange(width // 2) + 0.5) / (width // 2)

        grey = _half(answer, checker)[..., 2:-2, 1:-1]
        if not alike(grey, torch.full_like(grey, 0.5), atol=0.02):
            if (grey - grey.round()).abs().max() < 0.02:
                found = "black" if grey.max() < 0.5 else "white" if grey.min() > 0.5 else "stripes"
                raise NotYet(
                    f"a checker of single black and white pixels became {found}: whole pixels were "
                    "skipped; seen from afar it is grey"
                )
            raise NotYet(
                "a checker of single black and white pixels should become an even grey of .5, and "
                f"has values from {grey.min():.2f} to {grey.max():.2f}"
            )
        if (small := _half(answer, ramp))[:, 2].sub(0.25).abs().max() > 0.01:
            value = small[:, 2].mean()
            raise NotYet(f"a flat colour of .25 became {value:.2f}: the weights must sum to 1")
        inside = (slice(None), slice(2, -2), slice(1, -1))
        for got, wanted, name in (
            (small[:, 0], small_rows.expand(small.shape[-2:])[None], "down"),
            (small[:, 1], small_columns.expand(small.shape[-2:])[None], "right"),
        ):
            if not alike(got[inside], wanted[inside].expand_as(got[inside]), atol=0.01):
                raise NotYet(
                    f"a slow ramp that grows {name} is moved or bent: each new pixel belongs to "
                    "the middle of the 2 × 2 old ones that it replaces"
                )
    return (
        "no pixel is skipped, nothing moves, and the checker is the grey that one sees from afar."
    )


def _half(answer: Callable, images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    return ask_tensor(answer, images, shape=(*images.shape[:2], height // 2, width // 2))
