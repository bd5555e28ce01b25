"""Sweeps: every dream measured, on any executor, and a failure costs no other dream."""

import multiprocessing
import pickle
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import dreamlab.dream
from dreamlab.judge import Judge
from dreamlab.measure.sweep import Sweep, sweep
from dreamlab.recipe import Recipe

MODULE = sys.modules["dreamlab.measure.sweep"]
TINY = Recipe(size=32, steps=2, octaves=(1.0,), views=2)
RECIPES = {"plain": replace(TINY, tv_weight=0.0), "full": TINY}
PROMPTS = ["a red heart", "two stars at night", "a castle"]
NUMBERS = {"dreamer", "judge", "rank", "slope", "out_of_range"}


@pytest.fixture(scope="module")
def names(tiny_clip_dir, tiny_resnet_dir):
    return {"clip": f"local-dir:{tiny_clip_dir}", "judge": f"local-dir:{tiny_resnet_dir}"}


@pytest.fixture(scope="module")
def result(names) -> Sweep:
    return sweep(PROMPTS, RECIPES, (3, 4), batch=4, device="cpu", distractors=["a cat"], **names)


class Pickling(Executor):
    """Runs a job as a distant worker would: from its pickle, returning a pickle."""

    def submit(self, function, /, *args, **kwargs):
        future: Future = Future()
        try:
            function, args, kwargs = pickle.loads(pickle.dumps((function, args, kwargs)))
            future.set_result(pickle.loads(pickle.dumps(function(*args, **kwargs))))
        except Exception as error:
            future.set_exception(error)
        return future


def failing(monkeypatch, fails):
    """Make every dream fail for whose prompts `fails` is true."""

    class Failing(dreamlab.dream.Dream):
        def __next__(self):
            if any(map(fails, self.prompts)) and len(self.history) == 1:
                raise FloatingPointError("step 2 gave NaN")
            return super().__next__()

    monkeypatch.setattr(MODULE, "Dream", Failing)


def test_every_combination_is_dreamt_and_measured_in_order(result, tiny_clip):
    assert [(r["recipe"], r["prompt"], r["seed"]) for r in result.rows] == [
        (recipe, prompt, seed) for recipe in RECIPES for prompt in PROMPTS for seed in (3, 4)
    ]
    assert result.failures == []
    for row in result.rows:
        assert set(row) == {"recipe", "prompt", "seed", "error"} | NUMBERS
        assert row["rank"] in range(4)  # three prompts and one distractor
    assert all(image.size == (32, 32) for image in result.images)
    alone = dreamlab.Dream(tiny_clip, PROMPTS[1], recipe=TINY, seed=4).run()
    swept = result.image(recipe="full", prompt=PROMPTS[1], seed=4)
    assert np.abs(np.asarray(alone, int) - np.asarray(swept, int)).max() <= 1, "but for rounding"


@pytest.mark.parametrize("make", [Pickling, lambda: ThreadPoolExecutor(2)])
def test_any_executor_gives_the_same(result, names, make):
    how = {"batch": 4, "device": "cpu", "distractors": ["a cat"], **names}
    with make() as executor:
        other = sweep(PROMPTS, RECIPES, (3, 4), executor=executor, **how)
    assert [row["rank"] for row in other.rows] == [row["rank"] for row in result.rows]
    for mine, theirs in zip(result.images, other.images, strict=True):
        assert np.array_equal(np.asarray(mine), np.asarray(theirs))


class Unsendable:
    """A picture whose class does not pickle; it might as well end whoever unpickles it."""

    def __array__(self, *_, **__):
        return np.full((9, 9, 3), 128, np.uint8)

    def __reduce__(self):
        raise TypeError("does not pickle")


def test_a_start_of_any_class_reaches_the_workers(names):
    photo = Image.new("RGB", (9, 9), "grey")
    photo.info["note"] = lambda: None  # which does not pickle, either
    how = {"clip": names["clip"], "judge": None, "device": "cpu", "executor": Pickling()}
    one, other = (sweep("a star", TINY, start=start, **how) for start in (photo, Unsendable()))
    assert np.array_equal(one.images[0], other.images[0])


