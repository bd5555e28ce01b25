"""Painting a scene of the picture-book world with Pillow, in the hand of any painter.

Every thing is a few polygons in its own unit square (`shapes`). `BODY` polygons carry the thing's
colour and texture, the others have inks of their own; a dark outline, a soft light from above and a
little variation in every colour make it a picture book. Another hand (`hands`) bends the polygons,
outlines and fills them its own way: same scene and same hand, same picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .backgrounds import background, treated
from .hands import BOOK, Hand
from .paint import brightness, chalk_cover, contour, filled, inks, mixed, rainbow_bands, textured
from .shapes import ARCHES, BODY, Points, Shape, shape_of
from .world import Item, Place, Scene

MAX_TILT = 0.6  # radians that a hand turns a thing, beyond the angle that the scene gives it


# --- how a hand bends a thing ---------------------------------------------------------------------


def _subdivided(points: Points, step: float) -> Points:
    """The same polygon with corners at most `step` apart."""
    after = np.roll(points, -1, axis=0)
    parts = np.ceil(np.linalg.norm(after - points, axis=1) / step).astype(int).clip(1)
    start = np.repeat(np.arange(len(points)), parts)
    t = np.arange(len(start)) - np.repeat(np.cumsum(parts) - parts, parts)
    t = (t / parts[start])[:, None]
    return points[start] * (1 - t) + after[start] * t


def _wobbled(points: list[Points], amount: float, brush: np.random.Generator) -> list[Points]:
    """Displaced by a smooth field, the same for every part, so that parts stay together."""
    fine = [_subdivided(p, 0.14) for p in points]
    where = np.concatenate(fine)
    waves = brush.normal(0, 1, (8, 2)) * np.array([4.0] * 4 + [13.0] * 4)[:, None]
    phases = brush.uniform(0, 2 * math.pi, 8)
    push = brush.normal(0, 1, (8, 2)) * np.array([0.5] * 4 + [0.3] * 4)[:, None]
    moved = where + amount * np.sin(where @ waves.T + phases) @ push
    return np.split(moved, np.cumsum([len(p) for p in fine])[:-1])


def _warp(shape: Shape, hand: Hand, brush: np.random.Generator) -> np.ndarray:
    """The projective map, (3, 3), by which this hand stretches, shears and tips a thing."""
    stretch = brush.uniform(-1, 1) * hand.stretch
    shear = brush.uniform(-1, 1) * hand.shear
    towards = brush.uniform(0, 2 * math.pi)
    tip = brush.uniform(0, 1) * hand.perspective
    warp = np.array([
        [math.exp(stretch), shear, 0],
        [0, math.exp(-stretch), 0],
        [tip * math.cos(towards), tip * math.sin(towards), 1],
    ])  # fmt: skip
    # Nothing grows far beyond the place that the scene has for it.
    reach = np.abs(_mapped(np.concatenate([points for _, points in shape]), warp)).max()
    return np.diag([1, 1, max(1.0, reach / 1.2)]) @ warp


def _mapped(points: Points, warp: np.ndarray) -> Points:
    if np.array_equal(warp, np.eye(3)):
        return points
    far = points @ warp[:, :2].T + warp[:, 2]
    return far[:, :2] / far[:, 2:]


# --- how it draws lines ---------------------------------------------------------------------------


def _line_colour(hand: Hand, base: np.ndarray) -> tuple[int, ...]:
    dark = brightness(base) < 60
    if hand.line == "chalk":
        return (236, 230, 214)
    if hand.line == "own" or dark:
        return contour(base)
    if hand.line == "deep":
        return tuple((base * 0.6).astype(int))
    return (24, 22, 26) if hand.line == "black" else (104, 102, 106)


def _dashes(points: np.ndarray, brush: np.random.Generator) -> Iterable[list]:
    """An outline as chalk leaves it: in pieces, with gaps."""
    pen_down = np.convolve(brush.random(len(points) + 2), np.ones(3) / 3, "valid") > 0.4
    pieces = np.split(np.arange(len(points)), np.flatnonzero(np.diff(pen_down)) + 1)
    closed = np.concatenate([points, points[:1]])
    for piece in pieces:
        if pen_down[piece[0]]:
            yield [tuple(p) for p in closed[piece[0] : piece[-1] + 2]]


def _outline(
    pen: ImageDraw.ImageDraw,
    parts: Sequence[Points],
    hand: Hand,
    colour: tuple[int, ...],
    width: int,
    brush: np.random.Generator,
) -> None:
    for points in parts:
        if hand.line == "chalk":
            extent = float(np.ptp(points, axis=0).max())
            for dash in _dashes(_subdivided(points, max(2.0, 0.08 * extent)), brush):
                pen.line(dash, fill=colour, width=width)
        else:
            corners = [tuple(p) for p in points]
            pen.line([*corners, *corners[:2]], fill=colour, width=width, joint="curve")


def _area(points: Points) -> float:
    x, y = points.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


# --- a thing --------------------------------------------------------------------------------------


@dataclass
class _Easel:
    """What a painter has at hand while painting one scene."""

    picture: Image.Image
    labels: Image.Image
    hand: Hand
    rng: np.random.Generator  # the scene's own accidents, the same in every hand
    brush: np.random.Generator  # the hand's


@dataclass
class _Thing:
    """A thing's polygons, and how they come to lie on the canvas."""

    names: list[str]
    unit: list[Points]
    warp: np.ndarray
    matrix: np.ndarray
    centre: tuple[float, float]

    def on_canvas(self, polygons: Sequence[Points]) -> list[Points]:
        return [_mapped(p, self.warp) @ self.matrix.T + self.centre for p in polygons]

    def again(self, brush: np.random.Generator) -> list[Points]:
        """Its polygons as a second stroke would draw them."""
        return self.on_canvas(_wobbled(self.unit, 0.035, brush))

    def to_unit(self) -> np.ndarray:
        """The projective map, (3, 3), from the canvas to the unit square."""
        place = np.eye(3)
        place[:2] = np.column_stack([self.matrix, self.centre])
        return np.linalg.inv(place @ self.warp)


