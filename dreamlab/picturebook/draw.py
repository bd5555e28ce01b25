"""Painting a scene of the picture-book world with Pillow.

Every thing is a few polygons in its own unit square (x right, y down, −1…1). `BODY` polygons carry
the thing's colour and texture, the others have inks of their own; a dark outline, a soft light from
above and a little variation in every colour make it a picture book.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Iterable

import numpy as np
from PIL import Image, ImageDraw

from .world import OBJECTS, Item, Place, Scene, caption

RGB = tuple[int, int, int]
Points = np.ndarray  # (n, 2)
Shape = list[tuple[str, Points]]  # ink, polygon; painted in this order

BODY = "body"
# Hue, saturation and value, each a middle and a spread: "red" is a family, not one triple.
PAINT: dict[str, tuple[float, float, float, float, float, float]] = {
    "red": (0.995, 0.012, 0.85, 0.08, 0.85, 0.07),
    "orange": (0.075, 0.012, 0.92, 0.06, 0.97, 0.03),
    "yellow": (0.150, 0.012, 0.85, 0.10, 0.98, 0.02),
    "green": (0.340, 0.040, 0.70, 0.12, 0.62, 0.10),
    "blue": (0.610, 0.025, 0.80, 0.10, 0.82, 0.10),
    "purple": (0.760, 0.020, 0.65, 0.10, 0.62, 0.08),
    "pink": (0.925, 0.020, 0.42, 0.08, 0.99, 0.01),
    "brown": (0.065, 0.012, 0.66, 0.08, 0.45, 0.05),
    "black": (0.600, 0.300, 0.10, 0.10, 0.11, 0.05),
    "white": (0.120, 0.300, 0.03, 0.03, 0.98, 0.02),
    "grey": (0.600, 0.300, 0.05, 0.05, 0.56, 0.06),
}
INK: dict[str, RGB] = {
    "dark": (43, 38, 48), "white": (250, 250, 246), "glass": (255, 226, 128), "wood": (120, 78, 46),
    "leaf": (66, 140, 64), "gold": (246, 190, 60), "flame": (250, 140, 40), "mast": (92, 66, 48),
}  # fmt: skip
RAINBOW: tuple[RGB, ...] = (
    (226, 60, 58), (244, 146, 52), (250, 220, 80), (90, 178, 92), (72, 130, 214), (130, 84, 176),
)  # fmt: skip


# --- polygons -------------------------------------------------------------------------------------


def _poly(*xy: float) -> Points:
    return np.array(xy, dtype=float).reshape(-1, 2)


def _ellipse(cx: float, cy: float, rx: float, ry: float, angle: float = 0.0, n: int = 30) -> Points:
    t = np.linspace(0, 2 * math.pi, n, endpoint=False)
    x, y = rx * np.cos(t), ry * np.sin(t)
    c, s = math.cos(angle), math.sin(angle)
    return np.stack([cx + c * x - s * y, cy + s * x + c * y], axis=1)


def _arc(cx: float, cy: float, outer: float, inner: float, start: float, stop: float) -> Points:
    """A band of a ring; angles in turns, clockwise from three o'clock (y points down)."""
    t = np.linspace(start, stop, 26) * 2 * math.pi
    rim = np.stack([np.cos(t), np.sin(t)], axis=1)
    return np.concatenate([rim * outer, rim[::-1] * inner]) + np.array([cx, cy])


def _stroke(line: Points, width: float) -> Points:
    """A line of constant width as a polygon."""
    step = np.gradient(line, axis=0)
    normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
    normal *= width / 2 / np.linalg.norm(normal, axis=1, keepdims=True)
    return np.concatenate([line + normal, (line - normal)[::-1]])


# --- things ---------------------------------------------------------------------------------------


def _apple() -> Shape:
    return [
        ("mast", _poly(-0.06, -0.5, 0.04, -0.5, 0.16, -0.98, 0.04, -1.0)),
        ("leaf", _ellipse(0.36, -0.8, 0.28, 0.12, -0.4)),
        (BODY, _ellipse(-0.3, 0.15, 0.6, 0.72)),
        (BODY, _ellipse(0.3, 0.15, 0.6, 0.72)),
    ]


def _ball() -> Shape:
    return [
        (BODY, _ellipse(0, 0, 0.9, 0.9, n=44)),
        ("white", _ellipse(-0.36, -0.46, 0.2, 0.11, -0.7)),
    ]


