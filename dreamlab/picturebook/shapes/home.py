"""Toys, buildings, faces and signs, in four designs each; the last one is kept from training."""

from __future__ import annotations

import math

import numpy as np

from .polygons import (
    BODY,
    Design,
    Points,
    Shape,
    arc,
    box,
    ellipse,
    mirrored,
    path,
    poly,
    rays,
    smooth,
    stroke,
    tapered,
    turned,
    turned_shape,
)

# --- ball -----------------------------------------------------------------------------------------


def ball() -> Shape:
    return [
        (BODY, ellipse(0, 0, 0.9, 0.9, n=44)),
        ("white", ellipse(-0.36, -0.46, 0.2, 0.11, -0.7)),
    ]


def tennis_ball() -> Shape:
    seam = path(-0.8, -0.46, -0.46, -0.4, -0.26, -0.16, -0.26, 0.16, -0.46, 0.4, -0.8, 0.46)
    shape: Shape = [
        (BODY, ellipse(0, 0, 0.92, 0.92, n=44)),
        *[("line", side) for side in (stroke(seam, 0.1), mirrored(stroke(seam, 0.1)))],
    ]
    return turned_shape(shape, 0.5)


def basketball() -> Shape:
    left = path(-0.66, -0.66, -0.3, -0.34, -0.22, 0.0, -0.3, 0.34, -0.66, 0.66)
    return [
        (BODY, ellipse(0, 0, 0.94, 0.94, n=44)),
        *[("line", stroke(seam, 0.07)) for seam in (left, mirrored(left))],
        ("line", stroke(path(-0.93, 0, -0.4, 0.03, 0.4, 0.03, 0.93, 0), 0.07)),
        ("line", stroke(path(0, -0.93, 0.02, 0.0, 0, 0.93), 0.07)),
    ]


def football() -> Shape:
    middle = rays(5, 0.32, 0.32)[::2]
    shape: Shape = [(BODY, ellipse(0, 0, 0.94, 0.94, n=44)), ("line", middle)]
    for a in np.arange(5) / 5 * 2 * math.pi - math.pi / 2:
        seam = turned(poly(0.3, 0, 0.46, 0, 0.64, 0), a)
        patch = turned(poly(0.62, 0.0, 0.74, -0.26, 0.9, -0.27, 0.94, 0, 0.9, 0.27, 0.74, 0.26), a)
        link = turned(path(0.74, 0.26, 0.68, 0.52, 0.62, 0.6), a)
        shape += [("line", stroke(seam, 0.06)), ("line", patch), ("line", stroke(link, 0.06))]
    return shape


# --- boat -----------------------------------------------------------------------------------------


def boat() -> Shape:
    return [
        ("mast", poly(-0.04, -0.98, 0.05, -0.98, 0.05, 0.4, -0.04, 0.4)),
        (BODY, poly(0.12, -0.9, 0.12, 0.2, 0.86, 0.2)),
        (BODY, poly(-0.1, -0.68, -0.1, 0.2, -0.66, 0.2)),
        ("wood", poly(-1.0, 0.34, 1.0, 0.34, 0.66, 0.88, -0.66, 0.88)),
    ]


def steamboat() -> Shape:
    return [
        ("stone", ellipse(-0.06, -0.86, 0.16, 0.13)),
        ("stone", ellipse(-0.34, -0.98, 0.2, 0.15)),
        ("dark", box(0.06, -0.74, 0.34, -0.2)),
        ("flame", box(0.06, -0.58, 0.34, -0.44)),
        ("white", box(-0.5, -0.24, 0.56, 0.22)),
        (BODY, smooth(-1.04, 0.14, -0.6, 0.2, 0.5, 0.2, 1.1, 0.04, 0.96, 0.5, 0.72, 0.84,
                      -0.7, 0.84, -0.92, 0.5)),
        *[("dark", ellipse(x, 0.0, 0.1, 0.1)) for x in (-0.3, 0.02, 0.34)],
        ("tone", poly(-0.84, 0.66, 0.84, 0.66, 0.72, 0.84, -0.7, 0.84)),
    ]  # fmt: skip


