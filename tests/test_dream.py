"""The dream: its promises about steps, seeds, batches, knobs, interrupts, memory and mishaps."""

import itertools
import sys
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from conftest import Operations, Wrapped
from PIL import Image

import dreamlab.dream
from dreamlab import Dream, Recipe, clip_loss, total_variation
from dreamlab.octaves import compose
from dreamlab.support.resample import resize

PROMPT = "a red striped heart in the sky"
SMALL = Recipe(size=40, steps=6, octaves=(0.5, 1.0), views=3)


def test_a_record_is_frozen_and_adds_up(tiny_clip):
    dream = Dream(tiny_clip, [PROMPT, "a castle"], start="noise", recipe=SMALL)
    step = next(dream)
    assert len(step.losses) == len(step.clip_losses) == len(step.tv_losses) == 2
    assert step.clip_loss == pytest.approx(sum(step.clip_losses) / 2)
    for loss, clip, tv in zip(step.losses, step.clip_losses, step.tv_losses, strict=True):
        assert loss == pytest.approx(clip + SMALL.tv_weight * tv)
        assert type(loss) is float and tv > 0
    with pytest.raises(FrozenInstanceError):
        step.step = 3


def test_the_sum_of_octaves(tiny_clip):
    """I₀ + Σ Δ_k is the picture, at every step and in every shape."""
    photo = torch.rand(3, 50, 70)
    recipe = Recipe(size=(36, 48), steps=9, octaves=(0.5, 0.75, 1.0), views=2)
    dream = Dream(tiny_clip, PROMPT, start=photo, recipe=recipe)
    for step in dream:
        assert len(dream.deltas) == step.octave + 1
        total = compose(dream.start, dream.deltas, step.size)
        assert torch.allclose(total, dream.pixels, atol=1e-5)
        assert dream.deltas[-1].abs().max() > 0
    assert [tuple(d.shape[-2:]) for d in dream.deltas] == [(18, 24), (27, 36), (36, 48)]
    assert dream.start.shape == (1, 3, 36, 48)


def test_weighted_prompts(tiny_clip):
    seen = []
    clip = Wrapped(tiny_clip, lambda x, encode: seen.append(encode(x)) or seen[0])
    step = next(Dream(clip, {PROMPT: 3, "a castle": 1}, recipe=SMALL))
    near, far = (
        clip_loss(seen[0], tiny_clip.encode_text(text)).item() for text in (PROMPT, "a castle")
    )
    assert step.clip_loss == pytest.approx((3 * near + far) / 4, abs=1e-5)


def test_one_seed_or_many_make_one_picture_or_a_list(tiny_clip):
    quick = replace(SMALL, steps=1)
    seeds = Dream(tiny_clip, PROMPT, seed=range(3), recipe=quick)
    assert len(seeds.run()) == 3 and not torch.equal(seeds.pixels[0], seeds.pixels[1])
    with pytest.raises(ValueError, match=r"\.images"):
        _ = seeds.image
    assert isinstance(Dream(tiny_clip, PROMPT, recipe=quick).run(), Image.Image)
    assert len(Dream(tiny_clip, [PROMPT], recipe=quick).run()) == 1


def test_a_batch_is_its_single_runs(tiny_clip):
    """Each with its own prompt, negative, seed and start; equal up to rounding at each step."""
    prompts, negatives, seeds = ["a castle", "a fish"], ["", "a boat"], [3, 4]
    starts = torch.rand(2, 3, 40, 40)
    batch = Dream(
        tiny_clip, prompts, negative_prompt=negatives, seed=seeds, start=starts, recipe=SMALL
    )
    singles = [
        Dream(tiny_clip, p, negative_prompt=n, seed=s, start=i, recipe=SMALL)
        for p, n, s, i in zip(prompts, negatives, seeds, starts, strict=True)
    ]
    for together, *alone in zip(batch, *singles, strict=True):
        for name in ("clip_losses", "tv_losses", "losses"):
            expected = [getattr(step, name)[0] for step in alone]
            assert getattr(together, name) == pytest.approx(expected, abs=1e-3)
    difference = batch.pixels - torch.cat([single.pixels for single in singles])
    assert difference.abs().mean() < 1e-3


def test_a_knob_set_between_two_steps_acts_in_the_next(tiny_clip):
    recipe = Recipe(size=32, steps=20, octaves=(1.0,), views=2)
    kept, changed = (Dream(tiny_clip, PROMPT, start="noise", recipe=recipe) for _ in range(2))
    for _ in range(5):
        next(kept), next(changed)
    assert torch.equal(kept.pixels, changed.pixels)
    changed.recipe.tv_weight = 30.0
    assert kept.recipe.tv_weight == recipe.tv_weight == 3.0, "recipes are copies"
    with pytest.raises(ValueError, match="views must be"):
        changed.recipe.views = 0
    with pytest.raises(TypeError, match="must be a Recipe"):
        changed.recipe = {"views": 3}
    kept.run(), changed.run()
    kept_tv, changed_tv = (total_variation(d.pixels) for d in (kept, changed))
    assert changed_tv < 0.5 * kept_tv