def _balloon() -> Shape:
    t = np.linspace(0, 1, 14)
    string = np.stack([0.08 * np.sin(t * 9), 0.5 + 0.5 * t], axis=1)
    return [
        ("dark", _stroke(string, 0.06)),
        (BODY, _poly(-0.14, 0.58, 0.14, 0.58, 0, 0.36)),
        (BODY, _ellipse(0, -0.26, 0.6, 0.72, n=40)),
        ("white", _ellipse(-0.26, -0.56, 0.11, 0.19, 0.4)),
    ]


def _bird() -> Shape:
    return [
        ("gold", _poly(0.84, -0.42, 1.14, -0.28, 0.82, -0.18)),
        ("dark", _poly(-0.1, 0.45, -0.02, 0.45, -0.04, 0.9, -0.12, 0.9)),
        ("dark", _poly(0.14, 0.45, 0.22, 0.45, 0.2, 0.9, 0.12, 0.9)),
        (BODY, _poly(-0.5, -0.05, -1.1, -0.42, -1.05, 0.12, -0.45, 0.3)),
        (BODY, _ellipse(0, 0.12, 0.68, 0.46)),
        (BODY, _ellipse(0.56, -0.32, 0.36, 0.34)),
        ("shade", _ellipse(-0.16, 0.06, 0.4, 0.22, 0.35)),
        ("white", _ellipse(0.64, -0.38, 0.11, 0.11)),
        ("dark", _ellipse(0.67, -0.38, 0.06, 0.06)),
    ]


def _boat() -> Shape:
    return [
        ("mast", _poly(-0.04, -0.98, 0.05, -0.98, 0.05, 0.4, -0.04, 0.4)),
        (BODY, _poly(0.12, -0.9, 0.12, 0.2, 0.86, 0.2)),
        (BODY, _poly(-0.1, -0.68, -0.1, 0.2, -0.66, 0.2)),
        ("wood", _poly(-1.0, 0.34, 1.0, 0.34, 0.66, 0.88, -0.66, 0.88)),
    ]


def _butterfly() -> Shape:
    wings = [(BODY, _ellipse(s * 0.52, -0.36, 0.5, 0.4, s * -0.55)) for s in (-1, 1)] + [
        (BODY, _ellipse(s * 0.42, 0.42, 0.38, 0.32, s * 0.6)) for s in (-1, 1)
    ]
    feelers = [
        ("dark", _poly(s * 0.02, -0.45, s * 0.09, -0.45, s * 0.36, -0.94, s * 0.26, -0.96))
        for s in (-1, 1)
    ]
    return wings + feelers + [("dark", _ellipse(0, 0.02, 0.1, 0.62))]


def _castle() -> Shape:
    def battlements(x0: float, x1: float, y: float, teeth: int) -> Points:
        xs = np.linspace(x0, x1, 2 * teeth)
        points = []
        for left, right in zip(xs[::2], xs[1::2], strict=True):
            points += [(left, y), (left, y - 0.16), (right, y - 0.16), (right, y)]
        return np.array([*points, (x1, 0.9), (x0, 0.9)])

    return [
        ("flame", _poly(-0.7, -1.08, -0.32, -0.95, -0.7, -0.82)),
        ("flame", _poly(0.7, -1.08, 1.06, -0.95, 0.7, -0.82)),
        ("dark", _poly(-0.74, -1.08, -0.69, -1.08, -0.69, -0.6, -0.74, -0.6)),
        ("dark", _poly(0.66, -1.08, 0.71, -1.08, 0.71, -0.6, 0.66, -0.6)),
        (BODY, battlements(-0.5, 0.5, -0.1, 3)),
        (BODY, battlements(-0.98, -0.42, -0.5, 2)),
        (BODY, battlements(0.42, 0.98, -0.5, 2)),
        (
            "dark",
            np.concatenate([_arc(0, 0.4, 0.22, 0.0, 0.5, 1.0)[:26], _poly(0.22, 0.9, -0.22, 0.9)]),
        ),
        ("dark", _poly(-0.78, -0.2, -0.62, -0.2, -0.62, 0.12, -0.78, 0.12)),
        ("dark", _poly(0.62, -0.2, 0.78, -0.2, 0.78, 0.12, 0.62, 0.12)),
    ]


def _cloud() -> Shape:
    lumps = ((-0.55, 0.16, 0.42), (-0.12, -0.2, 0.52), (0.42, -0.02, 0.44), (0.68, 0.24, 0.32))
    return [(BODY, _ellipse(x, y, r, r)) for x, y, r in lumps] + [
        (BODY, _ellipse(0.05, 0.36, 0.84, 0.24))
    ]


