"""Checks of chapter 6: whose step it is, halving, what an octave added, the fine part."""

from collections.abc import Callable

import torch
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, alike, ask_tensor, verdict
from dreamlab.octaves import compose
from dreamlab.resample import resize


@verdict
def octave_of(answer: Callable) -> str:
    """Check `answer(steps, octaves)`: for step numbers 0, 1, … (n,), the octave of each, from 0.

    Octaves come in order and share the steps equally; where that leaves a remainder, which of them
    get one more is the answer's choice.
    """
    remainders = [(count, octaves) for octaves in (3, 4, 5) for count in range(5, 13)]
    for count, octaves in ((150, 3), (60, 4), (10, 3), (7, 1), *remainders):
        order = _wholes(ask_tensor(answer, torch.arange(count), octaves, shape=(count,)))
        where = f"of {count} steps and {octaves} octaves"
        if min(order) == 1 and max(order) in (octaves, octaves + 1):
            raise NotYet("octaves are counted from 0 here: the first one is 0")
        if max(order) >= octaves or min(order) < 0:
            step = next(i for i, k in enumerate(order) if not 0 <= k < octaves)
            raise NotYet(
                f"{where}, it puts step {step} into octave {order[step]}, and there is none; the "
                f"last one is {octaves - 1}"
            )
        if octaves > 1 and len(set(order)) == 1:
            raise NotYet(f"{where}, it puts all into octave {order[0]}")
        if order != sorted(order):
            step = next(i for i in range(1, count) if order[i] < order[i - 1])
            raise NotYet(f"{where}, it goes back to octave {order[step]} at step {step}")
        shares = [order.count(k) for k in range(octaves)]
        if max(shares) - min(shares) > 1:
            raise NotYet(f"{where}, the octaves get {_listed(shares)} steps; equal shares are due")
    return "the octaves come in order, and each gets its share of the steps."


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


@verdict
def octave_delta(answer: Callable) -> str:
    """Check `answer(start, deltas, pixels)`: what the present octave added, Δ_k.

    That is `pixels` (b, 3, h, w) minus the start (b, 3, ·, ·) and the earlier `deltas` (a list of
    them), each resized once to (h, w) from its own size.
    """
    generator = torch.Generator().manual_seed(6)
    size = (24, 20)
    for sides in ([(6, 5), (12, 10)], [], [(12, 10)]):
        start = torch.rand(1, 3, 48, 40, generator=generator)
        deltas = [0.3 * torch.randn(1, 3, *side, generator=generator) for side in sides]
        added = 0.2 * torch.randn(1, 3, *size, generator=generator)
        pixels = compose(start, deltas, size) + added
        got = ask_tensor(answer, start, deltas, pixels, shape=added.shape)
        if alike(got, added, atol=1e-3):
            continue
        if alike(got, -added, atol=1e-3):
            raise NotYet("the sign is wrong: what was there before is taken from the pixels")
        chained = resize(start, sides[0]) if sides else start
        for delta in deltas:
            chained = resize(chained, tuple(delta.shape[-2:])) + delta
        mistakes = {
            "the start is still in it": pixels - sum(resize(d, size) for d in deltas),
            "the earlier deltas are still in it": pixels - resize(start, size),
            "only the last delta is taken away, the ones before are still in it": pixels
            - compose(start, deltas[-1:], size),
            "only the first delta is taken away, the ones after are still in it": pixels
            - compose(start, deltas[:1], size),
            "the sum is resized again at every octave; each term is resized once, from its own "
            "size": pixels - resize(chained, size),
        }
        for words, value in mistakes.items():
            if alike(got, value, atol=1e-3):
                raise NotYet(words)
        raise NotYet(
            f"with {len(deltas)} earlier deltas it is not what was added: bring the start and each "
            "earlier delta to the size of the pixels, and take them away"
        )
    return "start and earlier octaves, each resized once, are taken away; what is left is new."


@verdict
def fine_part(answer: Callable) -> str:
    """Check `answer(images, side)`: what of images (n, 3, h, w) a side × side canvas cannot hold.

    That is the images minus themselves made small and large again. Any antialiased way to resize
    is right; in [0, 1] or not.
    """
    at = torch.arange(64)
    # Another strength for each image and colour, and no symmetry: nothing can be mixed or turned.
    strength = torch.tensor([[1.0, 0.5, -0.7], [0.3, -1.0, 0.2]])[..., None, None]
    slow, middle, checker = (
        strength * wave.expand(64, 64)
        for wave in (
            torch.cos(2 * torch.pi * (at + 0.5) / 64 + 0.7),
            torch.cos(2 * torch.pi * (at + 0.5) / 8 + 0.5),
            ((at[:, None] + at) % 2 * 2 - 1).float(),
        )
    )
    for side in (8, 32):
        images = slow + middle + checker
        whole = ask_tensor(answer, images, side, shape=images.shape)
        if _share(whole, checker) < -0.9:
            raise NotYet("the sign is wrong: take the blurred images from the images")
        if min(_share(whole, wave) for wave in (slow, middle, checker)) > 0.9:
            raise NotYet("the images come back unchanged: nothing was taken away")
        if _share(whole, checker) < 0.1 and _share(whole, slow) > 0.8:
            raise NotYet("that is the coarse part, which the small canvas can hold")
        # Each wave alone: what became of it, and whether something else came of it.
        for wave, words in ((checker, "a checker of pixels"), (middle, "a wave of 8 pixels")):
            left = ask_tensor(answer, wave, side, shape=wave.shape)
            if wave is middle and side == 32:
                if _share(left, wave) > 0.5:
                    raise NotYet(f"{words} fits on 32 × 32; does your answer use its side?")
                continue
            if _size(wave - left) < 0.05 * _size(wave):
                continue
            if _size(wave - left) > 0.5 * _size(wave) and _share(wave - left, wave) < 0.1:
                raise NotYet(
                    f"on the way through {side} × {side}, {words} became something else, a coarse "
                    "pattern that was not there: making it small skipped pixels. With "
                    "antialias=True every pixel counts"
                )
            raise NotYet(
                f"{words} is too fine for {side} × {side}, and so should be left as it is; does "
                "your answer use its side?"
            )
        left = ask_tensor(answer, slow, side, shape=slow.shape)
        if _size(left) > 0.35 * _size(slow):
            raise NotYet(
                f"a slow wave fits on {side} × {side}, so hardly anything of it should be left; "
                "does the visit move it, as align_corners=True does?"
            )
    return "what a small canvas can hold is gone, and what it cannot is left."


def _inside(images: Tensor) -> Tensor:
    return images[..., 8:-8, 8:-8].double()


def _share(images: Tensor, wave: Tensor) -> float:
    """How much of a wave is in the images, away from the border: 1 is all of it."""
    images, wave = _inside(images), _inside(wave)
    return float((images * wave).mean() / wave.square().mean())


def _size(images: Tensor) -> float:
    return float(_inside(images).square().mean().sqrt())


def _half(answer: Callable, images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    return ask_tensor(answer, images, shape=(*images.shape[:2], height // 2, width // 2))


def _wholes(values: Tensor) -> list[int]:
    if broken := [x for x in values.tolist() if x != int(x)]:
        raise NotYet(f"an octave is a whole number, {broken[0]:g} is none; // divides in wholes")
    return [int(x) for x in values.tolist()]


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