def test_a_gradient_step_has_one_length_for_the_whole_picture(tiny_clip):
    knobs = {"size": 32, "octaves": (1.0,), "optimizer": "gradient", "clamp": False}
    dream = Dream(tiny_clip, "a star", seed=[0, 1], recipe=Recipe(**knobs, learning_rate=0.03))
    before = dream.pixels.clone()
    next(dream)
    lengths = (dream.pixels - before).square().mean((1, 2, 3)).sqrt()
    assert torch.allclose(lengths, torch.full((2,), 0.03))


def test_even_canvas_and_length_may_change(tiny_clip):
    dream = Dream(tiny_clip, PROMPT, recipe=replace(SMALL, octaves=(1.0,)))
    next(dream)
    dream.recipe.size, dream.recipe.views = (30, 44), 5
    assert next(dream).size == (30, 44) and len(dream.deltas) == 2
    dream.recipe.steps = 3
    next(dream)
    assert dream.done
    dream.recipe.steps = 4
    assert not dream.done and next(dream).step == 4


def test_same_seed_same_picture_whatever_ran_before(tiny_clip):
    def dreamt(seed):
        dream = Dream(tiny_clip, PROMPT, start="noise", seed=seed, recipe=SMALL)
        begun = dream.pixels
        dream.run()
        return begun, dream.pixels

    torch.manual_seed(1)
    first, other = dreamt(5), dreamt(6)
    torch.manual_seed(2)
    np.random.seed(2)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert all(map(torch.equal, dreamt(5), first))
    assert not any(torch.allclose(*pair, atol=0.05) for pair in zip(other, first, strict=True))
    assert torch.equal(torch.get_rng_state(), before[0]), "global generators are left alone"
    assert (np.random.get_state()[1] == before[1]).all()


def interrupt_after(lines):
    """A tracer that raises KeyboardInterrupt before the given line of dream.py is run."""
    count = itertools.count()

    def trace(frame, event, _):
        if frame.f_code.co_filename != dreamlab.dream.__file__:
            return None
        if event == "line" and next(count) == lines:
            raise KeyboardInterrupt
        return trace

    return trace


def test_an_interrupt_at_any_line_loses_nothing(tiny_clip):
    """Interrupt a run before its 1st, 16th, 31st … line, look, go on: the same picture results."""
    recipe = Recipe(size=24, steps=2, octaves=(0.5, 1.0), views=1)
    undisturbed = Dream(tiny_clip, PROMPT, recipe=recipe)
    pictures = [undisturbed.pixels] + [undisturbed.pixels for _ in undisturbed]
    interrupts = 0
    for lines in itertools.count(0, 15):
        dream = Dream(tiny_clip, PROMPT, recipe=recipe)
        previous = sys.gettrace()
        try:
            sys.settrace(interrupt_after(lines))
            dream.run()
            break  # the run has fewer lines than that
        except KeyboardInterrupt:
            interrupts += 1
        finally:
            sys.settrace(previous)
        assert [s.step for s in dream.history] == list(range(1, len(dream.history) + 1))
        assert torch.equal(dream.pixels, pictures[len(dream.history)])
        dream.run()
        assert torch.equal(dream.pixels, undisturbed.pixels)
    assert interrupts > 8


@pytest.mark.parametrize("at", [2, 4])
def test_a_saved_dream_resumes_to_the_same_picture(tiny_clip, tmp_path, at):
    def make():
        prompts = [PROMPT, {"a castle": 1, "a fish": 2}]
        what = {"negative_prompt": "a boat", "start": "noise", "seed": [1, 2]}
        return Dream(tiny_clip, prompts, recipe=SMALL, **what)

    whole, begun, resumed = make(), make(), make()
    whole.run()
    for _ in range(at):
        next(begun).loss  # noqa: B018 (a record that was read is saved as well)
    begun.save_state(tmp_path / "dream.pt")
    next(resumed)  # anything may have happened in it
    resumed.load_state(tmp_path / "dream.pt")
    assert len(resumed.history) == at
    resumed.run()
    assert torch.equal(resumed.pixels, whole.pixels)
    assert [s.losses for s in resumed.history] == [s.losses for s in whole.history]
    assert all(map(torch.equal, resumed.deltas, whole.deltas))