def _comet() -> Shape:
    return [
        ("gold", _poly(-0.62, 0.1, 1.0, -1.0, -0.1, 0.62)),
        ("flame", _poly(-0.5, 0.2, 0.55, -0.95, 0.0, 0.4)),
        ("flame", _poly(-0.3, 0.4, 1.0, -0.42, -0.2, 0.66)),
        (BODY, _ellipse(-0.42, 0.42, 0.52, 0.52, n=36)),
    ]


def _eye() -> Shape:
    t = np.linspace(0, 1, 18)
    lid = np.stack([2 * t - 1, -0.62 * np.sin(math.pi * t)], axis=1)
    lashes = [
        ("dark", _poly(x - 0.05, y, x + 0.05, y, x * 1.25, y - 0.34))
        for x, y in ((-0.6, -0.42), (-0.2, -0.58), (0.2, -0.58), (0.6, -0.42))
    ]
    return [
        *lashes,
        ("white", np.concatenate([lid, (lid * (1, -1))[::-1]])),
        (BODY, _ellipse(0, 0, 0.54, 0.54, n=36)),
        ("dark", _ellipse(0, 0, 0.22, 0.22)),
        ("white", _ellipse(-0.1, -0.12, 0.09, 0.09)),
    ]


def _face() -> Shape:
    t = np.linspace(0.08, 0.42, 14) * 2 * math.pi
    smile = np.stack([0.5 * np.cos(t), 0.12 + 0.46 * np.sin(t)], axis=1)
    return [
        (BODY, _ellipse(0, 0, 0.94, 0.94, n=44)),
        *[("white", _ellipse(s * 0.34, -0.24, 0.19, 0.22)) for s in (-1, 1)],
        *[("dark", _ellipse(s * 0.34, -0.22, 0.1, 0.13)) for s in (-1, 1)],
        ("dark", _stroke(smile, 0.13)),
    ]


def _fish() -> Shape:
    return [
        (BODY, _poly(-0.45, 0, -1.0, -0.52, -0.86, 0, -1.0, 0.52)),
        (BODY, _poly(-0.1, -0.4, 0.3, -0.72, 0.4, -0.3)),
        (BODY, _ellipse(0.2, 0, 0.76, 0.48, n=36)),
        ("white", _ellipse(0.58, -0.12, 0.15, 0.15)),
        ("dark", _ellipse(0.62, -0.12, 0.08, 0.08)),
        ("shade", _poly(0.05, 0.02, -0.2, 0.26, 0.12, 0.28)),
    ]


def _flower() -> Shape:
    turn = np.arange(6) / 6 * 2 * math.pi
    return [
        ("leaf", _poly(-0.06, 0, 0.06, 0, 0.06, 1.06, -0.06, 1.06)),
        ("leaf", _ellipse(0.3, 0.72, 0.3, 0.12, -0.5)),
        *[
            (BODY, _ellipse(0.44 * math.cos(a), -0.34 + 0.44 * math.sin(a), 0.34, 0.24, a))
            for a in turn
        ],
        ("gold", _ellipse(0, -0.34, 0.25, 0.25)),
    ]


def _heart() -> Shape:
    t = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [(BODY, np.stack([x / 17, -(y + 2.5) / 16], axis=1))]


def _house() -> Shape:
    return [
        ("dark", _poly(0.4, -0.9, 0.62, -0.9, 0.62, -0.3, 0.4, -0.3)),
        (BODY, _poly(-0.74, -0.16, 0.74, -0.16, 0.74, 0.9, -0.74, 0.9)),
        ("shade", _poly(-1.0, -0.12, 0, -0.98, 1.0, -0.12)),
        ("wood", _poly(-0.18, 0.3, 0.18, 0.3, 0.18, 0.9, -0.18, 0.9)),
        *[("glass", _poly(x, 0.1, x + 0.3, 0.1, x + 0.3, 0.4, x, 0.4)) for x in (-0.6, 0.3)],
    ]


def _kite() -> Shape:
    t = np.linspace(0, 1, 18)
    tail = np.stack([0.16 * np.sin(t * 10), 0.42 + 0.62 * t], axis=1)
    bows = [
        ("flame", _poly(x - 0.2, y - 0.1, x + 0.2, y + 0.1, x + 0.2, y - 0.1, x - 0.2, y + 0.1))
        for x, y in tail[[7, 15]]
    ]
    return [
        ("dark", _stroke(tail, 0.06)),
        *bows,
        (BODY, _poly(0, -1.0, 0.66, -0.36, 0, 0.5, -0.66, -0.36)),
        ("dark", _poly(-0.03, -1.0, 0.03, -1.0, 0.03, 0.5, -0.03, 0.5)),
        ("dark", _poly(-0.66, -0.39, 0.66, -0.39, 0.66, -0.33, -0.66, -0.33)),
    ]