def paper_boat() -> Shape:
    return [
        ("shade", poly(-0.5, 0.3, 0.0, -0.8, 0.5, 0.3)),
        (BODY, poly(-1.06, -0.1, -0.4, 0.24, 0.0, -0.3, 0.4, 0.24, 1.06, -0.1, 0.62, 0.76,
                    -0.62, 0.76)),
        ("line", stroke(poly(-0.4, 0.24, -0.2, 0.5, 0.0, 0.76), 0.045)),
        ("line", stroke(poly(0.4, 0.24, 0.2, 0.5, 0.0, 0.76), 0.045)),
        ("line", stroke(poly(0, -0.3, 0, 0.2, 0, 0.76), 0.045)),
    ]  # fmt: skip


def square_rigger() -> Shape:
    return [
        ("flame", poly(0.02, -1.06, 0.5, -0.96, 0.02, -0.86)),
        ("mast", box(-0.05, -1.06, 0.05, 0.5)),
        ("wood", smooth(-1.08, -0.1, -0.84, 0.2, -0.4, 0.38, 0.4, 0.38, 0.84, 0.2, 1.08, -0.1,
                        1.0, 0.4, 0.62, 0.86, 0.0, 0.92, -0.62, 0.86, -1.0, 0.4)),
        (BODY, smooth(-0.7, -0.8, 0.0, -0.74, 0.7, -0.8, 0.76, -0.3, 0.64, 0.24, 0.0, 0.14,
                      -0.64, 0.24, -0.76, -0.3)),
        ("mast", stroke(poly(-0.82, -0.8, 0, -0.8, 0.82, -0.8), 0.08)),
    ]  # fmt: skip


# --- castle ---------------------------------------------------------------------------------------


def castle() -> Shape:
    def battlements(x0: float, x1: float, y: float, teeth: int) -> Points:
        xs = np.linspace(x0, x1, 2 * teeth)
        points = []
        for left, right in zip(xs[::2], xs[1::2], strict=True):
            points += [(left, y), (left, y - 0.16), (right, y - 0.16), (right, y)]
        return np.array([*points, (x1, 0.9), (x0, 0.9)])

    return [
        ("flame", poly(-0.7, -1.08, -0.32, -0.95, -0.7, -0.82)),
        ("flame", poly(0.7, -1.08, 1.06, -0.95, 0.7, -0.82)),
        ("dark", poly(-0.74, -1.08, -0.69, -1.08, -0.69, -0.6, -0.74, -0.6)),
        ("dark", poly(0.66, -1.08, 0.71, -1.08, 0.71, -0.6, 0.66, -0.6)),
        (BODY, battlements(-0.5, 0.5, -0.1, 3)),
        (BODY, battlements(-0.98, -0.42, -0.5, 2)),
        (BODY, battlements(0.42, 0.98, -0.5, 2)),
        (
            "dark",
            np.concatenate([arc(0, 0.4, 0.22, 0.0, 0.5, 1.0)[:26], poly(0.22, 0.9, -0.22, 0.9)]),
        ),
        ("dark", poly(-0.78, -0.2, -0.62, -0.2, -0.62, 0.12, -0.78, 0.12)),
        ("dark", poly(0.62, -0.2, 0.78, -0.2, 0.78, 0.12, 0.62, 0.12)),
    ]


def _merlons(x0: float, x1: float, y: float, low: float, teeth: int, tall: float = 0.14) -> Points:
    """A wall from x0 to x1 whose battlements rise `tall` above y."""
    xs = np.linspace(x0, x1, 2 * teeth)
    top = [
        corner
        for a, b in zip(xs[::2], xs[1::2], strict=True)
        for corner in ((a, y), (a, y - tall), (b, y - tall), (b, y))
    ]
    return np.array([*top, (x1, low), (x0, low)])


def _gate(x: float, w: float, top: float, low: float) -> Points:
    """A door or window with a round arch, `w` half its width."""
    return np.concatenate([arc(x, top + w, w, 0, 0.5, 1.0)[:26], poly(x + w, low, x - w, low)])


def _flag(x: float, y: float) -> Shape:
    return [("dark", box(x - 0.025, y - 0.3, x + 0.025, y)),
            ("gold", poly(x, y - 0.32, x + 0.3, y - 0.22, x, y - 0.12))]  # fmt: skip


