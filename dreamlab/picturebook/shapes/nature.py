"""Fruit, animals and plants, in four designs each; the last one is kept from training."""

from __future__ import annotations

import math

import numpy as np

from .polygons import (
    BODY,
    Design,
    Shape,
    arc,
    box,
    ellipse,
    mirrored,
    path,
    poly,
    smooth,
    stroke,
    tapered,
    turned,
)

# --- apple ----------------------------------------------------------------------------------------


def apple() -> Shape:
    return [
        ("mast", poly(-0.06, -0.5, 0.04, -0.5, 0.16, -0.98, 0.04, -1.0)),
        ("leaf", ellipse(0.36, -0.8, 0.28, 0.12, -0.4)),
        (BODY, ellipse(-0.3, 0.15, 0.6, 0.72)),
        (BODY, ellipse(0.3, 0.15, 0.6, 0.72)),
    ]


def apple_bitten() -> Shape:
    whole = smooth(
        0, -0.5, 0.34, -0.64, 0.76, -0.48, 0.9, -0.02, 0.72, 0.56, 0.36, 0.92,
        0, 0.84, -0.36, 0.92, -0.72, 0.56, -0.9, -0.02, -0.76, -0.48, -0.34, -0.64,
    )  # fmt: skip
    # The bite is taken out of the outline itself, so that the ground shows through.
    centre, radius = np.array([0.94, -0.02]), 0.4
    out = np.linalg.norm(whole - centre, axis=1) > radius
    first = int(np.argmin(out))
    last = len(out) - int(np.argmin(out[::-1]))
    a, b = (math.atan2(*(whole[i] - centre)[::-1]) % (2 * math.pi) for i in (first - 1, last))
    t = np.linspace(a, b, 16)
    bite = centre + radius * np.stack([np.cos(t), np.sin(t)], axis=1)
    return [
        ("mast", tapered(path(0.0, -0.48, 0.02, -0.7, 0.12, -0.96), 0.08, 0.14)),
        ("leaf", smooth(0.08, -0.7, 0.28, -0.98, 0.62, -1.0, 0.46, -0.72)),
        (BODY, np.concatenate([whole[:first], bite, whole[last:]])),
        ("white", ellipse(-0.5, -0.2, 0.1, 0.2, 0.4)),
    ]


def apple_halved() -> Shape:
    pips = [
        ("mast", smooth(s * 0.05, 0.0, s * 0.16, 0.16, s * 0.1, 0.34, s * 0.03, 0.2))
        for s in (-1, 1)
    ]
    return [
        ("mast", tapered(path(0.0, -0.4, -0.02, -0.7, -0.14, -1.0), 0.08, 0.14)),
        ("leaf", smooth(-0.02, -0.72, 0.2, -0.96, 0.56, -0.86, 0.3, -0.66)),
        (BODY, smooth(0, -0.5, 0.4, -0.7, 0.84, -0.5, 0.96, 0.04, 0.74, 0.62, 0.36, 0.94, 0, 0.84,
                      -0.36, 0.94, -0.74, 0.62, -0.96, 0.04, -0.84, -0.5, -0.4, -0.7)),
        ("cream", smooth(0, -0.24, 0.3, -0.36, 0.52, -0.2, 0.56, 0.14, 0.4, 0.46, 0, 0.64,
                         -0.4, 0.46, -0.56, 0.14, -0.52, -0.2, -0.3, -0.36)),
        *pips,
    ]  # fmt: skip


def apple_from_above() -> Shape:
    return [
        (BODY, smooth(0, -0.62, 0.5, -0.66, 0.94, -0.3, 0.96, 0.2, 0.6, 0.72, 0.0, 0.86,
                      -0.6, 0.72, -0.96, 0.2, -0.94, -0.3, -0.5, -0.66)),
        ("tone", ellipse(0.0, -0.32, 0.4, 0.17)),
        ("mast", tapered(path(0.0, -0.26, 0.02, -0.6, 0.2, -1.0), 0.09, 0.16)),
        ("leaf", smooth(0.06, -0.5, 0.3, -0.86, 0.74, -0.92, 0.56, -0.58)),
        ("leaf", smooth(0.0, -0.48, -0.2, -0.8, -0.56, -0.84, -0.38, -0.52)),
        ("white", ellipse(-0.58, 0.1, 0.1, 0.22, 0.2)),
    ]  # fmt: skip


