"""Checks of chapter 8: gradients of one size, a gain and its error, a schedule that restarts."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, alike, ask_number, ask_tensor, near, verdict


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
def gain(answer: Callable) -> str:
    """Check `answer(below, above)`: the mean of what each of n captions gained from one rung to the
    next, and the standard error of that mean: two numbers. Both arguments are (n,).

    Whether the deviation divides by n or by n − 1 is free.
    """
    generator = torch.Generator().manual_seed(4)
    for n in (6, 40):
        below = 0.5 + 0.1 * torch.randn(n, generator=generator).double()
        above = below + 0.04 + 0.02 * torch.randn(n, generator=generator).double()
        found = ask_tensor(answer, below, above, shape=(2,))
        gained = above - below
        middle, error = found.tolist()
        deviations = [gained.std(correction=free).item() for free in (0, 1)]
        if near(middle, -gained.mean().item()):
            raise NotYet("the sign has changed: a gain is the rung above, less the rung below")
        if near(error, gained.mean().item()) and not near(middle, error):
            raise NotYet("the two numbers are exchanged: first the mean, then its error")
        if near(middle, gained.sum().item()):
            raise NotYet("that is the sum of all gains; take the mean")
        if near(middle, gained.median().item()) and not near(middle, gained.mean().item()):
            raise NotYet("the first number is the median; the mean is wanted")
        if not near(middle, gained.mean().item()):
            raise NotYet(
                f"the mean gain of {n} captions is {gained.mean():.4f}, and this says {middle:.4f}"
            )
        if any(near(error, deviation / n**0.5) for deviation in deviations):
            continue
        if any(near(error, deviation) for deviation in deviations):
            raise NotYet(
                "the second number says how far single captions scatter. The mean of n of them "
                "scatters less, by the root of n"
            )
        if any(near(error, deviation / n) for deviation in deviations):
            raise NotYet("divided by n; the error of a mean shrinks with the root of n only")
        if any(near(error, deviation**2 / n) for deviation in deviations):
            raise NotYet("that is the variance of the mean; its root is wanted")
        apart = [
            ((below.var(correction=free) + above.var(correction=free)) / n).sqrt().item()
            for free in (0, 1)
        ]
        if any(near(error, each) for each in apart):
            raise NotYet(
                "that treats the two rungs as if they had dreamt different captions. Take the "
                "difference caption by caption first, then look how the differences scatter"
            )
        raise NotYet(
            f"the standard error is {deviations[1] / n**0.5:.4f}, and this says {error:.4f}"
        )
    return "caption by caption: what all rungs share, an easy or a hard sentence, drops out."


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
