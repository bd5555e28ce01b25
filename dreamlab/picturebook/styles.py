"""Styles: how a scene is drawn, apart from what it shows.

`BOOK` is the picture book's own style, `random_style` draws one of very many to train with, and
`HELD_OUT` is kept from all training: its designs, its chalk and its muted sheet are in no other. A
model that names an object in that style knows it by its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .shapes import DESIGNS, HELD_OUT_DESIGN

RGB = tuple[int, int, int]

FILLS = ("lit", "flat", "gradient", "round", "hatched", "silhouette", "crayon", "chalk")
LINES = ("own", "black", "deep", "pencil", "chalk")
GROUNDS = ("painted", "flat", "blurred", "hatched", "paper", "pastel")

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


@dataclass(frozen=True)
class Style:
    """How scenes are drawn; the picture book's own style by default.

    Attributes:
        designs: which designs of an object may be drawn; one is picked for each item of a scene.
        outline: weight of outlines, 0 to 4; 1 as in the picture book, 0 for none.
        line: colour of outlines: a dark shade of the object's `own`, `black`, a `deep`er tone,
            `pencil` grey, or `chalk`, light and broken.
        strokes: how often an outline is drawn, 1 to 3, each time a little differently.
        details: outlines around eyes, doors and rings too.
        fill: `lit` from above, `flat`, a `gradient`, `round` as if modelled, finely `hatched`, a
            `silhouette` (one tone, details in another), `crayon`, or `chalk`.
        wobble: how unsteady lines are, as a fraction of an object's radius, 0 to 0.2.
        tilt: standard deviation of an object's extra rotation, radians; cut off at ±0.6.
        stretch: largest log of how much wider or taller an object gets, 0 to 0.6.
        shear: largest sideways shift per height, 0 to 0.6.
        perspective: largest share by which the near side of an object grows, 0 to 0.6.
        pixels: width of the smallest object in large square pixels, 8 to 64, or 0 for none.
        inks: colours of details instead of the usual ones, as pairs of ink and RGB.
        vivid: saturation of the background, 0 to 2; 1 as in the picture book.
        tint: a colour that lies thinly over the background.
        ground: background as `painted`, in few `flat` tones, `blurred`, `hatched`, thin on rough
            `paper`, or rubbed `pastel`.

    Raises:
        ValueError: a value outside its range, or a name that is not one of these.
    """

    designs: tuple[int, ...] = (0,)
    outline: float = 1.0
    line: str = "own"
    strokes: int = 1
    details: bool = False
    fill: str = "lit"
    wobble: float = 0.0
    tilt: float = 0.0
    stretch: float = 0.0
    shear: float = 0.0
    perspective: float = 0.0
    pixels: int = 0
    inks: tuple[tuple[str, RGB], ...] = ()
    vivid: float = 1.0
    tint: RGB | None = None
    ground: str = "painted"

    def __post_init__(self) -> None:
        known = range(min(map(len, DESIGNS.values())))
        names = [("fill", FILLS), ("line", LINES), ("ground", GROUNDS), ("strokes", (1, 2, 3))]
        ranges = [("outline", 4), ("wobble", 0.2), ("tilt", 0.6), ("stretch", 0.6), ("shear", 0.6),
                  ("perspective", 0.6), ("vivid", 2)]  # fmt: skip
        for name, allowed in names:
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {allowed}, got {getattr(self, name)!r}")
        for name, high in ranges:
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name} is 0 to {high}, got {getattr(self, name)}")
        if not self.designs or not set(self.designs) <= set(known):
            raise ValueError(f"designs are one or more of {[*known]}, got {self.designs}")
        if self.pixels and not 8 <= self.pixels <= 64:
            raise ValueError(f"pixels are 8 to 64, or 0 for none, got {self.pixels}")
        if not {ink for ink, _ in self.inks} <= set(_INK_RANGE):
            raise ValueError(f"inks are pairs of one of {', '.join(_INK_RANGE)} and RGB")


BOOK = Style()

HELD_OUT = Style(
    designs=(HELD_OUT_DESIGN,),
    outline=1.5,
    line="chalk",
    fill="chalk",
    wobble=0.02,
    tilt=0.12,
    vivid=0.85,
    inks=(
        ("dark", (66, 60, 66)), ("white", (240, 236, 226)), ("glass", (240, 216, 150)),
        ("wood", (132, 96, 70)), ("leaf", (104, 150, 100)), ("gold", (232, 192, 104)),
        ("flame", (228, 150, 92)), ("mast", (106, 84, 68)), ("cream", (238, 228, 204)),
        ("water", (140, 180, 214)), ("rose", (208, 112, 116)), ("stone", (160, 158, 160)),
    ),
    ground="pastel",
)  # fmt: skip
"""The style held out of training: chalk on a muted sheet, and the last design of every object."""


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

    # The last of each kind is held out.
    fill = str(rng.choice(FILLS[:-1], p=(0.14, 0.22, 0.16, 0.1, 0.14, 0.12, 0.12)))
    return Style(
        designs=designs,
        outline=sometimes(0.2 if fill == "silhouette" else 0.7, 0.5, 2.6),
        line=str(rng.choice(LINES[:-1])),
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
        ground=str(rng.choice(GROUNDS[:-1], p=(0.36, 0.18, 0.16, 0.14, 0.16))),
    )
