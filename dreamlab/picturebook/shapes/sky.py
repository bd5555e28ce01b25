"""What flies, floats or shines above, in four designs each; the last one is kept from training."""

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
    turned,
    turned_shape,
)

# --- balloon --------------------------------------------------------------------------------------


def balloon() -> Shape:
    t = np.linspace(0, 1, 14)
    string = np.stack([0.08 * np.sin(t * 9), 0.5 + 0.5 * t], axis=1)
    return [
        ("dark", stroke(string, 0.06)),
        (BODY, poly(-0.14, 0.58, 0.14, 0.58, 0, 0.36)),
        (BODY, ellipse(0, -0.26, 0.6, 0.72, n=40)),
        ("white", ellipse(-0.26, -0.56, 0.11, 0.19, 0.4)),
    ]


def balloon_with_a_bow() -> Shape:
    string = path(0.0, 0.1, 0.12, 0.3, -0.12, 0.52, 0.14, 0.72, -0.1, 0.9, 0.02, 1.08)
    bow = smooth(0.0, 0.2, 0.16, 0.1, 0.32, 0.08, 0.3, 0.34, 0.16, 0.3)
    return [
        ("dark", stroke(string, 0.05)),
        ("flame", bow),
        ("flame", mirrored(bow)),
        (BODY, ellipse(0, -0.46, 0.6, 0.6, n=40)),
        (BODY, poly(-0.12, 0.22, 0.12, 0.22, 0.0, 0.04)),
        ("white", stroke(path(-0.42, -0.44, -0.38, -0.68, -0.2, -0.84), 0.1)),
    ]


def hot_air_balloon() -> Shape:
    ropes = [("dark", stroke(poly(s * 0.2, 0.66, s * 0.26, 0.5, s * 0.34, 0.3), 0.045))
             for s in (-1, 1)]  # fmt: skip
    return [
        *ropes,
        (BODY, smooth(0.0, -1.04, 0.44, -0.94, 0.76, -0.6, 0.78, -0.2, 0.54, 0.16, 0.28, 0.42,
                      0.0, 0.46, -0.28, 0.42, -0.54, 0.16, -0.78, -0.2, -0.76, -0.6, -0.44, -0.94)),
        ("line", stroke(path(0.0, -1.02, 0.36, -0.6, 0.34, -0.1, 0.12, 0.44), 0.04)),
        ("line", stroke(path(0.0, -1.02, -0.36, -0.6, -0.34, -0.1, -0.12, 0.44), 0.04)),
        ("wood", poly(-0.24, 0.66, 0.24, 0.66, 0.2, 1.0, -0.2, 1.0)),
    ]  # fmt: skip


def balloon_drop() -> Shape:
    drop: Shape = [
        (BODY, poly(-0.17, 0.38, 0.0, 0.18, 0.17, 0.38, 0.06, 0.44, -0.06, 0.44)),
        (BODY, smooth(0.0, -1.08, 0.36, -1.0, 0.62, -0.7, 0.6, -0.34, 0.36, 0.0, 0.08, 0.26,
                      -0.08, 0.26, -0.36, 0.0, -0.6, -0.34, -0.62, -0.7, -0.36, -1.0)),
        ("white", poly(0.14, -0.82, 0.3, -0.74, 0.34, -0.5, 0.18, -0.56)),
    ]  # fmt: skip
    string = path(-0.1, 0.36, -0.1, 0.52, 0.1, 0.62, 0.3, 0.56, 0.28, 0.44, 0.14, 0.5, 0.12, 0.74,
                  0.3, 0.92, 0.5, 1.0)  # fmt: skip
    return [("dark", stroke(string, 0.05)), *turned_shape(drop, 0.26)]


# --- cloud ----------------------------------------------------------------------------------------


def cloud() -> Shape:
    lumps = ((-0.55, 0.16, 0.42), (-0.12, -0.2, 0.52), (0.42, -0.02, 0.44), (0.68, 0.24, 0.32))
    return [(BODY, ellipse(x, y, r, r)) for x, y, r in lumps] + [
        (BODY, ellipse(0.05, 0.36, 0.84, 0.24))
    ]


def cloud_scalloped() -> Shape:
    a = np.arange(9) / 9 * 2 * math.pi + 0.3
    lumps = [ellipse(0.68 * math.cos(t), 0.36 * math.sin(t), 0.34, 0.3, n=22) for t in a]
    return [
        *[(BODY, lump) for lump in lumps],
        (BODY, ellipse(0, 0, 0.72, 0.42)),
    ]


