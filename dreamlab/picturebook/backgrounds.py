"""The backgrounds of the picture-book world, and how a style changes them."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

from .paint import GROUNDS, RGB
from .styles import Style


def _gradient(size: int, *stops: RGB | np.ndarray) -> Image.Image:
    """A vertical gradient through these colours, from top to bottom."""
    t = np.linspace(0, 1, size)
    at = np.linspace(0, 1, len(stops))
    column = np.stack([np.interp(t, at, [stop[i] for stop in stops]) for i in range(3)], axis=1)
    return Image.fromarray(np.repeat(column[:, None].astype(np.uint8), size, axis=1))


def _vary(rng: np.random.Generator, *rgb: int, by: float = 14) -> np.ndarray:
    return np.clip(np.array(rgb) + rng.uniform(-by, by, 3) * 0.6 + rng.uniform(-by, by), 0, 255)


# Colours of the vertical gradient from top to bottom, each with the spread of its variation.
SKIES: dict[str, list[tuple[RGB, float]]] = {
    "night": [((18, 26, 74), 8), ((54, 74, 138), 14)],
    "sunset": [((96, 60, 132), 14), ((232, 96, 96), 14), ((252, 180, 92), 14)],
    "sea": [((156, 206, 240), 14), ((222, 240, 250), 14)],
    "desert": [((150, 204, 226), 14), ((250, 232, 190), 14)],
    "snow": [((166, 186, 210), 14), ((214, 224, 236), 14)],
    "mountains": [((142, 190, 230), 14), ((226, 236, 244), 14)],
    "city": [((168, 186, 206), 14), ((232, 222, 212), 14)],
}


def background(name: str, size: int, rng: np.random.Generator) -> Image.Image:
    """One of `world.BACKGROUNDS` with random details, an RGB image, `size` × `size`."""

    def polygon(points: Iterable[tuple[float, float]], fill: RGB | np.ndarray) -> None:
        pen.polygon([(x * size, y * size) for x, y in points], fill=tuple(int(v) for v in fill))

    def disc(x: float, y: float, r: float, fill: RGB | np.ndarray) -> None:
        box = [(x - r) * size, (y - r) * size, (x + r) * size, (y + r) * size]
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

    def dots(how_many: int, low: float, high: float, least: float, most: float, fill: RGB) -> None:
        for _ in range(how_many):
            disc(rng.random(), rng.uniform(low, high), rng.uniform(least, most), fill)

    def hill(height: float, bumps: float, amount: float, *rgb: int, by: float = 14) -> None:
        x = np.linspace(-0.02, 1.02, 44)
        y = height + amount * np.sin(x * bumps * 2 * math.pi + rng.uniform(0, 6.3))
        outline = [*zip(x, y, strict=True), (1.02, 1.02), (-0.02, 1.02)]
        polygon(outline, _vary(rng, *rgb, by=by))

    star = 0.004, 0.011, (255, 252, 224)
    # Drawn for every background: a number more or less would change all that is drawn after.
    stops = [_vary(rng, 96, 166, 232), _vary(rng, 190, 224, 248)]
    if name in SKIES:
        stops = [_vary(rng, *rgb, by=by) for rgb, by in SKIES[name]]
    picture = _gradient(size, *stops)
    pen = ImageDraw.Draw(picture)
    if name == "clouds":
        puffs(5, 0.1, 0.6, (244, 246, 250), 0.13)
        puffs(7, 0.72, 1.0, (252, 252, 254), 0.17)
    elif name == "night":
        dots(26, 0, 0.75, *star)
        hill(0.86, 1.2, 0.05, 22, 32, 58, by=6)
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
        dots(60, 0, 1, *star)
    elif name == "sunset":
        disc(rng.uniform(0.2, 0.8), 0.8, rng.uniform(0.12, 0.18), (255, 232, 150))
        hill(0.86, 1.0, 0.03, 74, 38, 74, by=8)
    elif name == "meadow":
        hill(0.5, 0.8, 0.05, 128, 190, 92)
        hill(0.66, 1.1, 0.05, 98, 168, 72)
        for _ in range(34):
            tint = ((255, 240, 120), (255, 255, 255), (250, 150, 170))[rng.integers(3)]
            disc(rng.random(), rng.uniform(0.7, 1), rng.uniform(0.007, 0.014), tint)
    elif name == "sea":
        water = _vary(rng, 34, 122, 168)
        polygon([(0, 0.42), (1, 0.42), (1, 1), (0, 1)], water)
        for row, y in enumerate(np.linspace(0.5, 0.96, 6)):
            x = np.linspace(0, 1, 60)
            wave = y + 0.014 * np.sin(x * 2 * math.pi * 7 + row * 1.7 + rng.uniform(0, 1))
            band = [*zip(x, wave, strict=True), *zip(x[::-1], wave[::-1] + 0.02, strict=True)]
            polygon(band, water + (255 - water) * 0.4)
    elif name == "desert":
        hill(0.52, 0.9, 0.06, 232, 196, 124)
        hill(0.7, 0.7, 0.07, 216, 172, 98)
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
        for _ in range(int(rng.integers(4, 8))):
            x, y, h = rng.uniform(0, 1), rng.uniform(0.58, 0.68), rng.uniform(0.14, 0.24)
            for k in range(3):
                w, top = h * (0.28 + 0.12 * k), y - h * (1.0 - 0.28 * k)
                y1 = top + 0.45 * h
                polygon([(x, top), (x + w, y1), (x - w, y1)], (78, 116, 108))
        hill(0.62, 0.8, 0.04, 242, 246, 252, by=5)
        dots(46, 0, 1, 0.007, 0.015, (255, 255, 255))
    elif name == "mountains":
        for depth, tint in ((0, (140, 152, 180)), (1, (98, 108, 136))):
            stone = _vary(rng, *tint)
            for x in np.linspace(-0.05, 1.05, 4) + rng.uniform(-0.1, 0.1, 4):
                peak = rng.uniform(0.16, 0.36) + 0.16 * depth
                w = rng.uniform(0.28, 0.4)
                edge = 0.14 * (w / (1 - peak))
                polygon([(x, peak), (x + w, 1), (x - w, 1)], stone)
                snow = ((0, 0), (edge, 0.14), (0.04, 0.1), (0, 0.15), (-0.05, 0.1), (-edge, 0.14))
                polygon([(x + dx, peak + dy) for dx, dy in snow], (250, 251, 253))
        hill(0.92, 1.0, 0.02, 104, 148, 98)
    elif name == "city":
        x = -0.04
        while x < 1.0:
            w, top = rng.uniform(0.12, 0.2), rng.uniform(0.22, 0.62)
            wall = _vary(rng, *((112, 118, 134), (138, 122, 118), (92, 100, 120))[rng.integers(3)])
            polygon([(x, top), (x + w, top), (x + w, 1), (x, 1)], wall)
            for wx in np.arange(x + 0.022, x + w - 0.03, 0.045):
                for wy in np.arange(top + 0.03, 0.92, 0.07):
                    lit = (255, 228, 140) if rng.random() < 0.55 else wall * 0.7
                    x1, y1 = wx + 0.024, wy + 0.038
                    polygon([(wx, wy), (x1, wy), (x1, y1), (wx, y1)], lit)
            x += w + 0.008
        polygon([(0, 0.94), (1, 0.94), (1, 1), (0, 1)], (84, 84, 90))
    elif name == "plain":
        hsv = rng.random(), rng.uniform(0.03, 0.22), rng.uniform(0.8, 0.98)
        tint = np.array(colorsys.hsv_to_rgb(*hsv)) * 255
        picture = Image.new("RGB", (size, size), tuple(tint.astype(int)))
    return picture


def treated(picture: Image.Image, style: Style, brush: np.random.Generator) -> Image.Image:
    """The background in this style; unchanged by the picture book's own."""
    if style.vivid != 1:
        picture = ImageEnhance.Color(picture).enhance(style.vivid)
    if style.tint is not None:
        picture = Image.blend(picture, Image.new("RGB", picture.size, style.tint), 0.14)
    return GROUNDS[style.ground](picture, brush)
