"""Checks of chapter 7: strata, cutouts, gradients of one size, a schedule that starts afresh."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, alike, ask_number, ask_tensor, verdict


@verdict
def strata(answer: Callable) -> str:
    """Check `answer(numbers)`: n independent numbers in [0, 1), (n,), become n that are spread
    evenly: one in each n-th of the interval, at a random place there. Any order is fine.
    """
    generator = torch.Generator().manual_seed(1)
    places = []
    for count in (8, 5, 1, 8) * 25:
        numbers = torch.rand(count, generator=generator)
        spread = ask_tensor(answer, numbers, shape=(count,))
        if spread.min() < -1e-6 or spread.max() > 1 + 1e-6:
            low, high = spread.min().item(), spread.max().item()
            raise NotYet(
                f"of {count} numbers, the smallest is {low:.2f} and the largest {high:.2f}; all "
                "belong into [0, 1): divide the strip into n parts, each as wide as 1/n"
            )
        if count > 1 and alike(spread.sort().values, numbers.sort().values, rtol=0, atol=1e-5):
            raise NotYet(
                "these are the numbers it was given, at most in another order; they still fall "
                "where they like"
            )
        # A hair up, so that a number on the border of two parts counts for the upper one.
        parts = (spread * count + 1e-4).floor().long().clamp(max=count - 1)
        if sorted(parts.tolist()) != list(range(count)):
            hit = len(set(parts.tolist()))
            raise NotYet(
                f"of {count} numbers, only {hit} of the {count} parts got one; number k belongs "
                f"between k/{count} and (k + 1)/{count}"
            )
        places.append(spread * count - parts)
    place = torch.cat(places)
    if place.std() < 1e-3:
        raise NotYet(
            "each part has its number, but always at the same place in it: such a comb would look "
            "at the same few scales in every step. Keep the chance inside the part"
        )
    if abs(place.mean() - 0.5) > 0.06 or abs(place.std() - 12**-0.5) > 0.05:
        raise NotYet(
            "each part has its number, but the numbers do not reach everywhere in their part; "
            "inside it, all places should be equally likely"
        )
    return "every part gets its number in every draw, and chance decides only where in it."


@verdict
def cutout(answer: Callable) -> str:
    """Check `answer(image, top, left, side, size)`: the square window of `image` (1, 3, h, w) that
    begins at row `top` and column `left` and is `side` pixels wide, shrunk without aliasing to
    (1, 3, size, size). All numbers are whole pixels.
    """
    height, width = 60, 72
    # In red how far down a pixel stands, in green how far right, in blue how far up.
    down = torch.arange(height)[:, None].expand(height, width) / height
    right = torch.arange(width).expand(height, width) / width
    places = torch.stack([down, right, 1 - down])[None].float()

    def seen(top: float, left: float, side: float, size: int) -> Tensor:
        """The places that a window shows, as the middles of its view's pixels."""
        middle = (torch.arange(size) + 0.5) * side / size - 0.5
        down = ((top + middle) / height)[:, None].expand(size, size)
        right = ((left + middle) / width).expand(size, size)
        return torch.stack([down, right, 1 - down])[None]

    for top, left, side, size in ((6, 11, 48, 16), (10, 3, 36, 12), (12, 20, 16, 16)):
        view = ask_tensor(answer, places, top, left, side, size, shape=(1, 3, size, size))

        def shows(wanted: Tensor, view: Tensor = view) -> bool:
            # Near its border a filter has fewer pixels to mix. One pixel aside is .014 or more.
            inner = (..., *[slice(view.shape[-1] // 4, -(view.shape[-1] // 4))] * 2)
            return alike(view[inner], wanted[inner], rtol=0, atol=0.012)

        wanted = seen(top, left, side, size)
        if shows(wanted):
            continue
        if any(shows(seen(top + i, left + j, side, size)) for i in (-1, 0, 1) for j in (-1, 0, 1)):
            _skips_no_pixel(answer)
            raise NotYet(
                "the view is about a pixel aside: its window begins at row `top`, column `left`, "
                "and align_corners=True moves what it shows"
            )
        if shows(seen(left, top, side, size)):
            raise NotYet("top and left are exchanged: rows come before columns")
        if shows(seen(top, left, size, size)):
            raise NotYet("it cuts a window as small as the view; cut all of it, then shrink")
        if shows(wanted.flip(-1)) or shows(wanted.flip(-2)) or shows(wanted.flip(-1, -2)):
            raise NotYet("the window is the right one, but the view is turned over")
        if shows(wanted.mT):
            raise NotYet("the window is the right one, but its rows have become columns")
        whole = view[0, 0].max() - view[0, 0].min() > 0.85
        if whole or shows(seen((height - side) / 2, (width - side) / 2, side, size)):
            raise NotYet("it shows the whole picture, or always its middle; cut the window out")
        raise NotYet(
            f"the window of {side} pixels from row {top} and column {left} shows something else; "
            "image[..., top : top + side, left : left + side] is a window"
        )
    _skips_no_pixel(answer)
    return "the right window, and every pixel of it has a say in the view."


def _skips_no_pixel(answer: Callable) -> None:
    rows, columns = torch.arange(60)[:, None], torch.arange(72)
    board = ((rows + columns) % 2).float().expand(1, 3, 60, 72)
    view = ask_tensor(answer, board, 6, 6, 48, 16, shape=(1, 3, 16, 16))
    if (view - 0.5).abs().max() > 0.25:
        raise NotYet(
            "the window is the right one, but it skips pixels: of a fine chequerboard, a view a "
            f"third as large should be grey, and has values from {view.min():.2f} to "
            f"{view.max():.2f}. Antialiasing lets every pixel count"
        )


@verdict
def unit_rms(answer: Callable) -> str:
    """Check `answer(gradients)`: each of b gradients (b, 3, h, w) scaled so that the root of the
    mean of its squares is 1, whatever the others are; one that is all zeros stays so.
    """
    generator = torch.Generator().manual_seed(2)
    for strength in (1.0, 1e-3, 40.0):
        gradients = 0.3 + torch.randn(3, 3, 6, 5, generator=generator)
        gradients = gradients * strength * torch.tensor([1.0, 0.1, 7.0])[:, None, None, None]
        found = ask_tensor(answer, gradients, shape=gradients.shape)
        sizes = _rms(found)
        if alike(found, gradients / _rms(gradients)):
            continue
        if alike(found, -gradients / _rms(gradients)):
            raise NotYet("the size is right, but the sign has changed: that climbs")
        if alike(found, gradients / gradients.square().mean().sqrt()):
            raise NotYet(
                "one size was taken from the whole batch; so a loud picture makes its neighbours "
                "quiet. Each picture is divided by its own"
            )
        if alike(found.square().mean((2, 3)), torch.ones(3, 3), rtol=1e-2):
            raise NotYet("each colour was brought to one size; the balance of colours is lost")
        if alike(found.flatten(1).norm(dim=1), torch.ones(3), rtol=1e-2):
            raise NotYet(
                "each has length 1, so its values shrink as the picture grows; take the mean of "
                "the squares, not their sum"
            )
        if alike(found.flatten(1).abs().amax(1), torch.ones(3), rtol=1e-2):
            raise NotYet("the largest value is 1 now; a single loud pixel sets the scale for all")
        if alike(found.flatten(1).abs().mean(1), torch.ones(3), rtol=1e-2):
            raise NotYet("the mean of the absolute values is 1; square, take the mean, then root")
        if alike(found.flatten(1).std(dim=1), torch.ones(3), rtol=1e-2):
            raise NotYet("that is the standard deviation: it forgets the mean, which is a push too")
        if alike(sizes * _rms(gradients), torch.ones_like(sizes), rtol=1e-2):
            raise NotYet("the root is missing: that divides by the mean of the squares")
        raise NotYet(
            f"the root mean squares are {', '.join(f'{size:.3g}' for size in sizes.flatten())}, "
            "and 1 is wanted for each"
        )
    gradients = torch.randn(2, 3, 6, 5, generator=generator)
    gradients[0] = 0
    found = ask_tensor(answer, gradients, shape=gradients.shape, finite=False)
    if not found.isfinite().all():
        raise NotYet(
            "a gradient of zeros becomes NaN, 0 divided by 0, and one NaN spoils the picture for "
            "good; keep the divisor above zero"
        )
    if found[0].abs().max() > 1e-3 or abs(_rms(found)[1].item() - 1) > 1e-2:
        raise NotYet("a gradient of zeros should stay zeros, and its neighbour be brought to 1")
    return "each picture is brought to one size by itself, and silence stays silence."


@verdict
def restarts(answer: Callable) -> str:
    """Check `answer(step, steps, octaves)`: a factor for the learning rate that falls by half a
    cosine from 1 to 0 in every octave anew. `step` counts from 0; all octaves are equally long.

    Whether the last step of an octave reaches 0, or the step after it would, is free.
    """
    for steps, octaves in ((60, 3), (60, 1), (40, 2)):
        rates = np.array([ask_number(answer, step, steps, octaves) for step in range(steps)])
        length = steps // octaves

        def is_fall(progress: np.ndarray, rates: np.ndarray = rates) -> bool:
            return bool(np.allclose(rates, (1 + np.cos(np.pi * progress)) / 2, atol=1e-3))

        def is_cosine(progress: np.ndarray, rates: np.ndarray = rates) -> bool:
            return bool(np.allclose(rates, np.cos(np.pi * progress), atol=1e-3))

        place = np.arange(steps) % length
        if is_fall(place / (length - 1)) or is_fall(place / length):
            continue
        whole = np.arange(steps)
        if np.ptp(rates) < 1e-6:
            raise NotYet("the rate never changes: a schedule that is built and never stepped")
        if octaves > 1 and (is_fall(whole / (steps - 1)) or is_fall(whole / steps)):
            raise NotYet("that is one fall over the whole run; it should start afresh each octave")
        if is_fall(1 - place / (length - 1)) or is_fall(1 - place / length):
            raise NotYet("it rises from 0 to 1; it should fall")
        if is_fall(2 * place / (length - 1)) or is_fall(2 * place / length):
            raise NotYet("that is a whole cosine, down and up again; half of it is wanted")
        line = 1 - place / (length - 1), 1 - place / length
        if any(np.allclose(rates, each, atol=1e-3) for each in line):
            raise NotYet("it falls along a straight line; a cosine is wanted")
        if is_cosine(place / (length - 1)) or is_cosine(place / length):
            raise NotYet("a bare cosine ends at −1, and a rate below 0 climbs; lift it, halve it")
        wrong = int(np.argmax(np.abs(rates - (1 + np.cos(np.pi * place / (length - 1))) / 2)))
        raise NotYet(
            f"with {steps} steps and {octaves} octaves, step {wrong} gets {rates[wrong]:.3f}; it "
            f"is number {place[wrong]} of the {length} of its octave, counted from 0, which gives "
            f"{(1 + np.cos(np.pi * place[wrong] / (length - 1))) / 2:.3f}"
        )
    return "each octave begins with large steps and ends with small ones."


def _rms(gradients: Tensor) -> Tensor:
    return gradients.square().mean((1, 2, 3), keepdim=True).sqrt()
