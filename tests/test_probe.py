"""The question that only shape answers, and the drawings to ask it of."""

from __future__ import annotations

import pytest
import torch

from dreamlab.picturebook.probe import SIDE, TILES, WHOLE, drawn, in_pieces, probe_scenes
from dreamlab.picturebook.world import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    TEXTURES,
    caption,
    thing_in,
    variants,
)

# --- one object for another -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "own", "ball", "eye"),
    [
        ("an apple in the sky", "apple", "a ball in the sky", "an eye in the sky"),
        ("two butterflies at night", "butterfly", "two balls at night", "two eyes at night"),
        ("many red striped fish", "fish", "many red striped balls", "many red striped eyes"),
        ("three hearts and an eye", "heart", "three balls and an eye", "three eyes and an eye"),
        ("in the clouds, a  Moon-lit star", "star", "in the clouds, a  Moon-lit ball",
         "in the clouds, a  Moon-lit eye"),
        ("An eye!", "eye", "A ball!", "An eye!"),
        ("a thing above two stars", "star", "a thing above two balls", "a thing above two eyes"),
    ],
)  # fmt: skip
def test_one_object_is_exchanged_and_nothing_else(text, own, ball, eye):
    assert thing_in(text) == own
    choices = variants(text)
    assert tuple(choices) == OBJECTS
    assert (choices[own], choices["ball"], choices["eye"]) == (text, ball, eye)
    assert len(set(choices.values())) == 25
    for none in ("", "a thing at night", "nothing in the clouds", "a giraffe", "starlit"):
        assert thing_in(none) is None and variants(none) == {}


# --- probes ---------------------------------------------------------------------------------------


def test_probes_show_every_object_in_every_way_of_the_world():
    scenes = probe_scenes(12)
    assert scenes == probe_scenes(12)
    assert len({scene.seed for scene in scenes}) == len(scenes) == 12 * 25
    for start in range(0, len(scenes), 25):
        frame = scenes[start : start + 25]
        assert {scene.items[0].object for scene in frame} == set(OBJECTS)
        assert len({(s.background, s.items[0].colour, s.items[0].texture) for s in frame}) == 1
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert {scene.items[0].colour for scene in scenes} == set(COLOURS)
    assert {scene.items[0].texture for scene in scenes} == set(TEXTURES)
    assert all(thing_in(caption(scene)) == scene.items[0].object for scene in scenes)
    few = [scene.items[0].object for scene in probe_scenes(frames=5, things=10)]
    assert sorted(few) == sorted([*OBJECTS, *OBJECTS]), "all get their turn"


def test_pieces_hold_the_same_pixels_in_another_order():
    pictures = drawn(probe_scenes(1, 6))
    pieces = in_pieces(pictures)
    assert list(pieces) == [WHOLE, "16-px tiles", "8-px tiles", "4-px tiles"]
    whole = pieces[WHOLE]
    assert whole.shape == (6, 3, SIDE, SIDE) and whole.min() >= 0 and whole.max() <= 1
    for side, tiles in zip(TILES, list(pieces.values())[1:], strict=True):
        assert torch.equal(tiles.flatten(2).sort(-1).values, whole.flatten(2).sort(-1).values)
        assert not torch.equal(tiles, whole)
        corner = tiles[0, :, :side, :side]
        grid = whole[0].unfold(1, side, side).unfold(2, side, side)  # (3, rows, columns, s, s)
        assert (grid == corner[:, None, None]).all(-1).all(-1).all(0).any()
    again = in_pieces(pictures)
    assert all(torch.equal(pieces[name], again[name]) for name in pieces)