def rain_cloud() -> Shape:
    drops = [
        ("water", smooth(x + 0.1, y - 0.22, x + 0.1, y, x, y + 0.08, x - 0.07, y - 0.02))
        for x, y in ((-0.6, 0.62), (-0.14, 0.62), (0.34, 0.62), (-0.4, 0.96), (0.08, 0.96),
                     (0.54, 0.96))
    ]  # fmt: skip
    lumps = ((-0.58, -0.02, 0.34), (-0.16, -0.34, 0.46), (0.38, -0.2, 0.4), (0.7, 0.02, 0.3))
    return [
        *[(BODY, ellipse(x, y, r, r)) for x, y, r in lumps],
        (BODY, smooth(-0.86, 0.1, -0.6, -0.1, 0.6, -0.1, 0.96, 0.1, 0.8, 0.3, -0.7, 0.3)),
        *drops,
    ]


def cloud_as_a_sign() -> Shape:
    ends = [arc(0.66, 0.2, 0.38, 0, 0.75, 1.25)[:26], arc(-0.68, 0.28, 0.3, 0, 0.25, 0.75)[:26]]
    return [
        (BODY, ellipse(0.14, -0.12, 0.56, 0.56)),
        (BODY, ellipse(-0.46, 0.06, 0.32, 0.32)),
        (BODY, np.concatenate(ends)),
        ("line", stroke(path(-0.2, -0.14, -0.1, -0.36, 0.16, -0.44), 0.05)),
    ]


# --- comet ----------------------------------------------------------------------------------------


def comet() -> Shape:
    return [
        ("gold", poly(-0.62, 0.1, 1.0, -1.0, -0.1, 0.62)),
        ("flame", poly(-0.5, 0.2, 0.55, -0.95, 0.0, 0.4)),
        ("flame", poly(-0.3, 0.4, 1.0, -0.42, -0.2, 0.66)),
        (BODY, ellipse(-0.42, 0.42, 0.52, 0.52, n=36)),
    ]


def comet_curved() -> Shape:
    return [
        ("gold", smooth(-0.86, 0.1, -0.5, -0.34, 0.2, -0.72, 1.04, -0.92, 0.56, -0.5, 0.8, -0.4,
                        0.3, 0.0, 0.42, 0.16, -0.06, 0.7)),
        ("flame", smooth(-0.7, 0.2, -0.2, -0.34, 0.5, -0.66, 0.14, -0.16, -0.14, 0.5)),
        (BODY, ellipse(-0.4, 0.4, 0.56, 0.56, n=36)),
        *_crater(-0.52, 0.34, 0.2),
        *_crater(-0.2, 0.64, 0.1),
    ]  # fmt: skip


def comet_with_plumes() -> Shape:
    return [
        (BODY, poly(-0.92, 0.24, -0.7, -0.2, 0.3, -1.02, -0.02, -0.42, 1.02, -1.0, 0.44, -0.18,
                    1.04, -0.36, 0.14, 0.72, -0.2, 0.92)),
        (BODY, ellipse(-0.44, 0.44, 0.54, 0.54, n=36)),
        ("gold", ellipse(-0.44, 0.44, 0.26, 0.26)),
        ("white", ellipse(-0.44, 0.44, 0.13, 0.13)),
        ("line", stroke(poly(-0.06, 0.04, 0.2, -0.24, 0.5, -0.56), 0.05)),
    ]  # fmt: skip


def comet_with_streaks() -> Shape:
    streaks = (("gold", -0.34, 0.7), ("flame", -0.12, 1.06), ("gold", 0.12, 0.84),
               ("flame", 0.34, 0.56))  # fmt: skip
    straight: Shape = [
        *[(ink, poly(-0.5, y - 0.11, end, 0.7 * y - 0.02, end, 0.7 * y + 0.02, -0.5, y + 0.11))
          for ink, y, end in streaks],
        (BODY, ellipse(-0.52, 0, 0.5, 0.5, n=36)),
        ("white", ellipse(-0.7, -0.2, 0.12, 0.08, -0.7)),
    ]  # fmt: skip
    return turned_shape(straight, -0.5)


# --- kite -----------------------------------------------------------------------------------------


