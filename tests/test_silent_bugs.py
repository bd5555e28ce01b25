"""One small test for each silent bug found in other people's code.

None of them raises an error; all of them spoil pictures. Others have their tests where they belong:
`quickgelu` and normalisation in test_clip.py, seeding in test_dream.py, windows in test_views.py.
"""

import itertools

import pytest
import torch

import dreamlab.dream
from dreamlab import Dream, Recipe, clip_loss, total_variation

PROMPT = "a red striped heart in the sky"
QUICK = Recipe(size=36, steps=4, octaves=(0.5, 1.0), views=2)


def test_a_pixel_at_or_beyond_the_bounds_still_feels_its_gradient(tiny_clip):
    """A clamp inside the loss has no gradient outside [0, 1]: a black picture would stay black."""
    image = torch.full((1, 3, 36, 36), 1.5, requires_grad=True)
    clip_loss(tiny_clip.encode_image(image), tiny_clip.encode_text(PROMPT)).backward()
    assert image.grad.abs().mean() > 0
    for brightness in (0.0, 1.0):
        start = torch.full((3, 36, 36), brightness)
        dream = Dream(tiny_clip, PROMPT, start=start, recipe=QUICK)
        next(dream)
        moved = (dream.pixels != brightness).float().mean()
        assert 0.2 < moved < 0.8  # about half of the pixels want to go further out


def test_the_schedule_is_stepped(tiny_clip):
    """Not only in the record: the picture moves by the first rate at first, by none at last."""
    rates = {"optimizer": "adam", "learning_rate": 0.02, "final_learning_rate": 0.0}
    recipe = Recipe(size=36, steps=10, octaves=(1.0,), views=1, **rates)
    dream = Dream(tiny_clip, PROMPT, recipe=recipe)
    pictures = [dream.pixels] + [dream.pixels for _ in dream]
    moved = [(b - a).abs().max().item() for a, b in itertools.pairwise(pictures)]
    rates = [step.learning_rate for step in dream.history]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) == 10
    assert moved[0] == pytest.approx(0.02, rel=0.01) and moved[-1] == rates[-1] == 0


def test_the_last_step_ends_inside_the_range(tiny_clip):
    recipe = Recipe(size=36, steps=3, learning_rate=1.0, final_learning_rate=1.0, views=1)
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


def test_no_gradient_no_hook_and_no_tensor_stays_behind(tiny_clip, count_tensors):
    def left():
        hooks = sum(
            len(m._forward_hooks) + len(m._backward_hooks) for m in tiny_clip.model.modules()
        )
        return hooks, count_tensors()

    Dream(tiny_clip, PROMPT, recipe=QUICK).run()
    first = left()
    for _ in range(3):
        Dream(tiny_clip, PROMPT, recipe=QUICK).run()
    assert left() == first and first[0] == 0


def test_variation_is_measured_on_the_picture_not_on_its_noisy_views(tiny_clip):
    recipe = Recipe(size=36, steps=1, octaves=(1.0,), view_noise=1.0, tv_kind="squared")
    step = next(Dream(tiny_clip, PROMPT, start="grey", recipe=recipe))
    assert step.tv_loss == 0
    step = next(dream := Dream(tiny_clip, PROMPT, start="noise", recipe=recipe))
    noise = dreamlab.dream.starting_picture("noise", (36, 36), (36, 36), dream._generators(0))
    assert step.tv_loss == pytest.approx(total_variation(noise, "squared").item())
