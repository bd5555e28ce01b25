"""The question that only shape answers, and the drawings to ask it of."""

from __future__ import annotations

import pytest
import torch

from dreamlab.picturebook.probe import SIDE, TILES, WHOLE, drawn, in_pieces, probe_scenes
from dreamlab.picturebook.world import (
    BACKGROUNDS,
    OBJECTS,
    caption,
    thing_in,
    variants,
)


@pytest.mark.parametrize(
    ("text", "own", "ball"),
    [
        ("an apple in the sky", "apple", "a ball in the sky"),
        ("two butterflies at night", "butterfly", "two balls at night"),
        ("many red striped fish", "fish", "many red striped balls"),
        ("three hearts and an eye", "heart", "three balls and an eye"),
        ("in the clouds, a  Moon-lit star", "star", "in the clouds, a  Moon-lit ball"),
        ("An eye!", "eye", "A ball!"),
        ("a thing above two stars", "star", "a thing above two balls"),
    ],
)
def test_one_object_is_exchanged_and_nothing_else(text, own, ball):
    choices = variants(text)
    assert thing_in(text) == own and tuple(choices) == OBJECTS
    assert (choices[own], choices["ball"]) == (text, ball)
    assert len(set(choices.values())) == 25
    for none in ("", "a thing at night", "nothing in the clouds", "a giraffe", "starlit"):
        assert thing_in(none) is None and variants(none) == {}


def test_probes_show_every_object_in_every_way_of_the_world():
    scenes = probe_scenes(12)
    assert scenes == probe_scenes(12) and len({scene.seed for scene in scenes}) == 12 * 25
    for start in range(0, len(scenes), 25):
        frame = scenes[start : start + 25]
        assert {scene.items[0].object for scene in frame} == set(OBJECTS)
        assert len({(s.background, s.items[0].colour, s.items[0].texture) for s in frame}) == 1
    assert {scene.background for scene in scenes} == set(BACKGROUNDS)
    assert all(thing_in(caption(scene)) == scene.items[0].object for scene in scenes)


def test_pieces_hold_the_same_pixels_in_another_order():
    pictures = drawn(probe_scenes(1, 6))
    whole, *tiled = in_pieces(pictures).items()
    assert whole[0] == WHOLE and whole[1].shape == (6, 3, SIDE, SIDE)
    for side, (name, tiles) in zip(TILES, tiled, strict=True):
        assert name == f"{side}-px tiles" and not torch.equal(tiles, whole[1])
        assert torch.equal(tiles.flatten(2).sort(-1).values, whole[1].flatten(2).sort(-1).values)
        corner = tiles[0, :, :side, :side]
        grid = whole[1][0].unfold(1, side, side).unfold(2, side, side)  # (3, rows, columns, s, s)
        assert (grid == corner[:, None, None]).all(-1).all(-1).all(0).any()