# --- bird -----------------------------------------------------------------------------------------


def bird() -> Shape:
    return [
        ("gold", poly(0.84, -0.42, 1.14, -0.28, 0.82, -0.18)),
        ("dark", poly(-0.1, 0.45, -0.02, 0.45, -0.04, 0.9, -0.12, 0.9)),
        ("dark", poly(0.14, 0.45, 0.22, 0.45, 0.2, 0.9, 0.12, 0.9)),
        (BODY, poly(-0.5, -0.05, -1.1, -0.42, -1.05, 0.12, -0.45, 0.3)),
        (BODY, ellipse(0, 0.12, 0.68, 0.46)),
        (BODY, ellipse(0.56, -0.32, 0.36, 0.34)),
        ("shade", ellipse(-0.16, 0.06, 0.4, 0.22, 0.35)),
        ("white", ellipse(0.64, -0.38, 0.11, 0.11)),
        ("dark", ellipse(0.67, -0.38, 0.06, 0.06)),
    ]


def bird_flying() -> Shape:
    return [
        ("gold", poly(0.86, -0.02, 1.16, 0.12, 0.84, 0.2)),
        ("shade", poly(0.1, 0.0, 0.16, -0.5, 0.42, -1.0, 0.5, -0.72, 0.62, -0.84,
                       0.6, -0.5, 0.68, -0.56, 0.5, 0.0)),
        (BODY, poly(-0.5, 0.14, -1.12, 0.1, -0.94, 0.26, -1.12, 0.34, -0.9, 0.42, -0.98, 0.56,
                    -0.3, 0.46)),
        (BODY, smooth(0.94, 0.06, 0.8, -0.2, 0.52, -0.2, 0.1, -0.04, -0.5, 0.12, -0.6, 0.3,
                      0.0, 0.5, 0.5, 0.44, 0.84, 0.26)),
        (BODY, poly(-0.3, 0.2, -0.6, -0.3, -0.84, -0.98, -0.5, -0.82, -0.44, -1.0, -0.2, -0.7,
                    -0.12, -0.84, 0.14, -0.4, 0.3, 0.1)),
        ("line", stroke(path(-0.34, 0.12, 0.0, 0.28, 0.3, 0.08), 0.05)),
        ("line", stroke(path(-0.5, -0.82, -0.42, -0.5, -0.26, -0.2), 0.04)),
        ("line", stroke(path(-0.2, -0.7, -0.14, -0.44, -0.04, -0.2), 0.04)),
        ("white", ellipse(0.68, -0.02, 0.11, 0.11)),
        ("dark", ellipse(0.71, -0.02, 0.06, 0.06)),
    ]  # fmt: skip


def duck() -> Shape:
    return [
        ("flame", poly(0.78, -0.62, 1.12, -0.5, 1.04, -0.36, 0.74, -0.38)),
        (BODY, smooth(-1.04, -0.06, -0.7, 0.06, -0.3, -0.02, 0.12, 0.02, 0.3, -0.24, 0.24, -0.56,
                      0.34, -0.86, 0.62, -0.92, 0.84, -0.7, 0.82, -0.4, 0.66, -0.16, 0.76, 0.2,
                      0.62, 0.56, 0.2, 0.74, -0.4, 0.74, -0.84, 0.48, -1.02, 0.16)),
        ("tone", smooth(0.24, 0.12, 0.1, 0.4, -0.34, 0.46, -0.74, 0.2, -0.4, 0.14, -0.1, 0.06)),
        ("white", ellipse(0.58, -0.64, 0.1, 0.1)),
        ("dark", ellipse(0.61, -0.64, 0.055, 0.055)),
        ("water", smooth(-1.0, 0.72, -0.5, 0.64, 0.0, 0.74, 0.5, 0.64, 1.0, 0.72, 0.6, 0.84,
                         0.0, 0.88, -0.6, 0.84)),
    ]  # fmt: skip


