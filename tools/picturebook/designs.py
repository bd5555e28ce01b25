"""Designs of every object from random parameters, for the judge's training: no two are alike.

`random_design` makes one: by a function below (how many tips has the star, how thick is the
crescent, how steep the roof), or from a design of the picture book that training may see. Then all
of it is bent by a smooth field, and at times a detail is left out. `nothing` makes what looks like
a thing and is none. None of this is taken from the designs that are held out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from dreamlab.picturebook.shapes import (
    APPEND,
    ARCHES,
    BODY,
    CHANGE,
    DESIGNS,
    HELD_OUT_DESIGN,
    Points,
    Shape,
    shape_of,
)

points, spline, blob, ellipse, arc, tips = (
    APPEND[step] for step in ("points", "spline", "closed_spline", "ellipse", "arc", "star")
)
stroke, turn = CHANGE["stroke"], CHANGE["turn"]
REACH = 1.12  # no point of a design is farther from its middle, across or up


class Drawing:
    """The parts of a design, from the back to the front, and where its numbers come from."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.parts: Shape = []
        self.arch: list[float] | None = None

    def u(self, low: float, high: float) -> float:
        """A number from `low` to `high`."""
        return float(self.rng.uniform(low, high))

    def whole(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def maybe(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)

    def one(self, *things):
        return things[int(self.rng.integers(len(things)))]

    def ink(self, names: str) -> str:
        """One of some inks."""
        return self.one(*names.split())

    def add(self, ink: str, *outlines: Points) -> None:
        self.parts += [(ink, outline) for outline in outlines]

    def pair(self, ink: str, outline: Points) -> None:
        """An outline and its mirror image."""
        self.add(ink, outline, outline * (-1, 1))

    def line(self, ink: str, width: float, *xy: float) -> None:
        """A line of this width through these points."""
        self.add(ink, stroke(spline(*xy), width))

    def gloss(self, x: float, y: float, r: float) -> None:
        """Often a highlight."""
        if self.maybe(0.55):
            u = self.u
            self.add("white", ellipse(x, y, u(0.6, 1) * r, u(0.3, 0.6) * r, u(-1, 0)))

    def eye(self, x: float, y: float, r: float) -> None:
        if self.maybe(0.35):
            self.add("dark", ellipse(x, y, 0.7 * r, self.u(0.7, 1) * r, 0, 14))
        else:
            self.add("white", ellipse(x, y, r, self.u(0.9, 1.2) * r, 0, 16))
            self.add("dark", ellipse(x + self.u(-0.4, 0.4) * r, y, r / 2, r / 2, 0, 12))

    def move(self, x: float, y: float, angle: float = 0.0) -> None:
        """Turn and move all parts."""
        self.parts = [(ink, moved(turn(p, angle), x, y)) for ink, p in self.parts]


def box(left: float, top: float, right: float, bottom: float, inset: float = 0.0) -> Points:
    """A rectangle, or with `inset` a trapezoid that is narrower at its top."""
    return points(left + inset, top, right - inset, top, right, bottom, left, bottom)


def moved(outline: Points, x: float, y: float) -> Points:
    """An outline moved by (x, y)."""
    return outline + np.array([x, y])


def disc(x: float, y: float, r: float) -> Points:
    return ellipse(x, y, r, r)


def half_ring(outer: float, inner: float, begin: float, end: float) -> Points:
    """Part of a ring about the middle, from one turn to another."""
    inside = arc(0, 0, inner, inner, end, begin)
    return np.concatenate([arc(0, 0, outer, outer, begin, end), inside])


def arched(x: float, bottom: float, half: float, height: float) -> Points:
    """A door or a window with a round top."""
    feet = points(x + half, bottom, x - half, bottom)
    return np.concatenate([arc(x, bottom - height + half, half, half, 0.5, 1), feet])


def battlements(left: float, right: float, top: float, bottom: float, teeth: int) -> Points:
    x = np.repeat(np.linspace(left, right, 2 * teeth), 2)
    y = np.tile([top + 0.13, top, top, top + 0.13], teeth)
    return np.concatenate([np.stack([x, y], 1), points(right, bottom, left, bottom)])


# --- objects --------------------------------------------------------------------------------------


def apple(d: Drawing, u: Callable) -> None:
    apart, rx, ry, low = u(0.12, 0.4), u(0.48, 0.64), u(0.55, 0.8), u(0.4, 1)
    top, lean = 0.15 - ry * u(0.75, 0.9), u(-0.25, 0.25)
    stalk = spline(0, top + 0.25, lean / 2, top - 0.1, lean, top - u(0.2, 0.45))
    d.add(d.ink("mast wood dark"), stroke(stalk, u(0.06, 0.12), u(0.08, 0.16)))
    for side in (1, -1)[: d.whole(0, 2)]:
        x, y = side * u(0.22, 0.4), top - u(0, 0.2)
        d.add("leaf", ellipse(x, y, u(0.18, 0.32), u(0.08, 0.15), -side * u(0.1, 0.8)))
    half = ellipse(apart, 0.15, rx, ry)
    half[:, 0] *= 1 - (1 - low) * (half[:, 1] - 0.15).clip(0) / ry  # narrower below
    d.pair(BODY, half)
    if d.maybe(0.2):  # cut open
        d.add("cream", ellipse(0, 0.2, 0.55 * (rx + apart), 0.6 * ry))
        d.pair("mast", ellipse(0.09, 0.2, 0.05, 0.12, 0.3))
    d.gloss(-apart - 0.2, -0.2, 0.2)


def ball(d: Drawing, u: Callable) -> None:
    r, kind, angle = u(0.8, 0.98), d.whole(0, 5), u(0, 3)
    ink = d.ink("line white dark tone flame")
    d.add(BODY, ellipse(0, 0, r, r, 0, 44))
    if kind == 1:  # wedges, from a pole that need not be in the middle
        n, pole = d.whole(3, 5), np.array([[u(-0.4, 0.4), u(-0.4, 0.4)]])
        for i in range(n):
            begin = angle / 6 + i / n
            rim = arc(0, 0, 0.98 * r, 0.98 * r, begin, begin + 0.5 / n, 10)
            d.add(ink, np.concatenate([pole, rim]))
        if d.maybe(0.5):
            d.add("white", disc(*pole[0], 0.14))
    elif kind == 2:  # seams
        n, bend, width = d.whole(1, 4), u(-0.5, 0.5) * r, u(0.04, 0.11)
        for x in np.linspace(-0.5, 0.5, n) * r if n > 1 else (0.0,):
            h = 0.97 * math.sqrt(r * r - x * x)
            seam = stroke(spline(x, -h, x + math.copysign(bend, x), 0, x, h), width)
            d.add(ink, turn(seam.clip(-0.97 * r, 0.97 * r), angle))
    elif kind == 3:  # a band
        h = u(0.12, 0.35)
        w = 0.98 * math.sqrt(1 - h * h)
        d.add(ink, turn(box(-w, -h, w, h) * r, angle))
    elif kind == 4:
        d.add(ink, turn(tips(d.whole(4, 6), u(0.4, 0.7) * r, u(0.2, 0.3) * r), angle))
    elif kind == 5:
        for t in angle + np.arange(d.whole(3, 5)):
            d.add(ink, disc(*(u(0.25, 0.6) * r * np.array([math.cos(t), math.sin(t)])), 0.11))
    d.gloss(-0.42 * r, -0.46 * r, 0.2)


def balloon(d: Drawing, u: Callable) -> None:
    if d.maybe(0.3):  # with a basket
        w, b, ink = u(0.6, 0.9), u(0.14, 0.26), d.ink("line tone flame white")
        low = u(0.2, 0.5) * w
        d.pair("dark", stroke(points(b * 0.9, 0.75, low, 0.3), 0.045))
        right = [0.6 * w, -0.92, w, -0.5, 0.8 * w, 0, low, 0.38]
        left = points(*right)[::-1] * (-1, 1)
        d.add(BODY, blob(0, -1.05, *right, *left.ravel()))
        for i in range(d.whole(0, 3)):
            x = (i - 1) * 0.45 * w
            d.line(ink, u(0.04, 0.14), 0.2 * x, -0.98, 1.25 * x, -0.45, 0.4 * x, 0.36)
        d.add(d.ink("wood mast gold"), box(-b, 0.68, b, 1.02, -0.03))
        return
    rx, ry, k, wave = u(0.42, 0.68), u(0.55, 0.78), u(0.08, 0.16), u(0, 0.16)
    cy = ry - 1.02
    knot = cy + ry
    hull = ellipse(0, cy, rx, ry, 0, 40)
    hull[:, 0] *= 1 - u(0, 0.45) * ((hull[:, 1] - cy) / ry).clip(0)
    ys = np.linspace(knot, min(1.1, knot + u(0.4, 1.1)), 7)
    xs = wave * np.array([0, 1, -1, 1, -1, 1, 0])
    d.line("dark", u(0.035, 0.07), *np.stack([xs, ys], 1).ravel())
    if d.maybe(0.5):
        d.add(BODY, points(-k, knot + k, k, knot + k, 0, knot - 0.1))
    else:
        d.pair("flame", points(0, knot, 0.24, knot - 0.1, 0.24, knot + 0.12))
    d.add(BODY, hull)
    if d.maybe(0.15):
        d.add(d.ink("white tone"), moved(tips(5, 0.28, 0.12), 0, cy))
    d.gloss(-0.42 * rx, cy - 0.4 * ry, 0.18)


def owl(d: Drawing, u: Callable, beak: str) -> None:
    w, h, e = u(0.45, 0.68), u(0.75, 0.95), u(0.13, 0.22)
    d.pair(beak, ellipse(0.2, h - 0.02, 0.14, 0.08))
    if d.maybe(0.5):
        d.pair(BODY, points(0.1, -h + 0.1, w * 0.8, -h - 0.14, w * 0.75, -h + 0.5))
    d.add(BODY, ellipse(0, 0, w, h))
    d.pair("shade", ellipse(w * 0.92, 0.1, u(0.12, 0.22), u(0.4, 0.6), u(-0.3, 0.1)))
    if d.maybe(0.6):
        d.add(d.ink("white tone cream"), ellipse(0, 0.25, 0.62 * w, 0.6 * h))
    d.pair("white", disc(1.15 * e, -0.42 * h, e))
    d.pair("dark", disc(e, -0.42 * h, e / 2))
    d.add(beak, points(-0.09, -0.28 * h, 0.09, -0.28 * h, 0, u(-0.12, 0) * h))


def bird(d: Drawing, u: Callable) -> None:
    kind, beak = d.whole(0, 6), d.ink("gold flame dark")
    if kind == 0:
        owl(d, u, beak)
        return
    flies = kind in (1, 2)
    bx, by, hr = u(0.5, 0.72), u(0.28, 0.5), u(0.22, 0.38)
    neck = u(0, 0.15) if kind < 5 else u(0.35, 0.6)
    hx, hy = bx * u(0.6, 0.95), -by * u(0.5, 1.0) - neck
    near, thick = hx + 0.8 * hr, u(0.07, 0.15)
    tip = hx + hr + u(0.18, 0.5), hy + u(-0.02, 0.12)
    d.add(beak, points(near, hy - thick, *tip, near, hy + thick))
    if not flies and d.maybe(0.75):
        ink, leg = d.ink(f"dark {beak}"), u(0.05, 0.09)
        foot = by + u(0.3, 0.6) * (1.4 if kind == 6 else 1)
        for x in (-0.12, 0.12):
            d.line(ink, leg, x, by * 0.7, x + 0.02, foot)
            d.line(ink, leg, x - 0.02, foot, x + u(0.1, 0.2), foot)
    root, end, lift, spread = -bx * 0.7, -bx - u(0.4, 0.75), u(-0.5, 0.25), u(0.1, 0.3)
    notch = end + u(0, 0.2)
    tail = (end, lift - spread, notch, lift, end, lift + spread)
    d.add(BODY, points(root, -by * 0.4, *tail, root, by * 0.5))
    if flies:
        d.add("shade", points(0.4, 0, u(0.05, 0.45), -u(0.7, 1.0), 0, 0))
    d.add(BODY, ellipse(0, 0.05, bx, by, u(-0.35, 0.1)))
    if neck > 0.2:
        path = spline(bx * 0.6, 0.1, bx * u(0.6, 1.15), hy / 2, hx, hy)
        d.add(BODY, stroke(path, 0.36, 0.26))
    d.add(BODY, ellipse(hx, hy, hr, hr * u(0.85, 1.05)))
    if d.maybe(0.25):
        crest = points(-0.5, -0.6, -u(0.3, 1), -u(1.3, 1.9), 0.3, -0.9) * hr
        d.add(d.ink("body flame"), moved(crest, hx, hy))
    if flies:
        x, y = u(-0.9, -0.2), -u(0.7, 1.05)
        feathers = (x / 2 + 0.1, 0.8 * y, x, y, 0.8 * x - 0.1, 0.4 * y)
        d.add(BODY, points(0.3, 0.05, *feathers, -0.45, 0.15))
    elif d.maybe(0.5):
        wing = ellipse(-0.12, 0.02, bx * u(0.45, 0.7), by * u(0.4, 0.6), u(-0.2, 0.5))
        d.add(d.ink("shade tone line white"), wing)
    else:
        wing = blob(0.25, -0.1, 0, 0.3, -bx * u(0.8, 1.2), u(0.1, 0.4), -0.3, -0.15)
        d.add(d.ink("shade tone line white"), wing)
    if d.maybe(0.3):
        d.add(d.ink("flame white tone"), ellipse(bx * 0.45, by * 0.45, bx * 0.35, by * 0.4))
    d.eye(hx + 0.25 * hr, hy - 0.1 * hr, u(0.07, 0.13))


def boat(d: Drawing, u: Callable) -> None:
    kind, deck, keel = d.whole(0, 3), u(0.2, 0.42), u(0.7, 0.95)
    bow, stern, foot = u(0.85, 1.1), u(0.7, 1.05), u(0.45, 0.8)
    hull = d.one(
        points(-stern, deck, bow, deck, foot, keel, -foot, keel),
        points(-stern, deck, bow, deck - u(0, 0.15), 0.7 * bow, keel, -0.8 * stern, keel),
        blob(-stern, deck, 0, deck, bow, deck - 0.05, foot, keel, 0, keel, -foot, keel),
    )
    if kind < 2:  # with sails
        sail, mast, top, low = d.ink("body body white cream"), u(-0.2, 0.25), -u(0.85, 1.08), deck
        d.line("mast", u(0.06, 0.1), mast, top, mast, deck + 0.1)
        low -= u(0.06, 0.2)
        out = mast + 0.35 + u(0, 0.25), (top + low) / 2
        main = spline(mast + 0.08, top + 0.05, *out, mast + u(0.5, 0.9), low)
        d.add(sail, np.concatenate([main, points(mast + 0.08, low)]))
        x = mast - 0.08
        if d.maybe(0.7):
            d.add(sail, points(x, top + u(0.05, 0.5), x, low, x - u(0.3, 0.7), low))
        if d.maybe(0.4):
            flag = points(0, -0.05, d.one(-0.3, 0.3), 0.06, 0, 0.17)
            d.add("flame", moved(flag, mast, top))
        d.add(BODY if sail != BODY else d.ink("wood wood mast body dark"), hull)
    elif kind == 2:  # a steamer
        left, right, roof = -u(0.3, 0.65), u(0.3, 0.65), deck - u(0.3, 0.55)
        for x in np.linspace(0.6 * left, 0.6 * right, d.whole(1, 3)):
            w, h = u(0.08, 0.15), roof - u(0.3, 0.55)
            d.add(d.ink("dark flame"), box(x - w, h, x + w, roof + 0.05))
            d.add(d.ink("flame white"), box(x - w, h + 0.1, x + w, h + 0.22))
            if d.maybe(0.5):
                d.add("stone", ellipse(x - u(0.1, 0.3), h - 0.12, u(0.14, 0.26), 0.12))
        d.add(d.ink("white cream"), box(left, roof, right, deck + 0.05, u(-0.05, 0.08)))
        d.add(BODY, hull)
        for x in np.linspace(0.75 * left, 0.75 * right, d.whole(2, 4)):
            d.add(d.ink("dark glass"), disc(x, (roof + deck) / 2, 0.09))
    elif d.maybe(0.5):  # of paper
        w, ear, fold = u(0.35, 0.6), u(0.9, 1.1), u(-0.3, 0.05)
        d.add("shade", points(-w, 0.35, 0, -u(0.4, 0.9), w, 0.35))
        rim = (-ear, fold, -0.38, 0.3, 0, u(-0.3, 0.1), 0.38, 0.3, ear, fold)
        d.add(BODY, points(*rim, 0.62, 0.78, -0.62, 0.78))
        d.pair("line", stroke(points(0.38, 0.3, 0, 0.78), 0.045))
    else:  # with oars
        d.line("wood", 0.08, -0.1, deck - 0.5, 0.5, keel + 0.1)
        d.add(BODY, hull)
        d.line("wood", 0.08, 0.1, deck - 0.5, -0.5, keel + 0.1)
        d.line("tone", 0.06, -0.8 * foot, deck + 0.1, 0.8 * foot, deck + 0.1)


def butterfly(d: Drawing, u: Callable) -> None:
    def wing(y: float, long: float, wide: float, angle: float) -> Points:
        form = d.one(
            ellipse(0.9, 0, 1, 1),
            blob(0, 0, 0.8, -1, 1.8, -0.8, 1.9, 0.2, 1, 1),
            blob(0, -0.1, 1, -1, 1.9, -0.5, 1.75, 0.9, 0.7, 0.8),
        )
        return moved(turn(form * (long, wide), angle), 0.04, y)

    upper = wing(-0.08, u(0.42, 0.58), u(0.28, 0.44), -u(0.35, 0.95))
    lower = wing(0.12, u(0.3, 0.45), u(0.22, 0.36), u(0.4, 1.0))
    d.pair(BODY, lower)
    d.pair(BODY, upper)
    ink, pattern = d.ink("tone white line gold flame dark"), d.whole(0, 3)
    for p in (upper, lower):
        middle = p.mean(0)
        if pattern == 1:
            d.pair(ink, ellipse(*middle, u(0.09, 0.17), u(0.08, 0.15)))
        elif pattern == 2:
            d.pair(ink, middle + 0.55 * (p - middle))
        elif pattern == 3:
            d.pair("line", stroke(points(0.04, 0, *middle, *(1.8 * middle)), 0.045))
    h, w, out = u(0.4, 0.68), u(0.07, 0.13), u(0.15, 0.45)
    top = -h - u(0.2, 0.5)
    d.add(d.ink("dark wood"), ellipse(0, 0.04, w, h))
    feeler = spline(0.02, 0.1 - h, out * u(0.2, 0.6), (top - h) / 2, out, top)
    d.pair("dark", stroke(feeler, 0.045))
    if d.maybe(0.5):
        d.pair("dark", disc(out, top, 0.06))
    if d.maybe(0.2):  # half closed
        narrow = u(0.35, 0.7)
        d.parts = [(k, np.where(p[:, :1] < 0, p * (narrow, 1), p)) for k, p in d.parts]


def castle(d: Drawing, u: Callable) -> None:
    n, base, cones, flags = d.whole(1, 5), u(0.85, 0.98), d.maybe(0.5), d.maybe(0.6)
    wide, roof = u(0.75, 1.0), d.ink("flame shade dark wood")
    half = u(0.15, 0.24) if n > 1 else u(0.55, 0.75)
    outer, middle = u(-0.55, 0.0), u(-0.75, -0.3)
    walls = Drawing(d.rng)  # before the flags
    if n > 1:
        walls.add(BODY, battlements(-wide, wide, u(-0.15, 0.35), base, d.whole(3, 6)))
    for x in np.linspace(-wide, wide, n) if n > 1 else (0.0,):
        top = middle if abs(x) < 0.1 else outer + u(-0.1, 0.1)
        peak = top
        if cones:
            peak = top - u(0.3, 0.55)
            walls.add(BODY, box(x - half, top, x + half, base))
            walls.add(roof, points(x - 1.25 * half, top, x, peak, x + 1.25 * half, top))
        else:
            w = u(1.0, 1.2) * half
            walls.add(BODY, box(x - half, top + 0.1, x + half, base))
            walls.add(BODY, battlements(x - w, x + w, top, top + 0.3, d.whole(2, 3)))
        if flags:
            cloth = points(0, -0.25, d.one(-0.28, 0.28), -0.16, 0, -0.06)
            d.add("dark", box(x - 0.025, peak - 0.25, x + 0.025, top + 0.1))
            d.add(d.ink("flame gold"), moved(cloth, x, peak))
        if d.maybe(0.7):
            walls.add("dark", arched(x, top + u(0.45, 0.7), 0.06, 0.24))
    gate = u(0.14, 0.26)
    walls.add(d.ink("dark wood"), arched(0, base, gate, u(1.3, 2.2) * gate))
    d.parts += walls.parts


def cloud(d: Drawing, u: Callable) -> None:
    kind, flat, n = d.whole(0, 7), d.maybe(0.5), d.whole(3, 8)
    peak, high, low = u(-0.4, 0.4), u(0.2, 0.45), u(0.3, 0.42)
    if kind == 4:
        d.add("gold", disc(u(-0.5, 0.5), -0.4, 0.4))
    for x in np.linspace(-0.72, 0.72, n):
        x += u(-0.07, 0.07)
        r = u(0.22, 0.36) * (1.15 - 0.5 * abs(x))
        d.add(BODY, ellipse(x, 0.15 - high * max(0, 1 - abs(x - peak)), r * u(1, 1.25), r))
        if not flat:
            d.add(BODY, ellipse(0.85 * x, u(0.15, 0.35), 0.9 * r, 0.8 * r))
    d.add(BODY, ellipse(0, 0.12, 0.75, u(0.2, 0.32)))
    if flat:
        upper = (-0.92, low - 0.16, -0.6, low - 0.3, 0.6, low - 0.3, 0.92, low - 0.16)
        d.add(BODY, blob(*upper, 0.8, low, 0, low, -0.8, low))
    drops = np.linspace(-0.6, 0.6, d.whole(3, 6))
    if kind == 0:  # lightning
        bolt = points(0.1, 0.35, -0.2, 0.75, 0, 0.72, -0.15, 1.1, 0.3, 0.62, 0.08, 0.64, 0.3, 0.35)
        d.add(d.ink("gold flame"), moved(bolt, u(-0.3, 0.3), 0))
    elif kind == 1:  # rain
        slant, width = u(-0.15, 0.15), u(0.06, 0.1)
        for x in drops:
            d.line("water", width, x, 0.52, x + slant, u(0.75, 1.05))
    elif kind == 2:  # snow
        d.add("white", *(disc(x, u(0.55, 1.0), 0.08) for x in drops))
    elif kind == 3:
        d.add("tone", blob(-0.7, 0.2, 0, 0.3, 0.7, 0.2, 0.6, 0.36, 0, 0.4, -0.6, 0.36))


def comet(d: Drawing, u: Callable) -> None:
    r, long, wide, bend = u(0.26, 0.5), u(1.1, 1.7), u(0.6, 1.1), u(-0.3, 0.3)
    n, inks = d.whole(1, 3), d.ink("gold-flame flame-gold body-gold gold-white tone-white")
    sizes = (1.0, u(0.4, 0.7))[: 1 + d.maybe(0.75)]
    for ink, part in zip(inks.split("-"), sizes, strict=False):
        h = wide * r * part / n**0.6
        for i in range(n):
            y = (i - (n - 1) / 2) * 1.1 * r / n * part
            x, spread = long * part**0.5 * u(0.75, 1), 1 + u(0, 0.8)
            end, tip = y * spread * 1.2 + bend, d.one(0.02, u(0, 0.5) * h)
            middle = y * spread + bend / 3
            edge = spline(0, y - h, x / 2, middle - 0.7 * h, x, end - tip)
            back = spline(x, end + tip, x / 2, middle + 0.7 * h, 0, y + h)
            d.add(ink, np.concatenate([edge, back]))
    head = tips(d.whole(5, 8), 1.15 * r, u(0.6, 0.85) * r)
    d.add(BODY, disc(0, 0, r) if d.maybe(0.7) else head)
    kind = d.whole(0, 3)
    if kind == 0:
        for _ in range(d.whole(1, 4)):
            d.add("tone", disc(u(-0.4, 0.4) * r, u(-0.5, 0.5) * r, 0.2 * r))
    elif kind == 1:
        d.add(d.ink("gold white tone"), disc(0, 0, 0.5 * r))
    elif kind == 2:
        d.gloss(-0.3 * r, -0.3 * r, 0.4 * r)
    d.move(-0.62, 0.55, -u(0.35, 1.1))


def eye(d: Drawing, u: Callable) -> None:
    w, up, low, tilt = u(0.8, 1.02), u(0.3, 0.7), u(0.25, 0.65), u(-0.15, 0.15)
    at = u(0.35, 0.75) * w
    upper = spline(-w, 0, -at, -0.75 * up, 0, -up, at, -0.75 * up, w, tilt)
    white = np.concatenate([upper, spline(w, tilt, at, 0.75 * low, 0, low, -at, 0.75 * low, -w, 0)])
    r, x = min(up, low) * u(0.75, 1.05), u(-0.2, 0.2)
    p, long, fan = u(0.35, 0.62) * r, u(0.15, 0.38), u(0.4, 1.2)
    for a in np.linspace(-0.75, 0.75, d.whole(2, 7)) if d.maybe(0.75) else ():
        y = 0.03 - up * (1 - 0.9 * a * a)
        d.add("dark", stroke(points(a * w, y, a * w + fan * long * a, y - long), 0.07, 0.03))
    for a in np.linspace(-0.5, 0.5, d.whole(2, 6)) if d.maybe(0.25) else ():
        y = low * (1 - 0.9 * a * a) - 0.03
        d.add("dark", stroke(points(a * w, y, a * w * 1.25, y + 0.6 * long), 0.06, 0.03))
    if d.maybe(0.35):  # a brow
        y = -up - u(0.2, 0.4)
        d.line("dark", u(0.06, 0.15), -0.9 * w, y + u(0, 0.3), -0.1, y - 0.12, w, y + u(0, 0.3))
    if d.maybe(0.7):
        d.add("dark", white * (u(1.02, 1.1), u(1.04, 1.2)))
    d.add("white", white)
    d.add(BODY, ellipse(x, 0, r, r, 0, 34))
    if d.maybe(0.35):
        d.add(d.ink("line tone"), moved(half_ring(r, 0.86 * r, 0, 1), x, 0))
    d.add("dark", ellipse(x, 0, p * (u(0.3, 0.5) if d.maybe(0.15) else 1), p))
    if d.maybe(0.7):
        d.add("white", disc(x + u(-0.5, 0.5) * p, -u(0.4, 0.8) * p, 0.4 * p))
    if d.maybe(0.2):  # a lid
        y = -up * u(0.2, 0.7)
        d.add(d.ink("body shade"), np.concatenate([upper, points(0.5 * w, y, -0.5 * w, y)]))


def face(d: Drawing, u: Callable) -> None:
    rx, ry, hair = u(0.66, 0.95), u(0.8, 0.98), d.ink("mast wood dark gold flame stone")
    style, oval = d.whole(0, 6), ellipse(0, 0, rx, ry, 0, 40)
    oval[:, 0] *= 1 - u(0, 0.35) * (oval[:, 1] / ry).clip(0)
    if style == 1:  # long hair
        low = u(0.8, 1.1)
        right = points(0.75, -0.9, 1.02, -0.2, low, 0.9)
        d.add(hair, blob(0, -1.12, *right.ravel(), *(right[::-1] * (-1, 1)).ravel()))
    elif style == 2:  # plaits or buns
        d.pair(hair, ellipse(rx, u(-0.7, 0.4), u(0.15, 0.28), u(0.2, 0.4)))
    if d.maybe(0.4):
        d.pair(BODY, ellipse(rx, u(-0.1, 0.15), u(0.1, 0.18), u(0.14, 0.24)))
    d.add(BODY, oval)
    if 1 <= style <= 4:  # a fringe
        low = -ry * u(0.35, 0.65)
        turns = np.linspace(0.5 + 0.08, 1 - 0.08, 20) * 2 * math.pi
        cap = np.stack([1.06 * rx * np.cos(turns), 1.06 * ry * np.sin(turns)], 1)
        edge = [(x, low + u(-0.1, 0.14)) for x in np.linspace(rx, -rx, d.whole(3, 8)) * 0.8]
        d.add(hair, np.concatenate([cap, np.array(edge)]))
    elif style == 5:  # a few, on end
        for x in np.linspace(-0.3, 0.3, d.whole(2, 5)):
            d.line(hair, 0.07, x / 2, 0.05 - ry, x, -ry - u(0.1, 0.2))
    x, y, r, kind = rx * u(0.3, 0.45), -u(0.05, 0.35), u(0.08, 0.19), d.whole(0, 3)
    if kind == 0:
        d.pair("dark", ellipse(x, y, 0.6 * r, u(0.6, 1) * r))
    elif kind == 1:  # shut
        d.pair("dark", stroke(spline(x - r, y + 0.04, x, y - 0.1, x + r, y + 0.04), 0.06))
    else:
        look, slope = u(-0.3, 0.3) * r, u(-0.08, 0.08)
        d.pair("white", ellipse(x, y, r, 1.1 * r))
        d.add("dark", disc(x + look, y, 0.5 * r), disc(look - x, y, 0.5 * r))
        if d.maybe(0.6):
            brow = points(x - r, y - 1.7 * r - slope, x + r, y - 1.7 * r + slope)
            d.pair(d.ink("line dark"), stroke(brow, 0.06))
    nose = d.whole(0, 3)
    if nose == 1:
        d.add(d.ink("tone line flame"), disc(0, 0.16, u(0.06, 0.13)))
    elif nose == 2:
        d.line("line", 0.05, 0.02, y, u(-0.14, 0.14), 0.2, 0.02, 0.24)
    elif nose == 3:
        d.add("tone", points(0, y + 0.05, 0.12, 0.24, -0.12, 0.24))
    m, curve, w, mouth = u(0.36, 0.6), u(-0.07, 0.15), rx * u(0.3, 0.6), d.whole(0, 3)
    if mouth == 0:
        lips = blob(-w, m - curve, 0, m - curve / 2, w, m - curve, 0, m + 2 * abs(curve) + 0.08)
        d.add(d.ink("dark flame rose"), lips)
    elif mouth == 1:
        d.add("dark", ellipse(0, m, u(0.1, 0.2), u(0.08, 0.2)))
    else:
        d.line(d.ink("dark line rose"), u(0.05, 0.1), -w, m - curve, 0, m + curve, w, m - curve)
    if d.maybe(0.25):
        d.pair("rose", ellipse(rx * 0.55, 0.22, 0.13, 0.09))
    if style == 6:  # a hat
        y = -ry * u(0.45, 0.65)
        crown = box(-0.75 * rx, y - u(0.35, 0.6), 0.75 * rx, y, u(0, 0.12))
        d.add(d.ink("flame dark water"), crown)
        d.add("dark", ellipse(0, y, rx * 1.05, 0.09))


def fish(d: Drawing, u: Callable) -> None:
    long, high, x = u(0.55, 0.8), u(0.22, 0.62), u(0.1, 0.25)
    nose, belly = u(0.25, 0.5), u(0.7, 1.2)
    t, spread, root = u(0.35, 0.6), u(0.28, 0.6), x - 0.8 * long
    tail = d.one(
        points(0, 0, -1, -1, -u(0.4, 0.9), 0, -1, 1),
        points(0, -0.2, -1, -1, -1, 1, 0, 0.2),
        blob(0.2, 0, -0.6, -1, -1, -0.6, -0.75, 0, -1, 0.6, -0.6, 1),
    )
    ink = d.ink("body body shade tone flame")
    d.add(d.ink(f"body {ink}"), moved(tail * (t, spread), root, 0))
    a, b, fin, lean = x + u(0, 0.4) * long, x - u(0.2, 0.6) * long, u(0.1, 0.45), u(-0.3, 0.05)
    back = (a + lean, -high - fin, b + lean / 2, -high - fin * u(0.2, 1))
    d.add(ink, points(a, -0.6 * high, *back, b, -0.4 * high))
    if d.maybe(0.6):
        tip = -high * belly - u(0.1, 0.4)
        d.add(ink, points(x + 0.2, 0.6 * high, x - 0.15, -tip, x - 0.3, 0.5 * high))
    over = points(1, 0, nose, -0.8, -0.1, -1, -0.75, -0.35, -1, 0)
    under = points(-0.75, 0.35, -0.1, belly, nose, 0.75)
    d.add(BODY, blob(*moved(np.concatenate([over, under]) * (long, high), x, 0).ravel()))
    kind, ink = d.whole(0, 3), d.ink("tone line white shade")
    if kind == 1:  # bands
        for a in np.linspace(-0.4, 0.25, d.whole(1, 3)):
            h, at = high * (0.85 - 0.7 * abs(a)), x + a * long
            d.line(ink, u(0.06, 0.14), at, -h, at + 0.06, 0, at, h)
    elif kind == 2:  # scales
        for a in np.linspace(-0.5, 0.1, d.whole(2, 4)) * long + x:
            for y in (-0.35 * high, 0.25 * high):
                d.line(ink, 0.04, a, y - 0.09, a - 0.08, y, a, y + 0.09)
    elif kind == 3:
        part = points(0.7, 0.15, 0, 0.3, -0.6, 0.15, -0.1, 0.95 * belly, 0.5, 0.6)
        d.add(d.ink("white cream tone"), blob(*moved(part * (long, high), x, 0).ravel()))
    at, r = x + u(0.5, 0.68) * long, u(0.06, 0.13)
    if d.maybe(0.5):  # a gill
        gill = at - r - 0.12
        d.line("line", 0.045, gill, -0.5 * high, gill - 0.1, 0, gill, 0.5 * high)
    if d.maybe(0.5):  # a fin
        fin = (x - u(0.1, 0.3), u(0, 0.35) * high)
        d.add(d.ink("shade tone line"), points(x + 0.1, 0.05, *fin, x + 0.05, 0.5 * high))
    if d.maybe(0.5):  # a mouth
        d.line("line", 0.045, x + 0.98 * long, 0.12, x + 0.84 * long, 0.2, x + 0.76 * long, 0.16)
    d.eye(at, -u(0.1, 0.4) * high, r)


def flower(d: Drawing, u: Callable) -> None:
    stem = d.maybe(0.8)
    cy, big = (u(-0.5, -0.3), u(0.5, 0.62)) if stem else (0.0, u(0.75, 0.98))
    if stem:
        d.line("leaf", u(0.07, 0.13), 0, cy, u(-0.12, 0.12), 0.3, u(-0.1, 0.1), 1.05)
        for side in d.one((), (1,), (-1,), (1, -1)):
            x, y = side * u(0.28, 0.42), u(0.5, 0.8)
            if d.maybe(0.5):
                d.add("leaf", ellipse(x, y, u(0.22, 0.34), u(0.09, 0.15), -side * u(0.2, 0.7)))
            else:
                d.add("leaf", blob(0, 0.95, x, y - 0.3, x + side * 0.2, y - 0.45, x, y))
        if d.maybe(0.25):  # a cup, as of a tulip
            w, h, n = u(0.35, 0.55), u(0.45, 0.65), 2 * d.whole(2, 4) - 1
            xs = np.linspace(-w, w, n)
            ys = cy - h * np.where(np.arange(n) % 2, u(0.3, 0.6), 1)
            side = w * u(0.9, 1.1)
            bowl = spline(w, cy - h, side, cy, 0, cy + 0.4, -side, cy, -w, cy - h)
            d.add(BODY, np.concatenate([np.stack([xs, ys], 1), bowl]))
            return
    n, core = d.whole(4, 14), big * u(0.22, 0.45)
    long = (big - 0.6 * core) / 2
    wide = min(long * u(0.4, 1.1), 1.25 * math.pi * (big - long) / n)
    petal = d.one(
        ellipse(0, 0, 1, 1),
        blob(0, -1, 1, -0.2, 0.4, 1, -0.4, 1, -1, -0.2),
        points(0, -1, 1, 0, 0.3, 1, -0.3, 1, -1, 0),
    )
    petal, phase, rim = moved(petal * (wide, long), 0, long - big), u(0, 1), d.maybe(0.2)
    ring = [turn(petal, phase + 2 * math.pi * i / n) for i in range(n)]
    d.add(BODY, *(moved(p, 0, cy) for p in ring))
    if rim:
        d.add("tone", *(moved(0.6 * p, 0, cy) for p in ring))
    d.add(d.ink("gold gold flame white mast wood"), disc(0, cy, core))
    if d.maybe(0.25):
        d.add(d.ink("wood flame dark"), disc(0, cy, 0.6 * core))


def heart(d: Drawing, u: Callable) -> None:
    if d.maybe(0.5):
        t = np.linspace(0, 2 * math.pi, 80, endpoint=False)
        waves = u(0.72, 0.92), u(-0.4, -0.2), u(-0.16, 0), u(-0.07, 0)
        y = -sum(a * np.cos((k + 1) * t) for k, a in enumerate(waves))
        p = np.stack([np.abs(np.sin(t)) ** u(2.0, 3.6) * np.sign(np.sin(t)), y], 1)
    else:
        w, top, lobe = u(0.8, 1.0), -u(0.75, 0.95), u(0.4, 0.56)
        crown = (0, top + u(0.15, 0.6), 0.55 * lobe, top + 0.1, lobe, top, 0.86 * w, top + 0.18)
        right = spline(*crown, w, u(-0.35, 0.05), u(0.55, 0.75) * w, 0.25, 0, u(0.8, 1.0))
        p = np.concatenate([right, right[::-1] * (-1, 1)])
    p = p - (p.max(0) + p.min(0)) / 2
    p *= (u(0.75, 1.0), u(0.8, 1.0)) / np.abs(p).max(0)
    kind = d.whole(0, 7)
    if kind == 3:  # an arrow behind it
        y = u(0.2, 0.6)
        d.line("wood", 0.07, -1, y, 1, -y)
    elif kind == 4:  # a rim
        d.add(d.ink("white gold dark"), 1.1 * p)
    d.add(BODY, p)
    if kind == 1:
        d.add(d.ink("tone white line"), 0.6 * p)
    elif kind == 2:  # broken
        d.add("dark", stroke(points(0, -0.4, 0.12, -0.15, -0.1, 0.1, 0.1, 0.35, 0, 0.7), 0.06))
    d.gloss(-0.45, -0.4, 0.2)


def house(d: Drawing, u: Callable) -> None:
    w, eave, base, over, inner = u(0.5, 0.9), u(-0.4, 0.15), u(0.85, 0.95), u(0, 0.2), u(0, 0.6)
    ridge, kind, lean = eave - u(0.35, 0.8), d.whole(0, 4), d.one(0, 0, 0, u(-0.3, 0.3))
    roof, out = d.ink("shade flame dark wood body"), w + over
    if kind == 0:
        top = points(-out, eave, -w * inner, ridge, w * inner, ridge, out, eave)
    elif kind == 1:  # broken slopes
        y = (eave + ridge) / 2 - 0.1
        top = points(-out, eave, -0.75 * w, y, 0, ridge, 0.75 * w, y, out, eave)
    else:
        top = points(-out, eave, lean * w, ridge, out, eave)
    if d.maybe(0.6):
        x, y = d.one(-1, 1) * u(0.3, 0.7) * w, ridge + u(-0.15, 0.05)
        d.add(d.ink("dark stone flame"), box(x - 0.09, y, x + 0.09, eave))
        if d.maybe(0.25):
            smoke = (disc(x + 0.12 * i, y - 0.15 - 0.12 * i, 0.08 + 0.04 * i) for i in range(3))
            d.add("stone", *smoke)
    d.add(BODY, box(-w, eave - 0.02, w, base))
    d.add(roof, top)
    if roof == BODY:
        d.line("line", 0.05, -w, eave, w, eave)
    rows, columns = 1 if base - eave < 0.9 else d.whole(1, 3), d.whole(2, 3)
    cell = (base - eave) / (rows + (rows > 1))
    side, ink = min(0.3 * cell, 0.62 * w / columns), d.ink("glass glass gold white dark")
    door = 0.0 if columns == 3 or rows > 1 else d.one(0.0, -0.55, 0.55) * w
    round_panes, bars = d.maybe(0.12), d.maybe(0.4)
    for row in range(rows):
        y = eave + cell * (row + 0.5)
        for x in np.linspace(-0.62 * w, 0.62 * w, columns):
            if row == rows - 1 and abs(x - door) < 0.25 * w:
                continue
            pane = box(x - side, y - side, x + side, y + side)
            d.add(ink, disc(x, y, side) if round_panes else pane)
            if bars:
                d.add("dark", box(x - side, y - 0.02, x + side, y + 0.02))
                d.add("dark", box(x - 0.02, y - side, x + 0.02, y + side))
    if kind > 1 and d.maybe(0.3):
        d.add(ink, disc(lean * w / 2, (eave + 0.6 * ridge) / 1.6, 0.12))
    half, h = u(0.12, 0.2), u(0.4, 0.6) * min(base - eave, 1.1)
    frame = box(door - half, base - h, door + half, base)
    d.add(d.ink("wood dark flame mast"), frame if d.maybe(0.7) else arched(door, base, half, h))


def kite(d: Drawing, u: Callable) -> None:
    w, top, low, cross = u(0.48, 0.85), -u(0.75, 1.0), u(0.3, 0.85), u(-0.5, -0.1)
    if d.maybe(0.25):  # a delta
        half = 0.5 * low
        sail = points(0, top, 1.25 * w, half, 0, half - u(-0.1, 0.35), -1.25 * w, half)
        cross, low = 0.3 * low, sail[2, 1]
    else:
        sail = points(0, top, w, cross, 0, low, -w, cross)
    n, ink = d.one(1, 1, 1, 2, 3), d.ink("flame gold dark body tone")
    for x in (np.arange(n) - (n - 1) / 2) * 0.35 * w:
        xs = x + u(0.05, 0.25) * np.array([0, 1, -1, 1, -0.5])
        ys = np.linspace(low - 0.1 - 0.4 * abs(x), min(1.25, low + u(0.4, 0.8)), 5)
        path = spline(*np.stack([xs, ys], 1).ravel())
        d.add(d.ink(f"dark {ink}"), stroke(path, u(0.04, 0.11)))
        for at in path[6 :: d.whole(4, 10)] if n == 1 else ():
            bow = points(-0.16, -0.09, 0, 0, 0.16, -0.09, 0.16, 0.09, 0, 0, -0.16, 0.09)
            d.add(ink, turn(bow, u(-0.8, 0.8)) + at)
    d.add(BODY, sail)
    kind = d.whole(0, 4)
    if kind == 1:
        d.add(d.ink("tone white shade"), points(0, top, w, cross, 0, cross))
    elif kind == 2:
        d.add("tone", points(0, top, 0, cross, -w, cross), points(0, low, 0, cross, w, cross))
    elif kind == 3:
        d.add(d.ink("white gold dark"), disc(0, cross, 0.2))
    if d.maybe(0.7):
        spar, width = d.ink("line dark wood"), u(0.03, 0.07)
        d.line(spar, width, 0, top, 0, low)
        d.line(spar, width, -w, cross, w, cross)
    d.move(0, 0, d.one(0, u(-0.8, 0.8)))


def moon(d: Drawing, u: Callable) -> None:
    r, kind = u(0.85, 1.0), d.whole(0, 9)
    if kind == 0:  # full
        d.add(BODY, ellipse(0, 0, r, r, 0, 44))
        ink = d.ink("tone line shade")
        for _ in range(d.whole(2, 6)):
            far, a, s = r * u(0, 0.65), u(0, 6.3), u(0.07, 0.24)
            d.add(ink, disc(far * math.cos(a), far * math.sin(a), s))
    else:
        # The outer edge goes beyond half of the circle if the horns close in; the inner edge is
        # half of an ellipse between its ends, from nearly the outer edge to beyond the middle.
        more = u(0.01, 0.08) if kind > 4 else 0.0
        outer = arc(0, 0, r, r, 0.25 - more, 0.75 + more, 40)
        x, h = outer[0]
        depth = u(-0.75, -0.3) if kind > 4 else u(-0.75, 0.5)
        t = np.linspace(-math.pi / 2, math.pi / 2, 30)
        inner = np.stack([x + (depth * r - x) * np.cos(t), h * np.sin(t)], 1)
        d.add(BODY, np.concatenate([outer, inner]))
        d.move(u(0, 0.25), 0, u(-0.5, 0.5))
    if d.maybe(0.2):  # a face
        d.eye(-0.5, -0.2, 0.09)
        d.line("line", 0.06, -0.62, 0.3, -0.46, 0.36, -0.34, 0.28)
    if d.maybe(0.2):
        d.add(
            d.ink("gold white"), moved(tips(d.whole(4, 5), 0.18, 0.08), u(0.45, 0.7), u(-0.6, 0.2))
        )


def mushroom(d: Drawing, u: Callable) -> None:
    w, top, rim = u(0.65, 1.02), -u(0.75, 1.05), u(-0.1, 0.25)
    droop, form = u(0, 0.2), d.whole(0, 3)
    low = points(0.5 * w, rim + droop, 0, rim + 0.6 * droop, -0.5 * w, rim + droop)
    if form == 0:  # round
        t = np.linspace(math.pi, 2 * math.pi, 30)
        y = rim + (top - rim) * np.abs(np.sin(t)) ** u(0.7, 1.3)
        cap = np.concatenate([np.stack([w * np.cos(t), y], 1), low])
    else:
        if form == 1:  # pointed
            right = points(u(0.25, 0.6) * w, 0.45 * top, w, rim)
        elif form == 2:  # flat
            top = rim - u(0.28, 0.55)
            right = points(0.6 * w, 0.85 * top + 0.15 * rim, w, rim)
        else:  # a bell
            right = points(0.55 * w, 0.8 * top, 0.75 * w, -0.2, 0.95 * w, rim + 0.1)
        left = right[::-1] * (-1, 1)
        cap = blob(0, top, *np.concatenate([right, low, left]).ravel())
    s, foot, base, bend = u(0.12, 0.3), u(0.14, 0.42), u(0.85, 1.02), u(-0.1, 0.1)
    left = spline(-s, rim - 0.1, -s + bend, 0.5, -foot, base - 0.1)
    right = spline(foot, base - 0.1, s + bend, 0.5, s, rim - 0.1)
    for x in (-0.5, 0.5) if d.maybe(0.25) else ():
        blades = (x - 0.12, u(0.6, 0.8), x, 0.9, x + 0.1, u(0.55, 0.8))
        d.add("leaf", points(x - 0.16, 1.02, *blades, x + 0.16, 1.02))
    bottom = points(-0.6 * foot, base, 0.6 * foot, base)
    d.add(d.ink("white cream cream stone"), np.concatenate([left, bottom, right]))
    if d.maybe(0.3):  # a collar
        d.add(d.ink("white wood cream"), box(-1.7 * s, 0.35, 1.7 * s, 0.52, 0.6 * s))
    if d.maybe(0.35) and form != 2:  # the underside
        d.add(d.ink("dark cream wood"), ellipse(0, rim + 0.06, 0.9 * w, u(0.1, 0.2)))
    d.add(BODY, cap)
    for _ in range(d.whole(2, 6) if d.maybe(0.5) else 0):
        h, r = u(0.15, 0.65), u(0.06, 0.16)
        x = u(-0.6, 0.6) * w * (1 - 0.6 * h)
        d.add("white", ellipse(x, rim + h * (top - rim), r, r * u(0.7, 1)))


def planet(d: Drawing, u: Callable) -> None:
    r, kind, tilt, flat = u(0.48, 0.74), d.whole(0, 3), u(-0.8, 0.8), u(0.18, 0.45)
    globe = Drawing(d.rng)  # between the halves of its rings
    globe.add(BODY, ellipse(0, 0, r, r, 0, 40))
    if kind == 1:  # bands
        for y in np.linspace(-0.55, 0.55, d.whole(2, 4)) * r:
            h = math.sqrt(r * r - y * y) * 0.97
            band = stroke(spline(-h, y, 0, y + u(0, 0.14), h, y), u(0.05, 0.14))
            globe.add(d.ink("tone shade line"), turn(band, tilt))
    elif kind > 1:  # land, or craters
        for _ in range(d.whole(2, 4)):
            x, y, s = u(-0.5, 0.5) * r, u(-0.55, 0.55) * r, u(0.1, 0.28) * r
            land = blob(x - s, y, x, y - s * u(0.5, 1.2), x + s * u(0.8, 1.4), y, x, y + s)
            globe.add(d.ink("leaf tone shade line"), land if kind == 2 else disc(x, y, s))
    globe.gloss(-0.4 * r, -0.45 * r, 0.16)
    outer, front, rings = u(1.0, 1.16), Drawing(d.rng), d.one(0, 1, 1, 1, 1, 2, 2)
    inks = d.ink("gold-cream flame-gold cream-wood stone-white white-glass").split("-")
    for ink in inks[:rings]:
        inner = outer - u(0.08, 0.3)
        for half, side in ((0.5, d), (0.0, front)):
            ring = half_ring(outer, inner, half, half + 0.5)
            side.add(ink, turn(ring * (1, flat), tilt))
        outer = inner - 0.05
    d.parts += globe.parts + front.parts
    for _ in range(d.whole(0, 2) if rings else d.whole(1, 3)):
        a = u(0, 6.3)
        moon = disc(0.95 * math.cos(a), 0.95 * math.sin(a), u(0.08, 0.18))
        d.add(d.ink("stone white cream"), moon)


def rainbow(d: Drawing, u: Callable) -> None:
    rx, ry, inner, cy = u(0.85, 1.05), u(0.8, 1.3), u(0.35, 0.72), u(0.4, 0.6)
    cut = d.one(0, 0, 0, 0, u(0, 0.1))
    for a, b in np.linspace(1, inner, 2 * d.one(1, 1, 1, 2, 3)).reshape(-1, 2):
        d.add(BODY, moved(half_ring(a, b, 0.5 + cut, 1 - cut) * (rx, ry), 0, cy))
    kind, end = d.whole(0, 4), (1 + inner) / 2 * rx
    if kind == 1:  # clouds
        for x in d.one((-end, end), (-end, end), (end,)):
            for _ in range(d.whole(3, 5)):
                r = u(0.13, 0.24)
                d.add("white", ellipse(x + u(-0.2, 0.2), cy + u(-0.05, 0.12), r, 0.85 * r))
    elif kind == 2:  # a hill or a lake
        y = cy - u(0, 0.12)
        hill = blob(-1.05, cy + 0.3, -0.6, y, 0, y, 0.6, y, 1.05, cy + 0.3)
        d.add(d.ink("leaf wood water"), hill)
    elif kind == 3:
        d.add("gold", ellipse(0, cy - 0.12, u(0.12, 0.25), u(0.12, 0.25)))
    d.arch = [0.0, cy, rx, ry, inner]


def rocket(d: Drawing, u: Callable) -> None:
    w, nose, base, long = u(0.22, 0.46), -u(0.9, 1.08), u(0.4, 0.65), u(0.25, 0.6)
    belly, foot = u(-0.35, 0.2), u(0.55, 1.0) * w
    if d.maybe(0.65):
        shoulder = u(0.4, 0.85) * w, (nose + belly) / 2
        side = spline(0, nose, *shoulder, w, belly, foot, base)
    else:
        side = points(0, nose, w, nose + u(0.3, 0.6), w, base - 0.1, foot, base)
    flame = d.one(
        points(-0.8, 0, 0.8, 0, 0, 1),
        blob(-0.7, 0, 0.7, 0, 0.5, 0.5, 0, 1, -0.5, 0.5),
        points(-0.9, 0, 0.9, 0, 0.5, 0.9, 0.2, 0.5, 0, 1.1, -0.2, 0.5, -0.5, 0.9),
    )
    if d.maybe(0.9):
        d.add(d.ink("flame gold"), moved(flame * (foot, long), 0, base))
        if d.maybe(0.4):
            d.add(d.ink("gold white"), moved(flame * (0.55 * foot, 0.6 * long), 0, base))
    out, up, down = w + u(0.2, 0.5), u(-0.1, 0.3), base + u(-0.05, 0.3)
    root = (0.8 * foot, base - 0.05)
    fin = d.one(
        points(0.8 * w, up, out, down - 0.2, out, down, *root),
        points(0.8 * w, up, out, down, *root),
        blob(0.8 * w, up, out, down - 0.3, out + 0.04, down, *root),
    )
    d.pair(d.ink("shade flame dark tone"), fin)
    d.add(BODY, np.concatenate([side, side[::-1] * (-1, 1)]))
    if d.maybe(0.5):  # a nose of another colour
        y = nose + u(0.25, 0.45)
        half = np.interp(y, side[:, 1], side[:, 0])
        d.add(d.ink("flame shade dark white"), points(-half, y, 0, nose, half, y))
    r, glass = u(0.25, 0.55) * w, d.ink("glass water white dark")
    for y in d.one((-0.3,), (-0.2,), (-0.35, 0.1), (-0.4, -0.05, 0.3)):
        if d.maybe(0.6):
            d.add(d.ink("line white stone"), disc(0, y, 1.35 * r))
        d.add(glass, disc(0, y, r))
    if d.maybe(0.35):
        d.add(d.ink("line flame tone"), box(-foot, base - 0.16, foot, base - 0.06))
    if d.maybe(0.3):
        d.add(d.ink("shade flame"), box(-0.06, base - 0.4, 0.06, base + 0.15))
    d.move(0, 0, d.one(0, u(-0.9, 0.9)))


def spiral(d: Drawing, u: Callable) -> None:
    turns, kind, start = u(1.6, 4.2), d.whole(0, 4), u(0, 2 * math.pi)
    width = min(u(0.1, 0.3), 0.75 / turns)
    n = d.one(3, 4, 4, 4, 5) if kind > 2 else 40  # corners of a turn
    s = np.linspace(0.05, 1, int(turns * n))
    a, r = start + 2 * math.pi * np.arange(len(s)) / n, 0.9 * s ** d.one(1, u(0.7, 1.7))
    path = np.stack([r * np.cos(a), r * np.sin(a)], 1)
    body = stroke(path, width * d.one(1, u(0.3, 0.8)), width * d.one(1, u(0.3, 1.2)))
    d.add(BODY, (body - (body.max(0) + body.min(0)) / 2) * (d.one(-1, 1), u(0.8, 1)))


def star(d: Drawing, u: Callable) -> None:
    n = d.one(4, 5, 5, 5, 5, 6, 6, 7, 8)
    p, kind = tips(n, 1, u(0.28, 0.62) if n < 6 else u(0.4, 0.75)), d.whole(0, 9)
    if n % 2 == 0 and d.maybe(0.25):  # every other tip shorter
        p[2::4] *= u(0.65, 0.9)
    p = turn(p, u(-0.35, 0.35)) * (u(0.85, 1), u(0.85, 1))
    corners = p
    if d.maybe(0.25):  # sides that are bent
        p = np.stack([p, (p + np.roll(p, -1, 0)) / 2 * u(0.82, 1.1)], 1).reshape(-1, 2)
    if kind == 4:
        d.add(d.ink("dark gold white"), 1.12 * p)
    d.add(BODY, p)
    if kind == 1:
        d.add(d.ink("tone white line gold"), p * u(0.45, 0.7))
    elif kind == 2:  # cut like a stone
        d.add("tone", *(points(0, 0, *corners[k], *corners[k + 1]) for k in range(0, 2 * n, 2)))
    elif kind == 3:  # a face
        d.eye(-0.16, -0.05, 0.09)
        d.eye(0.16, -0.05, 0.09)
        d.line("dark", 0.05, -0.15, 0.16, 0, 0.24, 0.15, 0.16)


def palm(d: Drawing, u: Callable, bark: str) -> None:
    x, y = u(-0.3, 0.3), u(-0.5, -0.25)
    d.add(bark, stroke(spline(-0.1, 1.02, 0.2 * x, 0.4, x, y), u(0.18, 0.28), u(0.1, 0.16)))
    for a in np.linspace(-0.35, math.pi + 0.35, d.whole(4, 8)):
        dx, dy = u(0.6, 0.85) * np.array([math.cos(a), -0.7 * math.sin(a)])
        path = spline(x, y, x + 0.55 * dx, y + 0.75 * dy - 0.1, x + dx, y + dy + u(0.15, 0.4))
        widths = u(0.14, 0.28) * np.sin(np.linspace(0.25, math.pi, len(path))) + 0.03
        d.add(BODY, stroke(path, *widths))
    if d.maybe(0.5):
        d.add("mast", disc(x - 0.1, y + 0.1, 0.1), disc(x + 0.1, y + 0.1, 0.1))


def tree(d: Drawing, u: Callable) -> None:
    kind, w, bark = d.whole(0, 5), u(0.07, 0.2), d.ink("wood wood mast dark")
    if kind == 5:
        palm(d, u, bark)
        return
    foot, top = w * u(1, 1.7), u(-0.1, 0.35)
    d.add(bark, box(-foot, top, foot, 1.0, foot - w))
    if kind < 2:  # a round crown of one to seven parts
        n, cy, r = d.whole(0, 6), u(-0.4, -0.2), u(0.55, 0.75)
        d.add(BODY, ellipse(0, cy, r * u(0.8, 1.15), r * u(0.75, 1)))
        for a in u(0, 1) + np.arange(n) * 2 * math.pi / max(n, 1):
            d.add(BODY, disc(0.62 * r * math.cos(a), cy + 0.5 * r * math.sin(a), u(0.28, 0.42)))
        if d.maybe(0.3):
            ink = d.ink("flame rose gold white")
            fruit = (disc(u(-0.45, 0.45), cy + u(-0.4, 0.4), 0.08) for _ in range(d.whole(3, 6)))
            d.add(ink, *fruit)
        elif d.maybe(0.3):
            d.line(d.ink("tone line"), 0.05, 0, cy - 0.2, 0, cy + r)
    elif kind < 4:  # a fir
        n, wide, low, sag = d.whole(1, 5), u(0.5, 0.9), u(0.45, 0.75), u(-0.12, 0.15)
        step = (low + 1) / n
        d.add(bark, box(-w, low - 0.15, w, 1.0))
        for i in range(n):
            half, bottom = wide * (1 - 0.65 * i / n), low - 0.85 * i * step
            peak = max(bottom - step * (1.5 if n > 1 else 1), -1.08)
            d.add(BODY, points(0, peak, half, bottom, 0, bottom + sag, -half, bottom))
    else:  # a poplar
        h = u(0.75, 0.95)
        crown = ellipse(0, -0.2, u(0.25, 0.5), h)
        crown[:, 0] *= 1 + u(-0.6, 0.4) * (-(crown[:, 1] + 0.2) / h).clip(0)
        d.add(BODY, crown)


def umbrella(d: Drawing, u: Callable) -> None:
    w, top, rim, n, sag = u(0.8, 1.02), -u(0.55, 0.95), u(-0.1, 0.15), d.whole(2, 6), u(0.0, 0.16)
    t = np.linspace(math.pi, 2 * math.pi, 30)
    dome = rim + (top - rim) * np.abs(np.sin(t)) ** u(0.75, 1.4)
    x = np.linspace(w, -w, n + 1)
    scallops = [
        spline(a, rim, (3 * a + b) / 4, rim - sag, (a + 3 * b) / 4, rim - sag, b, rim)
        for a, b in pairwise(x)
    ]
    stick, base, h = d.ink("dark wood mast"), u(0.75, 0.95), u(0.06, 0.1)
    d.line(stick, h, 0, top - u(0.02, 0.2), 0, base)
    if d.maybe(0.85):
        k = u(0.2, 0.4) * d.one(-1, 1)
        hook = (0, base - 0.05, 0.1 * k, base + 0.1, k / 2, base + 0.16, k, base + 0.08)
        d.line(d.ink(f"{stick} flame"), h * u(1, 1.5), *hook, k, base - 0.04)
    d.add(BODY, np.concatenate([np.stack([w * np.cos(t), dome], 1), *scallops]))
    if d.maybe(0.65):
        ink, width = d.ink("line line tone dark"), u(0.03, 0.06)
        for a in x[1:-1]:
            d.line(ink, width, 0, 0.97 * top, 0.72 * a, 0.5 * top + 0.3 * rim, a, rim - 0.02)
    elif d.maybe(0.4):  # every other panel
        ink, low, high = d.ink("tone white shade"), rim - sag / 2, 0.45 * top
        for a, b in zip(x[:-1:2], x[1::2], strict=False):
            d.add(ink, points(0, 0.97 * top, 0.8 * a, high, a, low, b, low, 0.8 * b, high))
    d.move(0, 0, d.one(0, u(-0.8, 0.8)))


OBJECTS: dict[str, Callable[[Drawing, Callable], None]] = {
    function.__name__: function
    for function in (
        apple, ball, balloon, bird, boat, butterfly, castle, cloud, comet, eye, face, fish, flower,
        heart, house, kite, moon, mushroom, planet, rainbow, rocket, spiral, star, tree, umbrella,
    )
}  # fmt: skip


# --- designs --------------------------------------------------------------------------------------


def bent(shape: Shape, d: Drawing) -> Shape:
    """Every point moved by one smooth field, so that parts stay together, and all then fitted."""
    waves, push = d.rng.uniform(-2.6, 2.6, (5, 2)), d.rng.uniform(-1, 1, (5, 2)) * d.u(0, 0.1)
    phase = d.rng.uniform(0, 2 * math.pi, 5)
    return fitted([(ink, p + np.sin(p @ waves.T + phase) @ push) for ink, p in shape])


def fitted(shape: Shape) -> Shape:
    """In the middle of its place, and no larger than that."""
    every = np.concatenate([p for _, p in shape])
    middle = (every.max(0) + every.min(0)) / 2
    size = max(1.0, np.abs(every - middle).max() / REACH)
    return [(ink, (p - middle) / size) for ink, p in shape]


def random_design(name: str, rng: np.random.Generator) -> tuple[Shape, list[float] | None]:
    """The polygons of an object in a design of its own, and for a rainbow its row of `ARCHES`."""
    d = Drawing(rng)
    if name != "rainbow" and d.maybe(0.25):
        d.parts = list(shape_of(name, d.whole(0, HELD_OUT_DESIGN - 1)))
    else:
        OBJECTS[name](d, d.u)
    details = [i for i, (ink, _) in enumerate(d.parts) if ink != BODY]
    if len(details) > 2 and d.maybe(0.2):
        del d.parts[d.one(*details)]
    # The bands of a rainbow would not bend with its outline.
    return (d.parts if d.arch else bent(d.parts, d)), d.arch


def nothing(rng: np.random.Generator) -> Shape:
    """What looks like a thing and is none: outlines at random, with details of other objects."""
    d = Drawing(rng)
    for _ in range(d.whole(1, 3)):
        n = d.whole(4, 11)
        angles = (np.arange(n) + rng.uniform(-0.3, 0.3, n)) / n * 2 * math.pi
        radii = rng.uniform(0.35, 1, n) * d.u(0.5, 1)
        corners = np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
        outline = blob(*corners.ravel()) if d.maybe(0.6) else corners
        d.add(BODY, outline + rng.uniform(-0.3, 0.3, 2))
    for _ in range(d.whole(0, 4)):
        parts = random_design(d.one(*OBJECTS), rng)[0]
        if details := [part for part in parts if part[0] != BODY]:
            ink, p = d.one(*details)
            p = turn(p - p.mean(0), d.u(0, 6.3)) * d.u(0.7, 1.3) + rng.uniform(-0.5, 0.5, 2)
            d.parts.insert(d.whole(0, len(d.parts)), (ink, p))
    return fitted(d.parts)


class _Drawn(dict):
    """A row of `shapes.json` whose parts are made when they are first asked for."""

    def __init__(self, make: Callable[[], Shape]) -> None:
        self.make = make

    def __missing__(self, key: str) -> list:
        if key != "parts":
            raise KeyError(key)
        self[key] = [[ink, ["points", *p.ravel().tolist()]] for ink, p in self.make()]
        return self[key]


RANDOM_DESIGNS = range(HELD_OUT_DESIGN + 1, HELD_OUT_DESIGN + 401)
NOTHING_DESIGNS = range(RANDOM_DESIGNS.stop, RANDOM_DESIGNS.stop + 400)


def add_designs() -> None:
    """Append random designs of every object to the painter's, then as many that show no object."""

    def generator(*seed: int) -> np.random.Generator:
        return np.random.default_rng([HELD_OUT_DESIGN, *seed])

    for number, name in enumerate(DESIGNS):
        for k in RANDOM_DESIGNS:
            make = functools.partial(lambda name, *seed: random_design(name, generator(*seed))[0])
            DESIGNS[name].append(_Drawn(functools.partial(make, name, number, k)))
            if name == "rainbow":
                ARCHES.append(random_design(name, generator(number, k))[1])
        for k in NOTHING_DESIGNS:
            make = functools.partial(lambda *seed: nothing(generator(*seed)), number, k)
            DESIGNS[name].append(_Drawn(make))
            if name == "rainbow":
                ARCHES.append(ARCHES[0])
