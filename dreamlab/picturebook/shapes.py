"""The objects of the picture-book world as polygons, each in several designs.

`shapes.json` holds, for each object, a list of designs: {"name": …, "parts": […]}. A part is an ink
and the steps that make its outline, (n, 2) in the unit square −1…1, y down, angles in radians,
clockwise: [ink, [step, number, …], …]. Steps of `APPEND` add corners, those of `CHANGE` transform
them. Numbers keep all their digits: Pillow cuts corners to whole pixels.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

Points = np.ndarray  # (n, 2)
Shape = list[tuple[str, Points]]  # ink, outline
BODY = "body"
HELD_OUT_DESIGN = 3
"""The design of every object that no training sees."""


def _points(*xy: float) -> Points:
    return np.array(xy, dtype=float).reshape(-1, 2)


def _spline(*xy: float, closed: bool = False, n: int = 5) -> Points:
    """The Catmull–Rom spline through these points, `n` steps from each to the next."""
    p = _points(*xy)
    before = np.roll(p, 1, 0) if closed else np.concatenate([p[:1], p[:-1]])
    after = np.roll(p, -1, 0) if closed else np.concatenate([p[1:], p[-1:]])
    later = np.roll(p, -2, 0) if closed else np.concatenate([p[2:], p[-1:], p[-1:]])
    t = np.linspace(0, 1, n, endpoint=False)[None, :, None]
    a, b, c, d = (q[:, None] for q in (before, p, after, later))
    curve = b + t * (c - a) / 2 + t**2 * (a - 2.5 * b + 2 * c - d / 2)
    curve = (curve + t**3 * (1.5 * b - a / 2 - 1.5 * c + d / 2)).reshape(-1, 2)
    return curve if closed else np.concatenate([curve[:-n], p[-1:]])


def _polar(r: float | np.ndarray, t: np.ndarray) -> Points:
    return np.stack([r * np.cos(t), r * np.sin(t)], axis=1)


def _ellipse(cx: float, cy: float, rx: float, ry: float, angle: float = 0, n: int = 30) -> Points:
    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    x, y = rx * np.cos(t), ry * np.sin(t)
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([cx + c * x - s * y, cy + s * x + c * y], axis=1)


def _arc(
    cx: float, cy: float, rx: float, ry: float, start: float, stop: float, n: int = 26
) -> Points:
    """Part of an ellipse; start and stop in turns, from three o'clock."""
    t = np.linspace(min(start, stop), max(start, stop), n)[:: 1 if start <= stop else -1]
    return _polar(1, t * 2 * math.pi) * (rx, ry) + (cx, cy)


def _star(tips: int, outer: float, inner: float) -> Points:
    """A star about the middle with its first tip up."""
    i = np.arange(2 * tips)
    return _polar(np.where(i % 2 == 0, outer, inner), i / tips * math.pi - math.pi / 2)


def _spiral(inner: float, growth: float, start: float, stop: float, n: int) -> Points:
    """Archimedes' spiral, drawn from angle `start` to `stop`, where its radius has grown."""
    t = np.linspace(start, stop, n)
    return _polar(inner + growth * t / stop, t)


def _stroke(line: Points, *widths: float) -> Points:
    """The outline of an open line of one width, from one width to another, or of one per point."""
    width = np.linspace(widths[0], widths[-1], len(line)) if len(widths) < 3 else np.array(widths)
    step = np.gradient(line, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    normal *= width[:, None] / 2 / np.linalg.norm(normal, axis=1, keepdims=True)
    return np.concatenate([line + normal, (line - normal)[::-1]])


def _turn(points: Points, angle: float) -> Points:
    c, s = math.cos(angle), math.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


APPEND: dict[str, Callable[..., Points]] = {
    "points": _points,
    "spline": _spline,
    "closed_spline": functools.partial(_spline, closed=True),
    "ellipse": _ellipse,
    "arc": _arc,
    "star": _star,
    "spiral": _spiral,
}
CHANGE: dict[str, Callable[..., Points]] = {
    "stroke": _stroke,
    "turn": _turn,
    "scale": lambda points, x, y: points * (x, y),
    "move": lambda points, x, y: points + np.array([x, y]),
}


def outline(steps: Iterable[Sequence]) -> Points:
    """The polygon that these steps of `APPEND` and `CHANGE` make, (n, 2)."""
    points = np.empty((0, 2))
    for step, *numbers in steps:
        if step in APPEND:
            points = np.concatenate([points, APPEND[step](*numbers)])
        else:
            points = CHANGE[step](points, *numbers)
    return points


# The designs of each object. Number 0 is the picture book's own.
DESIGNS: dict[str, list[dict]] = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
# Of each rainbow: centre x and y, radius across and up, and the inner edge as a fraction of these.
ARCHES: list[list[float]] = [design["arch"] for design in DESIGNS["rainbow"]]


@functools.cache
def shape_of(name: str, design: int = 0) -> Shape:
    """The polygons of an object in one of its designs; one list for all, not to be changed."""
    return [(ink, outline(steps)) for ink, *steps in DESIGNS[name][design]["parts"]]
