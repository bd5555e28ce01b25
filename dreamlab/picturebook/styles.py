"""Styles: how a scene is drawn, apart from what it shows.

`BOOK` is the picture book's own; the designs, chalk and muted sheet of `HELD_OUT` are in no
training, so a model that names an object in it knows it by its shape.
"""

from __future__ import annotations

from dataclasses import dataclass

from .paint import FILLS, GROUNDS, INK, LINES, RGB
from .shapes import DESIGNS, HELD_OUT_DESIGN


@dataclass(frozen=True)
class Style:
    """How scenes are drawn; the picture book's own style by default.

    Attributes:
        designs: which designs of an object may be drawn; one is picked for each item of a scene.
        outline: weight of outlines, 0 to 4; 1 as in the picture book, 0 for none.
        line: colour of outlines, of `paint.LINES`: a dark shade of the object's `own`, or `chalk`,
            light and broken.
        strokes: how often an outline is drawn, 1 to 3, each time a little differently.
        details: outlines around eyes, doors and rings too.
        fill: of `paint.FILLS`: `lit` from above, `flat`, or `chalk`.
        wobble: how unsteady lines are, as a fraction of an object's radius, 0 to 0.2.
        tilt: standard deviation of an object's extra rotation, radians; cut off at ±0.6.
        stretch: largest log of how much wider or taller an object gets, 0 to 0.6.
        shear: largest sideways shift per height, 0 to 0.6.
        perspective: largest share by which the near side of an object grows, 0 to 0.6.
        pixels: width of the smallest object in large square pixels, 8 to 64, or 0 for none.
        inks: colours of details instead of the usual ones, as pairs of ink and RGB.
        vivid: saturation of the background, 0 to 2; 1 as in the picture book.
        tint: a colour that lies thinly over the background.
        ground: background, of `paint.GROUNDS`: as `painted`, or rubbed `pastel`.

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
    inks=(
        ("dark", (66, 60, 66)), ("white", (240, 236, 226)), ("glass", (240, 216, 150)),
        ("wood", (132, 96, 70)), ("leaf", (104, 150, 100)), ("gold", (232, 192, 104)),
        ("flame", (228, 150, 92)), ("mast", (106, 84, 68)), ("cream", (238, 228, 204)),
        ("water", (140, 180, 214)), ("rose", (208, 112, 116)), ("stone", (160, 158, 160)),
    ),
    ground="pastel",
)  # fmt: skip
"""The style held out of training: chalk on a muted sheet, and the last design of every object."""
