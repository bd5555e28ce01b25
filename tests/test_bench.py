"""The benchmark: it compares like with like, and says what it found. No assertion on seconds."""

import time

import pytest
import torch

from dreamlab.measure import bench
from dreamlab.measure.bench import (
    Cost,
    Found,
    created_clip,
    measure_step,
    report_top1,
    time_to_top1,
)
from dreamlab.recipe import Recipe

TINY = Recipe(size=32, steps=4, octaves=(0.5, 1.0), views=3)


class Spy:
    """A Clip that notes how many images it encodes, and may take its time."""

    def __init__(self, clip, pause=0.0):
        self.clip, self.pause, self.batches, self.texts = clip, pause, [], 0

    def __getattr__(self, name):
        return getattr(self.clip, name)

    def encode_image(self, images):
        self.batches.append(tuple(images.shape))
        time.sleep(self.pause)
        return self.clip.encode_image(images)


def test_step_and_bare_passes_encode_as_many_views_of_the_same_size(tiny_clip):
    spy = Spy(tiny_clip)
    cost = measure_step(spy, TINY, pairs=4)
    assert len(cost.steps) == len(cost.bare) == 4
    # Both sides of each pair, warm-up included, look once at three views.
    assert spy.batches == [(3, 3, 32, 32)] * 2 * (4 + bench.WARM_UP)


def test_the_ratio_tells_overhead_from_clip(tiny_clip):
    plain = measure_step(tiny_clip, TINY, pairs=7).ratio
    slow = measure_step(Spy(tiny_clip, pause=0.05), TINY, pairs=7).ratio
    assert slow < plain  # the same overhead beside a slower CLIP
    assert slow < 2


def test_ratio_is_the_median_of_pairs():
    cost = Cost(steps=(2.0, 3.0, 100.0), bare=(1.0, 2.0, 10.0))
    assert cost.ratio == 2
    assert cost.quartiles == (1.75, 6.0)


def test_no_pairs_are_refused(tiny_clip):
    with pytest.raises(ValueError, match=r"pairs .* got 0"):
        measure_step(tiny_clip, TINY, pairs=0)


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
    assert "3 of 4 prompts" in report_top1(found, 64)
    assert "within 2.0 s (20 steps)" in report_top1(found, 64)
    assert report_top1(found[3:], 64).endswith("0 of 1 prompts.")


def test_created_weights_leave_the_global_generator_alone(monkeypatch):
    before = torch.get_rng_state()
    clip = created_clip("ViT-S-32-alt")
    assert torch.equal(torch.get_rng_state(), before)
    assert clip.image_size == 224
    assert not any(p.requires_grad for p in clip.model.parameters())


def test_one_command_prints_all_three_results(tiny_clip_dir, tiny_resnet_dir, capsys, monkeypatch):
    monkeypatch.setattr(bench, "Recipe", lambda **knobs: Recipe(steps=2, views=2, **knobs))
    names = ["--clip", f"local-dir:{tiny_clip_dir}", "--judge", f"local-dir:{tiny_resnet_dir}"]
    bench.main([*names, "--created", "--device", "cpu", "--pairs", "2", "--prompts", "1"])
    printed = capsys.readouterr().out
    assert "On cpu with" in printed
    (row,) = [line for line in printed.split("\n") if line.startswith("| local-dir:")]
    assert row.count("|") == bench.STEP_HEAD.split("\n")[0].count("|")
    assert "among 61 captions" in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--threads", "0"], "--threads: a whole number of at least 1 is wanted, got '0'"),
        (["--pairs", "0"], "--pairs: a whole number of at least 1 is wanted"),
        (["--prompts", "-1"], "--prompts: a whole number of at least 0 is wanted"),
        (["--clip", "picturebok"], "unknown model 'picturebok'; nearest names: 'picturebook'"),
        (["--judge", "local-dir:nowhere"], "there is no folder nowhere"),
        (["--device", "abacus"], "device 'abacus' cannot be used"),
        (["--prompts", "0", "--created", "ViT-X"], "unknown model 'ViT-X'"),
    ],
    ids=" ".join,
)
def test_what_is_mistyped_is_answered_in_a_sentence(options, words, capsys, monkeypatch):
    monkeypatch.setattr(bench, "measure_step", lambda *a, **k: bench.Cost((1.0,), (1.0,)))
    with pytest.raises(SystemExit) as end:
        bench.main(options)
    assert end.value.code != 0 and words in capsys.readouterr().err


def test_threads_are_set(tiny_clip_dir, monkeypatch):
    asked = []
    monkeypatch.setattr(bench.torch, "set_num_threads", asked.append)
    small = ["--created", "--device", "cpu", "--pairs", "1", "--prompts", "0", "--threads", "2"]
    bench.main(["--clip", f"local-dir:{tiny_clip_dir}", *small])
    assert asked == [2]