def castle_of_a_fairy() -> Shape:
    towers = ((-0.74, 0.19, -0.1), (0.74, 0.19, -0.1), (0.0, 0.25, -0.42))
    roofs = [("flame", poly(x - 1.3 * w, y, x, y - 2.4 * w, x + 1.3 * w, y)) for x, w, y in towers]
    return [
        *_flag(0, -0.9),
        (BODY, _merlons(-0.7, 0.7, 0.24, 0.92, 5, 0.12)),
        *[(BODY, box(x - w, y, x + w, 0.92)) for x, w, y in towers],
        *roofs,
        *[("dark", _gate(x, 0.07, 0.06, 0.3)) for x in (-0.74, 0.74)],
        ("dark", _gate(0, 0.09, -0.24, 0.06)),
        ("wood", _gate(0, 0.19, 0.4, 0.92)),
    ]


def castle_keep() -> Shape:
    return [
        *_flag(0.0, -0.8),
        (BODY, _merlons(-0.74, 0.74, -0.62, -0.24, 4, 0.22)),
        (BODY, poly(-0.56, -0.3, 0.56, -0.3, 0.64, 0.92, -0.64, 0.92)),
        ("tone", poly(-0.74, -0.32, 0.74, -0.32, 0.56, -0.2, -0.56, -0.2)),
        *[("dark", _gate(x, 0.08, -0.06, 0.22)) for x in (-0.3, 0.3)],
        ("wood", _gate(0, 0.22, 0.38, 0.92)),
        *[("line", box(x - 0.07, y, x + 0.07, y + 0.05)) for x, y in ((-0.42, 0.46), (0.42, 0.6))],
    ]


def castle_on_a_hill() -> Shape:
    turrets = ((-0.62, -0.34), (0.62, -0.34))
    return [
        ("leaf", smooth(-1.1, 1.0, -0.7, 0.66, 0.0, 0.56, 0.7, 0.66, 1.1, 1.0)),
        (BODY, _merlons(-0.24, 0.24, -0.62, 0.66, 2)),
        ("flame", poly(-0.22, -0.68, 0.0, -1.1, 0.22, -0.68)),
        (BODY, _merlons(-0.66, 0.66, 0.02, 0.68, 5)),
        *[(BODY, box(x - 0.16, y, x + 0.16, 0.72)) for x, y in turrets],
        *[(BODY, _merlons(x - 0.24, x + 0.24, y - 0.04, y + 0.12, 3, 0.12)) for x, y in turrets],
        *[("dark", box(x - 0.04, -0.06, x + 0.04, 0.16)) for x in (-0.62, 0.62)],
        ("dark", _gate(0, 0.07, -0.36, -0.1)),
        ("dark", _gate(0, 0.16, 0.3, 0.66)),
    ]


# --- eye ------------------------------------------------------------------------------------------


def eye() -> Shape:
    t = np.linspace(0, 1, 18)
    lid = np.stack([2 * t - 1, -0.62 * np.sin(math.pi * t)], axis=1)
    lashes = [
        ("dark", poly(x - 0.05, y, x + 0.05, y, x * 1.25, y - 0.34))
        for x, y in ((-0.6, -0.42), (-0.2, -0.58), (0.2, -0.58), (0.6, -0.42))
    ]
    return [
        *lashes,
        ("white", np.concatenate([lid, (lid * (1, -1))[::-1]])),
        (BODY, ellipse(0, 0, 0.54, 0.54, n=36)),
        ("dark", ellipse(0, 0, 0.22, 0.22)),
        ("white", ellipse(-0.1, -0.12, 0.09, 0.09)),
    ]


def _almond(height: float, n: int = 24) -> Points:
    t = np.linspace(0, 1, n)
    lid = np.stack([2 * t - 1, -height * np.sin(math.pi * t)], axis=1)
    return np.concatenate([lid, (lid * (1, -1))[::-1]])


