"""Draws a scene of the picture-book world with Pillow, its `shapes` in any of the `styles`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from . import paint
from .backgrounds import background, treated
from .shapes import ARCHES, BODY, Points, Shape, shape_of
from .styles import BOOK, Style
from .world import Item, Place, Scene

MAX_TILT = 0.6  # radians that a style turns an object, beyond the angle that the scene gives it


@dataclass
class _Canvas:
    """What drawing a scene needs: the pictures so far, and where randomness comes from."""

    picture: Image.Image
    labels: Image.Image
    style: Style
    rng: np.random.Generator  # the scene's own, the same in every style
    brush: np.random.Generator  # the style's


def _subdivided(points: Points, step: float) -> Points:
    """The same polygon with corners at most `step` apart."""
    after = np.roll(points, -1, axis=0)
    parts = np.ceil(np.linalg.norm(after - points, axis=1) / step).astype(int).clip(1)
    start = np.repeat(np.arange(len(points)), parts)
    t = np.arange(len(start)) - np.repeat(np.cumsum(parts) - parts, parts)
    t = (t / parts[start])[:, None]
    return points[start] * (1 - t) + after[start] * t


def _wobbled(points: list[Points], amount: float, brush: np.random.Generator) -> list[Points]:
    """Displaced by a smooth field, the same for every polygon, so that parts stay together."""
    fine = [_subdivided(p, 0.14) for p in points]
    where = np.concatenate(fine)
    waves = brush.normal(0, 1, (8, 2)) * np.array([4.0] * 4 + [13.0] * 4)[:, None]
    phases = brush.uniform(0, 2 * math.pi, 8)
    push = brush.normal(0, 1, (8, 2)) * np.array([0.5] * 4 + [0.3] * 4)[:, None]
    moved = where + amount * np.sin(where @ waves.T + phases) @ push
    return np.split(moved, np.cumsum([len(p) for p in fine])[:-1])


def _mapped(points: Points, warp: np.ndarray) -> Points:
    """Points under a projective map, (3, 3)."""
    if np.array_equal(warp, np.eye(3)):
        return points
    mapped = points @ warp[:, :2].T + warp[:, 2]
    return mapped[:, :2] / mapped[:, 2:]


def _random_warp(shape: Shape, style: Style, brush: np.random.Generator) -> np.ndarray:
    """The projective map, (3, 3), by which a style stretches, shears and tips an object."""
    stretch = brush.uniform(-1, 1) * style.stretch
    shear = brush.uniform(-1, 1) * style.shear
    towards = brush.uniform(0, 2 * math.pi)
    tip = brush.uniform(0, 1) * style.perspective
    warp = np.array([
        [math.exp(stretch), shear, 0],
        [0, math.exp(-stretch), 0],
        [tip * math.cos(towards), tip * math.sin(towards), 1],
    ])  # fmt: skip
    # Nothing grows far beyond the place that the scene has for it.
    reach = np.abs(_mapped(np.concatenate([points for _, points in shape]), warp)).max()
    return np.diag([1, 1, max(1.0, reach / 1.2)]) @ warp


def _dashes(points: np.ndarray, brush: np.random.Generator) -> Iterable[list]:
    """An outline as chalk leaves it: in pieces, with gaps."""
    pen_down = np.convolve(brush.random(len(points) + 2), np.ones(3) / 3, "valid") > 0.4
    pieces = np.split(np.arange(len(points)), np.flatnonzero(np.diff(pen_down)) + 1)
    closed = np.concatenate([points, points[:1]])
    for piece in pieces:
        if pen_down[piece[0]]:
            yield [tuple(p) for p in closed[piece[0] : piece[-1] + 2]]


def _draw_outlines(
    canvas: _Canvas, polygons: Sequence[Points], colour: tuple[int, ...], width: int
) -> None:
    pen = ImageDraw.Draw(canvas.picture)
    for points in polygons:
        if canvas.style.line == "chalk":
            extent = float(np.ptp(points, axis=0).max())
            for dash in _dashes(_subdivided(points, max(2.0, 0.08 * extent)), canvas.brush):
                pen.line(dash, fill=colour, width=width)
        else:
            corners = [tuple(p) for p in points]
            pen.line([*corners, *corners[:2]], fill=colour, width=width, joint="curve")


@dataclass
class _Placed:
    """An object's polygons, and how they come to lie on the canvas."""

    place: Place
    design: int
    inks: list[str]
    unit: list[Points]  # in the unit square
    warp: np.ndarray  # (3, 3), within the unit square
    matrix: np.ndarray  # (2, 2), from there to pixels
    centre: tuple[float, float]

    def on_canvas(self, polygons: Sequence[Points]) -> list[Points]:
        return [_mapped(p, self.warp) @ self.matrix.T + self.centre for p in polygons]

    def to_unit(self) -> np.ndarray:
        """The projective map, (3, 3), from the canvas to the unit square."""
        place = np.eye(3)
        place[:2] = np.column_stack([self.matrix, self.centre])
        return np.linalg.inv(place @ self.warp)


