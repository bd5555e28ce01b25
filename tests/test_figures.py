"""Figures that stay, and pictures and films that carry how they were made."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.dream import Dream
from dreamlab.figures import saving, settings, static
from dreamlab.recipe import Recipe

SMALL = {"size": 32, "views": 2, "steps": 9, "tv_weight": 0.2, "octaves": (0.5, 0.75, 1.0)}
PHOTO = Image.fromarray(np.random.default_rng(2).integers(0, 256, (50, 41, 3), np.uint8))


@pytest.fixture
def make_dream(tiny_clip):
    def make(prompt="a red heart", **arguments):
        knobs = SMALL | arguments.pop("knobs", {})
        return Dream(tiny_clip, prompt, recipe=Recipe(**knobs), **arguments)

    return make


@pytest.fixture
def finished(make_dream):
    dream = make_dream(seed=3)
    dream.run()
    return dream


def same(a: Dream, b: Dream) -> bool:
    return torch.equal(a.pixels, b.pixels)


def test_a_figure_shows_pictures_curves_settings_and_judge(finished, make_dream):
    plate = {"dream": finished, "judged": [(3, 0.9), (9, 0.612)], "changes": [(4, "clamp", False)]}
    figure = static.dream_figures([plate, {"dream": make_dream()}])
    for words in ("a red heart", "seed 3", "9 of 9 steps", "λ 0.2 (masked TV)", "judge 0.612"):
        assert words in figure.description
    picture, curve, _ = figure.axes[:3]
    assert picture.images[0].get_array().shape == (32, 32, 3)
    lines = {line.get_label(): line.get_ydata() for line in curve.lines}
    assert {"total", "CLIP", "λ·TV", "judge", "knob turned"} <= set(lines)
    assert np.allclose(lines["total"], np.add(lines["CLIP"], lines["λ·TV"]))
    assert [text.get_text().strip() for text in curve.texts] == ["16 px", "24 px", "32 px"]
    data, metadata = figure._repr_mimebundle_()
    assert data["image/png"][:4] == b"\x89PNG"
    assert f"{static.IN_WORDS}\n{metadata['image/png']['alt']}" == data["text/plain"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"start": PHOTO, "negative_prompt": "a boat", "knobs": {"size": (24, 32)}},
        {"prompt": "ein “Herz” ❤ / \\ ? \N{RIGHT-TO-LEFT OVERRIDE}x\n\t\0 \x1b[31m red"},
        {"prompt": ["a red heart", "a boat"], "seed": [5, 6], "start": "noise"},
    ],
    ids=["photo", "letters", "batch"],
)
def test_the_same_dream_again_from_its_file(make_dream, tmp_path, tiny_clip, arguments):
    dream = make_dream(**arguments)
    dream.run()
    path = saving.save_png(dream, tmp_path / "new folder" / "x.png")
    files = sorted(path.parent.iterdir())
    assert path.name == "x.png" and len(files) == len(dream.seeds)
    for index, file in enumerate(sorted(files, key=lambda file: len(file.name))):
        with Image.open(file) as image:
            assert image.text["Title"].isprintable()
            assert image.tobytes() == dream.images[index].tobytes()
        made = saving.read_settings(file)
        assert made["prompts"] == dream.prompts and made["seeds"] == dream.seeds
        assert made["index"] == index and made["steps_done"] == 9
        assert set(made["versions"]) == {"dreamlab", "torch", "open_clip_torch", "python"}
        again = saving.load_dream(file, tiny_clip)
        again.run()
        assert same(again, dream)


def test_each_file_of_a_batch_carries_only_its_own_start(make_dream, tmp_path, tiny_clip):
    starts = torch.rand(2, 3, 32, 32)
    starts[1] = 0.5
    dream = make_dream(prompt=["a red heart", "a boat"], seed=[5, 6], start=starts)
    next(dream)
    saving.save_png(dream, tmp_path / "x.png")
    for index, name in enumerate(("x.png", "x-2.png")):
        made = saving.read_settings(tmp_path / name)
        assert made["prompts"] == [dream.prompts[index]] and made["seeds"] == [5 + index]
        assert made["start"] == "grey" if index else len(made["start"]) == 1
        alone = saving.replay(tmp_path / name, tiny_clip)
        assert torch.equal(alone.start[0], dream.start[index])
        assert torch.allclose(alone.pixels[0], dream.pixels[index], atol=1e-4)


@pytest.mark.parametrize(("start", "resumed"), [("grey", False), ("noise", True), (PHOTO, True)])
def test_replay_turns_the_knobs_as_they_were_turned(
    make_dream, tmp_path, tiny_clip, start, resumed
):
    dream = make_dream(start=start)
    for step in dream:
        if step.step == 3:
            dream.recipe.tv_weight, dream.recipe.view_mix = 5.0, (1.0, 0.0, 0.0)
        if step.step == 5:
            dream.recipe = Recipe(**SMALL | {"steps": 12})
        if step.step == 7:
            break
    if resumed:  # from a saved state: what was turned before it is not forgotten
        state, dream = dream.state_dict(), make_dream(start=start)
        dream.load_state_dict(state)
    path = saving.save_png(dream, tmp_path / "x.png")
    made = saving.checked_settings(path)
    assert made.recipe == Recipe(**SMALL) and made.steps_done == 7
    assert made.changes == [
        (3, "view_mix", (1.0, 0.0, 0.0)),
        (3, "tv_weight", 5.0),
        (5, "steps", 12),
        (5, "view_mix", Recipe().view_mix),
        (5, "tv_weight", 0.2),
    ]
    assert same(saving.replay(path, tiny_clip), dream)


@pytest.mark.parametrize(
    ("start", "turned", "size"),
    [
        (PHOTO, {"size": (40, 24)}, 32),
        ("noise", {"octaves": (0.25, 0.5, 1.0)}, 32),
        ("noise", {"size": (40, 24)}, 16),  # an octave smaller than any canvas of a recipe
    ],
)
def test_the_canvas_may_be_turned_before_the_first_step(
    make_dream, tmp_path, tiny_clip, start, turned, size
):
    """The start was made for the canvas that there was: it is made for that one again."""
    dream = make_dream(start=start, knobs={"steps": 3, "size": size})
    for knob, value in turned.items():
        setattr(dream.recipe, knob, value)
    dream.run()
    path = saving.save_png(dream, tmp_path / "x.png")
    again = saving.load_dream(path, tiny_clip)
    again.run()
    assert same(again, dream) and same(saving.replay(path, tiny_clip), dream)


def test_what_pillow_would_refuse_to_read_is_not_written(make_dream, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "LONGEST", 1000)
    dream = make_dream(start=torch.rand(3, 32, 32))
    with pytest.warns(UserWarning, match="too large to be saved with the dream") as warned:
        path = saving.save_png(dream, tmp_path / "x.png")
    assert warned[0].filename == __file__
    assert saving.read_settings(path)["start"] == "too large"
    with pytest.raises(ValueError, match=r"start picture of 'x.png' was too large"):
        saving.load_dream(path, dream.clip)


def test_files_that_are_not_ours_are_refused(finished, tmp_path):
    for name in ("plain.png", "plain.jpg"):
        finished.image.save(tmp_path / name)
        with pytest.raises(ValueError, match=f"'{name}' carries no dreamlab settings"):
            saving.load_dream(tmp_path / name)
    with pytest.raises(ValueError, match=r"\.png"):
        saving.save_png(finished, tmp_path / "x.jpg")


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_has_its_frames_at_one_size(make_dream, tmp_path, suffix):
    # Adam at .05 in few looks: a picture with no more grain than the lossy format can hold.
    film, dream = saving.Film(), make_dream(knobs={"optimizer": "adam", "learning_rate": 0.05})
    for step in dream:
        film.add(step.step, dream.image)
    with Image.open(film.save(tmp_path / f"run{suffix}", seconds=1)) as image:
        assert image.size == (32, 32) and image.info["loop"] == 0
        # WebP shows frames that it cannot tell apart as one, for as long.
        assert image.n_frames == 9 if suffix == ".gif" else 3 <= image.n_frames <= 9
        image.seek(image.n_frames - 1)
        last = np.asarray(image.convert("RGB"), float)
    assert np.abs(last - np.asarray(dream.image, float)).mean() < 12
    with Image.open(film.save(tmp_path / f"large{suffix}", side=64)) as image:
        assert image.size == (64, 64)


def test_a_film_is_bounded_and_evenly_spaced():
    film, frame = saving.Film(), Image.new("RGB", (4, 4))
    for step in range(1, 1001):
        film.add(step, frame)
        assert len(film.frames) <= 120
    steps = sorted(film.frames)
    assert len(steps) > 25 and len(set(np.diff(steps))) == 1


def test_what_cannot_be_a_film_is_refused(tmp_path):
    film = saving.Film()
    with pytest.raises(ValueError, match="film is empty"):
        film.save("x.gif")
    film.add(1, PHOTO)
    for path, side, words in (("x.mp4", 32, "webp"), ("x.gif", 10**6, "side"), ("x.gif", "9", "s")):
        with pytest.raises(ValueError, match=words):
            film.save(path, side=side)
    PHOTO.save(tmp_path / "half.png")
    os.truncate(tmp_path / "half.png", 2000)
    for image in (torch.rand(2, 3, 8, 8), Image.open(tmp_path / "half.png")):  # not read yet
        with pytest.raises(ValueError):
            film.add(2, image)