def kite() -> Shape:
    t = np.linspace(0, 1, 18)
    tail = np.stack([0.16 * np.sin(t * 10), 0.42 + 0.62 * t], axis=1)
    bows = [
        ("flame", poly(x - 0.2, y - 0.1, x + 0.2, y + 0.1, x + 0.2, y - 0.1, x - 0.2, y + 0.1))
        for x, y in tail[[7, 15]]
    ]
    return [
        ("dark", stroke(tail, 0.06)),
        *bows,
        (BODY, poly(0, -1.0, 0.66, -0.36, 0, 0.5, -0.66, -0.36)),
        ("dark", poly(-0.03, -1.0, 0.03, -1.0, 0.03, 0.5, -0.03, 0.5)),
        ("dark", poly(-0.66, -0.39, 0.66, -0.39, 0.66, -0.33, -0.66, -0.33)),
    ]


def kite_delta() -> Shape:
    ribbons = [
        ("flame", stroke(path(x, 0.28, x - 0.14, 0.5, x + 0.06, 0.72, x - 0.08, 1.02), 0.12))
        for x in (-0.14, 0.18)
    ]
    return [
        *ribbons,
        (BODY, poly(0.0, -0.94, 0.2, -0.62, 1.08, 0.3, 0.4, 0.2, 0.0, 0.42, -0.4, 0.2, -1.08, 0.3,
                    -0.2, -0.62)),
        ("tone", poly(0.0, -0.94, 0.12, 0.36, 0.0, 0.42, -0.12, 0.36)),
        ("line", stroke(poly(0.0, -0.9, 0.2, -0.34, 0.42, 0.2), 0.045)),
        ("line", stroke(poly(0.0, -0.9, -0.2, -0.34, -0.42, 0.2), 0.045)),
    ]  # fmt: skip


def kite_aslant() -> Shape:
    straight: Shape = [
        (BODY, poly(0, -0.96, 0.58, -0.3, 0, 0.62, -0.58, -0.3)),
        ("tone", poly(0, -0.96, 0.58, -0.3, 0, -0.3)),
        ("line", stroke(poly(0, -0.96, 0, -0.2, 0, 0.62), 0.04)),
        ("line", stroke(poly(-0.58, -0.3, 0, -0.3, 0.58, -0.3), 0.04)),
    ]
    tail = path(-0.36, 0.5, -0.66, 0.52, -0.6, 0.8, -0.9, 0.76, -0.96, 1.0)
    bows = [
        (ink, turned(poly(-0.17, -0.1, 0, 0, 0.17, -0.1, 0.17, 0.1, 0, 0, -0.17, 0.1), a) + at)
        for ink, at, a in (("gold", tail[7], 0.9), ("flame", tail[16], -0.4))
    ]
    return [("dark", stroke(tail, 0.05)), *bows, *turned_shape(straight, 0.62)]


def kite_six_cornered() -> Shape:
    corners = poly(-0.36, -1.06, 0.36, -1.06, 0.74, -0.52, 0.3, 0.3, -0.3, 0.3, -0.74, -0.52)
    spars = [(corners[0], corners[3]), (corners[1], corners[4]), (corners[2], corners[5])]
    tail = path(0.0, 0.26, 0.14, 0.46, -0.14, 0.7, 0.1, 0.9, 0.0, 1.08)
    bows = [
        (ink, turned(poly(-0.2, -0.1, 0, -0.03, 0.2, -0.1, 0.2, 0.1, 0, 0.03, -0.2, 0.1), a) + at)
        for ink, at, a in (("gold", tail[7], 0.3), ("flame", tail[14], -0.3))
    ]
    return [
        ("dark", stroke(tail, 0.05)),
        *bows,
        (BODY, corners),
        *[("line", stroke(np.array([a, (a + b) / 2, b]), 0.05)) for a, b in spars],
    ]


# --- moon -----------------------------------------------------------------------------------------


def moon() -> Shape:
    t = np.linspace(0.13, 0.87, 34) * 2 * math.pi
    outer = np.stack([np.cos(t), np.sin(t)], axis=1) * 0.96
    tip = outer[0]
    radius = 0.78
    centre = tip[0] - math.sqrt(radius**2 - tip[1] ** 2)
    reach = math.atan2(tip[1], tip[0] - centre)
    u = np.linspace(2 * math.pi - reach, reach, 30)
    inner = np.stack([centre + radius * np.cos(u), radius * np.sin(u)], axis=1)
    return [(BODY, np.concatenate([outer, inner]))]


def _crater(x: float, y: float, r: float) -> Shape:
    """A rim, darker on one side: a filled disc would look like a spot of a spotted thing."""
    return [("tone", arc(x, y, r, 0.84 * r, 0, 1)), ("line", arc(x, y, r, 0.8 * r, 0.5, 0.85))]