def test_a_failing_dream_costs_no_other_and_is_named(names, monkeypatch):
    failing(monkeypatch, lambda prompt: "stars" in prompt)
    with pytest.warns(UserWarning, match="'two stars at night' .*NaN"):
        result = sweep(PROMPTS, {"only": TINY}, batch=3, device="cpu", **names)
    assert [bool(row["error"]) for row in result.rows] == [False, True, False]
    assert [image is None for image in result.images] == [False, True, False]
    assert [row["prompt"] for row in result.failures] == ["two stars at night"]
    assert result.summary()[0]["count"] == 2


def test_if_nothing_succeeds_the_first_reason_is_raised(names, monkeypatch):
    failing(monkeypatch, lambda prompt: True)
    with pytest.raises(RuntimeError, match=r"'a red heart.*FloatingPointError"):
        sweep("a red heart", TINY, device="cpu", **names)


def test_loaded_models_may_be_given_without_an_executor(tiny_clip):
    (row,) = sweep("a star", TINY, clip=tiny_clip, judge=Judge(tiny_clip)).rows
    assert row["judge"] == pytest.approx(row["dreamer"], abs=1e-5)
    assert "rank" not in row  # there is no wrong caption
    (row,) = sweep("a star", TINY, clip=tiny_clip, judge=None, distractors=["a cat"]).rows
    assert NUMBERS - set(row) == {"judge", "rank"}


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"prompts": []}, ValueError, "prompts"),
        ({"prompts": ["a star", " "]}, ValueError, "sentence"),
        ({"prompts": [3]}, ValueError, "got 3"),
        ({"folder": "a\0b"}, ValueError, "null"),
        ({"seeds": []}, ValueError, "empty"),
        ({"seeds": 0.5}, TypeError, "whole number"),
        ({"recipes": {}}, ValueError, "at least one"),
        ({"recipes": [3]}, TypeError, "not a Recipe"),
        ({"clip": ["picturebook"]}, TypeError, "got a list"),
        ({"recipes": [Recipe(), Recipe()]}, ValueError, "two are the same"),
        ({"batch": 0}, ValueError, "batch"),
        ({"executor": 0}, ValueError, "executor"),
        ({"executor": "dask"}, TypeError, "get_executor"),
    ],
)
def test_unusable_arguments_are_refused_before_any_dream(arguments, error, words, monkeypatch):
    monkeypatch.setattr(MODULE, "Dream", None)
    with pytest.raises(error, match=words):
        sweep(**{"prompts": "a star", "recipes": TINY} | arguments)


def test_workers_that_cannot_work_are_refused(tiny_clip, names, monkeypatch):
    monkeypatch.setattr(MODULE, "Dream", None)
    for wrong in ("clip", "judge"):
        with pytest.raises(FileNotFoundError, match="no-such-folder"):
            sweep("a star", TINY, device="cpu", **names | {wrong: "local-dir:no-such-folder"})
    with pytest.raises(TypeError, match="by name"):
        sweep("a star", TINY, clip=tiny_clip, executor=2)
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    with pytest.raises(ValueError, match=r"executor.*no processes"):
        sweep("a star", TINY, executor=2)


def test_the_embedded_judge_is_asked_for_the_thing(names):
    prompts = ["a red heart", "in the clouds"]
    result = sweep(prompts, TINY, clip=names["clip"], judge="picturebook-judge", device="cpu")
    heart, clouds = result.rows
    assert heart["object_rank"] in range(25) and isinstance(heart["said"], str)
    assert not {"object_rank", "said"} & set(clouds)
    assert result.summary()[0]["object"].count == 1
    assert "drawings, whole" in result.markdown()


def test_the_recipe_is_that_of_the_model_unless_given(tiny_clip):
    (row,) = sweep("a star", clip=tiny_clip, judge=None).rows
    assert row["recipe"] == f"size {2 * tiny_clip.image_size}"


def test_a_worker_of_another_version_is_named(names, monkeypatch):
    monkeypatch.setattr("dreamlab.figures.settings.__version__", "0.0.1")  # what pictures say
    with pytest.warns(UserWarning, match=r"worker.*0\.0\.1") as caught:
        sweep(PROMPTS[:2], TINY, batch=1, device="cpu", executor=Pickling(), **names)
    assert len(caught) == 1
