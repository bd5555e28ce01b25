"""What seconds are worth: fewer views in some octaves, and when the judge is convinced."""

import time

import pytest
import torch

import dreamlab.measure.worth
from dreamlab import Judge, Recipe, load_clip
from dreamlab.measure.worth import Found, half_blind, say_top1, time_to_top1, variants, worth

TINY = Recipe(size=32, steps=4, octaves=(0.5, 1.0), views=3)


def test_variants_have_no_more_views_than_now():
    assert variants(3, 8) == [(8, 8, 8), (4, 4, 4), (2, 2, 2), (2, 8, 8), (2, 4, 8)]
    assert variants(2, 3) == [(3, 3), (1, 1), (1, 3)]
    assert variants(1, 1) == [(1,)]


def test_each_octave_has_its_views(tiny_clip, monkeypatch):
    seen = []
    plain = dreamlab.dream.draw_windows

    def spy(canvas, views, *rest):
        seen.append((canvas[0], views))
        return plain(canvas, views, *rest)

    monkeypatch.setattr(dreamlab.dream, "draw_windows", spy)
    rows = worth(
        tiny_clip, Judge(tiny_clip), prompts=3, recipe=TINY, shapes=[(3, 3), (1, 2)], batch=2
    )
    runs = [[(16, 3)] * 2 + [(32, 3)] * 2] * 4 + [[(16, 1)] * 2 + [(32, 2)] * 2] * 2
    assert seen == [pair for run in runs for pair in run]
    assert [(row["views"], row["patches"]) for row in rows] == [
        ([3, 3], 1.0),
        ([3, 3], 0.5),
        ([1, 2], 1.0),
    ]
    for row in rows:
        assert row["picture_s"] > 0
        assert row["top1"]["count"] == row["judge"]["count"] == row["gain"]["count"] == 3
        assert "object" not in row, "this judge knows nothing of things"
    assert rows[0]["gain"]["value"] == 0 != rows[2]["gain"]["value"]
    for row in rows:
        gain = row["judge"]["value"] - rows[0]["judge"]["value"]
        assert row["gain"]["value"] == pytest.approx(gain, abs=1e-6)


def test_a_judge_of_the_world_names_things(tiny_clip):
    row, _ = worth(tiny_clip, Judge(), prompts=2, recipe=TINY, shapes=[(1, 1)])
    assert row["object"]["count"] == 2 and 0 <= row["object"]["value"] <= 1


def test_half_the_patches_are_encoded_and_the_clip_stays_as_it_was(tiny_clip):
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    before, lengths = tiny_clip.encode_image(pictures), []
    other = half_blind(tiny_clip)
    block = other.model.visual.transformer.resblocks[0]
    block.register_forward_hook(lambda _, inputs, __: lengths.append(len(inputs[0])))
    one, two = other.encode_image(pictures), other.encode_image(pictures)
    assert lengths == [9, 9], "the class token and 8 of 16 patches"
    assert not torch.equal(one, two), "drawn anew each time"
    assert torch.equal(tiny_clip.encode_image(pictures), before)


def test_a_clip_without_patches_is_not_tried_with_half_of_them(tiny_resnet_dir):
    tiny_resnet = load_clip(f"local-dir:{tiny_resnet_dir}", device="cpu")
    assert half_blind(tiny_resnet) is None
    rows = worth(tiny_resnet, Judge(tiny_resnet), prompts=1, recipe=TINY, shapes=[(1, 1)])
    assert len(rows) == 1


def test_the_global_generator_stays_as_it_was(tiny_clip):
    before = torch.get_rng_state()
    worth(tiny_clip, Judge(tiny_clip), prompts=1, recipe=TINY, shapes=[(1, 1)])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_shape_must_fit(tiny_clip):
    with pytest.raises(ValueError, match=r"2 numbers for this recipe, got \(1, 2, 3\)"):
        worth(tiny_clip, Judge(tiny_clip), recipe=TINY, shapes=[(1, 2, 3)])


class SetJudge:
    """A judge that is convinced by the third look at prompt "b", at once by "a", never by "c"."""

    looks = 0

    def rank(self, dream, prompt, captions):
        assert set(captions) == {"a", "b", "c", "d"}
        self.looks += 1
        steps = {"a": 1, "b": 3, "c": 99}[prompt]
        return torch.tensor([0 if len(dream.history) >= steps else 2])


def test_top1_is_timed_until_the_judge_is_convinced(tiny_clip):
    judge = SetJudge()
    found = time_to_top1(tiny_clip, judge, ["a", "b", "c"], ["d"], TINY)
    assert [(f.prompt, f.step) for f in found] == [("a", 1), ("b", 3), ("c", None)]
    assert judge.looks == 1 + 3 + 4  # no step is dreamt after that
    assert found[0].seconds > 0
    assert found[2].seconds is None


def test_the_judges_time_does_not_count(tiny_clip):
    class Slow(SetJudge):
        def rank(self, *args):
            time.sleep(0.3)
            return super().rank(*args)

    begin = time.perf_counter()
    (found,) = time_to_top1(tiny_clip, Slow(), ["b"], ["a", "c", "d"], TINY)
    passed = time.perf_counter() - begin
    assert found.seconds < passed - 0.8


def test_top1_is_told_in_a_sentence():
    found = [Found("a", 10, 1.0), Found("b", 30, 3.0), Found("c", 20, 2.0), Found("d", None, None)]
    assert "3 of 4 prompts" in say_top1(found, 64)
    assert "within 2.0 s (20 steps)" in say_top1(found, 64)
    assert say_top1(found[3:], 64).endswith("0 of 1 prompts.")
