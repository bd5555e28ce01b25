"""One small test for each silent bug found in other people's code.

None of them raises an error; all of them spoil pictures. The one that is missing here, OpenAI
weights under a model name without "-quickgelu", is in test_clip.py.
"""

import itertools
import os

import pytest
import torch

import dreamlab.dream
from dreamlab import Dream, Recipe, clip_loss, masked_total_variation, total_variation
from dreamlab.views import SCALES, draw_windows, look

PROMPT = "a red striped heart in the sky"
QUICK = Recipe(size=36, steps=4, octaves=(0.5, 1.0), views=2)


def test_a_clamped_pixel_still_feels_its_gradient(tiny_clip):
    """A clamp inside the loss has no gradient outside [0, 1]: a black picture would stay black."""
    for brightness in (0.0, 1.0):
        start = torch.full((3, 36, 36), brightness)
        dream = Dream(tiny_clip, PROMPT, start=start, recipe=QUICK)
        next(dream)
        moved = (dream.pixels != brightness).float().mean()
        assert 0.2 < moved < 0.8  # about half of the pixels want to go further out


def test_a_pixel_outside_the_range_still_feels_its_gradient(tiny_clip):
    image = torch.full((1, 3, 36, 36), 1.5, requires_grad=True)
    loss = clip_loss(tiny_clip.encode_image(image), tiny_clip.encode_text(PROMPT))
    (gradient,) = torch.autograd.grad(loss, image)
    assert gradient.abs().mean() > 0


@pytest.mark.parametrize("kind", ["masked", "squared", "isotropic", "l1"])
def test_variation_smooths_and_does_not_roughen(tiny_clip, kind):
    recipe = Recipe(size=36, steps=10, octaves=(1.0,), views=1, tv_weight=100.0, tv_kind=kind)
    dream = Dream(tiny_clip, PROMPT, start="noise", recipe=recipe)
    before = total_variation(dream.pixels)
    dream.run()
    assert total_variation(dream.pixels) < 0.7 * before


def test_variation_does_not_leak_from_one_image_or_channel_to_the_next():
    images = torch.zeros(2, 3, 8, 8)
    images[1] = 1
    images[:, 1] += 1
    mask = torch.ones(2, 1, 8, 8)
    for kind in ("l1", "isotropic", "squared"):
        assert total_variation(images, kind).item() == pytest.approx(0, abs=1e-12)
    assert masked_total_variation(images, mask) == 0


def test_the_start_is_drawn_after_seeding(tiny_clip):
    def start(seed, ambient):
        torch.manual_seed(ambient)
        return Dream(tiny_clip, PROMPT, start="noise", seed=seed, recipe=QUICK).pixels

    assert torch.equal(start(0, ambient=1), start(0, ambient=2))
    assert not torch.equal(start(0, ambient=1), start(1, ambient=1))


def test_cutouts_cut():
    """Seen through local windows, the four quarters of a canvas are seen one at a time."""
    canvas = torch.zeros(1, 3, 80, 80)
    canvas[..., :40] += 1
    canvas[..., :40, :] += 2
    windows = draw_windows((80, 80), 16, (0, 0, 1), [torch.Generator().manual_seed(0)])
    seen = look(canvas, windows, 20)[0].mean((1, 2, 3))
    assert seen.std() > 0.5 and seen.min() < 0.5 and seen.max() > 2.5


