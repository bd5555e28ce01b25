"""Every error speaks: odd arguments, odd surroundings, odd words, each a table of cases.

What is refused is refused at once, in a sentence; what is accepted works.
"""

import contextlib
import io
import json
import random
import re
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from conftest import TINY_VIT, create_clip_folder
from matplotlib.backends.backend_agg import RendererAgg
from PIL import Image

from dreamlab import Dream, Judge, Recipe, detail_mask, load_clip
from dreamlab.figures import plots, static
from dreamlab.figures.saving import replay, save_png
from dreamlab.judge import measure, spectrum_slope
from dreamlab.losses import clip_loss, masked_total_variation, total_variation
from dreamlab.prompts import Rows
from dreamlab.resample import blur, resize
from dreamlab.support.surroundings import undisturbed
from dreamlab.views import add_noise, draw_windows, look

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
    plain = Rows(tiny_clip, [{"a heart": 1, "a boat": 0.25}]).at(0)
    for scale in (1e300, 1e-300):
        scaled = Dream(tiny_clip, {"a heart": scale, "a boat": scale / 4})
        assert torch.allclose(scaled._first_rows, plain, atol=1e-6)
    smallest = Dream(tiny_clip, {"a heart": 5e-324, "a boat": 0})
    assert torch.allclose(smallest._first_rows, tiny_clip.encode_text("a heart"))


# Surroundings ---------------------------------------------------------------------------------


@contextlib.contextmanager
def flag(switch, on, off):
    switch(on)
    try:
        yield
    finally:
        switch(off)


def default_dtype(dtype):
    return flag(torch.set_default_dtype, dtype, torch.float32)


def default_device(device):
    return flag(torch.set_default_device, device, None)


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
    "low precision": lambda: flag(torch.set_float32_matmul_precision, "medium", "highest"),
    "deterministic": lambda: flag(torch.use_deterministic_algorithms, True, False),
    "anomalies": lambda: flag(torch.autograd.set_detect_anomaly, True, False),
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


@pytest.fixture(scope="module")
def calls(tiny_clip, tiny_clip_dir, usual, tmp_path_factory):
    """Public calls by name, each of which returns tensors or numbers."""
    images, prompts = usual.pixels.clone(), ["a heart", "a boat"]

    def generator(seed):
        return torch.Generator("cpu").manual_seed(seed)

    windows = draw_windows((32, 32), 2, (1, 1, 1), [generator(7)])
    deviations = torch.ones(1, 1)
    path = save_png(usual, tmp_path_factory.mktemp("state") / "x.png")

    def stored():
        again = make(tiny_clip)
        again.load_state(usual.save_state(path.with_suffix(".pt")))
        return [again.pixels, again.deltas[-1], *again.state_dict()["deltas"]]

    def made():
        dream = make(load_clip(f"local-dir:{tiny_clip_dir}", device="cpu"))
        dream.run()
        photo = make(tiny_clip, Image.new("RGB", (40, 20), "teal")).start
        return [dream.pixels, photo, np.array([step.loss for step in dream.history])]

    judge = Judge(tiny_clip)

    def judged():
        measured = measure(images, prompts[:1], clip=tiny_clip, judge=judge, distractors=prompts)
        return [judge.similarity(images, prompts), *map(np.float64, measured[0].values())]

    return {
        "encode_image": lambda: [tiny_clip.encode_image(images)],
        "encode_text": lambda: [tiny_clip.encode_text(prompts)],
        "clip_loss": lambda: [clip_loss(*map(tiny_clip.encode_text, prompts))],
        "masked": lambda: [masked_total_variation(images, detail_mask(images))],
        "isotropic": lambda: [total_variation(images, "isotropic")],
        "resize": lambda: [resize(images, (20, 50))],
        "blur": lambda: [blur(images, 1.5)],
        "look": lambda: [look(images, windows, 16)],
        "add_noise": lambda: [add_noise(images[None], deviations, [generator(7)])],
        "judge": judged,
        "spectrum": lambda: [spectrum_slope(images.repeat(1, 1, 2, 2))],
        "state": stored,
        "made": made,
        "replay": lambda: [replay(path, tiny_clip).pixels],
    }


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_every_public_call_gives_the_same_bits(calls, name):
    for call, do in calls.items():
        with SURROUNDINGS[name]():
            inside = do()
        # Afterwards: what was kept for later is asked for again.
        for one, other in zip(inside, do(), strict=True):
            assert one.dtype == other.dtype and (one == other).all(), call


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


@pytest.mark.parametrize("error", [StopIteration, SystemExit])
def test_what_would_end_the_dream_or_the_program_is_an_error(tiny_clip, error):
    """Python's own generators make a RuntimeError of StopIteration as well (PEP 479)."""
    dream = Dream(Raising(tiny_clip, error("mine")), "a heart", recipe=RECIPE)
    with pytest.raises(RuntimeError, match=error.__name__) as caught:
        dream.run()
    assert isinstance(caught.value.__cause__, error) and len(dream.history) == 1


class FullDisk(io.StringIO):
    def write(self, text):
        raise OSError("no space left")


@pytest.mark.parametrize("stream", [None, FullDisk()])
def test_an_output_that_fails_ends_no_dream(tiny_clip, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    dream = make(tiny_clip)
    dream.run(progress=True)
    assert dream.done


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
