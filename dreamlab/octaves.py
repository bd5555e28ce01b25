"""Octaves: first the structure on a small canvas, then the detail on a larger one.

The picture after octave k is never a resized picture but a sum, Î = I₀ + Σ_k Δ_k, where I₀ is the
start and Δ_k is what octave k added, kept at the size at which it was made.
"""

from collections.abc import Sequence

from torch import Tensor

from dreamlab.resample import resize


def octave_at(step: int, steps: int, octaves: int) -> int:
    """Which octave (from 0) a step (from 0) belongs to: each gets the same share of the steps.

    Where there are fewer steps than octaves, the first ones get none.
    """
    left = steps - step
    return min(max(step * octaves // steps, octaves - left), octaves - 1)


def compose(base: Tensor, deltas: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """I₀ + Σ Δ_k on a canvas of `size` (h, w), each (b, 3, ·, ·) term resized once."""
    return resize(base, size) + sum(resize(delta, size) for delta in deltas)
