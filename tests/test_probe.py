"""The question that only shape answers, the pictures to try it on, and the scores it gives."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import score
from data import renamed
from dreamlab.clip import load_clip
from dreamlab.picturebook.hands import UNSEEN
from dreamlab.picturebook.probe import SIDE, TILES, WHOLE, drawn, in_pieces, probe_scenes
from dreamlab.picturebook.world import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    TEXTURES,
    caption,
    compose,
    scene_number,
    thing_in,
    variants,
)
from dreamlab.support.readme import marks

BEGIN, END = marks(score.PART)

# --- one thing for another ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "own", "ball", "eye"),
    [
        ("an apple in the sky", "apple", "a ball in the sky", "an eye in the sky"),
        ("a ball", "ball", "a ball", "an eye"),
        ("an orange apple", "apple", "an orange ball", "an orange eye"),
        ("two butterflies at night", "butterfly", "two balls at night", "two eyes at night"),
        ("many red striped fish", "fish", "many red striped balls", "many red striped eyes"),
        ("a green fish on the sea", "fish", "a green ball on the sea", "a green eye on the sea"),
        ("three hearts and an eye", "heart", "three balls and an eye", "three eyes and an eye"),
        ("a picture of a grey cloud in the clouds", "cloud",
         "a picture of a grey ball in the clouds", "a picture of a grey eye in the clouds"),
        ("in the clouds, a  Moon-lit star", "star", "in the clouds, a  Moon-lit ball",
         "in the clouds, a  Moon-lit eye"),
        ("An eye!", "eye", "A ball!", "An eye!"),
        ("a thing above two stars", "star", "a thing above two balls", "a thing above two eyes"),
    ],
)  # fmt: skip
def test_one_thing_is_exchanged_and_nothing_else(text, own, ball, eye):
    assert thing_in(text) == own
    choices = variants(text)
    assert tuple(choices) == OBJECTS
    assert (choices[own], choices["ball"], choices["eye"]) == (text, ball, eye)
    assert len(set(choices.values())) == 25


@pytest.mark.parametrize(
    "text",
    ["", "in the clouds", "a thing at night", "nothing in the clouds", "a giraffe", "starlit"],
)
def test_a_text_without_a_thing_has_no_variants(text):
    assert thing_in(text) is None
    assert variants(text) == {}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_variants_are_what_the_caption_of_another_scene_would_be(index):
    scene = scene_number(17, index)
    choices = variants(caption(scene))
    assert bool(choices) == bool(scene.items)
    for name, text in choices.items():
        assert text == caption(renamed(scene, name))


# --- probes ---------------------------------------------------------------------------------------


def test_probes_show_every_thing_in_every_way_of_the_world():
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
    assert all(scene.items[0].count == "one" for scene in scenes)


def test_few_probes_still_show_every_thing_equally_often():
    names = [scene.items[0].object for scene in probe_scenes(frames=5, things=10)]
    assert sorted(names) == sorted([*OBJECTS, *OBJECTS])


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
        same = (grid == corner[:, None, None]).all(-1).all(-1).all(0)
        assert same.sum() >= 1  # a tile is a piece of the picture
    again = in_pieces(pictures)
    assert all(torch.equal(pieces[name], again[name]) for name in pieces)


def test_hands_take_turns():
    scenes = probe_scenes(1, 4)
    book, mixed = drawn(scenes), drawn(scenes, (UNSEEN, UNSEEN))
    assert not torch.equal(book, mixed)


# --- scores ---------------------------------------------------------------------------------------


class ColourReader:
    """Finds the thing by the mean red of a picture: each thing has its own, whatever its shape."""

    device = torch.device("cpu")

    def encode_image(self, images):
        return self._row(images[:, 0].mean((1, 2)) * 100)

    def encode_text(self, texts):
        names = [thing_in(text) for text in texts]
        numbers = [OBJECTS.index(name) if name else 60 for name in names]
        return self._row(torch.tensor(numbers, dtype=torch.float32))

    @staticmethod
    def _row(angle):
        angle = angle / 100 * torch.pi / 2
        return torch.stack([angle.cos(), angle.sin()], -1)


def reds(shift: float = 0.0) -> tuple[list, torch.Tensor]:
    """A probe of each thing, and the pictures in which a colour reader finds it."""
    scenes = probe_scenes(1)
    names = [OBJECTS.index(scene.items[0].object) for scene in scenes]
    level = torch.tensor(names, dtype=torch.float32) / 100 + shift
    return scenes, level.view(-1, 1, 1, 1).expand(-1, 3, 16, 16).clone()


def test_shape_counts_what_is_found():
    scenes, pictures = reds()
    _, wrong = reds(shift=0.01)  # each is taken for its neighbour
    question = score.Question.put_to(ColourReader(), scenes)
    result = score.shape(ColourReader(), question, {"right": pictures, "wrong": wrong})
    assert result["right"] == 1
    assert result["cosine, right"] == pytest.approx(1)
    # The last of all has no neighbour above, and stays right.
    assert result["wrong"] == pytest.approx(1 / 25)


def test_an_adversary_goes_no_further_than_allowed_and_fools():
    scenes, pictures = reds()
    clip = ColourReader()
    question = score.Question.put_to(clip, scenes)
    # A step to the next thing is .01 in 256 values of red: a length of .16, and half of it tips.
    for epsilon, found in ((0.0, 1.0), (0.06, 1.0), (0.12, 0.0)):
        changed = score.attacked(clip, pictures, question.variants, question.right, epsilon)
        assert changed.min() >= 0 and changed.max() <= 1
        assert (changed - pictures).flatten(1).norm(dim=1).max() <= epsilon + 1e-5
        share = score.shape(clip, question, {"x": changed})["x"]
        assert share == pytest.approx(found, abs=0.09), epsilon
        assert score.withstood(clip, question, pictures, epsilon)["among 25"] == share


def test_bars_tell_reached_from_missed():
    for role, wanted in score.BARS.items():
        for good in (True, False):
            nudge = {("at least", True): 0, ("at least", False): -1e-3,
                     ("at most", True): 0, ("at most", False): 1e-3}  # fmt: skip
            # Judged as printed, to a tenth of a per cent.
            values = {key: bar + nudge[way, good] - 4e-4 for key, way, bar in wanted}
            eighth = 0.2 if good else 0.3
            values |= {"cosine, whole": 0.75, "cosine, 8-px tiles": eighth}
            said = score.bars(role, {"colour": values.pop("colour")}, values)
            assert [reached for _, reached in said] == [good] * len(said)
            assert len(said) == len(wanted) + (role == "judge")


@pytest.fixture
def marked(tmp_path, monkeypatch):
    files = tmp_path / "README.md", tmp_path / "card.md"
    for file in files:
        file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    monkeypatch.setattr(score, "FILES", files)
    return files


def test_one_command_prints_tables_and_bars_and_writes_them(
    marked, monkeypatch, capsys, tiny_clip, tiny_resnet_dir
):
    resnet = load_clip(f"local-dir:{tiny_resnet_dir}", device="cpu")
    models = {"picturebook": tiny_clip, "picturebook-judge": resnet}
    monkeypatch.setattr(score, "load_clip", lambda name, device: models[name])
    score.main(["--scenes", "12", "--frames", "1", "--write", "--epsilon", "0.5"])
    printed = capsys.readouterr().out
    first, second = (file.read_text("utf-8") for file in marked)
    assert first == second
    assert "old" not in first
    assert first.startswith(f"before\n{BEGIN}\n| model | object |")
    assert first.endswith(f"{END}\nafter\n")
    rows = [line for line in first.split("\n") if line.startswith("|")]
    assert [sum(row.count("|") == n for row in rows) for n in (8, 4)] == [4, 10]
    for way in (WHOLE, "16-px tiles", "8-px tiles", "4-px tiles", score.HANDS, score.KEPT):
        assert f"| {way} | " in first
    assert all(row in printed for row in rows)
    marks = [line[0] for line in printed.split("\n") if line[:1] in "✓✗" and line]
    assert len(marks) == sum(map(len, score.BARS.values())) + 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frames", "0"], "--frames at least 1"),
        (["--epsilon", "-1"], "0 or more"),
        (["tiny", "--write"], "both embedded models"),
        (["--as", "critic"], "invalid choice"),
    ],
)
def test_bad_options_are_refused_before_anything_is_drawn(arguments, words, monkeypatch, capsys):
    monkeypatch.setattr(score, "load_clip", None)
    with pytest.raises(SystemExit):
        score.main(arguments)
    assert words in capsys.readouterr().err


def test_nowhere_to_write_is_found_before_anything_is_drawn(marked, monkeypatch, capsys):
    monkeypatch.setattr(score, "load_clip", None)
    marked[1].write_text("no marks", "utf-8")
    with pytest.raises(SystemExit):
        score.main(["--write"])
    assert "scores:begin" in capsys.readouterr().err
    marked[1].unlink()
    with pytest.raises(SystemExit):
        score.main(["--write"])
    assert "clone" in capsys.readouterr().err


def test_frames_cost_few_sentences():
    scenes = probe_scenes(4)
    texts = {text for scene in scenes for text in variants(caption(scene)).values()}
    assert len(texts) == 4 * 25


def test_a_kept_hand_is_another_hand_than_all_random_ones():
    pictures = score.Pictures.drawn(2, 1)
    ways = list(pictures.ways)
    assert ways == [WHOLE, *(f"{side}-px tiles" for side in TILES), score.HANDS, score.KEPT]
    kept = drawn(pictures.probes, (UNSEEN,))
    assert torch.equal(pictures.ways[score.KEPT], kept)
    for one, two in pairwise((WHOLE, score.HANDS, score.KEPT)):
        small = [np.asarray(pictures.ways[way][0]).mean() for way in (one, two)]
        assert small[0] != small[1]


def test_captions_of_probes_name_their_thing():
    for scene in [*probe_scenes(2), compose("clouds", [("cloud", "grey", "plain", 1)])]:
        assert thing_in(caption(scene)) == scene.items[0].object
