"""Checks of chapter 8: gradients of one size, a gain and its error, a schedule that restarts."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Generator, Tensor

from .verdict import Table, alike, ask_number, ask_tensor, compare, near, table


@table([(1.0,), (1e-3,), (40.0,), (0.0,)], seed=2)
def unit_rms(answer: Callable, generator: Generator, strength: float) -> Table:
    """Check `answer(gradients)`: each of (b, 3, h, w) scaled to root mean square 1; 0 stays 0."""
    if not strength:
        return _silence(answer, torch.randn(2, 3, 6, 5, generator=generator))
    gradients = 0.3 + torch.randn(3, 3, 6, 5, generator=generator)
    gradients = gradients * strength * torch.tensor([1.0, 0.1, 7.0])[:, None, None, None]
    found = ask_tensor(answer, gradients, shape=gradients.shape)
    rows, right = found.flatten(1), gradients / _rms(gradients)
    of_all, colours = gradients / gradients.square().mean().sqrt(), found.square().mean((2, 3))
    lengths, largest = rows.norm(dim=1), rows.abs().amax(1)
    sizes = ", ".join(f"{size:.3g}" for size in _rms(found).flatten())
    return found, {
        "each is brought to root mean square 1": right,
        "the size is right, but the sign has changed: that climbs": -right,
        "one size was taken from the whole batch; divide each picture by its own": of_all,
        "each colour was brought to one size; the balance of colours is lost": _ones(colours),
        "each has length 1, its sum of squares; take the mean of the squares": _ones(lengths),
        "the largest value is 1 now; a single loud pixel sets the scale": _ones(largest),
        "the mean of the absolute values is 1; square, mean, root": _ones(rows.abs().mean(1)),
        "that is the standard deviation: it forgets the mean, a push too": _ones(rows.std(1)),
        "the root is missing: that divides by the mean of the squares": right / _rms(gradients),
        f"the root mean squares are {sizes}, and 1 is wanted for each": True,
    }


def _silence(answer: Callable, gradients: Tensor) -> Table:
    gradients[0] = 0
    found = ask_tensor(answer, gradients, shape=gradients.shape, finite=False)
    silent = found[0].abs().max() <= 1e-3 and abs(_rms(found)[1].item() - 1) <= 1e-2
    return found, {
        "each picture is brought to one size by itself, and silence stays silence.": None,
        "zeros become NaN; keep the divisor above zero": not found.isfinite().all(),
        "a gradient of zeros should stay zeros, and its neighbour be brought to 1": not silent,
    }


def _rms(gradients: Tensor) -> Tensor:
    return gradients.square().mean((1, 2, 3), keepdim=True).sqrt()


def _ones(sizes: Tensor) -> bool:
    return alike(sizes, torch.ones_like(sizes), rtol=1e-2)


@table([(6,), (40,)], seed=4)
def gain(answer: Callable, generator: Generator, n: int) -> Table:
    """Check `answer(below, above)`: mean and standard error of what n captions gained, (n,)."""
    below = 0.5 + 0.1 * torch.randn(n, generator=generator).double()
    above = below + 0.04 + 0.02 * torch.randn(n, generator=generator).double()
    middle, error = ask_tensor(answer, below, above, shape=(2,)).tolist()
    gained = above - below
    mean, exchanged = gained.mean(), near(error, gained.mean()) and not near(middle, error)
    mistakes = {
        "the sign has changed: a gain is the rung above, less the rung below": -mean,
        "the two numbers are exchanged: first the mean, then its error": exchanged,
        "that is the sum of all gains; take the mean": gained.sum(),
        "the first number is the median; the mean is wanted": gained.median(),
        f"the mean gain of {n} captions is {mean:.4f}, and this says {middle:.4f}": True,
    }
    compare(middle, mean, mistakes)
    both = ([x.std(correction=k) for k in (0, 1)] for x in (gained, below, above))
    spread, one, other = map(torch.stack, both)
    apart, right = (one.square() + other.square()).sqrt() / n**0.5, spread / n**0.5
    due = [*right]
    return error, {
        "caption by caption: what all rungs share, an easy or a hard sentence, drops out.": due,
        "that is how far single captions scatter; the mean scatters less, by √n": [*spread],
        "divided by n; the error of a mean shrinks with the root of n only": [*spread / n],
        "that is the variance of the mean; its root is wanted": [*right.square()],
        "that takes the rungs for different captions; subtract caption by caption": [*apart],
        f"the standard error is {right[1]:.4f}, and this says {error:.4f}": True,
    }


@table(((60, 3), (60, 1), (40, 2)), close=partial(alike, rtol=1e-5, atol=1e-3))
def restarts(answer: Callable, steps: int, octaves: int) -> Table:
    """Check `answer(step, steps, octaves)`: a half cosine from 1 to 0 in each octave."""
    rates = [ask_number(answer, step, steps, octaves) for step in range(steps)]
    rates = torch.tensor(rates, dtype=torch.float64)
    length, whole = steps // octaves, torch.arange(steps)
    place = whole % length
    octave = torch.stack([place / (length - 1), place / length])
    run = torch.stack([whole / (steps - 1), whole / steps])
    right, bare = [*_fall(octave)], [*(torch.pi * octave).cos()]
    at, flat = int((rates - right[0]).abs().argmax()), bool(rates.std() < 1e-6)
    return rates, {
        "each octave begins with large steps and ends with small ones.": right,
        "the rate never changes: a schedule that is built and never stepped": flat,
        "that is one fall over the whole run; start afresh each octave": [*_fall(run)],
        "it rises from 0 to 1; it should fall": [*_fall(1 - octave)],
        "that is a whole cosine, down and up again; half of it is wanted": [*_fall(2 * octave)],
        "it falls along a straight line; a cosine is wanted": [*1 - octave],
        "a bare cosine ends at −1, and a rate below 0 climbs; lift it, halve it": bare,
        f"with {steps} steps and {octaves} octaves, step {at} gets {rates[at]:.3f}; "
        f"number {place[at]} of {length} in its octave, from 0, has {right[0][at]:.3f}": True,
    }


def _fall(progress: Tensor) -> Tensor:
    return (1 + (torch.pi * progress).cos()) / 2