def _moon() -> Shape:
    t = np.linspace(0.13, 0.87, 34) * 2 * math.pi
    outer = np.stack([np.cos(t), np.sin(t)], axis=1) * 0.96
    tip = outer[0]
    radius = 0.78
    centre = tip[0] - math.sqrt(radius**2 - tip[1] ** 2)
    reach = math.atan2(tip[1], tip[0] - centre)
    u = np.linspace(2 * math.pi - reach, reach, 30)
    inner = np.stack([centre + radius * np.cos(u), radius * np.sin(u)], axis=1)
    return [(BODY, np.concatenate([outer, inner]))]


def _mushroom() -> Shape:
    stem = _poly(-0.24, 0, 0.24, 0, 0.34, 0.78, 0.22, 0.92, -0.22, 0.92, -0.34, 0.78)
    return [("white", stem), (BODY, _arc(0, 0.12, 0.96, 0.0, 0.5, 1.0)[:26] * (1, 1.02))]


def _planet() -> Shape:
    tilt = -0.35

    def ring(start: float, stop: float) -> Points:
        band = _arc(0, 0, 1.12, 0.78, start, stop) * (1, 0.34)
        c, s = math.cos(tilt), math.sin(tilt)
        return band @ np.array([[c, s], [-s, c]])

    return [
        ("gold", ring(0.5, 1.0)),
        (BODY, _ellipse(0, 0, 0.64, 0.64, n=40)),
        ("gold", ring(0, 0.5)),
    ]


def _rainbow() -> Shape:
    return [(BODY, _arc(0, 0.5, 1.0, 0.36, 0.5, 1.0))]


def _rocket() -> Shape:
    t = np.linspace(0, 1, 16)
    side = np.stack(
        [0.42 * np.sin(math.pi * (0.12 + 0.62 * t) / 0.74 * 0.7), -1.0 + 1.5 * t], axis=1
    )
    side[0, 0] = 0.0
    return [
        ("flame", _poly(-0.26, 0.5, 0.26, 0.5, 0.0, 1.1)),
        ("shade", _poly(-0.3, 0.0, -0.84, 0.62, -0.24, 0.52)),
        ("shade", _poly(0.3, 0.0, 0.84, 0.62, 0.24, 0.52)),
        (BODY, np.concatenate([side, (side * (-1, 1))[::-1]])),
        ("white", _ellipse(0, -0.28, 0.2, 0.2)),
        ("dark", _ellipse(0, -0.28, 0.12, 0.12)),
    ]


def _spiral() -> Shape:
    t = np.linspace(0.6, 2.6 * 2 * math.pi, 110)
    r = 0.88 * t / t[-1]
    return [(BODY, _stroke(np.stack([r * np.cos(t), r * np.sin(t)], axis=1), 0.2))]


def _star() -> Shape:
    t = np.arange(10) / 10 * 2 * math.pi - math.pi / 2
    r = np.where(np.arange(10) % 2 == 0, 1.0, 0.44)
    return [(BODY, np.stack([r * np.cos(t), r * np.sin(t) + 0.06], axis=1))]


def _tree() -> Shape:
    lumps = ((-0.4, -0.12, 0.42), (0.4, -0.12, 0.42), (0, -0.5, 0.5), (0, 0.02, 0.42))
    trunk = _poly(-0.13, 0.2, 0.13, 0.2, 0.2, 0.98, -0.2, 0.98)
    return [("wood", trunk), *[(BODY, _ellipse(x, y, r, r)) for x, y, r in lumps]]


def _umbrella() -> Shape:
    dome = _arc(0, 0.1, 0.98, 0.0, 0.5, 1.0)[:26]
    scallops = [
        p for x in (0.73, 0.245, -0.245, -0.73) for p in _arc(x, 0.1, 0.245, 0.0, 0.0, -0.5)[2:24]
    ]
    t = np.linspace(0, 1, 12)
    hook = np.stack([0.14 - 0.14 * np.cos(math.pi * t), 0.8 + 0.16 * np.sin(math.pi * t)], axis=1)
    return [
        ("dark", _poly(-0.04, -0.98, 0.04, -0.98, 0.04, 0.84, -0.04, 0.84)),
        ("dark", _stroke(hook, 0.09)),
        (BODY, np.concatenate([dome, np.array(scallops)])),
    ]


