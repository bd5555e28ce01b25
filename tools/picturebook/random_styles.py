"""The styles that the judge is trained with: very many, and nothing of what is held out.

Fills, lines and grounds that only training uses are added to the painter's tables here.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

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


FILLS |= {
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


GROUNDS |= {
    "flat": _few_tones,
    "blurred": _blurred,
    "hatched": _hatched_ground,
    "paper": _paper,
}

# --- styles ---------------------------------------------------------------------------------------

FILL_SHARES = {
    "lit": 0.14, "flat": 0.22, "gradient": 0.16, "round": 0.1, "hatched": 0.14, "silhouette": 0.12,
    "crayon": 0.12,
}  # fmt: skip
GROUND_SHARES = {"painted": 0.36, "flat": 0.18, "blurred": 0.16, "hatched": 0.14, "paper": 0.16}


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
        line=str(rng.choice(("own", "black", "deep", "pencil"))),
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
