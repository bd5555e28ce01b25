"""Colours and textures as tiles (size, size, 3); `FILLS`, `LINES`, `GROUNDS` of the two styles."""

from __future__ import annotations

import colorsys
import functools
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

RGB = tuple[int, int, int]
_COLOURS = json.loads(Path(__file__).with_name("colours.json").read_text("utf-8"))
# Hue, saturation and value, each a middle and a spread: "red" is a family, not one triple.
PAINT: dict[str, list[float]] = _COLOURS["paint"]
INK, CHALK = ({name: tuple(rgb) for name, rgb in _COLOURS[k].items()} for k in ("ink", "chalk"))
RAINBOW, PAPER = _COLOURS["rainbow"], tuple(_COLOURS["paper"])


def brightness(rgb: np.ndarray) -> float:
    """How light a colour looks, 0 to 255."""
    return float(rgb @ (0.299, 0.587, 0.114))


def mixed(colour: str, rng: np.random.Generator) -> np.ndarray:
    h, dh, s, ds, v, dv = PAINT[colour]
    u = rng.uniform(-1, 1, 3)
    s, v = (float(np.clip(x, 0, 1)) for x in (s + ds * u[1], v + dv * u[2]))
    return np.array(colorsys.hsv_to_rgb((h + dh * u[0]) % 1, s, v)) * 255


def contour(base: np.ndarray) -> tuple[int, ...]:
    """The colour of lines around and on a thing: a dark shade of its own, light on a dark one."""
    return (225, 222, 214) if brightness(base) < 60 else tuple((base * 0.32).astype(int))


def inks(base: np.ndarray, own_inks: tuple[tuple[str, RGB], ...] = ()) -> dict[str, tuple]:
    """Every ink of a thing whose body has this colour: `shade` is darker, `line` a strong tone."""
    dark = brightness(base) < 60
    return {
        **INK,
        **dict(own_inks),
        "shade": tuple((base * 0.7).astype(int)),
        "tone": tuple((base + (255 - base) * 0.3 if dark else base * 0.74).astype(int)),
        "line": contour(base),
    }


def marks(
    texture: str, size: int, radius: float, canvas: int, rng: np.random.Generator
) -> np.ndarray | None:
    """Where a texture has its second colour, (size, size) of bool; None for a plain one."""
    y, x = np.mgrid[0:size, 0:size] - size / 2
    period = max(0.62 * radius, 0.09 * canvas)  # coarse enough to survive 64 px
    if texture == "striped":
        angle = rng.choice((0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4))
        wave = (x * math.cos(angle) + y * math.sin(angle)) / (0.8 * period) + rng.random()
        return wave % 1 < 0.45
    if texture == "checkered":
        u, v = x / (1.2 * period) + rng.random(), y / (1.2 * period) + rng.random()
        return (u % 1 < 0.5) ^ (v % 1 < 0.5)
    if texture == "spotted":
        u, v = x / period + rng.random(), y / (0.87 * period) + rng.random()
        u = u + 0.5 * (np.floor(v) % 2)
        return (u % 1 - 0.5) ** 2 + ((v % 1 - 0.5) * 0.87) ** 2 < 0.27**2
    return None


def textured(
    base: np.ndarray, texture: str, size: int, radius: float, canvas: int, rng: np.random.Generator
) -> np.ndarray:
    """A flat tile of the base colour with its texture."""
    tile = np.broadcast_to(base, (size, size, 3)).astype(np.float32)
    second = base * 0.45 if brightness(base) > 140 else base + (255 - base) * 0.78
    where = marks(texture, size, radius, canvas, rng)
    return tile if where is None else np.where(where[..., None], second, tile)


def rainbow_bands(r: np.ndarray, inner: float) -> np.ndarray:
    """The colours of a many-coloured rainbow at these radii; 1 is its outer edge."""
    band = np.clip(((1.0 - r) / (1.0 - inner) * len(RAINBOW)).astype(int), 0, len(RAINBOW) - 1)
    return np.array(RAINBOW, dtype=np.uint8)[band]


