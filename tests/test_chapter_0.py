"""Chapter 0: its map is the course's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import CHAPTERS, ROOT, cells, chapter

from dreamlab.course import check
from dreamlab.picturebook.world import Scene, compose

# --- its map --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rows() -> dict[str, list[str]]:
    """The rows of the map by chapter number: name, question, minutes."""
    nb = chapter(ROOT / "notebooks" / "00_start_here.ipynb")
    (table,) = (c.source for _, c in cells(nb, "markdown") if c.source.startswith("## The map"))
    found = re.findall(r"^\| (\[?(\d) · .+?) \| (.+?) \| (.+?) \|$", table, re.MULTILINE)
    return {number: [name, question, minutes] for name, number, question, minutes in found}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_is_on_the_map_with_its_minutes(rows, path):
    number = path.name[1]
    name, question, minutes = rows[number]
    assert question.endswith("?")
    title = chapter(path).cells[0].source
    assert re.search(r"\*\*Time\*\* \| (\d+) minutes", title).group(1) == minutes, title
    if number != "0":
        assert f"({path.name})" in name


def test_the_map_is_in_order(rows):
    assert list(rows) == [str(number) for number in range(len(CHAPTERS))]


# --- its checks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda thing: f"a red {thing} in the sky",
        lambda thing: "Two striped " + {"fish": "fish"}.get(thing, thing + "s") + " at night!",
        lambda thing: f"a picture of a {thing.upper()}, next to a yellow moon",
        lambda thing: " ".join(["a", "blue", thing, "on", "the", "sea"]),
        lambda thing: f"many {thing}, {thing}, {thing} and a {thing}",
    ],
)
def test_every_readable_sentence_is_right(answer):
    verdict = check.readable(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda thing: f"a sleepy {thing} in the sky", "does not know 'sleepy'"),
        (lambda thing: f"my big {thing}", "'my', 'big'"),
        (lambda thing: f"a red {thing}", "3 words"),
        (lambda thing: "a red heart in the sky", "the thing is missing"),
        (lambda thing: "a red castle in the sky", "whatever thing it is given"),
        (lambda thing: ["a", "red", thing], "this is a list"),
        (lambda thing: " ", "says nothing"),
    ],
)
def test_an_unreadable_sentence_is_told_what_is_wrong(answer, words):
    verdict = check.readable(answer)
    assert not verdict and words in verdict.sentence, verdict


@pytest.mark.parametrize(
    "answer",
    [
        lambda a, b: (a - b).abs().mean(),
        lambda a, b: float(torch.mean(torch.abs(b - a))),
        lambda a, b: F.l1_loss(a, b),
        lambda a, b: np.abs(a.numpy() - b.numpy()).mean(),
        lambda a, b: (torch.maximum(a, b) - torch.minimum(a, b)).mean()[None],
        lambda a, b: (a - b).square().sqrt().sum() / a.numel(),
    ],
)
def test_every_difference_is_right(answer):
    verdict = check.difference(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: (a - b).mean(), "cancel"),
        (lambda a, b: (a - b).mean().abs(), "cancel"),
        (lambda a, b: -(a - b).abs().mean(), "never negative"),
        (lambda a, b: (a - b).abs().sum(), "that is the sum"),
        (lambda a, b: (a - b).abs().max(), "the largest"),
        (lambda a, b: F.mse_loss(a, b), "mean of the squares"),
        (lambda a, b: F.mse_loss(a, b).sqrt(), "root of the mean square"),
        (lambda a, b: (a != b).float().mean(), "share of values that differ"),
        (lambda a, b: 255 * (a - b).abs().mean(), "0 to 255"),
        (lambda a, b: (a - b).abs(), "one number is wanted"),
        (lambda a, b: 0.3, "it returns 0.300"),
    ],
)
def test_a_wrong_difference_is_told_what_is_wrong(answer, words):
    verdict = check.difference(answer)
    assert not verdict and words in verdict.sentence, verdict


STARS, MOON = ("star", "yellow", "plain", 3), ("moon", "white", "plain", 1)


def by_hand(seed: int) -> Scene:
    """Placed by hand instead of by `compose`."""
    page = compose("night", [STARS, MOON], seed=0)
    return Scene("night", page.items, seed)


@pytest.mark.parametrize(
    "answer",
    [
        lambda seed: compose("night", [STARS, MOON], seed=seed),
        lambda seed: compose("night", (STARS, MOON), seed=seed + 100),
        by_hand,
    ],
)
def test_every_scene_is_right(answer):
    verdict = check.scene(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda seed: compose("night", [STARS, MOON]), "every seed gives the same page"),
        (lambda seed: compose("sky", [STARS, MOON], seed=seed), "background should be 'night'"),
        (lambda seed: compose("night", [MOON, STARS], seed=seed), "another order"),
        (lambda seed: compose("night", [STARS], seed=seed), "there is no moon"),
        (
            lambda seed: compose("night", [("star", "yellow", "plain", 2), MOON], seed=seed),
            "count of 'star': 'two', and 'three'",
        ),
        (
            lambda seed: compose("night", [STARS, ("moon", "yellow", "plain", 1)], seed=seed),
            "colour of 'moon': 'yellow', and 'white'",
        ),
        (
            lambda seed: compose("night", [STARS, ("moon", "white", "striped", 1)], seed=seed),
            "texture of 'moon'",
        ),
        (
            lambda seed: compose("night", [STARS, ("comet", "white", "plain", 1)], seed=seed),
            "nobody asked for a comet",
        ),
        (lambda seed: "three yellow stars and a white moon at night", "this is a str"),
        (lambda seed: compose("dark", [STARS, MOON], seed=seed), "stopped with ValueError"),
    ],
)
def test_a_wrong_scene_is_told_what_is_wrong(answer, words):
    verdict = check.scene(answer)
    assert not verdict and words in verdict.sentence, verdict
