"""Drawings, whole and in tiles, that test whether a CLIP knows objects by their shape."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..support.resample import resize
from .draw import draw
from .styles import BOOK, Style
from .world import BACKGROUNDS, COLOURS, OBJECTS, TEXTURES, Scene, compose, shuffled

TEST_SEED = 900  # of series that no training draws
SIDE = 64  # px, what an embedded CLIP sees
TILES = (16, 8, 4)  # px, sides of the tiles that a picture of `SIDE` is cut into
WHOLE = "whole"


def probe_scenes(frames: int = 2, things: int = len(OBJECTS)) -> list[Scene]:
    """`things` of the 25, once each, in so many *frames*: a colour, a texture and a background."""
    rng = np.random.default_rng([TEST_SEED, 3])
    kinds = OBJECTS, COLOURS, TEXTURES, tuple(BACKGROUNDS)
    names, colours, textures, backgrounds = (shuffled(values, rng) for values in kinds)
    scenes = []
    for _ in range(frames):
        colour, texture, background = next(colours), next(textures), next(backgrounds)
        for _ in range(things):
            thing = (next(names), colour, texture, 1)
            scenes.append(compose(background, [thing], seed=int(rng.integers(2**31))))
    return scenes


def drawn(scenes: Sequence[Scene], style: Style = BOOK) -> Tensor:
    """Drawings as a tensor (n, 3, 96, 96) in [0, 1]."""
    return as_floats(np.stack([np.asarray(draw(scene, 96, style)) for scene in scenes]))


def as_floats(pictures: np.ndarray) -> Tensor:
    """(n, h, w, 3) of bytes as (n, 3, h, w) in [0, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255


def shuffle_tiles(pictures: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Cut (b, c, n, n) into tiles of `side` px, which must fit, and lay them in random order."""
    b, _, height, width = pictures.shape
    if height % side or width % side:
        raise ValueError(f"tiles of {side} px do not fill {height} × {width} px")
    tiles = F.unfold(pictures, side, stride=side)
    order = torch.rand(b, tiles.shape[-1], generator=generator).argsort(-1).to(pictures.device)
    shuffled = tiles.gather(2, order[:, None].expand_as(tiles))
    return F.fold(shuffled, (height, width), side, stride=side)


def in_pieces(pictures: Tensor, tiles: Sequence[int] = TILES) -> dict[str, Tensor]:
    """Pictures (n, 3, h, w) at 64 px, whole and in tiles: {"whole": …, "16-px tiles": …, …}."""
    small = resize(pictures, (SIDE, SIDE)).clamp(0, 1)
    generator = torch.Generator().manual_seed(0)
    shuffled = {f"{side}-px tiles": shuffle_tiles(small, side, generator) for side in tiles}
    return {WHOLE: small, **shuffled}