@pytest.mark.parametrize("mix", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_crops_have_the_stated_sizes(mix):
    low, high = SCALES[("global", "middle", "local")[mix.index(1)]]
    generator = [torch.Generator().manual_seed(0)]
    sides = torch.cat([draw_windows((90, 60), 7, mix, generator)[0, :, 2] for _ in range(50)]) / 60
    assert low - 1e-6 <= sides.min() <= low + 0.02
    assert high - 0.02 <= sides.max() <= high + 1e-6


def test_the_model_sees_normalised_images(tiny_clip):
    seen = []
    hook = tiny_clip.model.visual.conv1.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    try:
        recipe = Recipe.raw(size=tiny_clip.image_size, steps=1)
        next(Dream(tiny_clip, PROMPT, recipe=recipe))
    finally:
        hook.remove()
    config = tiny_clip.model.visual.preprocess_cfg
    mean, std = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    assert torch.allclose(seen[0], ((0.5 - mean) / std).expand_as(seen[0]), atol=1e-5)
    assert seen[0].std() > 0.01


def test_the_schedule_is_stepped(tiny_clip):
    """Not only in the record: the picture moves by the first rate at first, by none at last."""
    recipe = Recipe(
        size=36,
        steps=10,
        octaves=(1.0,),
        optimizer="adam",
        learning_rate=0.02,
        final_learning_rate=0.0,
        views=1,
    )
    dream = Dream(tiny_clip, PROMPT, recipe=recipe)
    pictures = [dream.pixels] + [dream.pixels for _ in dream]
    moved = [(b - a).abs().max().item() for a, b in itertools.pairwise(pictures)]
    rates = [step.learning_rate for step in dream.history]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) == 10
    assert moved[0] == pytest.approx(0.02, rel=0.01)
    assert moved[-1] == rates[-1] == 0
    assert all(m <= 5 * rate for m, rate in zip(moved, rates, strict=True))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_last_step_ends_inside_the_range(tiny_clip, steps):
    recipe = Recipe(size=36, steps=steps, learning_rate=1.0, final_learning_rate=1.0, views=1)
    for _ in (dream := Dream(tiny_clip, PROMPT, start="noise", recipe=recipe)):
        assert dream.pixels.min() >= 0 and dream.pixels.max() <= 1


def test_the_image_is_encoded_once_a_step_and_the_text_once(tiny_clip, monkeypatch):
    images, texts = [], []
    encode_image, encode_text = tiny_clip.encode_image, tiny_clip.encode_text
    monkeypatch.setattr(tiny_clip, "encode_image", lambda x: images.append(x) or encode_image(x))
    monkeypatch.setattr(tiny_clip, "encode_text", lambda x: texts.append(x) or encode_text(x))
    dream = Dream(tiny_clip, PROMPT, negative_prompt="a castle", recipe=QUICK)
    for _ in dream:
        dream.history, dream.image, dream.deltas  # noqa: B018 (looking costs nothing)
    assert [len(batch) for batch in images] == [QUICK.views] * QUICK.steps
    assert texts == [PROMPT, "a castle"]


def test_no_parameter_gets_a_gradient(tiny_clip):
    Dream(tiny_clip, PROMPT, recipe=QUICK).run()
    parameters = list(tiny_clip.model.parameters())
    assert parameters and not any(p.requires_grad for p in parameters)
    assert all(p.grad is None for p in parameters)
    assert not tiny_clip.model.training


def test_no_hook_and_no_tensor_stays_behind(tiny_clip, count_tensors):
    def left():
        hooks = sum(
            len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
            for m in tiny_clip.model.modules()
        )
        return hooks, count_tensors()

    def run():
        Dream(tiny_clip, PROMPT, recipe=QUICK).run()

    run()
    first = left()
    for _ in range(9):
        run()
    assert left() == first and first[0] == 0


def test_a_prompt_is_not_a_file_name(tiny_clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Dream(tiny_clip, "../a/heart: what? *\0 C:\\ " + 10 * "long ", recipe=QUICK).run()
    assert os.listdir(tmp_path) == []


def test_variation_is_measured_on_the_picture_not_on_its_noisy_views(tiny_clip):
    recipe = Recipe(size=36, steps=1, octaves=(1.0,), view_noise=1.0, tv_kind="squared")
    step = next(Dream(tiny_clip, PROMPT, start="grey", recipe=recipe))
    assert step.tv_loss == 0
    step = next(dream := Dream(tiny_clip, PROMPT, start="noise", recipe=recipe))
    noise = dreamlab.dream.starting_picture("noise", (36, 36), (36, 36), dream._generators(0))
    assert step.tv_loss == pytest.approx(total_variation(noise, "squared").item())
