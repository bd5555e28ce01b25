"""Captions as people would write them, to train with; `world.caption` says all that there is."""

from __future__ import annotations

import numpy as np

from dreamlab.picturebook.world import (
    BACKGROUNDS,
    COLOURS,
    COUNTS,
    OBJECTS,
    TEXTURES,
    Item,
    Scene,
    describe,
)

ATTRIBUTES: dict[str, dict[str, str]] = {
    "object": {name: describe(name) for name in OBJECTS},
    "colour": {name: describe("thing", colour=name) for name in COLOURS},
    "texture": {name: describe("thing", texture=name) for name in TEXTURES},
    "count": {name: describe("thing", count=name) for name in COUNTS},
    "background": BACKGROUNDS,
}
"""Zero-shot prompts: for each attribute, each of its values and the words that ask for it."""


def random_caption(scene: Scene, rng: np.random.Generator) -> str:
    """Attributes dropped, background or object alone, another order, "a picture of …"."""
    where = BACKGROUNDS[scene.background]

    def drop(chance: float) -> bool:
        return rng.random() < chance

    def words(item: Item) -> str:
        texture = "" if item.texture == "plain" and drop(0.7) else item.texture
        return describe(
            "thing" if drop(0.06) else item.object,
            colour="" if drop(0.15) else item.colour,
            texture="" if drop(0.15) else texture,
            count=item.count,
        )

    items = list(scene.items)
    if len(items) == 2 and drop(0.5):
        items.reverse()
    if len(items) == 2 and drop(0.06):
        items.pop()
    joint = "and"
    if len(items) == 2 and all(item.count == "one" for item in items) and drop(0.3):
        dy = items[1].places[0].y - items[0].places[0].y
        joint = "next to" if abs(dy) < 0.25 else "above" if dy > 0 else "below"
    what = f" {joint} ".join(words(item) for item in items)

    if not what:
        return f"nothing {where}" if drop(0.3) else where
    if drop(0.05):
        return where
    if drop(0.12):
        where = ""
    text = f"{what} {where}".strip()
    return f"a picture of {text}" if drop(0.15) else text
