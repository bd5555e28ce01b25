"""Styles: how a scene is drawn. `HELD_OUT` has designs, chalk and a sheet of no training."""

from __future__ import annotations

from dataclasses import dataclass

from .paint import CHALK, FILLS, GROUNDS, INK, LINES, RGB
from .shapes import DESIGNS, HELD_OUT_DESIGN


@dataclass(frozen=True)
class Style:
    """How scenes are drawn; the picture book's own style by default. Others raise a ValueError."""

    designs: tuple[int, ...] = (0,)  # which may be drawn; one is picked for each item of a scene
    outline: float = 1.0  # weight of outlines, 0 to 4
    line: str = "own"  # their colour, of `paint.LINES`: a dark shade of the object's, or chalk
    strokes: int = 1  # how often they are drawn, 1 to 3, each time a little differently
    details: bool = False  # outlines around eyes, doors and rings too
    fill: str = "lit"  # of `paint.FILLS`
    wobble: float = 0.0  # how unsteady lines are, as a fraction of an object's radius, 0 to 0.2
    tilt: float = 0.0  # deviation of an object's extra rotation, radians, 0 to 0.6
    stretch: float = 0.0  # largest log of how much wider or taller an object gets, 0 to 0.6
    shear: float = 0.0  # largest sideways shift per height, 0 to 0.6
    perspective: float = 0.0  # largest share by which an object's near side grows, 0 to 0.6
    pixels: int = 0  # width of the smallest object in square pixels, 8 to 64, or 0 for none
    inks: tuple[tuple[str, RGB], ...] = ()  # of details, instead of the usual ones
    vivid: float = 1.0  # saturation of the background, 0 to 2
    tint: RGB | None = None  # a colour that lies thinly over the background
    ground: str = "painted"  # background, of `paint.GROUNDS`

    def __post_init__(self) -> None:
        known = range(min(map(len, DESIGNS.values())))
        kinds = {"fill": FILLS, "line": LINES, "ground": GROUNDS, "strokes": (1, 2, 3)}
        ranges = [("outline", 4), ("wobble", 0.2), ("tilt", 0.6), ("stretch", 0.6), ("shear", 0.6),
                  ("perspective", 0.6), ("vivid", 2)]  # fmt: skip
        for name, allowed in kinds.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is one of {[*allowed]}, got {getattr(self, name)!r}")
        for name, high in ranges:
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name} is 0 to {high}, got {getattr(self, name)}")
        if not self.designs or not set(self.designs) <= set(known):
            raise ValueError(f"designs are one or more of {[*known]}, got {self.designs}")
        if self.pixels and not 8 <= self.pixels <= 64:
            raise ValueError(f"pixels are 8 to 64, or 0 for none, got {self.pixels}")
        if not {ink for ink, _ in self.inks} <= set(INK):
            raise ValueError(f"inks are pairs of one of {', '.join(INK)} and RGB")


BOOK = Style()
HELD_OUT = Style(
    designs=(HELD_OUT_DESIGN,),
    outline=1.5,
    line="chalk",
    fill="chalk",
    wobble=0.02,
    tilt=0.12,
    vivid=0.85,
    inks=tuple(CHALK.items()),
    ground="pastel",
)
"""The style held out of training: chalk on a muted sheet, and the last design of every object."""