def moon_with_a_face() -> Shape:
    outer = arc(0.1, 0, 0.98, 0, 0.17, 0.83)[:26]
    profile = path(*outer[-1], 0.3, -0.62, 0.1, -0.36, 0.12, -0.24, 0.36, -0.02, 0.12, 0.1,
                   0.16, 0.24, 0.06, 0.32, 0.16, 0.46, 0.3, 0.66, *outer[0])  # fmt: skip
    return [
        (BODY, np.concatenate([outer, profile[1:-1]])),
        ("white", ellipse(-0.16, -0.24, 0.14, 0.1)),
        ("dark", ellipse(-0.11, -0.24, 0.07, 0.07)),
        ("line", stroke(path(0.08, 0.32, -0.1, 0.36, -0.24, 0.26), 0.06)),
        ("line", stroke(path(-0.34, -0.4, -0.18, -0.48, -0.02, -0.42), 0.06)),
    ]


def moon_full() -> Shape:
    craters = ((-0.34, -0.32, 0.26), (0.34, -0.46, 0.15), (0.42, 0.18, 0.23), (-0.22, 0.4, 0.18),
               (-0.68, 0.12, 0.11), (0.14, 0.68, 0.12))  # fmt: skip
    return [
        (BODY, ellipse(0, 0, 0.94, 0.94, n=44)),
        *[part for crater in craters for part in _crater(*crater)],
    ]


def moon_old() -> Shape:
    outer = arc(0, 0, 0.98, 0, 0.16, 0.84)[:26]
    x, y = outer[-1]
    inner = path(x, y, 0.12, -0.46, -0.04, 0, 0.12, 0.46, x, -y)
    craters = ((-0.44, -0.4, 0.16), (-0.42, 0.2, 0.21), (-0.08, 0.66, 0.12))
    shape: Shape = [
        (BODY, np.concatenate([outer, inner[1:-1]])),
        *[part for crater in craters for part in _crater(*crater)],
    ]
    return turned_shape(shape, 0.6)


# --- planet ---------------------------------------------------------------------------------------


def planet() -> Shape:
    tilt = -0.35

    def ring(start: float, stop: float) -> Points:
        band = arc(0, 0, 1.12, 0.78, start, stop) * (1, 0.34)
        c, s = math.cos(tilt), math.sin(tilt)
        return band @ np.array([[c, s], [-s, c]])

    return [
        ("gold", ring(0.5, 1.0)),
        (BODY, ellipse(0, 0, 0.64, 0.64, n=40)),
        ("gold", ring(0, 0.5)),
    ]


def _ring(
    outer: float, inner: float, flat: float, tilt: float, start: float, stop: float
) -> Points:
    """Part of a planet's ring; start and stop in turns, 0 to .5 is the half in front."""
    return turned(arc(0, 0, outer, inner, start, stop) * (1, flat), tilt)


def planet_with_moon() -> Shape:
    return [
        ("white", _ring(1.1, 1.03, 0.36, -0.5, 0.5, 1.0)),
        (BODY, ellipse(0, 0, 0.7, 0.7, n=40)),
        (
            "leaf",
            smooth(-0.5, -0.4, -0.14, -0.58, 0.14, -0.42, -0.02, -0.2, -0.16, 0.0, -0.4, -0.1),
        ),
        ("leaf", smooth(0.2, 0.02, 0.5, -0.12, 0.6, 0.14, 0.36, 0.46, 0.2, 0.3)),
        ("leaf", smooth(-0.4, 0.3, -0.16, 0.26, -0.1, 0.5, -0.28, 0.5)),
        ("white", _ring(1.1, 1.03, 0.36, -0.5, 0, 0.5)),
        ("stone", ellipse(0.82, -0.62, 0.2, 0.2)),
    ]


def planet_with_two_rings() -> Shape:
    bands = (("gold", 1.16, 0.98), ("cream", 0.92, 0.74))
    return [
        *[(ink, _ring(a, b, 0.3, 0.3, 0.5, 1.0)) for ink, a, b in bands],
        (BODY, ellipse(0, 0, 0.58, 0.58, n=40)),
        *[(ink, _ring(a, b, 0.3, 0.3, 0, 0.5)) for ink, a, b in bands],
        ("white", ellipse(-0.22, -0.34, 0.12, 0.07, -0.5)),
    ]


