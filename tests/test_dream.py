"""The dream: its promises about steps, seeds, batches, knobs, interrupts, memory and mishaps."""

import itertools
import sys
import warnings
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

import dreamlab.dream
from dreamlab import Dream, Recipe, clip_loss, total_variation
from dreamlab.octaves import compose
from dreamlab.resample import resize

PROMPT = "a red striped heart in the sky"
SMALL = Recipe(size=40, steps=6, octaves=(0.5, 1.0), views=3)


class Wrapped:
    """A Clip whose `encode_image` goes through `around(images, encode)`."""

    def __init__(self, clip, around):
        self.clip, self.around = clip, around

    def __getattr__(self, name):
        return getattr(self.clip, name)

    def encode_image(self, images):
        return self.around(images, self.clip.encode_image)


# The loop -----------------------------------------------------------------------------------------


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


# Prompts ------------------------------------------------------------------------------------------


def test_weighted_prompts(tiny_clip):
    seen = []
    clip = Wrapped(tiny_clip, lambda x, encode: seen.append(encode(x)) or seen[0])
    step = next(Dream(clip, {PROMPT: 3, "a castle": 1}, recipe=SMALL))
    near, far = (
        clip_loss(seen[0], tiny_clip.encode_text(text)).item() for text in (PROMPT, "a castle")
    )
    assert step.clip_loss == pytest.approx((3 * near + far) / 4, abs=1e-5)


# Batches ------------------------------------------------------------------------------------------


def test_a_batch_is_its_single_runs(tiny_clip):
    """Prompts, negatives, seeds and starts of their own; equal up to rounding at each step.

    Each image's randomness is the same bit for bit. The encoder's matrix products may round
    differently for another batch size, and Adam can blow that up in a pixel without a gradient.
    """
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


def test_shapes_of_a_batch(tiny_clip):
    quick = replace(SMALL, steps=1)
    seeds = Dream(tiny_clip, PROMPT, seed=range(3), recipe=quick)
    images = seeds.run()
    assert isinstance(images, list) and len(images) == len(seeds.images) == 3
    assert not torch.equal(seeds.pixels[0], seeds.pixels[1])
    assert seeds.prompts == [PROMPT] * 3 and seeds.seeds == [0, 1, 2]
    with pytest.raises(ValueError, match=r"holds 3 pictures: use \.images"):
        _ = seeds.image
    assert isinstance(Dream(tiny_clip, PROMPT, recipe=quick).run(), Image.Image)
    assert len(Dream(tiny_clip, [PROMPT], recipe=quick).run()) == 1


# Knobs between steps ------------------------------------------------------------------------------


def test_a_knob_set_between_two_steps_acts_in_the_next(tiny_clip):
    recipe = Recipe(size=32, steps=20, octaves=(1.0,), views=2)
    kept, changed = (Dream(tiny_clip, PROMPT, start="noise", recipe=recipe) for _ in range(2))
    for _ in range(5):
        next(kept), next(changed)
    assert torch.equal(kept.pixels, changed.pixels)
    changed.recipe.tv_weight = 5.0
    assert kept.recipe.tv_weight != 5.0 and recipe.tv_weight != 5.0, "recipes are copies"
    with pytest.raises(ValueError, match="views must be"):
        changed.recipe.views = 0
    with pytest.raises(TypeError, match="must be a Recipe"):
        changed.recipe = {"views": 3}
    kept.run(), changed.run()
    kept_tv, changed_tv = (total_variation(d.pixels) for d in (kept, changed))
    assert changed_tv < 0.5 * kept_tv


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
    dream.recipe.steps = 1
    assert dream.done and len(dream.history) == 4


def test_the_mix_may_change_over_the_run(tiny_clip, monkeypatch):
    seen, draw = [], dreamlab.dream.draw_windows

    def spy(*arguments):
        seen.append(draw(*arguments))
        return seen[-1]

    monkeypatch.setattr(dreamlab.dream, "draw_windows", spy)
    mix = {"view_mix": (1, 0, 0), "final_view_mix": (0, 0, 1)}
    Dream(tiny_clip, PROMPT, recipe=Recipe(size=40, steps=3, octaves=(1.0,), views=4, **mix)).run()
    assert [int((windows[..., 2] == 40).sum()) for windows in seen] == [4, 2, 0]


# Determinism --------------------------------------------------------------------------------------


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


# Interrupts, saving -------------------------------------------------------------------------------


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
    """Interrupt a run before its 1st, 12th, 23rd … line, look, go on: the same picture results."""
    recipe = Recipe(size=24, steps=2, octaves=(0.5, 1.0), views=1)
    undisturbed = Dream(tiny_clip, PROMPT, recipe=recipe)
    pictures = [undisturbed.pixels] + [undisturbed.pixels for _ in undisturbed]
    interrupts = 0
    for lines in itertools.count(0, 11):
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
        assert [s.losses for s in dream.history] == [s.losses for s in undisturbed.history]
    assert interrupts > 12


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
    begun.recipe.final_learning_rate = SMALL.final_learning_rate  # travels with the state
    torch.save(begun.state_dict(), tmp_path / "dream.pt")
    begun.run()
    next(resumed)  # anything may have happened in it
    resumed.load_state_dict(torch.load(tmp_path / "dream.pt", weights_only=True))
    assert len(resumed.history) == at
    resumed.run()
    assert torch.equal(resumed.pixels, whole.pixels) and torch.equal(begun.pixels, whole.pixels)
    assert [s.losses for s in resumed.history] == [s.losses for s in whole.history]
    assert all(map(torch.equal, resumed.deltas, whole.deltas))
    assert resumed.recipe == whole.recipe