def bird_on_branch() -> Shape:
    return [
        ("gold", poly(0.64, -0.72, 1.0, -0.6, 0.64, -0.48)),
        (BODY, poly(-0.34, 0.2, -0.72, 0.98, -0.46, 1.04, -0.06, 0.44)),
        (BODY, smooth(0.3, -0.98, 0.64, -0.82, 0.7, -0.5, 0.62, -0.2, 0.58, 0.2, 0.28, 0.56,
                      -0.1, 0.58, -0.42, 0.3, -0.4, -0.1, -0.12, -0.5, 0.0, -0.82)),
        ("tone", smooth(0.04, -0.34, 0.22, 0.0, 0.04, 0.36, -0.46, 0.62, -0.4, 0.2, -0.2, -0.16)),
        ("wood", tapered(path(-1.0, 0.66, -0.3, 0.58, 0.4, 0.62, 1.04, 0.5), 0.16, 0.1)),
        ("leaf", smooth(0.62, 0.5, 0.74, 0.26, 1.02, 0.18, 0.9, 0.42)),
        ("dark", box(0.06, 0.46, 0.12, 0.66)),
        ("dark", box(0.24, 0.46, 0.3, 0.66)),
        ("white", ellipse(0.42, -0.66, 0.11, 0.11)),
        ("dark", ellipse(0.45, -0.66, 0.06, 0.06)),
    ]  # fmt: skip


# --- butterfly ------------------------------------------------------------------------------------


def butterfly() -> Shape:
    wings = [(BODY, ellipse(s * 0.52, -0.36, 0.5, 0.4, s * -0.55)) for s in (-1, 1)] + [
        (BODY, ellipse(s * 0.42, 0.42, 0.38, 0.32, s * 0.6)) for s in (-1, 1)
    ]
    feelers = [
        ("dark", poly(s * 0.02, -0.45, s * 0.09, -0.45, s * 0.36, -0.94, s * 0.26, -0.96))
        for s in (-1, 1)
    ]
    return wings + feelers + [("dark", ellipse(0, 0.02, 0.1, 0.62))]


def _feelers(x: float, y: float) -> Shape:
    """Two thin feelers with knobs that end at (±x, y)."""
    line = path(0.03, -0.4, 0.3 * x, 0.6 * y - 0.1, x, y)
    return [
        part
        for side in (line, mirrored(line))
        for part in (("dark", stroke(side, 0.05)), ("dark", ellipse(*side[-1], 0.07, 0.07, n=12)))
    ]


def butterfly_monarch() -> Shape:
    upper = smooth(0.05, -0.2, 0.4, -0.7, 0.86, -0.88, 1.06, -0.7, 0.94, -0.3, 0.6, 0.06, 0.05, 0.1)
    lower = smooth(0.05, 0.04, 0.5, 0.02, 0.8, 0.26, 0.74, 0.62, 0.44, 0.78, 0.2, 0.56)
    veins = [path(0.06, -0.12, 0.4, -0.4, 0.84, -0.7), path(0.06, -0.04, 0.4, -0.12, 0.82, -0.3),
             path(0.06, 0.12, 0.3, 0.3, 0.56, 0.6)]  # fmt: skip
    tip = smooth(0.74, -0.86, 0.96, -0.86, 1.06, -0.68, 0.96, -0.36, 0.9, -0.6)
    return [
        *[(BODY, side) for wing in (lower, upper) for side in (wing, mirrored(wing))],
        *[("line", side) for vein in veins for side in (stroke(vein, 0.04),
                                                       mirrored(stroke(vein, 0.04)))],
        *[("line", side) for side in (tip, mirrored(tip))],
        *_feelers(0.3, -0.98),
        ("dark", smooth(0, -0.46, 0.09, -0.3, 0.07, 0.2, 0, 0.62, -0.07, 0.2, -0.09, -0.3)),
    ]  # fmt: skip


def butterfly_from_the_side() -> Shape:
    return [
        ("shade", smooth(0.1, 0.4, 0.06, -0.3, 0.3, -0.84, 0.62, -1.06, 0.86, -0.96, 0.84, -0.5,
                         0.6, 0.0, 0.3, 0.4)),
        (BODY, smooth(0.14, 0.44, -0.3, 0.34, -0.72, 0.54, -1.0, 0.4, -1.0, 0.08, -0.7, -0.16,
                      -0.2, 0.0)),
        (BODY, smooth(0.2, 0.44, -0.2, 0.12, -0.76, -0.16, -1.0, -0.56, -0.84, -0.94, -0.4, -0.96,
                      0.06, -0.56, 0.26, 0.0)),
        ("line", stroke(path(0.14, 0.3, -0.24, -0.2, -0.66, -0.6), 0.04)),
        ("line", stroke(path(0.0, 0.36, -0.4, 0.14, -0.8, 0.2), 0.04)),
        ("dark", tapered(path(0.56, 0.22, 0.3, 0.4, 0.0, 0.54, -0.36, 0.78), 0.22, 0.08)),
        ("dark", ellipse(0.6, 0.2, 0.14, 0.14)),
        ("dark", stroke(path(0.64, 0.14, 0.78, -0.14, 1.04, -0.28), 0.05)),
        ("dark", stroke(path(0.66, 0.18, 0.86, 0.04, 1.1, 0.02), 0.05)),
        *[("dark", stroke(path(x, 0.4, x + 0.06, 0.6, x - 0.04, 0.76), 0.05)) for x in (0.2, 0.42)],
    ]  # fmt: skip