def planet_upright_ring() -> Shape:
    return [
        ("flame", _ring(1.1, 0.9, 0.26, -1.15, 0.5, 1.0)),
        (BODY, ellipse(0, 0, 0.7, 0.7, n=40)),
        *_crater(-0.36, -0.2, 0.18),
        *_crater(0.42, 0.3, 0.14),
        ("flame", _ring(1.1, 0.9, 0.26, -1.15, 0, 0.5)),
        ("stone", ellipse(-0.84, 0.5, 0.15, 0.15)),
    ]


# --- rainbow --------------------------------------------------------------------------------------
# A rainbow in all its colours is painted in bands of the arch `ARCHES` tells: centre, radius across
# and up, and the inner edge as a part of these.

ARCHES: tuple[tuple[float, float, float, float, float], ...] = (
    (0.0, 0.5, 1.0, 1.0, 0.36),
    (0.0, 0.5, 0.9, 0.98, 0.46),
    (0.0, 0.62, 1.08, 1.3, 0.5),
    (0.1, 0.62, 0.92, 1.36, 0.48),
)


def rainbow() -> Shape:
    return [(BODY, arc(0, 0.5, 1.0, 0.36, 0.5, 1.0))]


def _arch(design: int, start: float, stop: float) -> Points:
    cx, cy, across, up, inner = ARCHES[design]
    return arc(0, 0, 1, inner, start, stop) * (across, up) + (cx, cy)


def _puff(x: float, y: float, r: float) -> Shape:
    lumps = ((-0.8, 0.1, 0.6), (0.0, -0.24, 0.8), (0.8, 0.06, 0.64), (0.0, 0.3, 0.8))
    return [("white", ellipse(x + a * r, y + b * r, c * r, c * r, n=20)) for a, b, c in lumps]


def rainbow_between_clouds() -> Shape:
    return [(BODY, _arch(1, 0.5, 1.0)), *_puff(-0.68, 0.54, 0.26), *_puff(0.68, 0.54, 0.26)]


def rainbow_twice() -> Shape:
    cx, cy, across, up, inner = ARCHES[2]
    arches = [
        arc(0, 0, a, b, 0.5, 1.0) * (across, up) + (cx, cy) for a, b in ((1, 0.74), (0.64, inner))
    ]
    hill = smooth(-1.1, 0.86, -0.7, 0.52, -0.2, 0.6, 0.3, 0.5, 0.8, 0.58, 1.1, 0.86)
    return [*[(BODY, arch) for arch in arches], ("leaf", hill)]


def rainbow_from_a_cloud() -> Shape:
    return [(BODY, _arch(3, 0.5, 0.96)), *_puff(-0.56, 0.62, 0.32)]


# --- rocket ---------------------------------------------------------------------------------------


def rocket() -> Shape:
    t = np.linspace(0, 1, 16)
    side = np.stack(
        [0.42 * np.sin(math.pi * (0.12 + 0.62 * t) / 0.74 * 0.7), -1.0 + 1.5 * t], axis=1
    )
    side[0, 0] = 0.0
    return [
        ("flame", poly(-0.26, 0.5, 0.26, 0.5, 0.0, 1.1)),
        ("shade", poly(-0.3, 0.0, -0.84, 0.62, -0.24, 0.52)),
        ("shade", poly(0.3, 0.0, 0.84, 0.62, 0.24, 0.52)),
        (BODY, np.concatenate([side, (side * (-1, 1))[::-1]])),
        ("white", ellipse(0, -0.28, 0.2, 0.2)),
        ("dark", ellipse(0, -0.28, 0.12, 0.12)),
    ]


def rocket_slender() -> Shape:
    return [
        ("flame", poly(-0.2, 0.66, 0.2, 0.66, 0.1, 0.84, 0.0, 1.12, -0.1, 0.84)),
        ("shade", poly(-0.28, 0.2, -0.62, 0.56, -0.62, 0.86, -0.28, 0.66)),
        ("shade", poly(0.28, 0.2, 0.62, 0.56, 0.62, 0.86, 0.28, 0.66)),
        (BODY, box(-0.3, -0.5, 0.3, 0.7)),
        ("flame", poly(-0.34, -0.5, 0.0, -1.1, 0.34, -0.5)),
        ("glass", ellipse(0, -0.22, 0.15, 0.15)),
        ("glass", ellipse(0, 0.2, 0.15, 0.15)),
        ("shade", poly(-0.06, 0.44, 0.06, 0.44, 0.06, 0.84, -0.06, 0.84)),
    ]


