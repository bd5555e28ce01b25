"""Figures that stay, and pictures and films that remember."""

import errno
import io
import os
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab.clip import load_clip
from dreamlab.dream import Dream
from dreamlab.figures import saving, settings, static
from dreamlab.recipe import Recipe

SMALL = {"size": 32, "views": 2, "steps": 9, "tv_weight": 0.2, "octaves": (0.5, 0.75, 1.0)}


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


def opened(figure) -> Image.Image:
    return Image.open(io.BytesIO(figure.to_png()))


# --- figures --------------------------------------------------------------------------------------


def test_to_array_takes_every_kind_of_picture(tmp_path):
    bytes_ = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(bytes_)
    image.save(tmp_path / "x.png")
    tensor = torch.from_numpy(bytes_).movedim(-1, 0) / 255
    expected = bytes_ / 255
    for picture in (image, bytes_, expected, tensor, tensor[None], tmp_path / "x.png"):
        assert np.allclose(static.to_array(picture), expected, atol=1e-6)
    assert static.to_array(tensor * 3).max() == 1, "what no screen can show is cut off"
    assert static.to_array(bytes_[:, :, 0]).shape == (6, 8, 3)
    with pytest.raises(ValueError, match=r"\(3, h, w\).*\(2, 3, 6, 8\)"):
        static.to_array(torch.stack([tensor, tensor]))


def test_dream_figure_shows_picture_curve_settings_and_judge(finished):
    judged, changes = [(3, 0.9), (9, 0.612)], [(4, "tv_weight", 0.5)]
    figure = static.dream_figure(finished, judged=judged, changes=changes)
    assert opened(figure).size == (1000, 330)
    for words in ("a red heart", "seed 3", "9 of 9 steps", "λ 0.2 (masked TV)", "judge 0.612"):
        assert words in figure.description
    picture, curve, _ = figure.axes
    assert picture.images[0].get_array().shape == (32, 32, 3)
    lines = {line.get_label(): line for line in curve.lines}
    assert {"total", "CLIP", "λ·TV", "judge", "knob turned"} <= set(lines)
    assert lines["CLIP"].get_ydata()[-1] == finished.history[-1].clip_loss
    total = np.add(lines["CLIP"].get_ydata(), lines["λ·TV"].get_ydata())
    assert np.allclose(lines["total"].get_ydata(), total)
    sizes = [text.get_text().strip() for text in curve.texts]
    assert sizes == ["16 px", "24 px", "32 px"]


def test_an_unfinished_dream_has_a_figure_too(make_dream):
    assert opened(static.dream_figure(make_dream())).size == (1000, 330)


def test_figures_show_themselves_without_pyplot(finished):
    import sys

    data, metadata = static.dream_figure(finished)._repr_mimebundle_()
    assert data["image/png"][:4] == b"\x89PNG" and "a red heart" in data["text/plain"]
    assert f"{static.IN_WORDS}\n{metadata['image/png']['alt']}" == data["text/plain"]
    assert static.StaticFigure()._repr_mimebundle_()[1] == {}, "no words, no empty ones either"
    code = "import dreamlab.figures.static, sys; assert 'matplotlib.pyplot' not in sys.modules"
    import subprocess

    subprocess.run([sys.executable, "-c", code], check=True)


def test_several_dreams_share_a_scale(make_dream):
    dreams = [make_dream(), make_dream(knobs={"tv_weight": 50.0})]
    for dream in dreams:
        dream.run()
    figure = static.dream_figures([{"dream": dream} for dream in dreams])
    assert figure.axes[1].get_ylim() == figure.axes[4].get_ylim()


def test_contact_sheet_and_strip():
    pictures = [np.full((8, 12, 3), n / 7) for n in range(7)]
    titles = [f"number {n}" for n in range(7)]
    figure = static.contact_sheet(pictures, titles, columns=3, captions=titles)
    shown = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in shown] == titles
    assert [axes.images[0].get_array().mean() for axes in shown] == pytest.approx(
        [n / 7 for n in range(7)]
    )
    assert len(static.strip(pictures).axes) == 7
    with pytest.raises(ValueError, match="7 pictures, but 2 titles"):
        static.strip(pictures, ["a", "b"])
    with pytest.raises(ValueError, match="no pictures"):
        static.contact_sheet([])


def test_tile_is_nearly_square_and_in_reading_order():
    pictures = [np.full((4, 5, 3), n / 10) for n in range(5)]
    sheet = static.tile(pictures)
    assert sheet.shape == (8, 15, 3)
    assert [sheet[0, 0, 0], sheet[0, 5, 0], sheet[4, 0, 0]] == pytest.approx([0, 0.1, 0.3])


# --- PNG ------------------------------------------------------------------------------------------


def same(a: Dream, b: Dream) -> bool:
    return torch.equal(a.pixels, b.pixels)