def butterfly_swallowtail() -> Shape:
    upper = poly(0.04, -0.34, 0.5, -0.84, 1.04, -0.96, 0.98, -0.5, 0.72, -0.02, 0.04, 0.06)
    lower = poly(0.04, 0.0, 0.66, 0.06, 0.78, 0.36, 0.56, 0.6, 0.6, 1.02, 0.44, 1.0, 0.34, 0.64,
                 0.1, 0.42)  # fmt: skip
    rim = poly(1.04, -0.96, 0.98, -0.5, 0.72, -0.02, 0.6, -0.02, 0.84, -0.5, 0.88, -0.82)
    return [
        *[(BODY, side) for wing in (lower, upper) for side in (wing, mirrored(wing))],
        *[("tone", side) for side in (rim, mirrored(rim))],
        *[("white", ellipse(s * 0.56, 0.34, 0.08, 0.08)) for s in (-1, 1)],
        *_feelers(0.22, -0.9),
        ("dark", ellipse(0, 0.0, 0.09, 0.5)),
    ]


# --- fish -----------------------------------------------------------------------------------------


def fish() -> Shape:
    return [
        (BODY, poly(-0.45, 0, -1.0, -0.52, -0.86, 0, -1.0, 0.52)),
        (BODY, poly(-0.1, -0.4, 0.3, -0.72, 0.4, -0.3)),
        (BODY, ellipse(0.2, 0, 0.76, 0.48, n=36)),
        ("white", ellipse(0.58, -0.12, 0.15, 0.15)),
        ("dark", ellipse(0.62, -0.12, 0.08, 0.08)),
        ("shade", poly(0.05, 0.02, -0.2, 0.26, 0.12, 0.28)),
    ]


def fish_slender() -> Shape:
    return [
        (BODY, poly(-0.66, 0.0, -1.06, -0.36, -0.94, 0.0, -1.06, 0.36)),
        (BODY, poly(-0.1, -0.24, 0.06, -0.56, 0.34, -0.24)),
        (BODY, poly(0.0, 0.22, -0.16, 0.5, 0.24, 0.24)),
        (BODY, smooth(1.06, 0.02, 0.84, -0.2, 0.3, -0.3, -0.3, -0.22, -0.8, -0.04, -0.8, 0.06,
                      -0.3, 0.24, 0.3, 0.32, 0.84, 0.2)),
        ("line", stroke(path(0.5, -0.24, 0.4, 0.0, 0.5, 0.24), 0.06)),
        ("line", stroke(path(1.0, 0.08, 0.86, 0.1, 0.76, 0.06), 0.045)),
        ("white", ellipse(0.74, -0.08, 0.1, 0.1)),
        ("dark", ellipse(0.76, -0.08, 0.055, 0.055)),
    ]  # fmt: skip


def fish_of_the_reef() -> Shape:
    return [
        ("shade", poly(-0.1, -0.5, -0.5, -1.06, 0.3, -0.62)),
        ("shade", poly(-0.1, 0.5, -0.5, 1.06, 0.3, 0.62)),
        (BODY, poly(-0.5, 0.0, -0.98, -0.46, -0.86, 0.0, -0.98, 0.46)),
        (BODY, smooth(0.98, 0.06, 0.7, -0.4, 0.2, -0.74, -0.3, -0.56, -0.66, -0.08, -0.66, 0.08,
                      -0.3, 0.56, 0.2, 0.74, 0.7, 0.44)),
        ("tone", poly(0.0, -0.02, -0.34, -0.2, -0.28, 0.02, -0.34, 0.24)),
        ("line", stroke(path(0.36, -0.5, 0.24, 0.0, 0.36, 0.5), 0.06)),
        ("line", stroke(path(0.96, 0.14, 0.82, 0.2, 0.72, 0.16), 0.05)),
        ("white", ellipse(0.6, -0.16, 0.15, 0.15)),
        ("dark", ellipse(0.64, -0.16, 0.08, 0.08)),
    ]  # fmt: skip


