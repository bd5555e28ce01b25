"""Targets other than sentences, several CLIPs at once, prompts that change on the way."""

import asyncio
import json

import numpy as np
import pytest
import torch
from PIL import Image

from dreamlab import Dream, Judge, Panel, Recipe, load_clip, load_dream, save_png, sweep
from dreamlab.figures.saving import replay
from dreamlab.prompts import EmbeddingPrompt, ImagePrompt

FAST = Recipe(size=32, steps=4, views=2, octaves=(1.0,))


@pytest.fixture(scope="module")
def clip():
    return load_clip("picturebook")


@pytest.fixture(scope="module")
def plain():
    return load_clip("picturebook-plain")


def photo(seed=0, side=40):
    values = np.random.default_rng(seed).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)
    return Image.fromarray(values)


def prompts(clip):
    row = clip.encode_text("a blue star on the sea")
    return {
        "picture": photo(),
        "path": photo(),  # saved below
        "array": np.asarray(photo()),
        "tensor": torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0)),
        "row": row,
        "mixture": {"a red heart": 1, ImagePrompt(photo()): 0.5, EmbeddingPrompt(row): 2},
        "schedule": [(0, "a red heart"), (2, photo()), (3, {"a castle": 1, "a moon": 1})],
    }


@pytest.mark.parametrize(
    "kind", ["picture", "path", "array", "tensor", "row", "mixture", "schedule"]
)
def test_a_target_of_any_kind_is_saved_and_dreamt_again_bit_for_bit(clip, kind, tmp_path):
    prompt = prompts(clip)[kind]
    if kind == "path":
        prompt.save(tmp_path / "photo.png")
        prompt = tmp_path / "photo.png"
    negative = photo(1) if kind == "row" else ""
    dream = Dream(clip, prompt, negative_prompt=negative, recipe=FAST)
    dream.run()
    saved = save_png(dream, tmp_path / "dream.png")
    assert torch.equal(replay(saved).pixels, dream.pixels)
    again = load_dream(saved)
    again.load_state(dream.save_state(tmp_path / "dream.pt"))
    assert torch.equal(again.pixels, dream.pixels)


def test_a_picture_as_a_target_draws_the_dream_towards_it(clip):
    target = ImagePrompt(photo())
    row = clip.encode_image(target.pixels[None].float() / 255)
    dream = Dream(clip, photo(), recipe=Recipe(size=32, steps=12, views=2, octaves=(1.0,)))
    before = float((clip.encode_image(dream.pixels) * row).sum())
    dream.run()
    after = float((clip.encode_image(dream.pixels) * row).sum())
    assert 1 - after < (1 - before) / 2


def test_a_schedule_blends_and_is_constant_outside(clip):
    words = ["a red heart", "a castle"]
    dream = Dream(clip, [[(2, words[0]), (6, words[1])]], recipe=FAST)
    first, second = clip.encode_text(words[0])[0], clip.encode_text(words[1])[0]
    rows = dream._critics[0].attractors
    for step, row in ((0, first), (2, first), (4, (first + second) / 2), (6, second), (9, second)):
        assert torch.allclose(rows.at(step)[0], row, atol=1e-6)


def test_prompts_set_on_the_way_act_from_the_next_step_and_are_saved(clip, tmp_path):
    dream, same = (Dream(clip, "a red heart", recipe=FAST) for _ in range(2))
    next(dream)
    dream.prompts = "a blue star"
    dream.negative_prompts = photo()
    dream.run(), same.run()
    assert not torch.equal(dream.pixels, same.pixels)
    changes = [(step, name) for step, name, _ in dream.prompt_changes]
    assert changes == [(1, "prompts"), (1, "negative_prompts")]
    saved = save_png(dream, tmp_path / "dream.png")
    assert torch.equal(replay(saved).pixels, dream.pixels)
    fresh = Dream(clip, "a red heart", recipe=FAST)
    fresh.load_state_dict(dream.state_dict())
    assert fresh.prompts == ["a blue star"]
    assert fresh.prompt_changes == dream.prompt_changes


def test_several_clips_share_a_dream(clip, plain, tmp_path):
    """Each at its own size; one alone is one alone, and the sum is saved and made again."""
    alone = Dream(clip, "a red heart", recipe=FAST)
    listed = Dream([clip], "a red heart", recipe=FAST)
    both = Dream({clip: 2, plain: 1}, "a red heart", recipe=FAST)
    for dream in (alone, listed, both):
        dream.run()
    assert torch.equal(alone.pixels, listed.pixels)
    assert not torch.equal(alone.pixels, both.pixels)
    assert torch.equal(replay(save_png(both, tmp_path / "dream.png")).pixels, both.pixels)


