"""The picture-book world, and how it is drawn."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import features

from captions import random_caption
from dreamlab.picturebook.draw import draw_with_labels
from dreamlab.picturebook.paint import FILLS, GROUNDS, LINES
from dreamlab.picturebook.shapes import HELD_OUT_DESIGN
from dreamlab.picturebook.styles import BOOK, HELD_OUT
from dreamlab.picturebook.world import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    TEXTURES,
    caption,
    compose,
    describe,
    scene_number,
)
from random_styles import random_style


def test_random_scenes_reach_every_corner_of_the_world():
    scenes = [scene_number(5, i) for i in range(800)]
    assert scenes[7] == scene_number(5, 7) != scene_number(4, 7)
    items = [item for scene in scenes for item in scene.items]
    assert len({item.object for item in items}) == len(OBJECTS) == 25
    assert {item.colour for item in items} == {*COLOURS, ""} and len(COLOURS) == 11
    assert len({item.texture for item in items}) == len(TEXTURES) == 4
    assert {item.count for item in items} == {"one", "two", "three", "many"}
    assert len({scene.background for scene in scenes}) == len(BACKGROUNDS) == 12


@pytest.mark.parametrize(
    ("background", "things", "words"),
    [
        ("sky", [("heart", "red", "striped", 1)], "a red striped heart in the sky"),
        ("space", [("rainbow", "", "plain", 1)], "a rainbow in space"),
        ("city", [], "nothing in the city"),
    ],
)
def test_full_captions(background, things, words):
    assert caption(compose(background, things)) == words


def test_captions_vary_and_leave_things_out():
    assert describe("apple") == "an apple"
    scene = compose("sea", [("fish", "green", "spotted", 1), ("star", "red", "plain", 1)], seed=4)
    rng = np.random.default_rng(0)
    texts = {random_caption(scene, rng) for _ in range(200)}
    assert len(texts) > 40 and "on the sea" in texts
    assert any("sea" not in text for text in texts), "objects alone"
    assert any(word in text for text in texts for word in ("next to", "above", "below"))
    # What is left out is left out, never changed.
    known = {"a", "an", "and", "next", "to", "above", "below", "picture", "of", "thing", "plain"}
    known |= {"green", "spotted", "fish", "red", "star", "on", "the", "sea"}
    assert {word for text in texts for word in text.split()} <= known


@pytest.mark.parametrize(
    ("background", "things", "words"),
    [
        ("moonlight", [], "background 'moonlight'"),
        ("sky", [("giraffe", "red", "plain", 1)], "object 'giraffe'"),
        ("sky", [("heart", "", "plain", 1)], "colour ''"),
        ("sky", [("heart", "red", "woolly", 1)], "texture 'woolly'"),
        ("sky", [("heart", "red", "plain", 8)], "1 to 7"),
        ("sky", [("rainbow", "", "striped", 1)], "many-coloured rainbow"),
        ("sky", [("heart", "red", "plain", 1)] * 3, "at most 2"),
    ],
)
def test_what_is_not_in_the_world_is_named(background, things, words):
    with pytest.raises(ValueError, match=words):
        compose(background, things)


# Scenes of series 41 at 40 px as the first release draws them: the first digits of the SHA-256 of
# picture and labels. Pillow 10 rasterises some edges another way.
DRAWN = {
    1: "293eab82f65f", 2: "13bab7de7c98", 3: "59d345ae11b6", 5: "0dd800b43d47",
    6: "d10389f73331", 7: "40e6c23f4232", 8: "8d66d6747166 cccbe49cf5f3", 10: "c032d0f4fdd3",
    11: "fc13786121cd", 12: "704f40d68662", 16: "c5eca73109ae", 19: "674a32831f5a",
    22: "47e85218519f", 25: "0011a6623bf3", 28: "8cb5fbeb2608 7fc37ba69b0a", 39: "95dd2ad549af",
    40: "18ece830c3d8", 43: "bb6c9e94d6a5", 49: "35cd796465cc", 59: "a39bd04ac248 f7dccf47919b",
    92: "75e788f6fb36", 107: "bac7051f9a82", 123: "66760e0f6ab2", 129: "d2699ef1886a",
    130: "61ef69cab9d4", 132: "e03f6c9fd302 79812b1acfb2",
}  # fmt: skip


def test_the_books_own_style_draws_what_it_always_drew():
    seen = set()
    for index, known in DRAWN.items():
        scene = scene_number(41, index)
        assert digest(draw_with_labels(scene, 40, BOOK)) in known.split(), index
        seen |= {scene.background} | {item.object for item in scene.items}
    assert seen == {*BACKGROUNDS, *OBJECTS}


def digest(images):
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()[:12]


OTHERS = {
    "held out": (HELD_OUT, "47d3450c71f9"),
    "design 1": (replace(BOOK, designs=(1,)), "5ed959209d96"),
    "design 2": (replace(BOOK, designs=(2,)), "0b08519fdeea"),
    "design 3": (replace(BOOK, designs=(3,)), "5ab318c5e9b2"),
}


@pytest.mark.skipif(features.version("pil") < "11.3", reason="it rasterises edges another way")
@pytest.mark.parametrize(("style", "known"), OTHERS.values(), ids=OTHERS)
def test_other_designs_and_the_held_out_style_draw_every_object_as_always(style, known):
    images = []
    for i, name in enumerate(OBJECTS):
        thing = (name, COLOURS[i % 11], TEXTURES[i % 4], 1)
        images += draw_with_labels(compose([*BACKGROUNDS][i % 12], [thing], seed=i), 32, style)
    assert digest(images) == known


def random_styles(how_many):
    rng = np.random.default_rng(0)
    return [random_style(rng) for _ in range(how_many)]


def test_training_never_sees_what_is_held_out():
    styles = random_styles(300)
    for kind, names in {"fill": FILLS, "line": LINES, "ground": GROUNDS}.items():
        assert {getattr(style, kind) for style in styles} == {*names} - {getattr(HELD_OUT, kind)}
    assert {n for style in styles for n in style.designs} == set(range(HELD_OUT_DESIGN))