def breaking_clip(clip, at):
    """From its `at`-th call (from 1) on, while `breaks` is set, everything it returns is NaN."""
    calls = itertools.count(1)

    def around(images, encode):
        factor = torch.nan if next(calls) >= at and broken.breaks else 1
        return encode(images) * factor

    broken = Wrapped(clip, around)
    broken.breaks = True
    return broken


@pytest.mark.parametrize(("at", "check_every"), [(1, 1), (4, 1), (4, 100)])
def test_nan_stops_with_the_last_good_picture(tiny_clip, monkeypatch, at, check_every):
    """On a GPU (check_every=100) it is noticed later, and the picture is no worse for it."""
    monkeypatch.setattr(dreamlab.dream, "CHECK_EVERY", {"cpu": check_every})
    good = Dream(tiny_clip, PROMPT, recipe=SMALL)
    pictures = [good.pixels] + [good.pixels for _ in good]
    clip = breaking_clip(tiny_clip, at)
    dream = Dream(clip, PROMPT, recipe=SMALL)
    with pytest.raises(FloatingPointError, match=f"step {at} of 6"):
        dream.run()
    # The first step of an octave fails on the larger canvas.
    kept = resize(pictures[at - 1], (40, 40)) if at == 4 else pictures[at - 1]
    assert torch.allclose(dream.pixels, kept, atol=1e-5) and len(dream.history) == at - 1
    clip.breaks = False
    dream.run()
    assert torch.equal(dream.pixels, pictures[-1]), "it goes on from there as if nothing happened"


def out_of_memory_above(clip, limit, error):
    sizes = []

    def around(images, encode):
        sizes.append(len(images))
        if len(images) > limit:
            raise error
        return encode(images)

    small = Wrapped(clip, around)
    small.sizes = sizes
    return small


def test_out_of_memory_makes_smaller_groups(tiny_clip):
    recipe = replace(SMALL, views=7)
    roomy = Dream(tiny_clip, [PROMPT, "a castle"], recipe=recipe)
    roomy.run()
    clip = out_of_memory_above(tiny_clip, 3, torch.cuda.OutOfMemoryError("the GPU is full"))
    tight = Dream(clip, [PROMPT, "a castle"], recipe=recipe)
    with pytest.warns(UserWarning, match="14 views at once do not fit") as caught:
        tight.run()
    assert len(caught) == 1, "it says so once"
    assert clip.sizes[:3] == [14, 7, 4], "and learns from it"
    assert set(clip.sizes[3:]) == {2} and len(clip.sizes) == 3 + 6 * 7
    assert (tight.pixels - roomy.pixels).abs().mean() < 1e-3


@pytest.mark.parametrize(
    ("error", "sizes"),
    [
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), [3, 2, 1]),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), [3, 2, 1]),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), [3, 2, 1]),
        (MemoryError(), [3, 2, 1]),
        (RuntimeError("shapes cannot be multiplied"), [3]),  # which is another error
    ],
    ids=["mps", "cpu", "cuda", "python", "other"],
)
@pytest.mark.filterwarnings("ignore:.*do not fit")
def test_when_not_even_one_view_fits(tiny_clip, error, sizes):
    clip = out_of_memory_above(tiny_clip, 0, error)
    dream = Dream(clip, PROMPT, recipe=SMALL)
    with pytest.raises(type(error)) as caught:
        next(dream)
    assert caught.value is error and clip.sizes == sizes and dream.history == []


def test_no_step_waits_for_the_device(tiny_clip, monkeypatch):
    monkeypatch.setattr(dreamlab.dream, "CHECK_EVERY", {})  # as on a GPU
    recipe = Recipe(size=32, steps=20, octaves=(0.5, 1.0), views=2, keep_start=1.0)
    dream = Dream(tiny_clip, [PROMPT, "a castle"], negative_prompt="a", recipe=recipe)
    waiting = {torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default}
    waits = {}
    for number in range(1, 21):
        with Operations() as operations:
            next(dream)
        waits[number] = sum(function in waiting for function in operations.done)
    # A look at the health of the run every 16 steps, before the canvas grows, and at the end.
    assert {number: count for number, count in waits.items() if count} == {11: 1, 16: 1, 20: 1}


def test_what_no_memory_has_room_for_is_refused_before_it_is_begun(tiny_clip, monkeypatch):
    with pytest.raises(ValueError, match=r"2000 at once.* GB of memory"):
        Dream(tiny_clip, PROMPT, recipe=Recipe(size=8192), seed=list(range(2000)))
    dream = Dream(tiny_clip, PROMPT, recipe=SMALL)
    monkeypatch.setattr("dreamlab.support.memory.total_memory", lambda device: 1e6)
    next(dream)
    dream.recipe.views = 4096
    with pytest.raises(ValueError, match=r"4096 views"):
        next(dream)
    assert len(dream.history) == 1
