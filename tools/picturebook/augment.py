"""What the models are shown of a painting: windows, corrupted windows, shapeless negatives.

All randomness comes from a generator on the CPU, so that every device sees the same pictures.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from data import Batch, single_object
from dreamlab.picturebook.probe import shuffle_tiles

IMAGE = 64  # side of what the models see, px


def uniform(
    low: float, high: float, shape: tuple[int, ...], generator: torch.Generator, like: Tensor
) -> Tensor:
    """Uniform random numbers of this shape, on the device of `like`."""
    return low + (high - low) * torch.rand(shape, generator=generator).to(like.device)


def normal(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard normal random numbers of this shape, on the device of `like`."""
    return torch.randn(shape, generator=generator).to(like.device)


# --- windows --------------------------------------------------------------------------------------


def random_placement(
    sides: Tensor, generator: torch.Generator, like: Tensor
) -> tuple[Tensor, Tensor]:
    """For windows of these sides (b,): 1 or −1 (mirrored), (b,), and centres inside, (b, 2)."""
    mirror = 1 - 2 * (uniform(0, 1, sides.shape, generator, like) < 0.5).float()
    centres = uniform(-1, 1, (len(sides), 2), generator, like) * (1 - sides)[:, None]
    return mirror, centres


def window_matrices(sides: Tensor, tilt: Tensor, mirror: Tensor, centres: Tensor) -> Tensor:
    """Affine maps (b, 2, 3), as `F.affine_grid` takes them, to windows in [−1, 1]²."""
    cos, sin = sides * tilt.cos(), sides * tilt.sin()
    rows = (
        torch.stack([cos * mirror, -sin, centres[:, 0]], -1),
        torch.stack([sin * mirror, cos, centres[:, 1]], -1),
    )
    return torch.stack(rows, 1)