def eye_with_brow() -> Shape:
    lid = path(-1.06, 0.3, -0.6, -0.18, 0.0, -0.36, 0.6, -0.2, 1.06, 0.16)
    iris = ellipse(0, 0.16, 0.6, 0.58, n=40)
    # The upper lid covers the top of the iris.
    iris[:, 1] = np.maximum(iris[:, 1], np.interp(iris[:, 0], lid[:, 0], lid[:, 1]))
    brow = path(-0.98, -0.5, -0.4, -0.86, 0.3, -0.84, 0.98, -0.56)
    return [
        ("dark", tapered(brow, 0.18, 0.06)),
        ("white", np.concatenate([lid, path(0.7, 0.46, 0.0, 0.72, -0.7, 0.54)])),
        (BODY, iris),
        ("dark", ellipse(0, 0.16, 0.21, 0.21)),
        ("white", ellipse(0.13, -0.0, 0.1, 0.1)),
        ("dark", stroke(lid, 0.11)),
    ]


def eye_of_a_cartoon() -> Shape:
    lashes = [("dark", stroke(turned(poly(0.84, 0, 0.98, 0, 1.12, 0), a), 0.08))
              for a in (-2.4, -1.97, -1.17, -0.74)]  # fmt: skip
    return [
        *lashes,
        ("white", ellipse(0, 0, 0.9, 0.9, n=44)),
        (BODY, ellipse(0.08, 0.2, 0.56, 0.56, n=36)),
        (BODY, arc(0, 0, 0.9, 0.0, 0.54, 0.96)[:26]),
        ("line", stroke(path(-0.88, -0.22, 0.0, -0.18, 0.88, -0.22), 0.07)),
        ("dark", ellipse(0.12, 0.24, 0.26, 0.26)),
        ("white", ellipse(0.24, 0.1, 0.1, 0.1)),
    ]


def eye_as_a_sign() -> Shape:
    lashes = [
        ("dark", stroke(poly(x, y, 1.1 * x, y - 0.15, 1.2 * x, y - 0.3), 0.08))
        for x, y in ((-0.7, -0.34), (-0.36, -0.56), (0.0, -0.64), (0.36, -0.56), (0.7, -0.34))
    ]
    return [
        *lashes,
        (BODY, _almond(0.7)),
        ("white", ellipse(0, 0, 0.46, 0.46, n=36)),
        ("dark", ellipse(0, 0, 0.27, 0.27)),
        ("white", ellipse(-0.1, -0.11, 0.09, 0.09)),
    ]


# --- face -----------------------------------------------------------------------------------------


def face() -> Shape:
    t = np.linspace(0.08, 0.42, 14) * 2 * math.pi
    smile = np.stack([0.5 * np.cos(t), 0.12 + 0.46 * np.sin(t)], axis=1)
    return [
        (BODY, ellipse(0, 0, 0.94, 0.94, n=44)),
        *[("white", ellipse(s * 0.34, -0.24, 0.19, 0.22)) for s in (-1, 1)],
        *[("dark", ellipse(s * 0.34, -0.22, 0.1, 0.13)) for s in (-1, 1)],
        ("dark", stroke(smile, 0.13)),
    ]


def face_of_a_boy() -> Shape:
    return [
        ("mast", smooth(-0.82, -0.1, -0.82, -0.64, -0.4, -1.0, 0.3, -1.06, 0.8, -0.7, 0.82, -0.1)),
        (BODY, ellipse(-0.8, 0.08, 0.18, 0.24)),
        (BODY, ellipse(0.8, 0.08, 0.18, 0.24)),
        (BODY, smooth(0, -0.8, 0.5, -0.7, 0.78, -0.2, 0.74, 0.36, 0.44, 0.84, 0, 0.98, -0.44, 0.84,
                      -0.74, 0.36, -0.78, -0.2, -0.5, -0.7)),
        ("mast", smooth(-0.8, -0.24, -0.74, -0.74, -0.2, -1.0, 0.5, -0.9, 0.8, -0.34, 0.6, -0.5,
                        0.3, -0.66, 0.1, -0.54, -0.3, -0.64, -0.56, -0.46)),
        *[("white", ellipse(s * 0.31, -0.12, 0.17, 0.14)) for s in (-1, 1)],
        *[("dark", ellipse(s * 0.31, -0.11, 0.09, 0.105)) for s in (-1, 1)],
        ("line", stroke(path(0.0, -0.02, 0.1, 0.26, -0.06, 0.3), 0.06)),
        ("line", smooth(-0.34, 0.48, 0.0, 0.56, 0.34, 0.48, 0.22, 0.7, 0.0, 0.76, -0.22, 0.7)),
        ("white", smooth(-0.24, 0.53, 0.0, 0.59, 0.24, 0.53, 0.0, 0.66)),
    ]  # fmt: skip


