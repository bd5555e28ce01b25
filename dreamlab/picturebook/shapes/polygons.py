"""Polygons in a thing's own unit square: x to the right, y down, −1…1, angles in radians.

Everything here returns an (n, 2) array of corners, in order; the last joins the first.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Points = np.ndarray  # (n, 2)
Shape = list[tuple[str, Points]]  # ink, polygon; painted in this order
Design = Callable[[], Shape]

BODY = "body"


def poly(*xy: float) -> Points:
    """The polygon with these corners: x, y, x, y, …"""
    return np.array(xy, dtype=float).reshape(-1, 2)


def box(x0: float, y0: float, x1: float, y1: float) -> Points:
    """An upright rectangle."""
    return poly(x0, y0, x1, y0, x1, y1, x0, y1)


def ellipse(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0, n: int = 30) -> Points:
    """An ellipse of `n` corners, turned by `angle`."""
    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    x, y = rx * np.cos(t), ry * np.sin(t)
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([cx + c * x - s * y, cy + s * x + c * y], axis=1)


def arc(cx: float, cy: float, outer: float, inner: float, start: float, stop: float) -> Points:
    """A band of a ring; angles in turns, clockwise from three o'clock (y points down)."""
    t = np.linspace(start, stop, 26) * 2 * math.pi
    rim = np.stack([np.cos(t), np.sin(t)], axis=1)
    return np.concatenate([rim * outer, rim[::-1] * inner]) + np.array([cx, cy])


def rays(points: int, outer: float, inner: float, turn: float = 0.0) -> Points:
    """A star of so many points, the first one up, about the middle."""
    t = np.arange(2 * points) / points * math.pi - math.pi / 2 + turn
    r = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.stack([r * np.cos(t), r * np.sin(t)], axis=1)


def _spline(p: Points, n: int, closed: bool) -> Points:
    """Catmull and Rom's curve through the points, `n` steps from each to the next."""
    before = np.roll(p, 1, 0) if closed else np.concatenate([p[:1], p[:-1]])
    after = np.roll(p, -1, 0) if closed else np.concatenate([p[1:], p[-1:]])
    later = np.roll(p, -2, 0) if closed else np.concatenate([p[2:], p[-1:], p[-1:]])
    t = np.linspace(0, 1, n, endpoint=False)[None, :, None]
    a, b, c, d = (q[:, None] for q in (before, p, after, later))
    curve = b + t * (c - a) / 2 + t**2 * (a - 2.5 * b + 2 * c - d / 2)
    curve = (curve + t**3 * (1.5 * b - a / 2 - 1.5 * c + d / 2)).reshape(-1, 2)
    return curve if closed else np.concatenate([curve[:-n], p[-1:]])


def smooth(*xy: float, n: int = 5) -> Points:
    """A closed smooth curve through these points: x, y, x, y, …"""
    return _spline(poly(*xy), n, closed=True)


def path(*xy: float, n: int = 5) -> Points:
    """An open smooth curve through these points, to be given a width by `stroke`."""
    return _spline(poly(*xy), n, closed=False)


def stroke(line: Points, width: float | np.ndarray) -> Points:
    """A line as a polygon; `width` is one number or one for each point."""
    step = np.gradient(line, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    normal *= np.reshape(width, (-1, 1)) / 2 / np.linalg.norm(normal, axis=1, keepdims=True)
    return np.concatenate([line + normal, (line - normal)[::-1]])


def tapered(line: Points, thick: float, thin: float) -> Points:
    """A line that is `thick` where it starts and `thin` where it ends."""
    return stroke(line, np.linspace(thick, thin, len(line)))


def turned(points: Points, angle: float, cx: float = 0.0, cy: float = 0.0) -> Points:
    """Turned clockwise about (cx, cy)."""
    c, s = math.cos(angle), math.sin(angle)
    return (points - (cx, cy)) @ np.array([[c, s], [-s, c]]) + (cx, cy)


def mirrored(points: Points) -> Points:
    """Its mirror image, left and right exchanged."""
    return points * (-1, 1)


def turned_shape(shape: Shape, angle: float) -> Shape:
    """Every polygon turned clockwise about the middle."""
    return [(ink, turned(points, angle)) for ink, points in shape]