SHAPES: dict[str, Callable[[], Shape]] = {name: globals()[f"_{name}"] for name in OBJECTS}


# --- paint ----------------------------------------------------------------------------------------


def _paint(colour: str, rng: np.random.Generator) -> np.ndarray:
    h, dh, s, ds, v, dv = PAINT[colour]
    u = rng.uniform(-1, 1, 3)
    rgb = colorsys.hsv_to_rgb(
        (h + dh * u[0]) % 1,
        float(np.clip(s + ds * u[1], 0, 1)),
        float(np.clip(v + dv * u[2], 0, 1)),
    )
    return np.array(rgb) * 255


def _textured(
    base: np.ndarray, texture: str, size: int, radius: float, canvas: int, rng: np.random.Generator
) -> np.ndarray:
    """A square tile (size, size, 3) of the base colour with its texture, lit from above."""
    y, x = np.mgrid[0:size, 0:size] - size / 2
    tile = np.broadcast_to(base, (size, size, 3)).astype(np.float32)
    light = base @ (0.299, 0.587, 0.114) > 140
    second = base * 0.45 if light else base + (255 - base) * 0.78
    period = max(0.62 * radius, 0.09 * canvas)  # coarse enough to survive 64 px
    if texture == "striped":
        angle = rng.choice((0.0, math.pi / 4, math.pi / 2, 3 * math.pi / 4))
        wave = (x * math.cos(angle) + y * math.sin(angle)) / (0.8 * period) + rng.random()
        marks = wave % 1 < 0.45
    elif texture == "checkered":
        u, v = x / (1.2 * period) + rng.random(), y / (1.2 * period) + rng.random()
        marks = (u % 1 < 0.5) ^ (v % 1 < 0.5)
    elif texture == "spotted":
        u, v = x / period + rng.random(), y / (0.87 * period) + rng.random()
        u = u + 0.5 * (np.floor(v) % 2)
        marks = (u % 1 - 0.5) ** 2 + ((v % 1 - 0.5) * 0.87) ** 2 < 0.27**2
    else:
        marks = None
    if marks is not None:
        tile = np.where(marks[..., None], second, tile)
    shade = 1.06 - 0.2 * (y / size + 0.5)
    return np.clip(tile * shade[..., None], 0, 255).astype(np.uint8)


def _rainbow_tile(size: int) -> np.ndarray:
    """The bands of a many-coloured rainbow, centred where `_rainbow` has its centre."""
    unit = size / 2 / 1.1
    y, x = np.mgrid[0:size, 0:size] - size / 2
    r = np.hypot(x / unit, y / unit - 0.5)
    band = np.clip(((1.0 - r) / 0.64 * len(RAINBOW)).astype(int), 0, len(RAINBOW) - 1)
    return np.array(RAINBOW, dtype=np.uint8)[band]


def _stamp(
    picture: Image.Image,
    labels: Image.Image,
    index: int,
    item: Item,
    place: Place,
    base: np.ndarray,
    rng: np.random.Generator,
) -> None:
    canvas = picture.width
    radius = place.radius * canvas
    half = math.ceil(radius * 1.1)
    size = 2 * half
    c, s = math.cos(place.angle), math.sin(place.angle)
    flip = -1.0 if place.mirrored else 1.0
    matrix = radius * np.array([[c * flip, -s], [s * flip, c]])
    centre = (place.x * canvas, place.y * canvas)

    shape = [
        (ink, [tuple(p) for p in points @ matrix.T + centre])
        for ink, points in SHAPES[item.object]()
    ]
    pen = ImageDraw.Draw(picture)
    label_pen = ImageDraw.Draw(labels)
    mask = Image.new("L", (size, size))
    mask_pen = ImageDraw.Draw(mask)
    left, top = int(centre[0]) - half, int(centre[1]) - half

    dark = base @ (0.299, 0.587, 0.114) < 60
    outline = (225, 222, 214) if dark else tuple((base * 0.32).astype(int))
    width = max(1, round(min(0.05 * radius, 0.012 * canvas)) * 2)
    for _, points in shape:
        pen.line([*points, *points[:2]], fill=outline, width=width, joint="curve")
        label_pen.polygon(points, fill=index)
    # What lies before the first body polygon is behind it, the rest is in front.
    first = next(i for i, (ink, _) in enumerate(shape) if ink == BODY)
    shade = tuple((base * 0.7).astype(int))

    def fill(parts: Iterable[tuple[str, list]]) -> None:
        for ink, points in parts:
            pen.polygon(points, fill=shade if ink == "shade" else INK[ink])

    fill(shape[:first])
    for ink, points in shape:
        if ink == BODY:
            mask_pen.polygon([(x - left, y - top) for x, y in points], fill=255)
    if item.colour == "":
        tile = Image.fromarray(_rainbow_tile(size)).rotate(-math.degrees(place.angle))
    else:
        tile = Image.fromarray(_textured(base, item.texture, size, radius, canvas, rng))
    picture.paste(tile, (left, top), mask)
    fill((ink, points) for ink, points in shape[first:] if ink != BODY)


