"""What dreams cost: each measurement compares like with like."""

import itertools

import pytest
import torch
from test_timing import compute

from dreamlab.measure import costs
from dreamlab.measure.costs import (
    PROMPT,
    against_peers,
    arithmetic,
    batches,
    canvas_cost,
    created_clip,
    fastest,
    measure_step,
    step_cost,
)
from dreamlab.measure.peers import PEERS
from dreamlab.measure.timing import WARM_UP
from dreamlab.recipe import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")
TINY = Recipe(size=32, steps=4, octaves=(0.5, 1.0), views=3)
QUICK = {"pairs": 2, "most": 5.0}


class Spy:
    """A Clip that notes how many images it encodes, and may take its time."""

    def __init__(self, clip, pause=0):
        self.clip, self.pause, self.batches = clip, pause, []

    def __getattr__(self, name):
        return getattr(self.clip, name)

    def encode_image(self, images):
        self.batches.append(tuple(images.shape))
        compute(self.pause)
        return self.clip.encode_image(images)


def test_step_and_bare_passes_encode_as_many_views_of_the_same_size(tiny_clip):
    spy = Spy(tiny_clip)
    measured = measure_step(spy, TINY, pairs=4)
    assert len(measured.first) == 4
    # Both sides of each pair, warm-up included, look once at three views.
    assert spy.batches == [(3, 3, 32, 32)] * 2 * (4 + WARM_UP)


def test_the_ratio_tells_overhead_from_clip(tiny_clip):
    plain = measure_step(tiny_clip, TINY, pairs=7).ratio
    slow = measure_step(Spy(tiny_clip, pause=50), TINY, pairs=7).ratio
    assert slow < plain  # the same overhead beside a slower CLIP
    assert slow < 2


def test_every_octave_has_its_turn_however_few_steps_are_timed(tiny_clip, monkeypatch):
    canvases = []
    plain = costs.look

    def spy(pixels, *rest):
        canvases.append(tuple(pixels.shape[-2:]))
        return plain(pixels, *rest)

    monkeypatch.setattr(costs, "look", spy)
    measure_step(tiny_clip, TINY, pairs=1)
    assert {canvases.count((16, 16)), canvases.count((32, 32))} == {2}


def test_a_row_says_what_was_timed(tiny_clip):
    row = step_cost(tiny_clip, TINY, **QUICK)
    assert row["model"] == tiny_clip.name and row["canvas"] == [32, 32] and row["views"] == 3
    assert row["bare_s"] > 0 < row["step_s"]
    assert row["low"] <= row["ratio"] <= row["high"]


def test_created_weights_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    clip = created_clip("ViT-S-32-alt")
    with pytest.raises(ValueError, match="unknown model 'ViT-X'"):
        created_clip("ViT-X")
    assert torch.equal(torch.get_rng_state(), before)
    assert clip.image_size == 224
    assert not any(p.requires_grad for p in clip.model.parameters())


def test_ways_are_compared_with_the_plain_one(tiny_clip):
    rows = {row["way"]: row for row in arithmetic(tiny_clip, views=3, **QUICK)}
    assert rows["channels last"]["error"] < 1e-5 > rows["attention as plain products"]["error"]
    assert rows["images first, as open_clip"]["error"] < 1e-5
    rounded = rows["bfloat16, autocast"]
    assert 1e-4 < rounded["error"] < 0.2, "it is another arithmetic"
    assert rounded["worth"] is False, "however fast, it is not the same picture"
    # The model is as it was.
    weight = tiny_clip.model.visual.conv1.weight
    assert weight.dtype == torch.float32 and weight.is_contiguous()


@pytest.mark.parametrize(
    ("quicker", "factor", "worth"), [(True, 1.0, True), (False, 1.0, False), (True, 1.5, False)]
)
def test_a_way_is_worth_it_if_it_is_quicker_and_as_exact(
    tiny_clip, monkeypatch, quicker, factor, worth
):
    slow, quick = Spy(tiny_clip, pause=15), Spy(tiny_clip)
    quick.encode_image = lambda images: tiny_clip.encode_image(images) * factor
    plain, other = (slow, quick) if quicker else (quick, slow)

    def ways(clip, compiled):
        return {"other": (other, torch.contiguous_format, costs.nullcontext)}

    monkeypatch.setattr(costs, "_ways", ways)
    (row,) = arithmetic(plain, views=2, **QUICK)
    assert row["worth"] is worth, row


def test_the_chooser_is_asked_about_the_passes(tiny_clip):
    assert " on cpu with " in fastest(tiny_clip, views=2, half_second=0.01)


def test_one_run_of_pictures_beside_as_many_runs(tiny_clip):
    spy = Spy(tiny_clip, pause=3)  # as if a call cost the same for any number of views
    torch.set_num_threads(2)
    rows = batches(spy, TINY, sizes=(1, 6), pairs=3)
    assert torch.get_num_threads() == 2
    asked = [(row["threads"], row["pictures"]) for row in rows]
    assert asked == [(1, 1), (1, 6), (2, 1), (2, 6)]
    assert (18, 3, 32, 32) in spy.batches and (3, 3, 32, 32) in spy.batches
    single, six = rows[:2]  # of one thread; with more, other work on the machine counts as well
    assert six["ratio"] < 0.6 < single["ratio"]


@pytest.mark.slow
def test_a_canvas_is_dreamt_in_a_process_of_its_own(tiny_clip_dir):
    row = canvas_cost(f"local-dir:{tiny_clip_dir}", (64, 48), device="cpu", steps=1)
    assert row["canvas"] == [64, 48]
    assert len(row["step_s"]) == len(row["octaves"]) == len(Recipe().octaves)
    assert row["steps"] == Recipe().steps and row["dream_s"] > 0
    if row["peak_gb"] is not None:
        assert 0 < row["before_gb"] <= row["peak_gb"]


@pytest.mark.parametrize("name", PEERS)
def test_other_loops_look_through_as_many_views_and_learn(tiny_clip, name):
    """At a gentle rate or their own, what they encode comes nearer to the sentence."""
    text = tiny_clip.encode_text(PROMPT)
    cosines = []

    class Noting(Spy):
        def encode_image(self, images):
            rows = super().encode_image(images)
            cosines.append((rows @ text.T).mean().item())
            return rows

    clip = Noting(tiny_clip)
    torch.manual_seed(0)
    for _ in itertools.islice(PEERS[name](clip, PROMPT, 48, 4), 40):
        pass
    assert set(clip.batches) == {(4, 3, 32, 32)} and len(clip.batches) == 40
    assert sum(cosines[-5:]) > sum(cosines[:5])


def test_peers_are_timed_beside_ours_on_one_encoder(tiny_clip):
    before = torch.get_rng_state()
    spy = Spy(tiny_clip)
    recipe = Recipe(size=48, views=4, octaves=(0.5, 1.0))
    ours, *others, bare = against_peers(spy, recipe, **QUICK)
    assert set(spy.batches) == {(4, 3, 32, 32)}, "equal views for all"
    assert ours["loop"] == "dreamlab" and [row["loop"] for row in others] == list(PEERS)
    assert bare["views_per_s"] > ours["views_per_s"], "nothing is quicker than the passes alone"
    assert torch.equal(torch.get_rng_state(), before)
