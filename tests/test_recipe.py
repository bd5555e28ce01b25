"""Every knob has a range, and says so."""

from dataclasses import asdict, fields

import numpy as np
import pytest

from dreamlab.clip import load_clip
from dreamlab.dream import Dream
from dreamlab.figures.saving import load_dream, save_png
from dreamlab.lab.panel import Panel
from dreamlab.recipe import Recipe


@pytest.mark.parametrize(
    ("knob", "value", "allowed"),
    [
        ("size", 8, "from 16 to 8192 (pixels), or a pair of them"),
        ("steps", True, "a whole number"),
        ("octaves", (1.0, 0.5), "none smaller than the one before"),
        ("octaves", (0.5, 0.9), "the last one 1"),
        ("learning_rate", float("nan"), "a number from 0 to 1"),
        ("view_mix", (0, 0, 0), "not all 0"),
        ("final_view_mix", "all", "or None"),
        ("tv_kind", "l2", "one of 'masked', 'squared', 'isotropic', 'l1'"),
        ("clamp", 1, "one of True, False"),
    ],
)
def test_a_bad_value_is_named_with_its_range(knob, value, allowed):
    recipe = Recipe()
    before = asdict(recipe)
    for attempt in (lambda: Recipe(**{knob: value}), lambda: setattr(recipe, knob, value)):
        with pytest.raises(ValueError, match=f"^{knob} must be ") as error:
            attempt()
        assert allowed in str(error.value) and str(error.value).endswith(f"got {value!r}")
    assert asdict(recipe) == before


def test_every_knob_has_a_rule_a_help_and_a_good_default():
    for name, knob in Recipe.knobs().items():
        assert knob["help"] and str(knob["rule"])
        assert knob["rule"](getattr(Recipe(), name)) == getattr(Recipe(), name)
    assert set(Recipe.knobs()) == {f.name for f in fields(Recipe)}


def test_a_misspelt_knob_is_not_silently_added():
    with pytest.raises(AttributeError, match="tv_weight"):
        Recipe().tv_wieght = 0.3


def test_values_take_their_ordinary_type():
    recipe = Recipe(steps=np.int64(7), tv_weight=1, octaves=[0.5, 1], view_mix=[1, 1, 2])
    assert type(recipe.steps) is int and type(recipe.tv_weight) is float
    assert recipe.octaves == (0.5, 1.0) and recipe.view_mix == (1.0, 1.0, 2.0)
    assert Recipe(learning_rate=np.float32(0.5)).learning_rate == 0.5


class Foreign:
    """All that a recipe wants to know of a CLIP."""

    image_size = 224


def test_a_recipe_suits_the_size_that_the_model_sees(tmp_path):
    clip = load_clip("picturebook-plain", device="cpu")
    dream = Dream(clip, "a tree")
    assert dream.recipe == Recipe.suited_to(clip) == Recipe()
    assert load_dream(save_png(dream, tmp_path / "a.png")).recipe.differences() == "default"
    panel = Panel(dream)
    assert all("recipe default" in x for x in (panel.status.value, panel.figure().description))
    assert Recipe.suited_to(Foreign()) == Recipe(size=448)
    assert Recipe.suited_to(Foreign(), size=64, optimizer="gradient").size == 64


@pytest.mark.parametrize(
    ("recipe", "name"),
    [
        (Recipe(), "default"),
        (Recipe(tv_weight=0.7, clamp=False), "tv_weight 0.7, clamp False"),
        (Recipe.suited_to(Foreign()), "size 448"),
        (Recipe.raw(steps=20), "raw, steps 20"),
    ],
)
def test_a_recipe_says_which_it_is(recipe, name):
    assert recipe.differences() == name and str(recipe).startswith(f"{name}: Recipe(size=")


def test_the_mix_is_blended():
    recipe = Recipe(view_mix=(2, 0, 0), final_view_mix=(0, 1, 1))
    assert recipe.view_mix_at(0) == (1, 0, 0)
    assert recipe.view_mix_at(0.5) == (0.5, 0.25, 0.25)
    assert recipe.view_mix_at(1) == (0, 0.5, 0.5)
