"""Every error speaks: odd arguments, odd surroundings, odd words, each a table of cases.

What is refused is refused at once, in a sentence; what is accepted works.
"""

import contextlib
import json
import random
import re
from fractions import Fraction

import numpy as np
import pytest
import torch
from conftest import TINY_VIT, create_clip_folder
from matplotlib.backends.backend_agg import RendererAgg
from PIL import Image

from dreamlab import Dream, Judge, Recipe, detail_mask, load_clip
from dreamlab.figures import plots, static
from dreamlab.prompts import embed
from dreamlab.resample import blur
from dreamlab.support.surroundings import undisturbed

RECIPE = Recipe(size=32, steps=3, octaves=(0.5, 1.0), views=2)


def without_address(value: object) -> str:
    """A parameter as its test's name: the same in every process."""
    return re.sub(r" at 0x\w+", "", repr(value))


# Arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"prompt": ["a", "b"], "seed": [1, 2, 3]}, ValueError, "prompt has 2 entries for 3 pic"),
        ({"negative_prompt": ["a", "b"]}, ValueError, "negative_prompt has 2 entries for 1 pic"),
        ({"prompt": ""}, ValueError, "prompt must be a sentence that says something"),
        ({"prompt": {3: 1}}, ValueError, "prompt must be a sentence"),
        ({"prompt": []}, ValueError, "prompt is an empty list"),
        ({"seed": []}, ValueError, "seed is an empty list"),
        ({"negative_prompt": None}, ValueError, 'that says something, "" for none'),
        ({"negative_prompt": {"": 1}}, ValueError, "negative_prompt must be a sentence that says"),
        ({"prompt": {"a heart": 10**400}}, ValueError, "a finite sum"),
        ({"prompt": {"a heart": "1"}}, ValueError, "'a heart': '1'"),
        ({"prompt": {"a heart": -1}}, ValueError, "the weights of prompt must be numbers ≥ 0"),
        ({"prompt": {"a heart": 0}}, ValueError, "not all 0"),
        ({"seed": 1.0}, TypeError, "seed must be a whole number"),
        ({"seed": np.array([1, 2])}, TypeError, "a whole number or a list of them"),
        ({"seed": [1, -1]}, ValueError, "seed must be a whole number from 0 to 2**32 − 1, got -1"),
        ({"clip": "picturebook"}, TypeError, "clip must be a Clip, as load_clip"),
        ({"recipe": {"steps": 3}}, TypeError, "recipe must be a Recipe"),
        ({"start": "nosuch.png"}, FileNotFoundError, "start='nosuch.png'"),
    ],
    ids=without_address,
)
def test_arguments_that_are_refused(tiny_clip, arguments, error, words):
    with pytest.raises(error) as caught:
        Dream(**{"clip": tiny_clip, "prompt": "a heart", "recipe": RECIPE} | arguments)
    assert words in str(caught.value)


@pytest.mark.filterwarnings("ignore:the prompt is too long")
def test_arguments_that_are_taken(tiny_clip):
    """One picture for each odd prompt; test_properties.py has many more."""
    weights = {"a heart": True, "a cow": np.float32(1), "a boat": Fraction(1, 3)}
    prompts = ("a\0heart", "half a letter \ud83d", "!!!", "心 ❤️ \u202eевы", "word " * 500, weights)
    seeds = [np.uint32(3), np.int64(4), *range(4)]
    dream = Dream(
        tiny_clip, prompts, negative_prompt={"a tree": np.int8(1)}, seed=seeds, recipe=RECIPE
    )
    dream.run()
    assert dream.pixels.isfinite().all()
    for prompt in (dream.prompts[-1], dream.negative_prompts[0]):
        assert {type(weight) for weight in prompt.values()} == {float}


def test_only_the_proportions_of_weights_count(tiny_clip):
    plain = embed(tiny_clip, [{"a heart": 1, "a boat": 0.25}])
    for scale in (1e300, 1e-300):
        scaled = Dream(tiny_clip, {"a heart": scale, "a boat": scale / 4})
        assert torch.allclose(scaled._attractors, plain, atol=1e-6)
    smallest = Dream(tiny_clip, {"a heart": 5e-324, "a boat": 0})
    assert torch.allclose(smallest._attractors, tiny_clip.encode_text("a heart"))


# Surroundings ---------------------------------------------------------------------------------


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(device):
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


# The device "meta" has no numbers: whatever is made there by mistake, fails.
SURROUNDINGS = {
    "inference mode": torch.inference_mode,
    "no grad": torch.no_grad,
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "another device": lambda: default_device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast to half": lambda: torch.autocast("cpu", torch.float16),
}


@pytest.fixture(scope="module")
def usual(tiny_clip):
    """A dream in ordinary surroundings, of all that draws random numbers."""
    dream = make(tiny_clip)
    dream.run()
    return dream


def make(clip, start="noise"):
    prompt = {"a heart": 2, "a boat": 1}
    return Dream(clip, prompt, negative_prompt="a cow", start=start, recipe=RECIPE, seed=7)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_what_is_made_inside_does_not_feel_it(tiny_clip, tiny_clip_dir, usual, name):
    """A loaded CLIP, a dream, a start that is read, a state that is taken over."""
    photo = Image.new("RGB", (40, 20), "teal")
    half = make(tiny_clip)
    next(half)
    with SURROUNDINGS[name]():
        dream = make(load_clip(f"local-dir:{tiny_clip_dir}", device="cpu"))
        dream.load_state_dict(half.state_dict())
        from_photo = make(tiny_clip, photo)
    dream.run()
    assert torch.equal(dream.pixels, usual.pixels)
    assert torch.equal(from_photo.start, make(tiny_clip, photo).start)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_what_runs_inside_does_not_feel_it(tiny_clip, usual, name):
    dream, judge = make(tiny_clip), Judge(tiny_clip)
    with SURROUNDINGS[name]():
        dream.run()
        said = judge.similarity(usual.pixels, ["a heart"]) if "autocast" not in name else None
    assert torch.equal(dream.pixels, usual.pixels)
    assert dream.pixels.dtype == torch.float32 and not dream.pixels.requires_grad
    assert [step.loss for step in dream.history] == [step.loss for step in usual.history]
    if said is not None:
        assert torch.allclose(said, judge.similarity(usual.pixels, ["a heart"]), atol=1e-6)


