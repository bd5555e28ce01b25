"""The styles that the judge is trained with: very many, and nothing of what is held out.

Fills, lines, grounds and `designs` that only training uses are added to the painter's tables here.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import Image

from designs import NOTHING_DESIGNS, RANDOM_DESIGNS, add_designs
from dreamlab.picturebook.paint import (
    FILLS,
    GROUNDS,
    LINES,
    PAPER,
    RGB,
    grain,
    hatching,
    paler,
    to_image,
)
from dreamlab.picturebook.shapes import HELD_OUT_DESIGN
from dreamlab.picturebook.styles import Style

# Hue, saturation and value of details in a random style, each from and to.
_INK_RANGE: dict[str, tuple[float, float, float, float, float, float]] = {
    "dark": (0.5, 1.0, 0.0, 0.4, 0.06, 0.24),
    "white": (0.0, 1.0, 0.0, 0.06, 0.93, 1.0),
    "glass": (0.1, 0.6, 0.1, 0.55, 0.85, 1.0),
    "wood": (0.02, 0.11, 0.3, 0.7, 0.3, 0.62),
    "leaf": (0.22, 0.42, 0.4, 0.8, 0.35, 0.7),
    "gold": (0.09, 0.17, 0.4, 0.85, 0.85, 1.0),
    "flame": (-0.02, 0.12, 0.6, 0.95, 0.8, 1.0),
    "mast": (0.02, 0.11, 0.2, 0.6, 0.2, 0.45),
    "cream": (0.08, 0.16, 0.05, 0.25, 0.9, 1.0),
    "water": (0.5, 0.64, 0.3, 0.8, 0.7, 1.0),
    "rose": (0.92, 1.02, 0.4, 0.8, 0.7, 0.95),
    "stone": (0.0, 1.0, 0.0, 0.1, 0.4, 0.75),
}

# --- fills ----------------------------------------------------------------------------------------


def _heights(size: int) -> np.ndarray:
    """How far below the middle each row is, −½ to ½, (size, size)."""
    return np.broadcast_to((np.arange(size)[:, None] - size / 2) / size, (size, size))


def _gradient(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """Darker towards any side."""
    v = _heights(len(tile))
    a = brush.uniform(0, 2 * math.pi)
    along = math.cos(a) * v.T + math.sin(a) * v
    return tile * (0.95 + 0.34 * along)[..., None]


def _round(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """Modelled as if it were round, lit from the upper left or right."""
    v = _heights(len(tile))
    side = brush.choice((-1.0, 1.0))
    r = np.hypot(v.T - 0.18 * side, v + 0.2)
    glow = np.clip(0.3 - r, 0, 1)[..., None]
    return tile * (1.1 - 0.42 * r)[..., None] + (255 - tile) * 0.5 * glow


def _hatched(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    lines = hatching(len(tile), canvas, brush)[..., None]
    return paler(tile, 0.15) * (1.06 - 0.26 * lines)


def _crayon(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """Wax on rough paper, which shows where the crayon jumped."""
    rough = grain(len(tile), canvas, brush, slanted=True)[..., None]
    return paler(tile, np.clip(0.08 + 0.3 * rough, 0, 0.6)) - 6 * rough


def _washed(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """Thin wet paint, in lighter and darker pools."""
    n = len(tile)
    pools = Image.fromarray(brush.normal(0, 1, (6, 6)).astype(np.float32)).resize(
        (n, n), Image.Resampling.BICUBIC
    )
    return tile * (1 + 0.12 * np.asarray(pools))[..., None]


def _dabbed(tile: np.ndarray, canvas: int, brush: np.random.Generator) -> np.ndarray:
    """Short strokes of lighter and darker paint, as with a stiff brush."""
    return tile * (1 + 0.13 * grain(len(tile), canvas, brush, slanted=True))[..., None]


FILLS |= {
    "washed": _washed,
    "dabbed": _dabbed,
    "gradient": _gradient,
    "round": _round,
    "hatched": _hatched,
    "silhouette": FILLS["flat"],  # one tone; `draw` gives details another
    "crayon": _crayon,
}
LINES |= {
    "black": lambda base: (24, 22, 26),
    "deep": lambda base: tuple((base * 0.6).astype(int)),
    "pencil": lambda base: (104, 102, 106),
    "pale": lambda base: tuple((0.55 * base + 110).astype(int)),
    "blue": lambda base: (38, 52, 120),
    "sepia": lambda base: (110, 66, 38),
}

# --- grounds --------------------------------------------------------------------------------------


def _few_tones(picture: Image.Image, brush: np.random.Generator) -> Image.Image:
    """In four to six flat tones."""
    few = picture.quantize(int(brush.integers(4, 7)), Image.Quantize.FASTOCTREE)
    return few.convert("RGB")


def _blurred(picture: Image.Image, brush: np.random.Generator) -> Image.Image:
    small = max(4, round(picture.width / brush.uniform(4, 7)))
    coarse = picture.resize((small, small), Image.Resampling.BOX)
    return coarse.resize(picture.size, Image.Resampling.BICUBIC)


def _hatched_ground(picture: Image.Image, brush: np.random.Generator) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32)
    lines = hatching(picture.width, picture.width, brush)
    return to_image(pixels * (1.06 - 0.2 * lines[..., None]))


def _paper(picture: Image.Image, brush: np.random.Generator) -> Image.Image:
    """Thin paint on rough paper."""
    pixels = np.asarray(picture, dtype=np.float32)
    rough = grain(picture.width, picture.width, brush)[..., None]
    pixels += (np.array(PAPER, dtype=np.float32) - pixels) * (0.18 + 0.07 * rough).clip(0, 1)
    return to_image(pixels + 5 * rough)


def _faded(picture: Image.Image, brush: np.random.Generator) -> Image.Image:
    """All of it nearer to its own mean colour."""
    pixels = np.asarray(picture, dtype=np.float32)
    mean = pixels.mean((0, 1))
    return to_image(mean + (pixels - mean) * brush.uniform(0.35, 0.7))


def _streaked(picture: Image.Image, brush: np.random.Generator) -> Image.Image:
    """Painted in broad uneven strokes across or down."""
    pixels = np.asarray(picture, dtype=np.float32)
    n = picture.width
    rows = np.repeat(brush.normal(0, 7, 40), -(-n // 40))[:n, None, None]
    return to_image(pixels + (rows if brush.random() < 0.5 else rows.transpose(1, 0, 2)))


GROUNDS |= {
    "faded": _faded,
    "streaked": _streaked,
    "flat": _few_tones,
    "blurred": _blurred,
    "hatched": _hatched_ground,
    "paper": _paper,
}

# --- styles ---------------------------------------------------------------------------------------

FILL_SHARES = {
    "lit": 0.12, "flat": 0.2, "gradient": 0.12, "round": 0.1, "hatched": 0.12, "silhouette": 0.08,
    "crayon": 0.1, "washed": 0.08, "dabbed": 0.08,
}  # fmt: skip
GROUND_SHARES = {
    "painted": 0.3, "flat": 0.15, "blurred": 0.15, "hatched": 0.12, "paper": 0.12, "faded": 0.08,
    "streaked": 0.08,
}  # fmt: skip
LINE_SHARES = {
    "own": 0.22, "black": 0.2, "deep": 0.18, "pencil": 0.16, "pale": 0.1, "blue": 0.07,
    "sepia": 0.07,
}  # fmt: skip
NEW_DESIGNS = 0.75  # share of the styles that draw random designs instead of the book's
add_designs()


def _rgb(h: float, s: float, v: float) -> RGB:
    wheel = np.abs((h * 6 + np.array((0, 4, 2))) % 6 - 3) - 1
    r, g, b = (255 * v * (1 - s + s * np.clip(wheel, 0, 1))).astype(int)
    return int(r), int(g), int(b)


def _random_inks(rng: np.random.Generator) -> tuple[tuple[str, RGB], ...]:
    u = rng.random((len(_INK_RANGE), 3))
    return tuple(
        (name, _rgb(*(a + (b - a) * t for a, b, t in zip(r[::2], r[1::2], row, strict=True))))
        for (name, r), row in zip(_INK_RANGE.items(), u, strict=True)
    )


def random_style(rng: np.random.Generator) -> Style:
    """A style to train with: a third near the picture book's, nothing of what is `HELD_OUT`."""
    known = [d for d in range(HELD_OUT_DESIGN) if rng.random() < 0.6]
    designs = tuple(known or [int(rng.integers(HELD_OUT_DESIGN))])
    if rng.random() < NEW_DESIGNS:
        designs = tuple(int(d) for d in rng.choice(RANDOM_DESIGNS, 4))
    if rng.random() < 1 / 3:
        return Style(
            designs=designs,
            outline=rng.uniform(0.7, 1.4),
            fill="lit" if rng.random() < 0.8 else "flat",
            tilt=rng.uniform(0, 0.15),
            stretch=rng.uniform(0, 0.08),
            wobble=rng.uniform(0, 0.012) if rng.random() < 0.5 else 0.0,
            vivid=rng.uniform(0.85, 1.1),
        )

    def sometimes(chance: float, low: float, high: float, other: float = 0.0) -> float:
        return rng.uniform(low, high) if rng.random() < chance else other

    fill = str(rng.choice([*FILL_SHARES], p=[*FILL_SHARES.values()]))
    return Style(
        designs=designs,
        outline=sometimes(0.2 if fill == "silhouette" else 0.7, 0.5, 2.6),
        line=str(rng.choice([*LINE_SHARES], p=[*LINE_SHARES.values()])),
        strokes=int(rng.choice((1, 2), p=(0.75, 0.25))),
        details=bool(rng.random() < 0.4),
        fill=fill,
        wobble=sometimes(0.55, 0.015, 0.06),
        tilt=sometimes(0.7, 0.05, 0.35),
        stretch=sometimes(0.6, 0.05, 0.24),
        shear=sometimes(0.4, 0.05, 0.28),
        perspective=sometimes(0.4, 0.08, 0.3),
        pixels=int(rng.integers(16, 25)) if rng.random() < 0.14 else 0,
        inks=_random_inks(rng) if rng.random() < 0.7 else (),
        vivid=sometimes(0.6, 0.5, 1.3, 1.0),
        tint=_rgb(rng.random(), 0.5, 0.8) if rng.random() < 0.4 else None,
        ground=str(rng.choice([*GROUND_SHARES], p=[*GROUND_SHARES.values()])),
    )


def style_of_nothing(rng: np.random.Generator) -> Style:
    """A random style that draws something else instead of every object."""
    return replace(random_style(rng), designs=(int(rng.choice(NOTHING_DESIGNS)),))