# --- backgrounds ----------------------------------------------------------------------------------


def _gradient(size: int, *stops: RGB | np.ndarray) -> Image.Image:
    t = np.linspace(0, 1, size)
    at = np.linspace(0, 1, len(stops))
    column = np.stack([np.interp(t, at, [stop[i] for stop in stops]) for i in range(3)], axis=1)
    return Image.fromarray(np.repeat(column[:, None].astype(np.uint8), size, axis=1))


def _vary(rng: np.random.Generator, *rgb: int, by: float = 14) -> np.ndarray:
    return np.clip(np.array(rgb) + rng.uniform(-by, by, 3) * 0.6 + rng.uniform(-by, by), 0, 255)


def _hill(rng: np.random.Generator, height: float, bumps: float, amount: float) -> list:
    x = np.linspace(-0.02, 1.02, 44)
    y = height + amount * np.sin(x * bumps * 2 * math.pi + rng.uniform(0, 6.3))
    return [*zip(x, y, strict=True), (1.02, 1.02), (-0.02, 1.02)]


def _background(name: str, size: int, rng: np.random.Generator) -> Image.Image:
    pen: ImageDraw.ImageDraw

    def polygon(points: Iterable[tuple[float, float]], fill: RGB | np.ndarray) -> None:
        pen.polygon([(x * size, y * size) for x, y in points], fill=tuple(int(v) for v in fill))

    def disc(x: float, y: float, r: float, fill: RGB | np.ndarray, squash: float = 1.0) -> None:
        box = [(x - r) * size, (y - r * squash) * size, (x + r) * size, (y + r * squash) * size]
        pen.ellipse(box, fill=tuple(int(v) for v in fill))

    def puffs(how_many: int, low: float, high: float, fill: RGB | np.ndarray, big: float) -> None:
        for _ in range(how_many):
            x, y, r = rng.uniform(0, 1), rng.uniform(low, high), rng.uniform(0.6, 1) * big
            shadow = np.array(fill) * 0.9
            lumps = ((-0.95, 0.25, 0.62), (-0.3, -0.2, 0.85), (0.5, -0.05, 0.72), (1.1, 0.3, 0.5))
            for dx, dy, s in lumps:
                disc(x + dx * r, y + (dy + 0.14) * r, s * r, shadow)
            for dx, dy, s in lumps:
                disc(x + dx * r, y + dy * r, s * r, fill)

    def twinkle(how_many: int, low: float, high: float) -> None:
        for _ in range(how_many):
            disc(rng.random(), rng.uniform(low, high), rng.uniform(0.004, 0.011), (255, 252, 224))

    sky = _vary(rng, 96, 166, 232)
    pale = _vary(rng, 190, 224, 248)
    if name == "sky":
        picture = _gradient(size, sky, pale)
        pen = ImageDraw.Draw(picture)
    elif name == "clouds":
        picture = _gradient(size, sky, pale)
        pen = ImageDraw.Draw(picture)
        puffs(5, 0.1, 0.6, (244, 246, 250), 0.13)
        puffs(7, 0.72, 1.0, (252, 252, 254), 0.17)
    elif name == "night":
        picture = _gradient(size, _vary(rng, 18, 26, 74, by=8), _vary(rng, 54, 74, 138))
        pen = ImageDraw.Draw(picture)
        twinkle(26, 0, 0.75)
        polygon(_hill(rng, 0.86, 1.2, 0.05), _vary(rng, 22, 32, 58, by=6))
    elif name == "space":
        picture = Image.new("RGB", (size, size), tuple(_vary(rng, 16, 10, 28, by=6).astype(int)))
        y, x = np.mgrid[0:size, 0:size] / size
        glow = np.array(picture, dtype=np.float32)
        for tint in ((110, 44, 130), (36, 62, 140), (130, 40, 90)):
            cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.14, 0.34)
            blob = np.exp(-((x - cx) ** 2 + 2 * (y - cy) ** 2) / (2 * r * r))
            glow += blob[..., None].astype(np.float32) * np.array(tint, dtype=np.float32) * 0.7
        picture = Image.fromarray(np.clip(glow, 0, 255).astype(np.uint8))
        pen = ImageDraw.Draw(picture)
        twinkle(60, 0, 1)
    elif name == "sunset":
        picture = _gradient(
            size, _vary(rng, 96, 60, 132), _vary(rng, 232, 96, 96), _vary(rng, 252, 180, 92)
        )
        pen = ImageDraw.Draw(picture)
        disc(rng.uniform(0.2, 0.8), 0.8, rng.uniform(0.12, 0.18), (255, 232, 150))
        polygon(_hill(rng, 0.86, 1.0, 0.03), _vary(rng, 74, 38, 74, by=8))
    elif name == "meadow":
        picture = _gradient(size, sky, pale)
        pen = ImageDraw.Draw(picture)
        polygon(_hill(rng, 0.5, 0.8, 0.05), _vary(rng, 128, 190, 92))
        polygon(_hill(rng, 0.66, 1.1, 0.05), _vary(rng, 98, 168, 72))
        for _ in range(34):
            tint = ((255, 240, 120), (255, 255, 255), (250, 150, 170))[rng.integers(3)]
            disc(rng.random(), rng.uniform(0.7, 1), rng.uniform(0.007, 0.014), tint)
    elif name == "sea":
        picture = _gradient(size, _vary(rng, 156, 206, 240), _vary(rng, 222, 240, 250))
        pen = ImageDraw.Draw(picture)
        water = _vary(rng, 34, 122, 168)
        polygon([(0, 0.42), (1, 0.42), (1, 1), (0, 1)], water)
        for row, y in enumerate(np.linspace(0.5, 0.96, 6)):
            x = np.linspace(0, 1, 60)
            wave = y + 0.014 * np.sin(x * 2 * math.pi * 7 + row * 1.7 + rng.uniform(0, 1))
            band = [*zip(x, wave, strict=True), *zip(x[::-1], wave[::-1] + 0.02, strict=True)]
            polygon(band, water + (255 - water) * 0.4)
    elif name == "desert":
        picture = _gradient(size, _vary(rng, 150, 204, 226), _vary(rng, 250, 232, 190))
        pen = ImageDraw.Draw(picture)
        polygon(_hill(rng, 0.52, 0.9, 0.06), _vary(rng, 232, 196, 124))
        polygon(_hill(rng, 0.7, 0.7, 0.07), _vary(rng, 216, 172, 98))
        cactus = (70, 124, 76)
        for _ in range(int(rng.integers(1, 4))):
            x, y, h = rng.uniform(0.08, 0.92), rng.uniform(0.58, 0.72), rng.uniform(0.12, 0.2)
            for dx, top, bottom in ((0, 1, 0), (-0.05, 0.7, 0.3), (0.05, 0.8, 0.4)):
                left, right = x + dx - 0.014, x + dx + 0.014
                corners = [left * size, (y - top * h) * size, right * size, (y - bottom * h) * size]
                pen.rounded_rectangle(corners, radius=0.012 * size, fill=cactus)
            arms = ((-0.05, 0.36), (0.05, 0.46), (0.05, 0.36), (-0.05, 0.26))
            polygon([(x + dx, y - dy * h) for dx, dy in arms], cactus)
    elif name == "snow":
        picture = _gradient(size, _vary(rng, 166, 186, 210), _vary(rng, 214, 224, 236))
        pen = ImageDraw.Draw(picture)
        for _ in range(int(rng.integers(4, 8))):
            x, y, h = rng.uniform(0, 1), rng.uniform(0.58, 0.68), rng.uniform(0.14, 0.24)
            for k in range(3):
                w, top = h * (0.28 + 0.12 * k), y - h * (1.0 - 0.28 * k)
                polygon(
                    [(x, top), (x + w, top + 0.45 * h), (x - w, top + 0.45 * h)], (78, 116, 108)
                )
        polygon(_hill(rng, 0.62, 0.8, 0.04), _vary(rng, 242, 246, 252, by=5))
        for _ in range(46):
            disc(rng.random(), rng.random(), rng.uniform(0.007, 0.015), (255, 255, 255))
    elif name == "mountains":
        picture = _gradient(size, _vary(rng, 142, 190, 230), _vary(rng, 226, 236, 244))
        pen = ImageDraw.Draw(picture)
        for depth, tint in ((0, (140, 152, 180)), (1, (98, 108, 136))):
            stone = _vary(rng, *tint)
            for x in np.linspace(-0.05, 1.05, 4) + rng.uniform(-0.1, 0.1, 4):
                peak = rng.uniform(0.16, 0.36) + 0.16 * depth
                w = rng.uniform(0.28, 0.4)
                slope = w / (1 - peak)
                polygon([(x, peak), (x + w, 1), (x - w, 1)], stone)
                edge = 0.14 * slope
                snow = ((0, 0), (edge, 0.14), (0.04, 0.1), (0, 0.15), (-0.05, 0.1), (-edge, 0.14))
                cap = [(x + dx, peak + dy) for dx, dy in snow]
                polygon(cap, (250, 251, 253))
        polygon(_hill(rng, 0.92, 1.0, 0.02), _vary(rng, 104, 148, 98))
    elif name == "city":
        picture = _gradient(size, _vary(rng, 168, 186, 206), _vary(rng, 232, 222, 212))
        pen = ImageDraw.Draw(picture)
        x = -0.04
        while x < 1.0:
            w, top = rng.uniform(0.12, 0.2), rng.uniform(0.22, 0.62)
            wall = _vary(rng, *((112, 118, 134), (138, 122, 118), (92, 100, 120))[rng.integers(3)])
            polygon([(x, top), (x + w, top), (x + w, 1), (x, 1)], wall)
            for wx in np.arange(x + 0.022, x + w - 0.03, 0.045):
                for wy in np.arange(top + 0.03, 0.92, 0.07):
                    lit = (255, 228, 140) if rng.random() < 0.55 else wall * 0.7
                    polygon(
                        [(wx, wy), (wx + 0.024, wy), (wx + 0.024, wy + 0.038), (wx, wy + 0.038)],
                        lit,
                    )
            x += w + 0.008
        polygon([(0, 0.94), (1, 0.94), (1, 1), (0, 1)], (84, 84, 90))
    else:
        h = rng.random()
        tint = (
            np.array(colorsys.hsv_to_rgb(h, rng.uniform(0.03, 0.22), rng.uniform(0.8, 0.98))) * 255
        )
        picture = Image.new("RGB", (size, size), tuple(tint.astype(int)))
    return picture


