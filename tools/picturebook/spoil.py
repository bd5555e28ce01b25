"""Spoiling pictures: what must fool no judge, and what a dream looks like before it is one.

Tiles, scrambles and textures keep colour and texture of a drawing and destroy its shape. Whoever
still finds the thing there reads textures (Geirhos et al. 2019; Brendel and Bethge 2019). `spoil`
makes the half-finished pictures from which a gradient must find the way to the drawing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamlab.picturebook.probe import shuffle_tiles


def scramble(pictures: Tensor, reach: float, generator: torch.Generator) -> Tensor:
    """Move each spot of (b, c, n, n) by about `reach` px, its neighbours elsewhere."""
    b, _, n, _ = pictures.shape
    shifts = torch.randn(b, 2, n // 4, n // 4, generator=generator).to(pictures.device)
    shifts = F.interpolate(shifts, size=(n, n), mode="bilinear").permute(0, 2, 3, 1)
    line = (torch.arange(n, device=pictures.device) + 0.5) / n * 2 - 1
    here = torch.stack([line.expand(n, n), line[:, None].expand(n, n)], -1)
    grid = here + shifts * (2 * reach / n)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def texture_only(pictures: Tensor, owners: Tensor, side: int = 16) -> Tensor:
    """Fill (b, c, n, n) with one patch of `side` px from the middle of the first thing.

    `owners` is its share in each pixel, (b, 1, n, n). Where nothing is owned, the middle is taken.
    """
    n = pictures.shape[-1]
    line = torch.arange(n, device=pictures.device, dtype=torch.float32)
    weight = owners[:, 0] + 1e-6
    centre = (
        torch.stack([(weight.sum(2) * line).sum(1), (weight.sum(1) * line).sum(1)], -1)
        / weight.sum((1, 2))[:, None]
    )
    corner = (centre - side / 2).round().clamp(0, n - side).long()
    patches = torch.stack(
        [
            p[:, y : y + side, x : x + side]
            for p, (y, x) in zip(pictures, corner.tolist(), strict=True)
        ]
    )
    # Mirrored from patch to patch, so that no seams make a pattern of their own.
    pair = torch.cat([patches, patches.flip(-1)], -1)
    block = torch.cat([pair, pair.flip(-2)], -2)
    times = -(-n // block.shape[-1])
    return block.repeat(1, 1, times, times)[..., :n, :n]


def fools(pictures: Tensor, owners: Tensor, generator: torch.Generator) -> Tensor:
    """One picture without shape of each of (b, c, n, n): half in tiles, the rest by turns."""
    parts = []
    makers = (
        lambda p, _: shuffle_tiles(p, 16, generator),
        lambda p, _: shuffle_tiles(p, 8, generator),
        lambda p, _: shuffle_tiles(p, 16, generator),
        lambda p, _: scramble(p, 6.0, generator),
        lambda p, _: shuffle_tiles(p, 8, generator),
        texture_only,
        lambda p, _: shuffle_tiles(p, 4, generator),
        lambda p, _: scramble(p, 10.0, generator),
    )
    for i in range(len(pictures)):
        parts.append(makers[i % len(makers)](pictures[i : i + 1], owners[i : i + 1]))
    return torch.cat(parts)


def spoil(pictures: Tensor, strength: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures on the way from grey to these: parts fade, others stand there, noise lies over all.

    Every picture keeps a share of itself, the same everywhere or another at each spot. The rest is
    grey, dim blotches, another picture of the batch, or its own tiles in disorder. A third is kept
    whole, so that the model knows clean pictures as well.

    Args:
        pictures: (b, 3, n, n) in [0, 1].
        strength: largest standard deviation of the white noise.
        generator: all randomness, on the CPU.

    Returns:
        The spoiled pictures, not clipped, and how much of the old one each pixel kept,
        (b, 1, n, n) from 0 to 1.
    """
    b, _, n, _ = pictures.shape
    place = pictures.device

    def uniform() -> Tensor:
        return torch.rand(b, 1, 1, 1, generator=generator).to(place)

    def blotches(channels: int, spots: int) -> Tensor:
        drawn = torch.randn(b, channels, spots, spots, generator=generator).to(place)
        return F.interpolate(drawn, size=(n, n), mode="bicubic")

    keep = uniform() ** 0.7
    field = 3 * blotches(1, 4) + 1.5 * blotches(1, 8) * (uniform() < 0.5) + 4 * (uniform() - 0.5)
    keep = torch.where(uniform() < 0.5, keep, field.sigmoid())
    keep = torch.where(uniform() < 0.3, 1.0, keep)

    grey = torch.where(uniform() < 0.5, 0.5, 0.5 + 0.15 * blotches(3, 8) * uniform())
    kind = uniform()
    tiles = shuffle_tiles(pictures, 16 if uniform()[0] < 0.5 else 8, generator)
    other = torch.where(kind < 0.2, pictures.roll(1, 0), torch.where(kind > 0.88, tiles, grey))

    # Few are very noisy: a dream's views are hardly ever.
    deviation = 0.02 + strength * uniform() ** 1.5
    noise = torch.randn(pictures.shape, generator=generator).to(place)
    spoiled = keep * pictures + (1 - keep) * other + deviation * noise
    return spoiled, keep.expand(b, 1, n, n)