def _placed(canvas: _Canvas, name: str, place: Place, design: int) -> _Placed:
    style, brush, side = canvas.style, canvas.brush, canvas.picture.width
    shape = shape_of(name, design)
    angle = place.angle + float(np.clip(style.tilt * brush.normal(), -MAX_TILT, MAX_TILT))
    warp = _random_warp(shape, style, brush)
    c, s = math.cos(angle), math.sin(angle)
    flip = -1.0 if place.mirrored else 1.0
    matrix = place.radius * side * np.array([[c * flip, -s], [s * flip, c]])
    unit = [points for _, points in shape]
    if style.wobble:
        unit = _wobbled(unit, style.wobble, brush)
    inks, centre = [ink for ink, _ in shape], (place.x * side, place.y * side)
    return _Placed(place, design, inks, unit, warp, matrix, centre)


def _body_tile(
    canvas: _Canvas, item: Item, base: np.ndarray, placed: _Placed, half: int
) -> Image.Image:
    """What fills an object's body: a square of side 2 `half` about its centre."""
    style, size, side = canvas.style, 2 * half, canvas.picture.width
    if item.colour:
        radius = placed.place.radius * side
        tile = paint.textured(base, item.texture, size, radius, side, canvas.rng)
    elif style == BOOK:  # centred where the book's design has its centre
        y, x = (np.mgrid[0:size, 0:size] - size / 2) / (size / 2 / 1.1)
        bands = paint.rainbow_bands(np.hypot(x, y - 0.5), ARCHES[0][-1])
        return Image.fromarray(bands).rotate(-math.degrees(placed.place.angle))
    else:
        tile = _rainbow(placed, size)
    return Image.fromarray(paint.filled(tile, style.fill, side, canvas.brush))