def _posed(easel: _Easel, item: Item, place: Place, design: int) -> _Thing:
    hand, brush, canvas = easel.hand, easel.brush, easel.picture.width
    shape = shape_of(item.object, design)
    angle, warp = place.angle, np.eye(3)
    if hand != BOOK:
        angle += float(np.clip(hand.tilt * brush.normal(), -MAX_TILT, MAX_TILT))
        warp = _warp(shape, hand, brush)
    c, s = math.cos(angle), math.sin(angle)
    flip = -1.0 if place.mirrored else 1.0
    matrix = place.radius * canvas * np.array([[c * flip, -s], [s * flip, c]])
    unit = [points for _, points in shape]
    if hand.wobble:
        unit = _wobbled(unit, hand.wobble, brush)
    centre = (place.x * canvas, place.y * canvas)
    return _Thing([ink for ink, _ in shape], unit, warp, matrix, centre)


def _body_tile(
    easel: _Easel, item: Item, place: Place, base: np.ndarray, thing: _Thing, half: int, design: int
) -> Image.Image:
    """The paint of a thing's body, a square of side 2 `half` about its centre."""
    hand, size, canvas = easel.hand, 2 * half, easel.picture.width
    if item.colour:
        tile = textured(base, item.texture, size, place.radius * canvas, canvas, easel.rng)
    elif hand == BOOK:
        return _book_rainbow(size, place.angle)
    else:
        corner = [int(v) - half for v in thing.centre]
        tile = _rainbow(design, size, thing.to_unit(), corner)
    return Image.fromarray(filled(tile, hand.fill, canvas, easel.brush))


def _book_rainbow(size: int, angle: float) -> Image.Image:
    """The bands of a many-coloured rainbow, centred where the book's design has its centre."""
    unit = size / 2 / 1.1
    y, x = np.mgrid[0:size, 0:size] - size / 2
    r = np.hypot(x / unit, y / unit - 0.5)
    return Image.fromarray(rainbow_bands(r, ARCHES[0][-1])).rotate(-math.degrees(angle))


def _rainbow(design: int, size: int, to_unit: np.ndarray, corner: Sequence[int]) -> np.ndarray:
    """The same for any design, wherever its arch has come to lie."""
    cx, cy, across, up, inner = ARCHES[design]
    y, x = np.mgrid[0:size, 0:size]
    at = np.stack([x + corner[0], y + corner[1], np.ones_like(x)], axis=-1) @ to_unit.T
    u, v = at[..., 0] / at[..., 2], at[..., 1] / at[..., 2]
    return rainbow_bands(np.hypot((u - cx) / across, (v - cy) / up), inner).astype(np.float32)


def _hides(picture: Image.Image, box: tuple[int, ...], base: np.ndarray) -> bool:
    """Whether the ground in this box has nearly the thing's own colour."""
    side = picture.width
    inside = (max(box[0], 0), max(box[1], 0), min(box[2], side), min(box[3], side))
    mean = picture.resize((1, 1), Image.Resampling.BOX, inside).getpixel((0, 0))
    return float(np.abs(np.array(mean) - base).sum()) < 150