def test_a_picture_carries_all_that_made_it(finished, tmp_path):
    path = saving.save_png(finished, tmp_path / "new folder" / "heart.png")
    made = saving.read_settings(path)
    assert made["prompts"] == ["a red heart"] and made["seeds"] == [3]
    assert made["recipe"]["tv_weight"] == 0.2 and made["steps_done"] == 9
    assert set(made["versions"]) == {"dreamlab", "torch", "open_clip_torch", "python"}
    with Image.open(path) as image:
        assert image.text["Title"] == "a red heart" and image.tobytes() == finished.image.tobytes()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"start": "noise"},
        {"start": Image.fromarray(np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3))},
        {
            "negative_prompt": "a boat",
            "knobs": {"tv_kind": "l1", "octaves": (1.0,), "size": (24, 32)},
        },
        {"prompt": {"a heart": 2.0, "the sea": 1.0}},
        {"prompt": "ein “rotes” Herz ❤ / \\ ?"},
        {"prompt": ["a red heart", "a boat"], "seed": [5, 6]},
        {"seed": [5, 6], "start": "noise"},
    ],
    ids=["plain", "noise", "photo", "negative", "weights", "unicode", "batch", "seeds"],
)
def test_the_same_dream_again_from_its_file(make_dream, tmp_path, tiny_clip, arguments):
    dream = make_dream(**arguments)
    dream.run()
    again = saving.load_dream(saving.save_png(dream, tmp_path / "x.png"), tiny_clip)
    assert again.prompts == dream.prompts and again.recipe == dream.recipe
    assert not again.history
    again.run()
    assert same(again, dream)


def turned_on_the_way(make_dream, **arguments) -> Dream:
    """Seven steps; knobs are turned by code after the third, as in any loop."""
    dream = make_dream(**arguments)
    for step in dream:
        if step.step == 3:
            dream.recipe.tv_weight, dream.recipe.view_mix = 5.0, (1.0, 0.0, 0.0)
        if step.step == 5:
            dream.recipe = Recipe(**SMALL | {"steps": 12})
        if step.step == 7:
            break
    return dream


PHOTO = Image.fromarray(np.random.default_rng(2).integers(0, 256, (50, 41, 3), np.uint8))


@pytest.mark.parametrize("start", ["grey", "noise", PHOTO, torch.rand(3, 33, 35)])
def test_replay_turns_the_knobs_as_they_were_turned(make_dream, tmp_path, tiny_clip, start):
    dream = turned_on_the_way(make_dream, start=start)
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
    unturned = saving.load_dream(path, tiny_clip)
    for _ in range(7):
        next(unturned)
    assert not same(unturned, dream)


@pytest.mark.parametrize("start", ["grey", "noise", PHOTO])
@pytest.mark.parametrize(
    "turned",
    [{"size": (40, 24)}, {"octaves": (0.25, 0.5, 1.0)}, {"size": 64, "octaves": (1.0,)}],
    ids=str,
)
def test_the_canvas_may_be_turned_before_the_first_step(
    make_dream, tmp_path, tiny_clip, start, turned
):
    """The start was made for the canvas that there was: it is made for that one again."""
    for first in ({}, {"size": 16}):  # its smaller octave has a canvas that no recipe has
        dream = make_dream(start=start, knobs={"steps": 5, **first})
        for knob, value in turned.items():
            setattr(dream.recipe, knob, value)
        dream.run()
        path = saving.save_png(dream, tmp_path / "x.png")
        assert same(saving.replay(path, tiny_clip), dream)
        again = saving.load_dream(path, tiny_clip)
        assert again.recipe == dream.recipe
        again.run()
        assert same(again, dream)


def test_knobs_turned_before_a_state_was_saved_are_not_forgotten(make_dream, tmp_path, tiny_clip):
    resumed = make_dream()
    resumed.load_state_dict(turned_on_the_way(make_dream).state_dict())
    resumed.run()
    assert same(saving.replay(saving.save_png(resumed, tmp_path / "x.png"), tiny_clip), resumed)


def test_a_batch_is_saved_with_all_its_pictures(make_dream, tmp_path, tiny_clip):
    dream = make_dream(prompt=["a red heart", "a boat"], seed=[5, 6])
    next(dream)
    path = saving.save_png(dream, tmp_path / "x.png")
    assert path == tmp_path / "x.png" and len(list(tmp_path.iterdir())) == 2
    for index, name in enumerate(("x.png", "x-2.png")):
        with Image.open(tmp_path / name) as image:
            assert image.tobytes() == dream.images[index].tobytes()
            assert image.text["Title"] == dream.prompts[index]
        assert saving.checked_settings(tmp_path / name).index == index
        assert same(saving.replay(tmp_path / name, tiny_clip), dream)
    assert saving.save_png(dream, tmp_path / "one" / "x.png", index=1).parent.name == "one"
    assert len(list((tmp_path / "one").iterdir())) == 1