def goldfish() -> Shape:
    scales = [
        ("line", stroke(path(x + 0.06, y - 0.12, x - 0.06, y, x + 0.06, y + 0.12), 0.045))
        for x, y in ((0.1, -0.14), (0.1, 0.14), (-0.14, 0.0))
    ]
    tail = (-0.36, 0.0, -0.6, -0.4, -1.02, -0.64, -1.06, -0.4, -0.86, -0.08, -1.08, 0.14,
            -1.08, 0.42, -0.7, 0.46, -0.44, 0.2)  # fmt: skip
    return [
        (BODY, smooth(*tail)),
        (BODY, smooth(-0.2, -0.4, -0.1, -0.86, 0.3, -0.82, 0.56, -0.5, 0.4, -0.3)),
        ("shade", smooth(0.1, 0.42, -0.1, 0.84, 0.2, 0.8, 0.4, 0.46)),
        (BODY, smooth(0.94, 0.0, 0.82, -0.3, 0.4, -0.52, -0.1, -0.42, -0.5, -0.06, -0.44, 0.12,
                      -0.1, 0.5, 0.4, 0.56, 0.82, 0.3)),
        (BODY, ellipse(0.96, 0.04, 0.1, 0.14)),
        *scales,
        ("line", stroke(path(0.42, -0.36, 0.32, 0.0, 0.42, 0.38), 0.05)),
        ("white", ellipse(0.64, -0.12, 0.15, 0.15)),
        ("dark", ellipse(0.67, -0.12, 0.08, 0.08)),
    ]  # fmt: skip


# --- flower ---------------------------------------------------------------------------------------


def flower() -> Shape:
    turn = np.arange(6) / 6 * 2 * math.pi
    return [
        ("leaf", poly(-0.06, 0, 0.06, 0, 0.06, 1.06, -0.06, 1.06)),
        ("leaf", ellipse(0.3, 0.72, 0.3, 0.12, -0.5)),
        *[
            (BODY, ellipse(0.44 * math.cos(a), -0.34 + 0.44 * math.sin(a), 0.34, 0.24, a))
            for a in turn
        ],
        ("gold", ellipse(0, -0.34, 0.25, 0.25)),
    ]


def tulip() -> Shape:
    return [
        ("leaf", stroke(path(0.0, 0.1, 0.02, 0.6, 0.0, 1.04), 0.11)),
        ("leaf", smooth(0.02, 1.02, 0.3, 0.8, 0.52, 0.4, 0.62, 0.1, 0.66, 0.5, 0.4, 0.9)),
        ("leaf", smooth(-0.02, 1.02, -0.26, 0.86, -0.5, 0.56, -0.6, 0.24, -0.68, 0.6, -0.4, 0.94)),
        ("shade", poly(-0.24, -0.5, 0.0, -1.02, 0.24, -0.5)),
        (BODY, poly(-0.5, -0.96, -0.22, -0.66, 0.0, -0.44, 0.22, -0.66, 0.5, -0.96, 0.56, -0.5,
                    0.52, -0.16, 0.36, 0.1, 0.14, 0.22, -0.14, 0.22, -0.36, 0.1, -0.52, -0.16,
                    -0.56, -0.5)),
        ("line", stroke(path(0.0, -0.44, -0.14, -0.16, -0.1, 0.12), 0.04)),
        ("line", stroke(path(0.0, -0.44, 0.14, -0.16, 0.1, 0.12), 0.04)),
    ]  # fmt: skip


