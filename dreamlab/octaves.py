"""Octaves: structure on a small canvas, then detail on a larger one: Î = I₀ + Σ_k Δ_k."""

from collections.abc import Sequence

from torch import Tensor

from dreamlab.support.resample import resize


def octave_at(step: int, steps: int, octaves: int) -> int:
    """The octave (from 0) of a step (from 0): equal shares, late ones first if steps lack."""
    left = steps - step
    return min(max(step * octaves // steps, octaves - left), octaves - 1)


def compose(base: Tensor, deltas: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """I₀ + Σ Δ_k on a canvas of `size` (h, w), each (b, 3, ·, ·) term resized once."""
    return resize(base, size) + sum(resize(delta, size) for delta in deltas)