def test_each_file_of_a_batch_carries_only_its_own_start(make_dream, tmp_path, tiny_clip):
    starts = torch.rand(3, 3, 32, 32)
    starts[2] = 0.5
    dream = make_dream(prompt=["a red heart", "a boat", "a tree"], seed=[5, 6, 7], start=starts)
    next(dream)
    saving.save_png(dream, tmp_path / "x.png")
    for index, name in enumerate(("x.png", "x-2.png", "x-3.png")):
        made = saving.read_settings(tmp_path / name)
        assert made["prompts"] == [dream.prompts[index]] and made["seeds"] == [5 + index]
        assert made["start"] == "grey" if index == 2 else len(made["start"]) == 1
        alone = saving.replay(tmp_path / name, tiny_clip)
        assert torch.equal(alone.start[0], dream.start[index])
        assert torch.allclose(alone.pixels[0], dream.pixels[index], atol=1e-4)


@pytest.mark.parametrize(
    "prompt",
    [
        {"a heart": np.float32(2), "the sea": np.int64(1)},
        "\N{RIGHT-TO-LEFT OVERRIDE}x\n\t\0 \x1b[31m red",
        "e\N{COMBINING ACUTE ACCENT} \N{FAMILY} 👩‍👩‍👧 中文",
    ],
)
def test_odd_prompts_are_saved(make_dream, tmp_path, tiny_clip, prompt):
    dream = make_dream(prompt=prompt)
    next(dream)
    path = saving.save_png(dream, tmp_path / "x.png")
    with Image.open(path) as image:
        assert image.text["Title"].isprintable()
    assert saving.load_dream(path, tiny_clip).prompts == dream.prompts == [prompt]


def test_an_embedded_model_is_found_by_its_name(tmp_path):
    dream = Dream(load_clip("picturebook"), "a red heart", recipe=Recipe(**SMALL))
    path = saving.save_png(dream, tmp_path / "x.png")
    assert saving.load_dream(path).clip.name == "picturebook"


def test_what_pillow_would_refuse_to_read_is_not_written(make_dream, tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "LONGEST", 1000)
    dream = make_dream(start=torch.rand(3, 32, 32))
    with pytest.warns(UserWarning, match="too large to be saved with the dream") as warned:
        path = saving.save_png(dream, tmp_path / "x.png")
    assert warned[0].filename == __file__
    assert saving.read_settings(path)["start"] == "too large"
    with pytest.raises(ValueError, match=r"start picture of 'x.png' was too large"):
        saving.load_dream(path, dream.clip)


def test_files_that_are_not_ours_are_refused_in_words(finished, tmp_path):
    finished.image.save(tmp_path / "plain.png")
    finished.image.save(tmp_path / "plain.jpg")
    for name in ("plain.png", "plain.jpg"):
        with pytest.raises(ValueError, match=f"'{name}' carries no dreamlab settings"):
            saving.load_dream(tmp_path / name)
    with pytest.raises(ValueError, match=r"should end in \.png"):
        saving.save_png(finished, tmp_path / "x.jpg")


@pytest.mark.parametrize("suffix", [".png", ".gif", ".webp"])
def test_what_was_there_survives_a_full_disk(finished, tmp_path, monkeypatch, suffix):
    film = saving.Film()
    film.add(0, finished.image)
    path = tmp_path / f"x{suffix}"
    write = film.save if suffix != ".png" else partial(saving.save_png, finished)
    write(path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="could not be written"):
        write(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == [path.name]


# --- films ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_has_its_frames_at_one_size(make_dream, tmp_path, suffix):
    # Adam at .05 in few looks: a picture with no more grain than the lossy format can hold.
    film, dream = saving.Film(), make_dream(knobs={"optimizer": "adam", "learning_rate": 0.05})
    for step in dream:
        film.add(step.step, dream.image)
    path = film.save(tmp_path / f"run{suffix}", seconds=1)
    with Image.open(path) as image:
        assert image.size == (32, 32) and image.info["loop"] == 0
        # WebP shows frames that it cannot tell apart as one, for as long.
        assert image.n_frames == 9 if suffix == ".gif" else 3 <= image.n_frames <= 9
        image.seek(image.n_frames - 1)
        last = np.asarray(image.convert("RGB"), float)
    distance = np.abs(last - np.asarray(dream.image, float)).mean()
    assert distance < 12, "the last frame is the last picture, as well as the format can"
    with Image.open(film.save(tmp_path / f"large{suffix}", side=64)) as image:
        assert image.size == (64, 64)


def test_a_film_is_bounded_and_evenly_spaced():
    film, frame = saving.Film(limit=50), Image.new("RGB", (4, 4))
    for step in range(1, 5001):
        if film.wants(step):
            film.add(step, frame)
        assert len(film.frames) <= 50
    steps = sorted(film.frames)
    assert len(steps) > 25 and len(set(np.diff(steps))) == 1
    with pytest.raises(ValueError, match="film is empty"):
        saving.Film().save("x.gif")
    with pytest.raises(ValueError, match=r"\.gif or a \.webp"):
        film.save("x.mp4")