@functools.cache
def _noise(slanted: bool) -> np.ndarray:
    """Smooth noise of mean 0 and spread 1, (512, 512), the same in every run."""
    n = np.random.default_rng(4).standard_normal((512, 512))
    for _ in range(2):
        n = n + np.roll(n, 1, 0) + np.roll(n, 1, 1)
    if slanted:
        n = sum(np.roll(n, (2 * k, -3 * k), (0, 1)) for k in range(4))
    return ((n - n.mean()) / n.std()).astype(np.float32)


def grain(
    size: int, canvas: int, brush: np.random.Generator, *, slanted: bool = False
) -> np.ndarray:
    """Paper's grain or slanted strokes, (size, size), mean 0, spread 1, scaled with the canvas."""
    at = (np.arange(size) * 180 / canvas).astype(int)
    dy, dx = brush.integers(512, size=2)
    return _noise(slanted)[np.ix_((at + dy) % 512, (at + dx) % 512)]


def hatching(size: int, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """Fine uneven lines, (size, size) in 0…1; their period is a third of the finest texture's."""
    y, x = np.mgrid[0:size, 0:size]
    angle = brush.uniform(0, math.pi)
    at = (x * math.cos(angle) + y * math.sin(angle)) / (0.026 * canvas)
    rough = grain(size, canvas, brush)
    return np.clip(0.5 + 0.9 * np.sin(2 * math.pi * at + 0.9 * rough) + 0.3 * rough, 0, 1)


def _lit(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    size = len(tile)
    heights = np.broadcast_to((np.arange(size)[:, None] - size / 2) / size, (size, size))
    return tile * (1.06 - 0.2 * (heights + 0.5))[..., None]


def _bareness(tile: np.ndarray) -> np.ndarray:
    """How readily paper shows through; dark paint hides it better, or black would turn brown."""
    return np.minimum(1, 0.3 + 1.4 * tile.mean(-1, keepdims=True) / 255)


def paler(tile: np.ndarray, amount: float | np.ndarray) -> np.ndarray:
    """Mixed with this much paper."""
    return tile + (np.array(PAPER, dtype=np.float32) - tile) * amount * _bareness(tile)


def _chalk(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """Powdery and a little paler than the colour."""
    rough = grain(len(tile), canvas, brush)[..., None]
    return paler(tile, np.clip(0.06 + 0.06 * rough, 0, 1))


Fill = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
FILLS: dict[str, Fill] = {"lit": _lit, "flat": lambda tile, canvas, brush: tile, "chalk": _chalk}
"""What a fill makes of a tile, on a canvas of so many pixels."""


def filled(tile: np.ndarray, fill: str, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """A tile filled in the way of `FILLS`, as bytes."""
    return np.clip(FILLS[fill](tile, canvas, brush), 0, 255).astype(np.uint8)


def chalk_cover(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """How much of the ground this tile covers in loosely hatched chalk, (size, size) in 0…255."""
    strokes = grain(len(tile), canvas, brush, slanted=True)
    lines = hatching(len(tile), canvas, brush)
    bare = np.clip(0.02 + 0.2 * lines - 0.12 * strokes, 0, 0.65) * _bareness(tile)[..., 0]
    return (255 * (1 - bare)).astype(np.uint8)


LINES: dict[str, Callable[[np.ndarray], tuple[int, ...]]] = {
    "own": contour,
    "chalk": lambda base: (236, 230, 214),
}
"""The colour of outlines round a body of this colour."""


def to_image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _pastel(picture: Image.Image, brush: np.random.Generator) -> Image.Image:
    """Chalk rubbed into a muted sheet, the sheet showing between broad strokes."""
    pixels = np.asarray(picture, dtype=np.float32)
    strokes = grain(picture.width, picture.width, brush, slanted=True)[..., None]
    sheet = np.array((142, 132, 118), dtype=np.float32)
    return to_image(pixels + (sheet - pixels) * (0.3 + 0.16 * strokes).clip(0.05, 0.6))


GROUNDS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "painted": lambda picture, brush: picture,
    "pastel": _pastel,
}
"""What becomes of a background."""
