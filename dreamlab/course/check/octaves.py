"""Checks of chapter 7: whose step it is, what an octave added, the fine part; of appendix C."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from dreamlab.octaves import compose

from .verdict import Table, alike, ask_tensor, raise_first, table

REMAINDERS = [(count, octaves) for octaves in (3, 4, 5) for count in range(5, 13)]


@table([(150, 3), (60, 4), (10, 3), (7, 1), *REMAINDERS])
def octave_of(answer: Callable, count: int, octaves: int) -> Table:
    """Check `answer(steps, octaves)`: for step numbers 0, 1, … (n,), the octave of each, from 0."""
    order = ask_tensor(answer, torch.arange(count), octaves, shape=(count,)).tolist()
    where, least, most = f"of {count} steps and {octaves} octaves", min(order), max(order)
    out = next((i for i, k in enumerate(order) if not 0 <= k < octaves), None)
    back = next((i for i in range(1, count) if order[i] < order[i - 1]), 0)
    shares = [order.count(k) for k in range(octaves)]
    listed = f"{', '.join(map(str, shares[:-1]))} and {shares[-1]}"
    from_1, uneven = least == 1 and most - octaves in (0, 1), max(shares) - min(shares) > 1
    return order, {
        "the octaves come in order, and each gets its share of the steps.": None,
        "an octave is a whole number; // divides in wholes": any(k != int(k) for k in order),
        "octaves are counted from 0 here: the first one is 0": from_1,
        f"{where}, step {out} gets octave {order[out or 0]:g}; there is none": out is not None,
        f"{where}, it puts all into octave {order[0]:g}": octaves > 1 and least == most,
        f"{where}, it goes back to octave {order[back]:g} at step {back}": back > 0,
        f"{where}, the octaves get {listed} steps; equal shares are due": uneven,
    }


@table([(((6, 5), (12, 10)),), ((),), (((12, 10),),)], seed=6, close=partial(alike, atol=1e-3))
def octave_delta(answer: Callable, generator: Generator, sides: tuple) -> Table:
    """Check `answer(start, deltas, pixels)`: pixels (b, 3, h, w) less start and earlier deltas."""
    size, start = (24, 20), torch.rand(1, 3, 48, 40, generator=generator)
    deltas = [0.3 * torch.randn(1, 3, *side, generator=generator) for side in sides]
    added = 0.2 * torch.randn(1, 3, *size, generator=generator)
    pixels = compose(start, deltas, size) + added
    got = ask_tensor(answer, start, deltas, pixels, shape=added.shape)
    chained = compose(start, (), sides[0]) if sides else start
    for delta in deltas:
        chained = compose(chained, (), tuple(delta.shape[-2:])) + delta
    from_start, again = compose(start, (), size), compose(chained, (), size)
    first_only, last_only = (compose(start, few, size) for few in (deltas[:1], deltas[-1:]))
    return got, {
        "start and earlier octaves, each resized once, are taken away; what is left is new.": added,
        "the sign is wrong: what was there before is taken from the pixels": -added,
        "the start is still in it": added + from_start,
        "the earlier deltas are still in it": pixels - from_start,
        "only the last delta is taken away, those before are still in it": pixels - last_only,
        "only the first delta is taken away, those after are still in it": pixels - first_only,
        "the sum is resized again at every octave; each term is resized once": pixels - again,
        f"with {len(deltas)} earlier deltas it is not what was added; resize, and subtract": True,
    }


@table([(8,), (32,)])
def fine_part(answer: Callable, side: int) -> Table:
    """Check `answer(images, side)`: (n, 3, h, w) less themselves made side × side and large."""
    at = torch.arange(64)
    strength = torch.tensor([[1.0, 0.5, -0.7], [0.3, -1.0, 0.2]])[..., None, None]
    turns, checker = 2 * torch.pi * (at + 0.5) / 64, strength * ((at[:, None] + at) % 2 * 2 - 1)
    phases = torch.cos(turns + 0.7), torch.cos(8 * turns + 0.5)
    slow, middle = ((strength * wave).expand_as(checker) for wave in phases)
    whole = ask_tensor(answer, slow + middle + checker, side, shape=slow.shape)
    shares = [_share(whole, wave) for wave in (slow, middle, checker)]
    coarse = shares[2] < 0.1 and shares[0] > 0.8
    problems = {
        "the sign is wrong: take the blurred images from the images": shares[2] < -0.9,
        "the images come back unchanged: nothing was taken away": min(shares) > 0.9,
        "that is the coarse part, which the small canvas can hold": coarse,
    }
    raise_first(problems)
    for wave, words in ((checker, "a checker of pixels"), (middle, "a wave of 8 pixels")):
        left = ask_tensor(answer, wave, side, shape=wave.shape)
        fits = wave is middle and side == 32
        lost = 0 if fits else _size(wave - left) / _size(wave)
        other = lost > 0.5 and _share(wave - left, wave) < 0.1
        whole = fits and _share(left, wave) > 0.5
        problems = {
            f"{words} fits on 32 × 32; does your answer use its side?": whole,
            f"{words} became a coarse pattern: antialias=True would skip no pixel": other,
            f"{words} is too fine for {side} × {side}; does it use its side?": lost >= 0.05,
        }
        raise_first(problems)
    left, most = _size(ask_tensor(answer, slow, side, shape=slow.shape)), 0.35 * _size(slow)
    return left, {
        "what a small canvas can hold is gone, and what it cannot is left.": None,
        "of a slow wave hardly any should be left; does the visit move it?": left > most,
    }


def _share(images: Tensor, wave: Tensor) -> float:
    """How much of a wave is in the images, away from the border: 1 is all of it."""
    images, wave = (x[..., 8:-8, 8:-8].double() for x in (images, wave))
    return float((images * wave).mean() / wave.square().mean())


def _size(images: Tensor) -> float:
    return float(images[..., 8:-8, 8:-8].double().square().mean().sqrt())


@table(((12, 16), (16, 10)))
def halved(answer: Callable, height: int, width: int) -> Table:
    """Check `answer(images)`: (n, 3, h, w) at half their height and width, by any good filter."""
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    checker = ((rows + columns) % 2).float().expand(2, 3, height, width).contiguous()
    half = (height // 2, width // 2)
    grey = ask_tensor(answer, checker, shape=(2, 3, *half))[..., 2:-2, 1:-1]
    became = "black" if grey.max() < 0.5 else "white" if grey.min() > 0.5 else "stripes"
    skips, even = (grey - grey.round()).abs().max() < 0.02, (grey - 0.5).abs().max() < 0.02
    problems = {
        f"a checker of single pixels became {became}, not grey: pixels were skipped": skips,
        f"a checker should be an even grey, .5, not {grey.min():.2f} to {grey.max():.2f}": not even,
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


def _ramp(height: int, width: int) -> Tensor:
    """An image (1, 3, h, w): red grows downwards, green to the right, blue is flat."""
    down = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    right = ((torch.arange(width) + 0.5) / width).expand(height, width)
    return torch.stack([down, right, torch.full((height, width), 0.25)])[None]