def rocket_plump() -> Shape:
    upright: Shape = [
        ("gold", smooth(-0.3, 0.6, 0.3, 0.6, 0.2, 0.84, 0.0, 1.14, -0.2, 0.84)),
        ("flame", smooth(-0.16, 0.6, 0.16, 0.6, 0.0, 0.92)),
        ("flame", smooth(-0.36, 0.1, -0.8, 0.34, -0.86, 0.8, -0.6, 0.66, -0.3, 0.6)),
        ("flame", smooth(0.36, 0.1, 0.8, 0.34, 0.86, 0.8, 0.6, 0.66, 0.3, 0.6)),
        (BODY, smooth(0.0, -1.08, 0.3, -0.7, 0.5, -0.2, 0.46, 0.3, 0.28, 0.66, -0.28, 0.66,
                      -0.46, 0.3, -0.5, -0.2, -0.3, -0.7)),
        ("line", ellipse(0, -0.24, 0.26, 0.26)),
        ("water", ellipse(0, -0.24, 0.18, 0.18)),
    ]  # fmt: skip
    return turned_shape(upright, 0.7)


def rocket_with_boosters() -> Shape:
    def stage(x: float, w: float, top: float, tip: float, low: float) -> Points:
        return poly(x, tip, x + 0.6 * w, top - 0.1, x + w, top, x + w, low, x - w, low, x - w, top,
                    x - 0.6 * w, top - 0.1)  # fmt: skip

    return [
        *[("gold", poly(x - w, y, x + w, y, x, y + 0.3))
          for x, w, y in ((-0.5, 0.12, 0.74), (0.5, 0.12, 0.74), (0.0, 0.2, 0.8))],
        *[("white", stage(s * 0.5, 0.17, -0.1, -0.4, 0.74)) for s in (-1, 1)],
        *[("flame", poly(s * 0.5 - 0.13, -0.18, s * 0.5, -0.44, s * 0.5 + 0.13, -0.18))
          for s in (-1, 1)],
        (BODY, stage(0, 0.34, -0.56, -1.08, 0.8)),
        ("dark", ellipse(0, -0.46, 0.17, 0.17)),
        ("glass", ellipse(0, -0.46, 0.11, 0.11)),
        ("line", stroke(poly(-0.34, 0.4, 0.0, 0.4, 0.34, 0.4), 0.06)),
    ]  # fmt: skip


# --- star -----------------------------------------------------------------------------------------


def star() -> Shape:
    t = np.arange(10) / 10 * 2 * math.pi - math.pi / 2
    r = np.where(np.arange(10) % 2 == 0, 1.0, 0.44)
    return [(BODY, np.stack([r * np.cos(t), r * np.sin(t) + 0.06], axis=1))]


def star_six() -> Shape:
    return [(BODY, rays(6, 1.0, 0.58))]


def star_sparkle() -> Shape:
    t = np.arange(4) * math.pi / 2 - math.pi / 2
    tips = np.stack([np.cos(t), np.sin(t)], axis=1) * (0.86, 1.08)
    corners = []
    for tip, after in zip(tips, np.roll(tips, -1, 0), strict=True):
        between = 0.3 * (tip + after)
        corners += [tip, 0.42 * tip + 0.5 * between, between, 0.42 * after + 0.5 * between]
    return [(BODY, np.array(corners))]


def star_rounded() -> Shape:
    corners = rays(5, 1.14, 0.5, 0.2)
    # Cutting every corner rounds a polygon (Chaikin 1974); two cuts leave it a star.
    for _ in range(2):
        after = np.roll(corners, -1, 0)
        corners = np.stack([0.8 * corners + 0.2 * after, 0.2 * corners + 0.8 * after], axis=1)
        corners = corners.reshape(-1, 2)
    return [(BODY, corners)]


SKY: dict[str, tuple[Design, ...]] = {
    "balloon": (balloon, balloon_with_a_bow, hot_air_balloon, balloon_drop),
    "cloud": (cloud, cloud_scalloped, rain_cloud, cloud_as_a_sign),
    "comet": (comet, comet_curved, comet_with_plumes, comet_with_streaks),
    "kite": (kite, kite_delta, kite_aslant, kite_six_cornered),
    "moon": (moon, moon_with_a_face, moon_full, moon_old),
    "planet": (planet, planet_with_moon, planet_with_two_rings, planet_upright_ring),
    "rainbow": (rainbow, rainbow_between_clouds, rainbow_twice, rainbow_from_a_cloud),
    "rocket": (rocket, rocket_slender, rocket_plump, rocket_with_boosters),
    "star": (star, star_six, star_sparkle, star_rounded),
}