def sample_windows(images: Tensor, matrices: Tensor) -> Tensor:
    """The windows (b, c, 64, 64) of images (b, c, h, w), bilinear."""
    grid = F.affine_grid(matrices, [*images.shape[:2], IMAGE, IMAGE], align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def close_up(masks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows that an object fills to 55 to 90 %: sides (b,), centres (b, 2) in [−1, 1].

    `masks` is the object's share in each pixel, (b, n, n).
    """
    n = masks.shape[-1]
    line = torch.arange(n, device=masks.device)

    def extent(along: int) -> tuple[Tensor, Tensor]:
        owned = masks.amax(along) > 0.5
        last = torch.where(owned, line, -1).amax(1) + 1
        return torch.where(owned, line, n).amin(1) / n, last / n

    (left, right), (top, bottom) = extent(1), extent(2)
    size = torch.maximum(right - left, bottom - top).clamp(0, 1)
    sides = (size / uniform(0.55, 0.9, size.shape, generator, masks)).clamp(0.4, 1)
    centres = torch.stack([left + right, top + bottom], -1) - 1
    # Off the middle as far as the object stays inside the window, and the window in the painting.
    slack = (sides - size).clamp(min=0)[:, None]
    centres = centres + slack * uniform(-1, 1, centres.shape, generator, masks)
    room = (1 - sides)[:, None]
    return sides, centres.clamp(-room, room)


def clean_windows(batch: Batch, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """What the dreamer's gradient must point at: windows (b, 3, 64, 64), and their masks.

    Most single objects are seen close up: a shape that is large, and always about as large, is
    learned sooner. Light and colours stay as painted: a gradient that must guess them draws pale.
    """
    b, like = len(batch.pictures), batch.pictures
    wide = uniform(0, 1, (b,), generator, like) < 0.75
    sides = torch.where(
        wide, uniform(0.85, 1, (b,), generator, like), uniform(0.6, 0.85, (b,), generator, like)
    )
    mirror, centres = random_placement(sides, generator, like)
    near_sides, near_centres = close_up(batch.masks[:, 1], generator)
    near = single_object(batch.attributes) & (uniform(0, 1, (b,), generator, like) < 0.95)
    sides = torch.where(near, near_sides, sides)
    centres = torch.where(near[:, None], near_centres, centres)
    matrices = window_matrices(sides, torch.zeros_like(sides), mirror, centres)
    return sample_windows(like, matrices), sample_windows(batch.masks, matrices)


def augment(batch: Batch, generator: torch.Generator, strength: float) -> tuple[Tensor, Tensor]:
    """What the judge sees: windows with random crop, tilt, mirror, light, blur and noise.

    Args:
        batch: the paintings.
        generator: all randomness, on the CPU.
        strength: of noise and blur, and share of small crops, 0 to 1.

    Returns:
        The windows (b, 3, 64, 64), not clipped, and the share of the first item in each pixel,
        (b, 1, 64, 64).
    """
    like = batch.pictures
    b = len(like)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return uniform(low, high, (b, *shape), generator, like)

    def chance(p: float, *shape: int) -> Tensor:
        return (between(0, 1, *shape) < p).float()

    # Mostly the whole scene, sometimes a part of it: dreams are looked at through cutouts.
    sides = torch.where(chance(1 - 0.25 * strength) > 0, between(0.8, 1.0), between(0.55, 0.8))
    tilt = between(-0.2, 0.2)
    matrices = window_matrices(sides, tilt, *random_placement(sides, generator, like))
    views = sample_windows(like, matrices)
    first = sample_windows(batch.masks[:, 1:2], matrices)

    soft = F.avg_pool2d(F.pad(views, (1, 1, 1, 1), mode="replicate"), 3, 1)
    softer = F.interpolate(F.avg_pool2d(views, 4), scale_factor=4, mode="bilinear")
    blur, heavy = between(0, 1, 1, 1, 1) * chance(0.4, 1, 1, 1), chance(0.1 * strength, 1, 1, 1)
    views = torch.lerp(torch.lerp(views, soft, blur), softer, heavy)
    views = (views - 0.5) * between(0.75, 1.2, 1, 1, 1) + 0.5 + between(-0.1, 0.1, 1, 1, 1)
    views = views * between(0.93, 1.07, 3, 1, 1)

    # Fine noise, and coarse noise whose blotches a blur does not remove.
    fine = normal((b, 3, IMAGE, IMAGE), generator, like)
    fine = fine * between(0, 0.3 * strength, 1, 1, 1) * chance(0.6, 1, 1, 1)
    coarse = F.interpolate(normal((b, 3, 16, 16), generator, like), IMAGE, mode="bilinear")
    coarse = coarse * between(0, 0.2 * strength, 1, 1, 1) * chance(0.3, 1, 1, 1)
    return views + fine + coarse, first


def with_margin(masks: Tensor) -> Tensor:
    """Where objects stand, outlines and all, with a margin of 2 px: (b, 1, n, n) of `masks`."""
    return F.max_pool2d(1 - masks[:, :1], 5, 1, 2)


# --- corrupted pictures ---------------------------------------------------------------------------


def corrupt(pictures: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures on the way from grey to these: parts fade, others stand there, noise lies over all.

    Every picture keeps a share of itself, the same everywhere or another at each pixel. The rest is
    grey, faint low-frequency noise, another picture of the batch, or its own tiles in random order.
    A third is kept whole, so that the model knows clean pictures as well.

    Args:
        pictures: (b, 3, n, n) in [0, 1].
        generator: all randomness, on the CPU.

    Returns:
        The corrupted pictures, not clipped, and how much of the old one each pixel kept,
        (b, 1, n, n) from 0 to 1.
    """
    b, _, n, _ = pictures.shape

    def share() -> Tensor:
        return uniform(0, 1, (b, 1, 1, 1), generator, pictures)

    def low_frequency(channels: int, side: int) -> Tensor:
        coarse = normal((b, channels, side, side), generator, pictures)
        return F.interpolate(coarse, size=(n, n), mode="bicubic")

    keep = share() ** 0.7
    field = 3 * low_frequency(1, 4) + 1.5 * low_frequency(1, 8) * (share() < 0.5)
    field = field + 4 * (share() - 0.5)
    keep = torch.where(share() < 0.5, keep, field.sigmoid())
    keep = torch.where(share() < 0.3, 1.0, keep)

    grey = torch.where(share() < 0.5, 0.5, 0.5 + 0.15 * low_frequency(3, 8) * share())
    kind = share()
    tiles = shuffle_tiles(pictures, 16 if share()[0] < 0.5 else 8, generator)
    other = torch.where(kind < 0.2, pictures.roll(1, 0), torch.where(kind > 0.88, tiles, grey))

    # Few are very noisy: a dream's views are hardly ever.
    deviation = 0.02 + 0.3 * share() ** 1.5
    noise = normal(pictures.shape, generator, pictures)
    corrupted = keep * pictures + (1 - keep) * other + deviation * noise
    return corrupted, keep.expand(b, 1, n, n)


def visible_attributes(attributes: Tensor, objects: Tensor, kept: Tensor) -> Tensor:
    """The attributes (b, 9) of what is still there: −1 for objects or a background that are gone.

    Args:
        attributes: of the whole pictures.
        objects: (b, 1, n, n), the share of objects in each pixel.
        kept: (b, 1, n, n), how much of each pixel is left, 0 to 1.
    """
    attributes = attributes.clone()
    shown = (objects * kept).flatten(1).sum(1) / objects.flatten(1).sum(1).clamp(min=1)
    attributes[shown < 0.35, 1:] = -1
    attributes[kept.flatten(1).mean(1) < 0.25, 0] = -1
    return attributes


def view_noise(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures as a dream's views show them: each with white noise of deviation 0 to 0.2."""
    deviation = uniform(0, 0.2, (len(pictures), 1, 1, 1), generator, pictures)
    return pictures + deviation * normal(pictures.shape, generator, pictures)


# --- negatives without shape ----------------------------------------------------------------------
# They keep colour and texture of a drawing and destroy its shape. A model that still finds the
# object there reads textures (Geirhos et al. 2019; Brendel and Bethge 2019).


def warp(pictures: Tensor, reach: float, generator: torch.Generator) -> Tensor:
    """Move each spot of (b, c, n, n) by about `reach` px, its neighbours elsewhere."""
    b, _, n, _ = pictures.shape
    shifts = normal((b, 2, n // 4, n // 4), generator, pictures)
    shifts = F.interpolate(shifts, size=(n, n), mode="bilinear").permute(0, 2, 3, 1)
    line = (torch.arange(n, device=pictures.device) + 0.5) / n * 2 - 1
    here = torch.stack([line.expand(n, n), line[:, None].expand(n, n)], -1)
    grid = here + shifts * (2 * reach / n)
    return F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)


def texture_only(pictures: Tensor, masks: Tensor, side: int = 16) -> Tensor:
    """Fill (b, c, n, n) with a patch of `side` px from the centre of mass of masks (b, 1, n, n).

    Of empty masks it is the centre of the picture.
    """
    n = pictures.shape[-1]
    line = torch.arange(n, device=pictures.device, dtype=torch.float32)
    weight = masks[:, 0] + 1e-6
    moments = torch.stack([(weight.sum(2) * line).sum(1), (weight.sum(1) * line).sum(1)], -1)
    corners = (moments / weight.sum((1, 2))[:, None] - side / 2).round().clamp(0, n - side).long()
    windows = zip(pictures, corners.tolist(), strict=True)
    patches = torch.stack([p[:, y : y + side, x : x + side] for p, (y, x) in windows])
    # Mirrored from patch to patch, so that no seams make a pattern of their own.
    pair = torch.cat([patches, patches.flip(-1)], -1)
    block = torch.cat([pair, pair.flip(-2)], -2)
    times = -(-n // block.shape[-1])
    return block.repeat(1, 1, times, times)[..., :n, :n]


def shapeless_negatives(pictures: Tensor, masks: Tensor, generator: torch.Generator) -> Tensor:
    """One picture without shape of each of (b, c, n, n): mostly tiles, the rest by turns."""
    makers = (
        lambda p, _: shuffle_tiles(p, 16, generator),
        lambda p, _: shuffle_tiles(p, 8, generator),
        lambda p, _: shuffle_tiles(p, 16, generator),
        lambda p, _: warp(p, 6.0, generator),
        lambda p, _: shuffle_tiles(p, 8, generator),
        texture_only,
        lambda p, _: shuffle_tiles(p, 4, generator),
        lambda p, _: warp(p, 10.0, generator),
    )
    pairs = zip(pictures.split(1), masks.split(1), strict=True)
    made = [makers[i % len(makers)](*pair) for i, pair in enumerate(pairs)]
    return torch.cat(made)