def _stamp(
    easel: _Easel, index: int, item: Item, place: Place, base: np.ndarray, design: int
) -> None:
    picture, hand, brush = easel.picture, easel.hand, easel.brush
    canvas = picture.width
    radius = place.radius * canvas
    thing = _posed(easel, item, place, design)
    names, parts = thing.names, thing.on_canvas(thing.unit)
    bodies = [points for ink, points in zip(names, parts, strict=True) if ink == BODY]

    half = math.ceil(radius * 1.1)
    if hand != BOOK:
        reach = max(np.abs(points - thing.centre).max() for points in bodies)
        half = max(half, 1 + math.ceil(reach))
    left, top = int(thing.centre[0]) - half, int(thing.centre[1]) - half
    box = (left, top, left + 2 * half, top + 2 * half)
    ground = picture.crop(box) if hand.fill == "chalk" else None

    weight = hand.outline
    if not weight and _hides(picture, box, base):
        weight = 0.6  # without a line nobody would see it
    thin = min(0.05 * radius, 0.012 * canvas)
    width = max(1, round(thin) * 2 if weight == 1 else round(2 * thin * weight))
    colour = _line_colour(hand, base)
    pen = ImageDraw.Draw(picture)
    for stroke in range(hand.strokes if weight else 0):
        _outline(pen, thing.again(brush) if stroke else parts, hand, colour, width, brush)
    label_pen = ImageDraw.Draw(easel.labels)
    for points in parts:
        label_pen.polygon([tuple(p) for p in points], fill=index)

    ink_of = inks(base, hand.inks)
    if hand.fill == "silhouette":
        ink_of = dict.fromkeys(ink_of, contour(base))

    def fill(which: range) -> None:
        for ink, points in ((names[i], parts[i]) for i in which if names[i] != BODY):
            pen.polygon([tuple(p) for p in points], fill=ink_of[ink])
            solid = ink not in ("line", "tone") and _area(points) > 12 * width**2
            if hand.details and weight and solid:
                _outline(pen, [points], hand, colour, max(1, width // 2), brush)

    # What lies before the first body polygon is behind it, the rest is in front.
    first = names.index(BODY)
    fill(range(first))
    mask = Image.new("L", (2 * half, 2 * half))
    mask_pen = ImageDraw.Draw(mask)
    for points in bodies:
        mask_pen.polygon([(x - left, y - top) for x, y in points], fill=255)
    tile = _body_tile(easel, item, place, base, thing, half, design)
    if ground is not None:
        cover = chalk_cover(np.asarray(tile), canvas, brush)
        tile = Image.composite(tile, ground, Image.fromarray(cover))
    picture.paste(tile, (left, top), mask)
    fill(range(first, len(names)))


# --- scenes ---------------------------------------------------------------------------------------


def _pixel_art(picture: Image.Image, labels: Image.Image, scene: Scene, hand: Hand, size: int):
    """Both again, in squares so large that the smallest thing is `hand.pixels` of them wide."""
    radii = [place.radius for item in scene.items for place in item.places]
    n = round(hand.pixels / (2 * min(radii, default=0.4)))
    n = min(max(n, 20), max(8, round(0.7 * size)))
    coarse = picture.resize((n, n), Image.Resampling.BOX)
    coarse = coarse.quantize(24, Image.Quantize.FASTOCTREE).convert("RGB")
    few = labels.resize((n, n), Image.Resampling.NEAREST)
    return tuple(im.resize((size, size), Image.Resampling.NEAREST) for im in (coarse, few))


def draw_with_labels(
    scene: Scene, size: int = 192, hand: Hand = BOOK
) -> tuple[Image.Image, Image.Image]:
    """The picture, and who owns each pixel: 0 the background, 1 and 2 the scene's items.

    Args:
        scene: what to paint.
        size: side in pixels; painted at twice that and reduced, so edges are antialiased.
        hand: how to paint it; the picture book's own hand by default.

    Returns:
        An RGB image and an L image, both `size` × `size`.
    """
    if size < 8:
        raise ValueError(f"size is a side in pixels, at least 8, got {size}")
    if not isinstance(hand, Hand):
        raise TypeError(f"hand is a Hand, such as BOOK, UNSEEN or random_hand(rng), got {hand!r}")
    rng = np.random.default_rng([2, scene.seed])
    brush = np.random.default_rng([3, scene.seed])  # what a hand adds leaves the scene's own alone
    picture = treated(background(scene.background, 2 * size, rng), hand, brush)
    labels = Image.new("L", picture.size)
    easel = _Easel(picture, labels, hand, rng, brush)
    for index, item in enumerate(scene.items, start=1):
        base = mixed(item.colour or "white", rng)
        design = int(brush.choice(hand.designs))
        for place in item.places:
            _stamp(easel, index, item, place, base, design)
    if hand.pixels:
        return _pixel_art(picture, labels, scene, hand, size)
    return picture.reduce(2), labels.resize((size, size), Image.Resampling.NEAREST)


def draw(scene: Scene, size: int = 192, hand: Hand = BOOK) -> Image.Image:
    """The picture of a scene, RGB, `size` × `size` pixels; same scene, same hand, same pixels."""
    return draw_with_labels(scene, size, hand)[0]


def alone(name: str, colour: str = "red", texture: str = "plain", seed: int = 0) -> Scene:
    """One large upright thing in the middle of a plain background."""
    place = Place(0.5, 0.5, 0.4, 0.0, False)
    return Scene("plain", (Item(name, colour, texture, (place,)),), seed)