def face_of_a_girl() -> Shape:
    return [
        ("wood", smooth(0, -1.08, 0.6, -0.92, 0.94, -0.3, 0.92, 0.3, 1.0, 0.66, 0.6, 0.8, 0.0, 0.7,
                        -0.6, 0.8, -1.0, 0.66, -0.92, 0.3, -0.94, -0.3, -0.6, -0.92)),
        (BODY, smooth(0, -0.84, 0.52, -0.72, 0.78, -0.16, 0.72, 0.42, 0.4, 0.86, 0, 1.0, -0.4, 0.86,
                      -0.72, 0.42, -0.78, -0.16, -0.52, -0.72)),
        ("wood", smooth(0.1, -0.82, 0.56, -0.78, 0.84, -0.2, 0.8, 0.16, 0.56, -0.4)),
        ("wood", smooth(0.2, -0.86, -0.5, -0.8, -0.84, -0.2, -0.8, 0.16, -0.56, -0.38, 0, -0.58)),
        *[("white", ellipse(s * 0.32, 0.0, 0.19, 0.13)) for s in (-1, 1)],
        *[("dark", ellipse(s * 0.32, 0.0, 0.1, 0.11)) for s in (-1, 1)],
        *[("line", stroke(path(s * 0.14, -0.22, s * 0.32, -0.28, s * 0.5, -0.2), 0.06))
          for s in (-1, 1)],
        ("line", ellipse(0, 0.3, 0.07, 0.045)),
        ("rose", smooth(-0.28, 0.56, -0.08, 0.48, 0.0, 0.52, 0.08, 0.48, 0.28, 0.56, 0.0, 0.74)),
    ]  # fmt: skip


def face_with_glasses() -> Shape:
    hair = [("dark", stroke(path(x, -0.8, 1.3 * x, -0.96, 1.7 * x + 0.04, -1.06), 0.07))
            for x in (-0.16, 0.0, 0.16)]  # fmt: skip
    lenses = [
        part
        for s in (-1, 1)
        for part in (
            ("line", ellipse(s * 0.34, -0.16, 0.29, 0.27)),
            ("white", ellipse(s * 0.34, -0.16, 0.22, 0.2)),
            ("dark", ellipse(s * 0.32, -0.14, 0.09, 0.1)),
        )
    ]
    half = smooth(0.0, 0.34, 0.24, 0.3, 0.44, 0.42, 0.62, 0.36, 0.5, 0.58, 0.24, 0.6, 0.0, 0.46)
    return [
        *hair,
        *[(BODY, ellipse(s * 0.8, 0.06, 0.16, 0.22)) for s in (-1, 1)],
        (BODY, smooth(0, -0.92, 0.44, -0.8, 0.68, -0.36, 0.8, 0.2, 0.66, 0.74, 0.3, 0.98,
                      -0.3, 0.98, -0.66, 0.74, -0.8, 0.2, -0.68, -0.36, -0.44, -0.8)),
        ("line", stroke(poly(-0.1, -0.18, 0, -0.2, 0.1, -0.18), 0.07)),
        *lenses,
        ("tone", ellipse(0, 0.18, 0.13, 0.16)),
        ("line", half),
        ("line", mirrored(half)),
        ("line", stroke(path(-0.2, 0.72, 0.0, 0.8, 0.2, 0.72), 0.07)),
    ]  # fmt: skip


# --- heart ----------------------------------------------------------------------------------------


