"""Chapter 9: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import json

import pytest
import torch
from chapters import functions
from PIL import Image

from dreamlab import Dream, Recipe, load_dream, save_png
from dreamlab.course import check
from dreamlab.figures.saving import read_settings

# --- the functions that it defines ----------------------------------------------------------------


@pytest.fixture
def define(tiny_clip):
    return functions("09_dream_lab", clip=tiny_clip)


@pytest.fixture
def dream(tiny_clip):
    dream = Dream(tiny_clip, "a red heart", seed=4, recipe=Recipe(size=32, steps=3, views=2))
    dream.run()
    return dream


def test_what_it_writes_and_reads_is_the_packages(define, dream, tmp_path):
    theirs, ours = tmp_path / "theirs.png", tmp_path / "ours.png"
    save_png(dream, theirs)
    made = define["my_read"](theirs)
    assert made == read_settings(theirs)
    define["my_save"](dream.image, ours, made)
    assert read_settings(ours) == made
    with Image.open(ours) as one, Image.open(theirs) as other:
        assert one.tobytes() == other.tobytes() == dream.image.tobytes()
    assert load_dream(ours, dream.clip).run() == dream.image


def test_pull_is_the_packages(define, tiny_clip):
    photo = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    for strength in (0.5, 4.0):
        recipe = Recipe(size=32, steps=9, views=2, octaves=(1.0,), keep_start=strength)
        dream = Dream(tiny_clip, "a red heart", start=photo, recipe=recipe)
        for _ in range(8):
            before = dream.pixels
            step = next(dream)
            theirs = step.loss - step.clip_loss - recipe.tv_weight * step.tv_loss
            ours = define["my_pull"](before, dream.start, strength)
            assert float(ours) == pytest.approx(theirs, abs=1e-5)
        assert theirs > 0


def test_pulls_slope_is_strength_times_distance(define):
    picture, photo = torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(2))
    picture.requires_grad_()
    define["my_pull"](picture, photo, 3.0).backward()
    felt = picture.grad * picture.numel()
    assert torch.allclose(felt, 3 * (picture - photo), atol=1e-5)


def test_likeness(define):
    photo = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3))
    other = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    likeness = define["likeness"]
    assert likeness(photo, photo) == pytest.approx(1, abs=1e-5)
    assert likeness(0.3 + 0.2 * photo, photo) == pytest.approx(1, abs=1e-5)
    assert likeness(1 - photo, photo) == pytest.approx(-1, abs=1e-5)
    assert abs(likeness(other, photo)) < 0.2


def test_sizes_are_those_of_the_models(define, tiny_clip):
    pixels, tiles, image, text = define["sizes"]("ViT-B-32")
    assert (pixels, tiles) == (224, 49)
    # 151.3 million in all, as its authors say; .35 GB of image tower in float32.
    assert image + text == pytest.approx(151.3e6, rel=0.01)
    assert image == pytest.approx(87.8e6, rel=0.01)


# --- its checks -----------------------------------------------------------------------------------


def with_pil(path):
    with Image.open(path) as image:
        image.load()
        made = json.loads(image.text["dreamlab"])
    return made["prompts"][0], made["seeds"][0]


def with_load_dream(path):
    dream = load_dream(path)
    return dream.prompts, dream.seeds


def with_settings(path):
    made = read_settings(path)
    return {"sentence": made["prompts"][0], "seed": made["seeds"][0]}


@pytest.mark.parametrize(
    "answer",
    [
        with_pil,
        with_load_dream,
        with_settings,
        lambda path: list(with_pil(path)),
        lambda path: [made[0] for made in (with_load_dream(path))],
    ],
)
def test_every_sentence_and_seed_is_right(answer):
    verdict = check.sentence_and_seed(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda path: with_pil(path)[::-1], "the sentence comes first"),
        (lambda path: with_pil(path)[0], "a pair is wanted"),
        (lambda path: read_settings(path), "a pair is wanted"),
        (lambda path: (with_pil(path)[0], 0), "the seed is 7, not 0"),
        (lambda path: (with_pil(path)[0], str(with_pil(path)[1])), "a number is wanted"),
        (lambda path: ("two yellow stars at night", 7), "of a dream of 'a white boat on the sea'"),
        (lambda path: (path.stem, 7), "it says 'dreamt'"),
        (lambda path: (Image.open(path).text["prompt"], 7), "stopped with KeyError"),
    ],
)
def test_a_wrong_sentence_and_seed_is_told_what_is_wrong(answer, words):
    verdict = check.sentence_and_seed(answer)
    assert not verdict and words in verdict.sentence, verdict


def with_a_loop(rows):
    best = None
    for row in rows:
        if not row["error"] and (best is None or row["judge"] > best["judge"]):
            best = row
    return best


@pytest.mark.parametrize(
    "answer",
    [
        with_a_loop,
        lambda rows: max((r for r in rows if not r["error"]), key=lambda r: r["judge"]),
        lambda rows: sorted(rows, key=lambda r: r.get("judge", -2))[-1],
        lambda rows: max(rows, key=lambda r: r.get("judge", float("-inf"))),
        lambda rows: dict(with_a_loop(rows)),
    ],
)
def test_every_favourite_is_right(answer):
    verdict = check.favourite(answer)
    assert verdict, verdict


def sorting_in_place(rows):
    rows.sort(key=lambda row: row.get("judge", -2))
    return rows[-1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rows: max(rows, key=lambda r: r["judge"]), "one of the dreams had failed"),
        (lambda rows: max(rows, key=lambda r: r.get("judge", 2)), "that dream failed"),
        (lambda rows: max(rows, key=lambda r: r.get("dreamer", 0)), "the dreamer's favourite"),
        (lambda rows: min(rows, key=lambda r: r.get("judge", 2)), "likes least"),
        (lambda rows: max(r.get("judge", -2) for r in rows), "that is a number"),
        (lambda rows: rows.index(with_a_loop(rows)), "that is a number"),
        (lambda rows: [with_a_loop(rows)], "this is a list"),
        (lambda rows: with_a_loop(rows) | {"judge": 0.9}, "none of the rows"),
        (lambda rows: sorted(rows, key=lambda r: r.get("judge", -2))[-2], "it picks seed 4"),
        (sorting_in_place, "changes the list"),
        (lambda rows: rows["judge"], "stopped with TypeError"),
    ],
)
def test_a_wrong_favourite_is_told_what_is_wrong(answer, words):
    verdict = check.favourite(answer)
    assert not verdict and words in verdict.sentence, verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        lambda photo: Recipe(keep_start=6.0),
        lambda photo: Recipe(steps=30, views=8, keep_start=6.0, octaves=(1.0,)),
        lambda photo: Recipe(steps=36, views=8, keep_start=5.5, tv_weight=0.1, clamp=False),
    ],
)
def test_every_recipe_that_keeps_the_photo_is_right(answer):
    verdict = check.kept_photo(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda photo: Recipe(steps=30), "the photo is lost; keep_start"),
        (lambda photo: Recipe(steps=30, keep_start=0.3), "could be larger"),
        (lambda photo: Recipe(steps=30, keep_start=500.0), "too little of the dream"),
        (lambda photo: Recipe(steps=2, keep_start=5.0), "too little of the dream"),
        (lambda photo: Recipe(steps=150, views=8), "150 steps of 8 views are 1200 looks"),
        (lambda photo: Recipe(size=32, steps=30), "should have 64 pixels"),
        (lambda photo: Recipe(steps=30, learning_rate=1.0, keep_start=1000.0, clamp=False), ": "),
        (lambda photo: {"keep_start": 5.0}, "this is a dict"),
        (lambda photo: Recipe(keep_start=-1), "stopped with ValueError: keep_start must be"),
    ],
)
def test_a_recipe_that_does_not_is_told_what_is_wrong(answer, words):
    verdict = check.kept_photo(answer)
    assert not verdict and words in verdict.sentence, verdict