def sunflower() -> Shape:
    turn = np.arange(14) / 14 * 2 * math.pi
    petal = poly(0.24, -0.09, 0.5, -0.15, 0.76, 0.0, 0.5, 0.15, 0.24, 0.09)
    return [
        ("leaf", box(-0.055, 0.2, 0.055, 1.06)),
        ("leaf", smooth(0.04, 0.9, 0.3, 0.5, 0.66, 0.46, 0.46, 0.78)),
        ("leaf", smooth(-0.04, 1.0, -0.3, 0.62, -0.66, 0.6, -0.46, 0.9)),
        *[(BODY, turned(petal, a) + np.array([0, -0.3])) for a in turn],
        (BODY, ellipse(0, -0.3, 0.44, 0.44)),
        ("mast", ellipse(0, -0.3, 0.28, 0.28)),
        ("wood", ellipse(0, -0.3, 0.15, 0.15)),
    ]


def blossom() -> Shape:
    petal = smooth(0.08, 0.0, 0.3, -0.2, 0.66, -0.34, 0.98, -0.22, 0.9, 0.0, 0.98, 0.22, 0.66, 0.34,
                   0.3, 0.2)  # fmt: skip
    turn = np.arange(5) / 5 * 2 * math.pi - math.pi / 2
    leaf = smooth(0.3, 0.0, 0.7, -0.2, 1.08, 0.0, 0.7, 0.2)
    return [
        *[("leaf", turned(leaf, a + math.pi / 5)) for a in (turn[1], turn[2], turn[4])],
        *[(BODY, turned(petal, a)) for a in turn],
        *[("line", stroke(turned(poly(0.24, 0, 0.4, 0, 0.54, 0), a), 0.05)) for a in turn],
        ("gold", ellipse(0, 0, 0.22, 0.22)),
    ]


# --- mushroom -------------------------------------------------------------------------------------


def mushroom() -> Shape:
    stem = poly(-0.24, 0, 0.24, 0, 0.34, 0.78, 0.22, 0.92, -0.22, 0.92, -0.34, 0.78)
    return [("white", stem), (BODY, arc(0, 0.12, 0.96, 0.0, 0.5, 1.0)[:26] * (1, 1.02))]


def mushroom_pointed() -> Shape:
    return [
        ("leaf", poly(-0.6, 1.0, -0.5, 0.6, -0.38, 0.9, -0.26, 0.66, -0.16, 1.0)),
        ("leaf", poly(0.6, 1.0, 0.54, 0.7, 0.4, 0.9, 0.3, 0.62, 0.16, 1.0)),
        ("cream", smooth(-0.12, 0.0, 0.12, 0.0, 0.14, 0.5, 0.2, 1.0, -0.12, 1.0, -0.1, 0.5)),
        ("dark", ellipse(0, 0.16, 0.7, 0.14)),
        (BODY, smooth(0.0, -1.0, 0.2, -0.8, 0.42, -0.36, 0.78, 0.1, 0.7, 0.24, 0.36, 0.18,
                      0.0, 0.14, -0.36, 0.18, -0.7, 0.24, -0.78, 0.1, -0.42, -0.36, -0.2, -0.8)),
    ]  # fmt: skip


def mushroom_with_gills() -> Shape:
    gills = [("wood", stroke(poly(x * 0.3, 0.2, x * 0.6, 0.1, x * 0.88, 0.02), 0.035))
             for x in (-0.9, -0.55, -0.2, 0.2, 0.55, 0.9)]  # fmt: skip
    return [
        (BODY, smooth(-1.02, 0.04, -0.9, -0.34, -0.5, -0.66, 0.0, -0.76, 0.5, -0.66, 0.9, -0.34,
                      1.02, 0.04, 0.6, 0.02, 0.0, -0.02, -0.6, 0.02)),
        ("cream", smooth(-1.0, 0.04, -0.5, -0.08, 0.0, -0.1, 0.5, -0.08, 1.0, 0.04, 0.5, 0.22,
                         0.0, 0.28, -0.5, 0.22)),
        *gills,
        ("white", poly(-0.2, 0.12, 0.2, 0.12, 0.22, 0.6, 0.3, 0.96, -0.3, 0.96, -0.22, 0.6)),
        ("cream", poly(-0.22, 0.34, 0.22, 0.34, 0.36, 0.54, -0.36, 0.54)),
    ]  # fmt: skip


