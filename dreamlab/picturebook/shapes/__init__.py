"""The things of the picture-book world as polygons, each in several designs.

A design is a function without arguments that returns a `Shape`: inks and polygons in the thing's
own unit square. `BODY` polygons carry the thing's colour and texture, the others have inks of their
own. The four designs of a thing share its name and little else: the name must mean the thing.
"""

from __future__ import annotations

import functools

from ..world import OBJECTS
from .home import HOME
from .nature import NATURE
from .polygons import BODY, Design, Points, Shape
from .sky import ARCHES, SKY

__all__ = ["ARCHES", "BODY", "DESIGNS", "KEPT_DESIGN", "Design", "Points", "Shape", "shape_of"]

DESIGNS: dict[str, tuple[Design, ...]] = {name: {**HOME, **NATURE, **SKY}[name] for name in OBJECTS}
"""The designs of each thing. Number 0 is the picture book's own."""

KEPT_DESIGN = 3
"""The design of every thing that no training sees."""


@functools.cache
def shape_of(name: str, design: int = 0) -> Shape:
    """The polygons of a thing in one of its designs; one list for all, not to be changed."""
    return DESIGNS[name][design]()
