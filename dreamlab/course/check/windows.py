"""Checks of chapter 3: strata, cutouts, and what random moves leave of a wave."""

import cmath
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from .verdict import Table, alike, ask_number, ask_tensor, compare, raise_first, table

WAVES = ((5.5, 3), (64, 8), (8, 4), (8, 12), (2, 3), (16, 8), (3, 1), (8, 8), (4, 8))


@table()
def strata(answer: Callable) -> Table:
    """Check `answer(numbers)`: n numbers in [0, 1), (n,), become one somewhere in each n-th."""
    generator = torch.Generator().manual_seed(1)
    places = []
    for count in (8, 5, 1, 8) * 25:
        numbers = torch.rand(count, generator=generator)
        spread = ask_tensor(answer, numbers, shape=(count,))
        low, high = spread.min().item(), spread.max().item()
        given = alike(spread.sort().values, numbers.sort().values, rtol=0, atol=1e-5)
        # A hair up, so that a number on the border of two parts counts for the upper one.
        parts = (spread.clamp(0, 1) * count + 1e-4).floor().long().clamp(max=count - 1)
        hit, beyond = len(parts.unique()), low < -1e-6 or high > 1 + 1e-6
        given, poor = given and count > 1, hit < count
        problems = {
            f"{count} numbers go from {low:.2f} to {high:.2f}; all belong into [0, 1)": beyond,
            "these are the numbers it was given; they still fall where they like": given,
            f"only {hit} of the {count} parts got one; number k belongs in k/n to (k + 1)/n": poor,
        }
        raise_first(problems)
        places.append(spread * count - parts)
    place = torch.cat(places)
    uneven = abs(place.mean() - 0.5) > 0.06 or abs(place.std() - 12**-0.5) > 0.05
    return None, {
        "every part gets its number in every draw, and chance decides only where in it.": None,
        "each number is always at the same place in its part; draw the place": place.std() < 1e-3,
        "each part has its number, but they do not reach everywhere in it equally often": uneven,
    }


HEIGHT, WIDTH = 60, 72  # of the pictures that cutouts are taken from


def _view(top: float, left: float, side: float, size: int) -> Tensor:
    """A window (1, 3, size, size) of a picture: red is how far down, green right, blue up."""
    middle = (torch.arange(size) + 0.5) * side / size - 0.5
    down = ((top + middle) / HEIGHT)[:, None].expand(size, size)
    right = ((left + middle) / WIDTH).expand(size, size)
    return torch.stack([down, right, 1 - down])[None]


def _shows(view: Tensor, wanted: Tensor) -> bool:
    # Near its border a filter has fewer pixels to mix. One pixel aside is .014 or more.
    inner = (..., *[slice(view.shape[-1] // 4, -(view.shape[-1] // 4))] * 2)
    return alike(view[inner], wanted[inner], rtol=0, atol=0.012)


@table()
def cutout(answer: Callable) -> Table:
    """Check `answer(image, top, left, side, size)`: a window of (1, 3, h, w), shrunk to `size`."""
    places, around = _view(0, 0, WIDTH, WIDTH)[:, :, :HEIGHT], (-1, 0, 1)
    for top, left, side, size in ((6, 11, 48, 16), (10, 3, 36, 12), (12, 20, 16, 16)):
        view = ask_tensor(answer, places, top, left, side, size, shape=(1, 3, size, size))
        wanted = _view(top, left, side, size)
        if _shows(view, wanted):
            continue
        near_by = [_view(top + i, left + j, side, size) for i in around for j in around]
        if any(_shows(view, each) for each in near_by):
            _skips_no_pixel(answer)
        whole = bool(view[0, 0].max() - view[0, 0].min() > 0.85)
        middle = _view((HEIGHT - side) / 2, (WIDTH - side) / 2, side, size)
        turned, exchanged = [wanted.flip(d) for d in ((-1,), (-2,), (-1, -2))], (left, top, side)
        small = _view(top, left, size, size)
        mistakes = {
            "the view is about a pixel aside, as by align_corners=True": near_by,
            "top and left are exchanged: rows come before columns": _view(*exchanged, size),
            "it cuts a window as small as the view; cut all of it, then shrink": small,
            "the window is the right one, but the view is turned over": turned,
            "the window is the right one, but its rows have become columns": wanted.mT,
            "it shows the whole picture, or always its middle; cut the window out": [whole, middle],
            "it shows something else; image[..., top : top + side, left : left + side]": True,
        }
        compare(view, wanted, mistakes, close=_shows)
    _skips_no_pixel(answer)
    return "the right window, and every pixel of it has a say in the view."


def _skips_no_pixel(answer: Callable) -> None:
    rows, columns = torch.arange(HEIGHT)[:, None], torch.arange(WIDTH)
    board = ((rows + columns) % 2).float().expand(1, 3, HEIGHT, WIDTH)
    view = ask_tensor(answer, board, 6, 6, 48, 16, shape=(1, 3, 16, 16))
    skips = (view - 0.5).abs().max() > 0.25
    problems = {
        "the window is the right one, but it skips pixels: a fine chequerboard should be grey, and "
        f"has {view.min():.2f} to {view.max():.2f}. Antialiasing lets every pixel count": skips
    }
    raise_first(problems)


@table(WAVES, close=partial(math.isclose, abs_tol=2e-3))
def wave_left(answer: Callable, period: float, reach: int) -> Table:
    """Check `answer(period, reach)`: the share of a wave in the mean of 0 … reach − 1 moves."""
    found, hand = ask_number(answer, period, reach), _mean_hand(period, reach)
    right, sines = abs(hand), abs(hand.imag)
    more, half = abs(_mean_hand(period, reach + 1)), abs(_mean_hand(2 * period, reach))
    radians = abs(_mean_hand(2 * math.pi * period, reach))
    where = f"of period {period:g}, moved into {reach} places, {right:.3f} is left"
    return found, {
        "moves through whole periods leave nothing of a wave, and long waves hardly notice "
        "them.": right,
        f"that is the sum of the moved waves; take their mean ({where})": reach * right,
        f"that is the square, what is left of the wave's *power* ({where})": right**2,
        f"that is the mean of cosines; how long is the mean hand? ({where})": hand.real,
        f"that is the mean of sines; both parts of the hand count ({where})": [sines, -sines],
        f"one place too many: the moves are 0, 1, … reach − 1 ({where})": more,
        f"a full turn is 2π, and the hand turned by s / period only ({where})": radians,
        f"that is half a turn for a whole period; a turn is 2π ({where})": half,
        f"{where}, and this says {found:.3f}": True,
    }


def _mean_hand(period: float, reach: int) -> complex:
    return sum(cmath.exp(2j * math.pi * move / period) for move in range(reach)) / reach
