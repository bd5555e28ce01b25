"""Drawings that test whether a CLIP knows objects by their shape: whole, and cut into tiles.

Which thing it is, is asked among 25 captions that differ in the thing alone (`world.variants`);
chance is 4 %. Tiles have the colours and textures of the drawing, and no shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..resample import resize
from .draw import draw
from .styles import BOOK, Style
from .world import BACKGROUNDS, COLOURS, OBJECTS, TEXTURES, Scene, compose

TEST_SEED = 900  # of series that no training draws
SIDE = 64  # px, what an embedded CLIP sees
TILES = (16, 8, 4)  # px, sides of the tiles that a picture of `SIDE` is cut into
WHOLE = "whole"


def probe_scenes(frames: int = 2, things: int = len(OBJECTS)) -> list[Scene]:
    """Scenes of one thing, standing there once: `things` of the 25 in each of so many *frames*.

    A frame is a colour, a texture and a background. Each goes on where the one before ended.
    """
    rng = np.random.default_rng([TEST_SEED, 3])

    def shuffled(values: Sequence[str]) -> Iterator[str]:
        while True:
            yield from (str(value) for value in rng.permutation(values))

    names, colours = shuffled(OBJECTS), shuffled(COLOURS)
    textures, backgrounds = shuffled(TEXTURES), shuffled(tuple(BACKGROUNDS))
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
    """Cut (b, c, n, n) into tiles of `side` px, laid in random order, for each picture its own.

    Raises:
        ValueError: if `side` does not divide the picture.
    """
    b, _, height, width = pictures.shape
    if height % side or width % side:
        raise ValueError(f"tiles of {side} px do not fill {height} × {width} px")
    tiles = F.unfold(pictures, side, stride=side)
    order = torch.rand(b, tiles.shape[-1], generator=generator).argsort(-1).to(pictures.device)
    shuffled = tiles.gather(2, order[:, None].expand_as(tiles))
    return F.fold(shuffled, (height, width), side, stride=side)


def in_pieces(pictures: Tensor, tiles: Sequence[int] = TILES) -> dict[str, Tensor]:
    """The same pictures whole and in tiles, by name: {"whole": …, "16-px tiles": …, …}.

    Args:
        pictures: (n, 3, h, w) in [0, 1].
        tiles: their sides in pixels, once the picture is brought to 64 px.
    """
    small = resize(pictures, (SIDE, SIDE)).clamp(0, 1)
    generator = torch.Generator().manual_seed(0)
    shuffled = {f"{side}-px tiles": shuffle_tiles(small, side, generator) for side in tiles}
    return {WHOLE: small, **shuffled}