def mushroom_stout() -> Shape:
    return [
        ("leaf", poly(-0.8, 0.98, -0.66, 0.6, -0.52, 0.9, -0.4, 0.7, -0.3, 0.98)),
        ("cream", smooth(-0.3, -0.1, 0.3, -0.1, 0.4, 0.3, 0.54, 0.7, 0.36, 0.98, -0.36, 0.98,
                         -0.54, 0.7, -0.4, 0.3)),
        (BODY, smooth(-0.98, -0.02, -0.88, -0.46, -0.44, -0.82, 0.0, -0.9, 0.44, -0.82,
                      0.88, -0.46, 0.98, -0.02, 0.82, 0.16, 0.0, 0.2, -0.82, 0.16)),
        ("tone", smooth(-0.84, 0.06, 0.0, 0.0, 0.84, 0.06, 0.7, 0.18, 0.0, 0.22, -0.7, 0.18)),
        ("white", ellipse(-0.46, -0.5, 0.16, 0.08, -0.6)),
    ]  # fmt: skip


# --- tree -----------------------------------------------------------------------------------------


def tree() -> Shape:
    lumps = ((-0.4, -0.12, 0.42), (0.4, -0.12, 0.42), (0, -0.5, 0.5), (0, 0.02, 0.42))
    trunk = poly(-0.13, 0.2, 0.13, 0.2, 0.2, 0.98, -0.2, 0.98)
    return [("wood", trunk), *[(BODY, ellipse(x, y, r, r)) for x, y, r in lumps]]


def fir() -> Shape:
    tiers = ((-1.04, -0.3, 0.5), (-0.6, 0.16, 0.68), (-0.14, 0.66, 0.86))
    return [
        ("wood", box(-0.12, 0.5, 0.12, 1.0)),
        *[
            (BODY, poly(0, top, w, y, 0.5 * w, y - 0.06, 0, y + 0.04, -0.5 * w, y - 0.06, -w, y))
            for top, y, w in reversed(tiers)
        ],
    ]


def palm() -> Shape:
    fronds = ((-1.0, 0.16, 0.7), (-0.98, -0.42, 0.5), (-0.42, -0.86, 0.2), (0.3, -0.9, 0.2),
              (0.98, -0.44, 0.5), (1.0, 0.14, 0.7))  # fmt: skip

    def frond(x: float, y: float, sag: float) -> np.ndarray:
        line = path(0.0, -0.4, 0.5 * x, -0.4 + 0.5 * (y + 0.4) - 0.4 * sag, x, y)
        return stroke(line, 0.34 * np.sin(np.linspace(0.35, math.pi, len(line))))

    trunk = path(-0.2, 1.02, -0.12, 0.5, -0.02, 0.1, 0.02, -0.4)
    return [
        ("wood", tapered(trunk, 0.26, 0.15)),
        *[(BODY, frond(*f)) for f in fronds],
        ("mast", ellipse(-0.1, -0.26, 0.11, 0.11)),
        ("mast", ellipse(0.12, -0.24, 0.11, 0.11)),
    ]


def tree_in_clumps() -> Shape:
    clumps = ((0.0, -0.72, 0.46, 0.34), (-0.6, -0.26, 0.42, 0.3), (0.62, -0.12, 0.4, 0.28))
    return [
        ("wood", tapered(path(0.04, 1.02, -0.02, 0.6, 0.06, 0.1, 0.0, -0.6), 0.3, 0.14)),
        ("wood", tapered(path(0.0, 0.42, -0.3, 0.16, -0.58, -0.16), 0.15, 0.09)),
        ("wood", tapered(path(0.02, 0.54, 0.34, 0.34, 0.6, 0.0), 0.14, 0.09)),
        *[(BODY, ellipse(x + dx * rx, y + dy * ry, 0.62 * rx, 0.72 * ry))
          for x, y, rx, ry in clumps
          for dx, dy in ((-0.5, 0.2), (0.5, 0.2), (0.0, -0.3))],
        *[(BODY, ellipse(x, y + 0.1, rx, 0.7 * ry)) for x, y, rx, ry in clumps],
    ]  # fmt: skip


NATURE: dict[str, tuple[Design, ...]] = {
    "apple": (apple, apple_bitten, apple_halved, apple_from_above),
    "bird": (bird, bird_flying, duck, bird_on_branch),
    "butterfly": (butterfly, butterfly_monarch, butterfly_from_the_side, butterfly_swallowtail),
    "fish": (fish, fish_slender, fish_of_the_reef, goldfish),
    "flower": (flower, tulip, sunflower, blossom),
    "mushroom": (mushroom, mushroom_pointed, mushroom_with_gills, mushroom_stout),
    "tree": (tree, fir, palm, tree_in_clumps),
}