def heart() -> Shape:
    t = np.linspace(0, 2 * math.pi, 60, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [(BODY, np.stack([x / 17, -(y + 2.5) / 16], axis=1))]


def heart_of_cards() -> Shape:
    lobe = ellipse(0.47, -0.36, 0.5, 0.5, n=36)
    return [
        (BODY, lobe),
        (BODY, mirrored(lobe)),
        (BODY, poly(0.0, -0.3, 0.3, -0.84, 0.94, -0.16, 0.0, 0.98, -0.94, -0.16, -0.3, -0.84)),
        ("white", stroke(path(-0.74, -0.28, -0.7, -0.5, -0.5, -0.64), 0.1)),
    ]


def heart_with_arrow() -> Shape:
    def along(x: float, y: float) -> tuple[float, float]:
        """x along the arrow, y across it."""
        return tuple(turned(np.array([x, y]), -0.5))

    head = poly(*along(1.3, 0), *along(0.94, -0.24), *along(1.04, 0), *along(0.94, 0.24))
    vanes = poly(*along(-0.84, 0), *along(-0.98, -0.16), *along(-1.3, -0.16), *along(-1.16, 0),
                 *along(-1.3, 0.16), *along(-0.98, 0.16))  # fmt: skip
    return [
        ("wood", stroke(poly(*along(-1.2, 0), 0, 0, *along(1.1, 0)), 0.1)),
        ("stone", head),
        ("stone", vanes),
        (BODY, heart()[0][1] * 0.88),
        ("wood", stroke(poly(*along(-0.84, 0), *along(-0.5, 0), *along(-0.2, 0)), 0.1)),
    ]


def heart_by_hand() -> Shape:
    return [
        (BODY, smooth(-0.06, -0.36, 0.1, -0.72, 0.46, -0.9, 0.84, -0.7, 0.92, -0.26, 0.66, 0.2,
                      0.28, 0.56, 0.06, 0.98, -0.04, 0.98, -0.3, 0.66, -0.74, 0.34, -1.0, -0.06,
                      -0.92, -0.5, -0.58, -0.68, -0.26, -0.58)),
        ("tone", tapered(path(0.56, -0.6, 0.72, -0.4, 0.62, -0.1, 0.36, 0.2), 0.14, 0.04)),
    ]  # fmt: skip


# --- house ----------------------------------------------------------------------------------------


def house() -> Shape:
    return [
        ("dark", poly(0.4, -0.9, 0.62, -0.9, 0.62, -0.3, 0.4, -0.3)),
        (BODY, poly(-0.74, -0.16, 0.74, -0.16, 0.74, 0.9, -0.74, 0.9)),
        ("shade", poly(-1.0, -0.12, 0, -0.98, 1.0, -0.12)),
        ("wood", poly(-0.18, 0.3, 0.18, 0.3, 0.18, 0.9, -0.18, 0.9)),
        *[("glass", poly(x, 0.1, x + 0.3, 0.1, x + 0.3, 0.4, x, 0.4)) for x in (-0.6, 0.3)],
    ]


def town_house() -> Shape:
    return [
        (BODY, box(-0.5, -0.6, 0.5, 1.0)),
        ("shade", poly(-0.62, -0.58, -0.34, -1.04, 0.34, -1.04, 0.62, -0.58)),
        *[("glass", box(x - 0.13, y, x + 0.13, y + 0.28)) for y in (-0.42, 0.06)
          for x in (-0.24, 0.24)],
        *[("dark", box(x - 0.015, y, x + 0.015, y + 0.28)) for y in (-0.42, 0.06)
          for x in (-0.24, 0.24)],
        ("wood", box(-0.16, 0.5, 0.16, 1.0)),
        ("glass", box(0.26, 0.54, 0.42, 0.78)),
        ("glass", box(-0.42, 0.54, -0.26, 0.78)),
    ]  # fmt: skip


def house_aslant() -> Shape:
    return [
        ("dark", box(0.44, -0.98, 0.64, -0.5)),
        (BODY, poly(-0.94, -0.06, -0.5, -0.62, -0.06, -0.06, -0.06, 0.84, -0.94, 0.84)),
        (BODY, box(-0.1, -0.1, 0.94, 0.84)),
        ("shade", poly(-0.52, -0.76, 0.66, -0.76, 1.08, -0.06, 0.0, -0.06)),
        (
            "shade",
            poly(-0.52, -0.76, -1.1, -0.0, -0.98, 0.06, -0.5, -0.56, -0.02, 0.02, 0.06, -0.06),
        ),
        ("wood", box(-0.66, 0.3, -0.34, 0.84)),
        *[("glass", box(x, 0.22, x + 0.26, 0.52)) for x in (0.14, 0.56)],
        ("line", stroke(poly(-0.06, 0.0, -0.06, 0.4, -0.06, 0.84), 0.04)),
    ]


def cottage() -> Shape:
    return [
        ("stone", ellipse(-0.42, -0.9, 0.1, 0.09)),
        ("stone", ellipse(-0.24, -1.04, 0.14, 0.1)),
        ("wood", box(-0.62, -0.8, -0.38, -0.3)),
        (BODY, box(-0.9, -0.2, 0.9, 0.84)),
        ("flame", poly(-1.08, -0.14, -0.72, -0.62, 0.72, -0.62, 1.08, -0.14)),
        ("dark", _gate(0, 0.2, 0.2, 0.84)),
        *[part for x in (-0.54, 0.54) for part in (
            ("white", box(x - 0.19, 0.14, x + 0.19, 0.5)),
            ("water", box(x - 0.14, 0.19, x - 0.02, 0.45)),
            ("water", box(x + 0.02, 0.19, x + 0.14, 0.45)))],
    ]  # fmt: skip


# --- spiral ---------------------------------------------------------------------------------------


def spiral() -> Shape:
    t = np.linspace(0.6, 2.6 * 2 * math.pi, 110)
    r = 0.88 * t / t[-1]
    return [(BODY, stroke(np.stack([r * np.cos(t), r * np.sin(t)], axis=1), 0.2))]


def spiral_of_a_shell() -> Shape:
    t = np.linspace(0, 2.25 * 2 * math.pi, 90)
    r = 0.07 * np.exp(0.185 * t)
    r *= 0.84 / r[-1]
    line = np.stack([r * np.cos(t), -r * np.sin(t)], axis=1) + np.array([-0.06, 0.12])
    return [(BODY, stroke(line, 0.06 + 0.34 * r))]


def spiral_of_corners() -> Shape:
    turns = poly(-0.02, 0.06, 0.24, 0.06, 0.24, -0.3, -0.36, -0.3, -0.36, 0.4, 0.58, 0.4,
                 0.58, -0.62, -0.7, -0.62, -0.7, 0.76, 0.9, 0.76)  # fmt: skip
    half = 0.1
    left, right = [], []
    for i, corner in enumerate(turns):
        before = corner - turns[i - 1] if i else turns[1] - corner
        after = turns[i + 1] - corner if i + 1 < len(turns) else before
        sides = [np.array([-d[1], d[0]]) / np.linalg.norm(d) for d in (before, after)]
        reach = half * (sides[0] + sides[1]) / (1 + sides[0] @ sides[1])
        left.append(corner + reach)
        right.append(corner - reach)
    return [(BODY, np.array(left + right[::-1]))]


def spiral_of_two_arms() -> Shape:
    t = np.linspace(0.0, 1.3 * 2 * math.pi, 60)
    r = 0.06 + 0.86 * t / t[-1]
    arm = np.stack([r * np.cos(t), r * np.sin(t)], axis=1)
    width = 0.26 * (1 - 0.65 * t / t[-1])
    return [
        (BODY, stroke(arm, width)),
        (BODY, stroke(-arm, width)),
        (BODY, ellipse(0, 0, 0.2, 0.2)),
    ]


# --- umbrella -------------------------------------------------------------------------------------


def umbrella() -> Shape:
    dome = arc(0, 0.1, 0.98, 0.0, 0.5, 1.0)[:26]
    scallops = [
        p for x in (0.73, 0.245, -0.245, -0.73) for p in arc(x, 0.1, 0.245, 0.0, 0.0, -0.5)[2:24]
    ]
    t = np.linspace(0, 1, 12)
    hook = np.stack([0.14 - 0.14 * np.cos(math.pi * t), 0.8 + 0.16 * np.sin(math.pi * t)], axis=1)
    return [
        ("dark", poly(-0.04, -0.98, 0.04, -0.98, 0.04, 0.84, -0.04, 0.84)),
        ("dark", stroke(hook, 0.09)),
        (BODY, np.concatenate([dome, np.array(scallops)])),
    ]


def _canopy(top: float, low: float, half: float, scallops: int, sag: float) -> Points:
    """A dome from −half to half whose lower edge hangs in so many arcs."""
    dome = arc(0, 0, 1, 0, 0.5, 1.0)[:26] * (half, low - top) + (0, low)
    w = half / scallops
    edge = [
        arc(0, 0, 1, 0, 0, -0.5)[:26][1:-1] * (w, sag) + (half - (2 * k + 1) * w, low)
        for k in range(scallops)
    ]
    return np.concatenate([dome, *edge])


def umbrella_aslant() -> Shape:
    upright: Shape = [
        ("dark", box(-0.04, -1.02, 0.04, 0.74)),
        ("wood", stroke(path(0.0, 0.66, 0.02, 0.9, 0.14, 1.0, 0.26, 0.92), 0.12)),
        (BODY, _canopy(-0.86, -0.04, 0.96, 5, 0.12)),
        *[("line", stroke(path(0, -0.85, 0.72 * x, -0.6, x, -0.04), 0.045))
          for x in (-0.57, -0.19, 0.19, 0.57)],
    ]  # fmt: skip
    return turned_shape(upright, 0.5)


def umbrella_closed() -> Shape:
    hook = path(0.0, -0.5, 0.0, -0.84, 0.12, -1.04, 0.32, -1.0, 0.36, -0.8)
    return [
        ("wood", stroke(hook, 0.12)),
        ("dark", box(-0.03, 0.9, 0.03, 1.12)),
        (BODY, poly(-0.1, -0.52, 0.1, -0.52, 0.34, -0.3, 0.24, 0.2, 0.06, 0.94, -0.06, 0.94,
                    -0.24, 0.2, -0.34, -0.3)),
        ("line", stroke(poly(-0.08, -0.46, -0.12, 0.1, -0.02, 0.9), 0.045)),
        ("line", stroke(poly(0.12, -0.46, 0.14, 0.1, 0.03, 0.9), 0.045)),
        ("line", stroke(poly(-0.25, 0.2, 0.0, 0.26, 0.25, 0.2), 0.06)),
    ]  # fmt: skip


def parasol() -> Shape:
    return [
        ("wood", box(-0.05, -0.9, 0.05, 1.04)),
        ("gold", ellipse(0, -0.94, 0.1, 0.1)),
        (BODY, poly(0.0, -0.88, 1.04, -0.14, 0.82, 0.06, 0.62, -0.08, 0.42, 0.1, 0.2, -0.06,
                    0.0, 0.12, -0.2, -0.06, -0.42, 0.1, -0.62, -0.08, -0.82, 0.06, -1.04, -0.14)),
        ("tone", poly(0.0, -0.86, 0.62, -0.08, 0.42, 0.1, 0.2, -0.06)),
        ("tone", poly(0.0, -0.86, -0.62, -0.08, -0.42, 0.1, -0.2, -0.06)),
        ("gold", smooth(-0.4, 1.04, 0.0, 0.84, 0.4, 1.04)),
    ]  # fmt: skip


HOME: dict[str, tuple[Design, ...]] = {
    "ball": (ball, tennis_ball, basketball, football),
    "boat": (boat, steamboat, paper_boat, square_rigger),
    "castle": (castle, castle_of_a_fairy, castle_keep, castle_on_a_hill),
    "eye": (eye, eye_with_brow, eye_of_a_cartoon, eye_as_a_sign),
    "face": (face, face_of_a_boy, face_of_a_girl, face_with_glasses),
    "heart": (heart, heart_of_cards, heart_with_arrow, heart_by_hand),
    "house": (house, town_house, house_aslant, cottage),
    "spiral": (spiral, spiral_of_a_shell, spiral_of_corners, spiral_of_two_arms),
    "umbrella": (umbrella, umbrella_aslant, umbrella_closed, parasol),
}