# --- scenes ---------------------------------------------------------------------------------------


def draw_with_labels(scene: Scene, size: int = 192) -> tuple[Image.Image, Image.Image]:
    """The picture, and who owns each pixel: 0 the background, 1 and 2 the scene's items.

    Args:
        scene: what to paint.
        size: side in pixels; painted at twice that and reduced, so edges are antialiased.

    Returns:
        An RGB image and an L image, both `size` × `size`.
    """
    if size < 8:
        raise ValueError(f"size is a side in pixels, at least 8, got {size}")
    rng = np.random.default_rng([2, scene.seed])
    picture = _background(scene.background, 2 * size, rng)
    labels = Image.new("L", picture.size)
    for index, item in enumerate(scene.items, start=1):
        base = _paint(item.colour or "white", rng)
        for place in item.places:
            _stamp(picture, labels, index, item, place, base, rng)
    return picture.reduce(2), labels.resize((size, size), Image.Resampling.NEAREST)


def draw(scene: Scene, size: int = 192) -> Image.Image:
    """The picture of a scene, RGB, `size` × `size` pixels; the same scene, the same pixels."""
    return draw_with_labels(scene, size)[0]


def contact_sheet(scenes: Iterable[Scene], *, columns: int = 8, size: int = 160) -> Image.Image:
    """Scenes in rows with their captions underneath, as one RGB image."""
    scenes = list(scenes)
    rows = -(-len(scenes) // columns)
    strip = 42
    sheet = Image.new("RGB", (columns * (size + 6) + 6, rows * (size + strip) + 6), "white")
    pen = ImageDraw.Draw(sheet)
    for i, scene in enumerate(scenes):
        x, y = 6 + (i % columns) * (size + 6), 6 + (i // columns) * (size + strip)
        sheet.paste(draw(scene, size), (x, y))
        words, lines = caption(scene).split(), [""]
        for word in words:
            if len(lines[-1]) + len(word) > size // 6:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
        pen.multiline_text((x, y + size + 2), "\n".join(lines[:3]), fill="black", spacing=1)
    return sheet
