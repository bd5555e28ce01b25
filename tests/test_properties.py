"""Any recipe, prompt, start and settings: what is allowed works, all else is a sentence."""

import math

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from dreamlab.dream import Dream
from dreamlab.figures.saving import load_dream, replay, save_png
from dreamlab.recipe import Canvas, Choice, Number, Recipe, Scales, Shares, Whole

MOST = {"steps": 4, "views": 3, "size": 40}  # what a test has time for
NO_DEADLINE = settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def allowed(knob: str) -> st.SearchStrategy:
    """The values that a knob's rule allows, not larger than a test has time for."""
    rule = Recipe.knobs()[knob]["rule"]
    if isinstance(rule, Choice):
        return st.sampled_from(rule.options)
    if isinstance(rule, Whole):
        return st.integers(rule.low, MOST[knob])
    if isinstance(rule, Canvas):
        side = st.integers(rule.side.low, MOST[knob])
        return side | st.tuples(side, side)
    if isinstance(rule, Scales):
        scales = st.lists(st.floats(rule.low, 1), max_size=3)
        return scales.map(lambda some: (*sorted(some), 1.0))
    if isinstance(rule, Shares):
        one = st.floats(0, 9)
        values = st.tuples(one, one, one).filter(lambda shares: sum(shares) > 0)
    else:
        assert isinstance(rule, Number)
        values = st.floats(rule.low, rule.high) | st.sampled_from([rule.low, rule.high])
    return values | st.none() if rule.optional else values


RECIPES = st.fixed_dictionaries(
    {knob: allowed(knob) for knob in ("size", "steps", "views")}
).flatmap(
    lambda small: st.fixed_dictionaries(
        {}, optional={knob: allowed(knob) for knob in Recipe.knobs() if knob not in small}
    ).map(lambda others: Recipe(**small | others))
)

LETTERS = st.characters(exclude_categories=())  # halves of letters and control characters as well
SENTENCES = st.text(LETTERS, min_size=1, max_size=30).filter(
    lambda text: any(letter.isalnum() for letter in text)
)
WEIGHTS = st.floats(0, 1e300) | st.integers(0, 10**6) | st.fractions(0, 9) | st.booleans()
MIXTURES = st.dictionaries(SENTENCES, WEIGHTS, min_size=1, max_size=3).filter(
    lambda mixture: sum(mixture.values()) > 0
)
PROMPTS = SENTENCES | MIXTURES
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def photos(draw):
    """An array, a tensor or an image of any size and kind."""
    height, width = draw(st.integers(1, 50)), draw(st.integers(1, 50))
    numbers = np.random.default_rng(draw(st.integers(0, 9))).random((height, width, 4))
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"]
    kind = draw(st.sampled_from(["u1", "u2", "f2", ">f8", "?", "tensor", *modes]))
    channels = draw(st.sampled_from([1, 3, 4]))
    if kind == "tensor":
        return torch.tensor(numbers[..., :3], dtype=torch.float32).movedim(-1, 0)
    if kind in ("u1", "u2"):
        return (numbers[..., :channels] * np.iinfo(kind).max).astype(kind)
    if kind == "?":
        return numbers[..., :channels] > 0.5
    if kind in ("f2", ">f8"):
        return numbers[..., :channels].astype(kind)
    return Image.fromarray((numbers * 255).astype("u1")).convert("RGB").convert(kind)


STARTS = st.sampled_from([None, "grey", "noise"]) | photos()


@NO_DEADLINE
@given(recipe=RECIPES, prompt=PROMPTS, negative=PROMPTS | st.just(""), start=STARTS, seed=SEEDS)
@pytest.mark.filterwarnings("ignore:the prompt is too long")
def test_a_dream_of_what_is_allowed_is_a_picture_and_made_again_from_its_file(
    tiny_clip, tmp_path, recipe, prompt, negative, start, seed
):
    dream = Dream(
        tiny_clip, prompt, negative_prompt=negative, start=start, recipe=recipe, seed=seed
    )
    try:
        dream.run()
    except FloatingPointError as error:  # pixels that nothing keeps in range may run away
        assert "picture after step" in str(error)
        assert not (recipe.clamp and recipe.normalize_gradient)
    else:
        assert dream.image.size == recipe.canvas[::-1]
    assert dream.pixels.isfinite().all()
    path = save_png(dream, tmp_path / "x.png")
    again = replay(path, tiny_clip)
    assert torch.equal(again.pixels, dream.pixels)
    assert load_dream(path, tiny_clip).prompts == dream.prompts


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(LETTERS, max_size=5)
    | st.binary(max_size=3)
    | st.sampled_from([math.inf, "grey", "noise", 10**400, 1j, object(), np.zeros(3), Ellipsis]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@NO_DEADLINE
@given(
    name=st.sampled_from(["prompt", "negative_prompt", "start", "seed", "recipe", "clip"]),
    value=JUNK,
)
@example("prompt", {"a": math.nan})
@example("prompt", np.zeros(3))
@example("negative_prompt", np.zeros(3))
@pytest.mark.filterwarnings("ignore:the prompt is too long")
def test_any_argument_is_taken_or_refused_in_a_sentence(tiny_clip, name, value):
    arguments = {"clip": tiny_clip, "prompt": "a heart", "recipe": Recipe(size=16, steps=1)}
    try:
        dream = Dream(**arguments | {name: value})
    except (ValueError, TypeError, FileNotFoundError) as error:
        assert name in str(error) and len(str(error)) < 3000
    else:
        assert len(dream.prompts) == len(dream.seeds) == len(dream.images)


@settings(deadline=None, max_examples=100)
@given(knob=st.sampled_from(sorted(Recipe.knobs())), value=JUNK)
def test_any_knob_is_taken_or_refused_by_its_name(knob, value):
    try:
        recipe = Recipe(**{knob: value})
    except ValueError as error:
        assert str(error).startswith(f"{knob} must be ")
    else:
        assert Recipe(**{knob: getattr(recipe, knob)}) == recipe
