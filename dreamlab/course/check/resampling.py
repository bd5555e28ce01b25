"""The check of appendix C: halving."""

from collections.abc import Callable

import torch

from .verdict import Table, ask_tensor, raise_first, table


@table(((12, 16), (16, 10)))
def halved(answer: Callable, height: int, width: int) -> Table:
    """Check `answer(images)`: (n, 3, h, w) at half their height and width, by any filter that skips
    no pixel, moves nothing and keeps a flat colour.
    """
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    checker = ((rows + columns) % 2).float().expand(2, 3, height, width).contiguous()
    half = (height // 2, width // 2)
    grey = ask_tensor(answer, checker, shape=(2, 3, *half))[..., 2:-2, 1:-1]
    became = "black" if grey.max() < 0.5 else "white" if grey.min() > 0.5 else "stripes"
    skips, even = (grey - grey.round()).abs().max() < 0.02, (grey - 0.5).abs().max() < 0.02
    problems = {
        f"a checker of single pixels became {became}, not grey: pixels were skipped": skips,
        f"a checker of single pixels should become an even grey, .5; it has "
        f"{grey.min():.2f} to {grey.max():.2f}": not even,
    }
    raise_first(problems)
    small = ask_tensor(answer, _ramp(height, width), shape=(1, 3, *half))
    down, right = (small - _ramp(*half))[0, :2, 2:-2, 1:-1].abs().amax((1, 2)) > 0.01
    flat, middle = small[:, 2], "each new pixel belongs to the middle of the 2 × 2 it replaces"
    bent = (flat - 0.25).abs().max() > 0.01
    return small, {
        "no pixel is skipped, nothing moves, and the checker is the grey that one sees from "
        "afar.": None,
        f"a flat colour of .25 became {flat.mean():.2f}: the weights must sum to 1": bent,
        f"a slow ramp that grows down is moved or bent: {middle}": down,
        f"a slow ramp that grows right is moved or bent: {middle}": right,
    }


def _ramp(height: int, width: int) -> torch.Tensor:
    """An image (1, 3, h, w): red grows downwards, green to the right, blue is flat."""
    down = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    right = ((torch.arange(width) + 0.5) / width).expand(height, width)
    return torch.stack([down, right, torch.full((height, width), 0.25)])[None]