def _rainbow(placed: _Placed, size: int) -> np.ndarray:
    """The bands of a many-coloured rainbow of any design, wherever its arch has come to lie."""
    cx, cy, across, up, inner = ARCHES[placed.design]
    left, top = (int(v) - size // 2 for v in placed.centre)
    y, x = np.mgrid[0:size, 0:size]
    at = np.stack([x + left, y + top, np.ones_like(x)], axis=-1) @ placed.to_unit().T
    u, v = at[..., 0] / at[..., 2], at[..., 1] / at[..., 2]
    return paint.rainbow_bands(np.hypot((u - cx) / across, (v - cy) / up), inner).astype(np.float32)


def _draw_object(
    canvas: _Canvas, index: int, item: Item, place: Place, base: np.ndarray, design: int
) -> None:
    picture, style, brush = canvas.picture, canvas.style, canvas.brush
    side = picture.width
    radius = place.radius * side
    placed = _placed(canvas, item.object, place, design)
    polygons = placed.on_canvas(placed.unit)
    parts = list(zip(placed.inks, polygons, strict=True))
    bodies = [points for ink, points in parts if ink == BODY]
    half = math.ceil(radius * 1.1)
    if style != BOOK:
        half = max(half, 1 + math.ceil(max(np.abs(p - placed.centre).max() for p in bodies)))
    left, top = int(placed.centre[0]) - half, int(placed.centre[1]) - half
    box = (left, top, left + 2 * half, top + 2 * half)
    ground = picture.crop(box) if style.fill == "chalk" else None
    weight = style.outline
    if not weight:
        inside = (max(box[0], 0), max(box[1], 0), min(box[2], side), min(box[3], side))
        mean = picture.resize((1, 1), Image.Resampling.BOX, inside).getpixel((0, 0))
        if float(np.abs(np.array(mean) - base).sum()) < 150:
            weight = 0.6  # on a ground of its own colour nobody would see it
    thin = min(0.05 * radius, 0.012 * side)
    width = max(1, round(thin) * 2 if weight == 1 else round(2 * thin * weight))
    own = style.line != "chalk" and paint.brightness(base) < 60  # light, since the body is dark
    colour = paint.LINES["own" if own else style.line](base)
    pen = ImageDraw.Draw(picture)
    for stroke in range(style.strokes if weight else 0):
        again = placed.on_canvas(_wobbled(placed.unit, 0.035, brush)) if stroke else polygons
        _draw_outlines(canvas, again, colour, width)
    label_pen = ImageDraw.Draw(canvas.labels)
    for points in polygons:
        label_pen.polygon([tuple(p) for p in points], fill=index)
    ink_of = paint.inks(base, style.inks)
    if style.fill == "silhouette":
        ink_of = dict.fromkeys(ink_of, paint.contour(base))

    def draw_details(parts: Iterable[tuple[str, Points]]) -> None:
        for ink, points in parts:
            if ink == BODY:
                continue
            pen.polygon([tuple(p) for p in points], fill=ink_of[ink])
            x, y = points.T
            area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
            solid = ink not in ("line", "tone") and area > 12 * width**2
            if style.details and weight and solid:
                _draw_outlines(canvas, [points], colour, max(1, width // 2))

    first = placed.inks.index(BODY)
    draw_details(parts[:first])
    mask = Image.new("L", (2 * half, 2 * half))
    mask_pen = ImageDraw.Draw(mask)
    for points in bodies:
        mask_pen.polygon([(x - left, y - top) for x, y in points], fill=255)
    tile = _body_tile(canvas, item, base, placed, half)
    if ground is not None:
        cover = paint.chalk_cover(np.asarray(tile), side, brush)
        tile = Image.composite(tile, ground, Image.fromarray(cover))
    picture.paste(tile, (left, top), mask)
    draw_details(parts[first:])


def _pixelated(
    picture: Image.Image, labels: Image.Image, scene: Scene, pixels: int, size: int
) -> tuple[Image.Image, Image.Image]:
    """Both in squares so large that the smallest object is `pixels` of them wide."""
    radii = [place.radius for item in scene.items for place in item.places]
    n = round(pixels / (2 * min(radii, default=0.4)))
    n = min(max(n, 20), max(8, round(0.7 * size)))
    coarse = picture.resize((n, n), Image.Resampling.BOX)
    coarse = coarse.quantize(24, Image.Quantize.FASTOCTREE).convert("RGB")
    few = labels.resize((n, n), Image.Resampling.NEAREST)
    nearest = Image.Resampling.NEAREST
    return coarse.resize((size, size), nearest), few.resize((size, size), nearest)


def draw_with_labels(
    scene: Scene, size: int = 192, style: Style = BOOK
) -> tuple[Image.Image, Image.Image]:
    """The picture (RGB), and what each pixel shows (L): 0 the background, 1 and 2 the items.

    Raises:
        ValueError, TypeError: `size` is a side in pixels, at least 8; `style` is a `Style`.
    """
    if size < 8:
        raise ValueError(f"size is a side in pixels, at least 8, got {size}")
    if not isinstance(style, Style):
        raise TypeError(f"style is a Style, such as BOOK or HELD_OUT, got {style!r}")
    rng = np.random.default_rng([2, scene.seed])
    brush = np.random.default_rng([3, scene.seed])  # of its own, so that a style changes no colour
    picture = treated(background(scene.background, 2 * size, rng), style, brush)
    labels = Image.new("L", picture.size)
    canvas = _Canvas(picture, labels, style, rng, brush)
    for index, item in enumerate(scene.items, start=1):
        base = paint.mixed(item.colour or "white", rng)
        design = int(brush.choice(style.designs))
        for place in item.places:
            _draw_object(canvas, index, item, place, base, design)
    if style.pixels:
        return _pixelated(picture, labels, scene, style.pixels, size)
    return picture.reduce(2), labels.resize((size, size), Image.Resampling.NEAREST)


def draw(scene: Scene, size: int = 192, style: Style = BOOK) -> Image.Image:
    """The picture of a scene, RGB, `size` × `size` pixels; see `draw_with_labels`."""
    return draw_with_labels(scene, size, style)[0]