def test_what_is_around_is_left_as_it_was():
    with (
        default_dtype(torch.float64),
        default_device("meta"),
        torch.autocast("cpu", torch.bfloat16),
        torch.inference_mode(),
    ):
        with contextlib.suppress(KeyboardInterrupt), undisturbed():
            assert torch.ones(1).dtype == torch.float32 and torch.is_grad_enabled()
            raise KeyboardInterrupt
        assert torch.get_default_dtype() == torch.float64
        assert torch.ones(1).device.type == "meta"
        assert torch.is_inference_mode_enabled() and torch.is_autocast_enabled("cpu")


def test_what_is_kept_for_later_has_no_mode(tiny_clip):
    """Matrices are cached; the first who asks for one may be in inference mode."""
    size = random.randrange(300, 400)  # that nobody asked for yet
    with torch.inference_mode():
        detail_mask(torch.rand(3, size, size))
        tiny_clip.encode_image(torch.rand(1, 3, size, size))
    pixels = torch.rand(1, 3, size, size, requires_grad=True)
    blur(pixels, 1.5).sum().backward()
    tiny_clip.encode_image(pixels).sum().backward()
    assert pixels.grad.isfinite().all()


# Models ---------------------------------------------------------------------------------------


def test_a_clip_that_is_not_square_is_refused_when_loaded(tmp_path):
    vision = TINY_VIT["vision_cfg"] | {"image_size": [32, 64]}
    folder = create_clip_folder(tmp_path / "wide", TINY_VIT | {"vision_cfg": vision})
    with pytest.raises(ValueError, match=r"32 × 64 px.*square"):
        load_clip(f"local-dir:{folder}", device="cpu")


class Raising:
    """A Clip whose `encode_image` raises at its second call."""

    def __init__(self, clip, error):
        self.clip, self.error, self.calls = clip, error, 0

    def __getattr__(self, name):
        return getattr(self.clip, name)

    def encode_image(self, images):
        self.calls += 1
        if self.calls == 2:
            raise self.error
        return self.clip.encode_image(images)


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, KeyError])
def test_an_exception_of_the_user_passes_through(tiny_clip, error):
    dream = Dream(Raising(tiny_clip, error("mine")), "a heart", recipe=RECIPE)
    with pytest.raises(error, match="mine"):
        dream.run()
    assert len(dream.history) == 1
    dream.run()
    assert dream.done


def test_even_stop_iteration_is_not_taken_for_the_end(tiny_clip):
    """Python's own generators make a RuntimeError of it as well (PEP 479)."""
    dream = Dream(Raising(tiny_clip, StopIteration("mine")), "a heart", recipe=RECIPE)
    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        dream.run()
    assert isinstance(caught.value.__cause__, StopIteration) and len(dream.history) == 1


# Words in figures -----------------------------------------------------------------------------

IMAGE = Image.new("RGB", (16, 16), "teal")
FIGURES = {
    "pictures": lambda w: plots.pictures([IMAGE], [w], alt="x"),
    "matrix": lambda w: plots.matrix([[1.0]], [IMAGE], [w], alt="x", title=w),
    "curves": lambda w: plots.curves(
        {w: [1, 2], "b": [1, 3]}, title=w, xlabel=w, ylabel=w, alt="x", levels={w: 1}
    ),
    "histograms": lambda w: plots.histograms({w: torch.rand(3, 8, 8)}, alt="x"),
}


HALF = "half a letter \ud83d"
MONEY = r"$x^$ for \$"  # to matplotlib a formula, and a broken one


@pytest.mark.parametrize("figure", FIGURES)
def test_words_are_drawn_as_they_are_written(figure, monkeypatch):
    drawn = []
    for name in ("draw_text", "draw_mathtext"):
        method = getattr(RendererAgg, name)

        def spy(self, gc, x, y, s, *rest, _name=name, _method=method, **more):
            drawn.append((_name, s))
            return _method(self, gc, x, y, s, *rest, **more)

        monkeypatch.setattr(RendererAgg, name, spy)
    FIGURES[figure](MONEY).to_png()
    assert ("draw_text", MONEY) in drawn
    assert ("draw_mathtext", MONEY) not in drawn
    FIGURES[figure](HALF).to_png()


@pytest.mark.filterwarnings("ignore:Glyph")
def test_the_last_figure_of_a_dream_takes_any_prompt(tiny_clip):
    words = f"{MONEY}, not $\\frac{{$ {HALF} a\0b \x1b[31m heart 夢 👩\u200d👧"
    dream = Dream(tiny_clip, words, negative_prompt=words, recipe=RECIPE)
    dream.run()
    plate = {"dream": dream, "judged": [(1, 0.5)], "changes": [(1, "tv_weight", 0.1)]}
    data, metadata = static.dream_figures([plate])._repr_mimebundle_()
    assert data["image/png"].startswith(b"\x89PNG")
    json.dumps([data["text/plain"], metadata], ensure_ascii=False).encode()