def test_a_state_of_another_dream_is_refused(tiny_clip):
    saved = Dream(tiny_clip, PROMPT, recipe=SMALL).state_dict()
    for change in ({"prompt": "a castle"}, {"seed": 1}, {"negative_prompt": "a"}):
        other = Dream(tiny_clip, **{"prompt": PROMPT, "recipe": SMALL} | change)
        next(other)
        pixels = other.pixels
        with pytest.raises(ValueError, match="belongs to a dream with"):
            other.load_state_dict(saved)
        assert torch.equal(other.pixels, pixels) and len(other.history) == 1


# Mishaps ------------------------------------------------------------------------------------------


def breaking_clip(clip, at):
    """From its `at`-th call (from 1) on, while `breaks` is set, everything it says is NaN."""
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
    with pytest.raises(FloatingPointError) as error:
        dream.run()
    assert f"step {at} of 6 gave NaN or infinity" in str(error.value)
    # The first step of an octave fails on the larger canvas.
    kept = resize(pictures[at - 1], (40, 40)) if at == 4 else pictures[at - 1]
    assert torch.allclose(dream.pixels, kept, atol=1e-5)
    assert len(dream.history) == at - 1 and dream.image
    clip.breaks = False
    dream.run()
    assert torch.equal(dream.pixels, pictures[-1]), "it goes on from there as if nothing happened"


def test_pixels_that_run_away_are_noticed(tiny_clip):
    recipe = Recipe.raw(size=32, steps=50, tv_weight=1000.0, tv_kind="squared", learning_rate=1.0)
    clip = Wrapped(tiny_clip, lambda images, encode: encode(images) * images.max() * 1e38)
    dream = Dream(clip, PROMPT, start="noise", recipe=recipe)
    with pytest.raises(FloatingPointError, match="clamp=False"):
        dream.run()
    assert dream.pixels.isfinite().all()
    assert all(np.isfinite(step.loss) for step in dream.history)


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
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in tight:
            pass
    assert len(caught) == 1, "it says so once"
    assert "14 views at once do not fit into memory" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert clip.sizes[:3] == [14, 7, 4], "and learns from it"
    assert set(clip.sizes[3:]) == {2} and len(clip.sizes) == 3 + 6 * 7
    assert (tight.pixels - roomy.pixels).abs().mean() < 1e-3
    losses, same = ([s.clip_loss for s in d.history] for d in (tight, roomy))
    assert losses == pytest.approx(same, abs=1e-3)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"),
        MemoryError(),
    ],
    ids=["mps", "cpu", "cuda", "python"],
)
def test_when_not_even_one_view_fits(tiny_clip, error):
    clip = out_of_memory_above(tiny_clip, 0, error)
    dream = Dream(clip, PROMPT, recipe=SMALL)
    with pytest.warns(UserWarning, match="do not fit"), pytest.raises(type(error)) as caught:
        next(dream)
    assert caught.value is error and clip.sizes == [3, 2, 1] and dream.history == []


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


def test_other_errors_are_not_taken_for_it(tiny_clip):
    clip = out_of_memory_above(tiny_clip, 0, RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        next(Dream(clip, PROMPT, recipe=SMALL))
    assert clip.sizes == [3]


class CountSyncs(TorchDispatchMode):
    """Counts how often the host asks the device for a number."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            self.count += 1
        return function(*args, **(kwargs or {}))


def test_no_step_waits_for_the_device(tiny_clip, monkeypatch):
    monkeypatch.setattr(dreamlab.dream, "CHECK_EVERY", {})  # as on a GPU
    recipe = Recipe(size=32, steps=20, octaves=(0.5, 1.0), views=2, keep_start=1.0)
    dream = Dream(tiny_clip, [PROMPT, "a castle"], negative_prompt="a", recipe=recipe)
    waits = {}
    assert not dream.done and dream.history == [] and "step 0 of 20" in repr(dream)
    for number in range(1, 21):
        with CountSyncs() as syncs:
            next(dream)
        if syncs.count:
            waits[number] = syncs.count
    # A look at the health of the run every 16 steps, before the canvas grows, and at the end.
    assert waits == {11: 1, 16: 1, 20: 1}
    with CountSyncs() as syncs:
        assert dream.history[3].loss > 0
    assert dream.history[3].measured.shape == (3, 2)


def test_a_long_dream_holds_one_tensor_more_per_step(tiny_clip, count_tensors):
    dream = Dream(tiny_clip, PROMPT, recipe=Recipe(size=24, steps=30, octaves=(1.0,), views=1))
    next(dream)
    before = count_tensors()
    for _ in range(20):
        next(dream)
    assert count_tensors() - before == 20  # its record in the history