class OwnClip:
    """All that `Dream` needs of a CLIP that is not ours."""

    def __init__(self, clip, steep=1):
        self.clip, self.image_size, self.steep = clip, clip.image_size, steep

    def encode_image(self, images):
        return self.steep * self.clip.encode_image(images)

    def encode_text(self, prompts):
        return self.clip.encode_text(prompts)


def test_an_own_class_dreams_as_the_clip_in_it(clip):
    own, same = (Dream(c, "a red heart", recipe=FAST) for c in (OwnClip(clip), clip))
    assert own.run() == same.run()


def test_a_panel_of_own_classes_saves_what_is_dreamt_again(clip, tmp_path):
    twins = [OwnClip(clip), OwnClip(clip)]  # of one name
    panel = Panel(Dream(twins, "a red heart", recipe=FAST), folder=tmp_path)
    asyncio.run(panel.run())
    assert panel.dream.clip_name == "OwnClip + OwnClip"
    assert torch.equal(replay(*panel.save(), twins).pixels, panel.dream.pixels)
    panel.close()


def test_the_gradients_of_several_clips_weigh_as_they_are_told(clip, plain):
    """A CLIP whose rows are a hundred times as steep weighs no more: only its direction counts."""
    recipe = Recipe(size=32, steps=1, views=2, octaves=(1.0,), tv_weight=0.0)
    one, other = (
        Dream([clip, OwnClip(plain, steep)], "a red heart", recipe=recipe) for steep in (1, 100)
    )
    next(one), next(other)
    assert torch.allclose(one.pixels, other.pixels, atol=1e-5)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (torch.zeros(8), "not all 0"),
        (torch.ones(8), "another CLIP"),
        (torch.full((3, 4, 4), torch.nan), "NaN"),
        (torch.rand(2, 3, 8, 8), "batch of 2"),
        ([(0, "a heart"), (0, "a star")], "rise"),
        ([(-1, "a heart")], "from 0"),
        ([(0, "a heart"), (3, 7)], "sentence"),
    ],
)
def test_unusable_targets_are_refused(clip, prompt, words):
    with pytest.raises(ValueError, match=words):
        Dream(clip, prompt, recipe=FAST)


@pytest.mark.parametrize(
    ("clips", "error", "words"),
    [
        ([], ValueError, "above 0"),
        ({"a": 1}, TypeError, "load_clip"),
        (lambda clip: {clip: 0}, ValueError, "above 0"),
        (lambda clip: [clip, load_clip("picturebook-judge")], ValueError, "judge"),
    ],
)
def test_unusable_clips_are_refused(clip, clips, error, words):
    with pytest.raises(error, match=words):
        Dream(clips(clip) if callable(clips) else clips, "a red heart", recipe=FAST)


def test_the_judge_reads_a_picture_as_a_prompt_itself(clip):
    judge = Judge()
    image = ImagePrompt(photo())
    own = judge.score([photo()], [image])
    assert own > 0.9
    mixed = judge.score([photo()], {image: 1, "a red heart": 1})
    apart = judge.score([photo(), photo()], [image, "a red heart"]).mean()
    assert torch.allclose(mixed, apart, atol=1e-5)


def test_a_sweep_takes_every_kind_of_target_and_goes_on_from_its_folder(tmp_path):
    prompts = ["a red heart", photo(), {ImagePrompt(photo()): 1, "a star": 2}]
    arguments = {"recipes": FAST, "negative_prompt": photo(1), "folder": tmp_path}
    first = sweep(prompts, **arguments)
    assert not first.failures
    assert len({row["prompt"] for row in first.rows}) == 3
    (tmp_path / "dream-002.png").unlink()
    again = sweep(prompts, **arguments)
    for one, other in zip(first.images, again.images, strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(ValueError, match="other arguments"):
        sweep([photo(2), *prompts[1:]], **arguments)


def test_what_stands_alone_in_a_sweep_is_one_prompt_and_one_distractor(tmp_path):
    """A sentence is no list of letters, and an array no list of its rows."""
    result = sweep(np.asarray(photo()), FAST, distractors="a cat", folder=tmp_path)
    assert len(result.rows) == 1 and not result.failures
    assert json.loads((tmp_path / "sweep.json").read_text("utf-8"))["distractors"] == ["a cat"]
