"""Every error speaks: odd arguments, odd surroundings, odd words, each a table of cases."""

import contextlib
import json
from functools import reduce

import numpy as np
import pytest
import torch
from conftest import TINY_VIT, Wrapped, create_clip_folder
from matplotlib.backends.backend_agg import RendererAgg
from PIL import Image

from dreamlab import Dream, Judge, Recipe, detail_mask, load_clip
from dreamlab.figures import plots, static
from dreamlab.figures.saving import replay, save_png
from dreamlab.judge import measure, spectrum_slope
from dreamlab.losses import clip_loss, masked_total_variation
from dreamlab.support.resample import blur, resize
from dreamlab.support.surroundings import undisturbed
from dreamlab.views import add_noise, draw_windows, look

RECIPE = Recipe(size=32, steps=3, octaves=(0.5, 1.0), views=2)
DEEP = reduce(lambda inner, _: [inner], range(5000), "a heart")  # too deep to be written out


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"prompt": ["a", "b"], "seed": [1, 2, 3]}, ValueError, "prompt has 2 entries for 3 pic"),
        ({"negative_prompt": ["a", "b"]}, ValueError, "negative_prompt has 2 entries for 1 pic"),
        ({"prompt": ""}, ValueError, "prompt must be a sentence that says something"),
        ({"prompt": []}, ValueError, "prompt is an empty list"),
        ({"seed": []}, ValueError, "seed is an empty list"),
        ({"negative_prompt": None}, ValueError, "negative_prompt must"),
        ({"prompt": DEEP}, ValueError, "prompt must be"),
        ({"seed": [10**5000]}, ValueError, "seed must be"),
        ({"prompt": {"a heart": 10**400}}, ValueError, "a finite sum"),
        ({"prompt": {"a heart": "1"}}, ValueError, "'a heart': '1'"),
        ({"prompt": {"a heart": 0}}, ValueError, "not all 0"),
        ({"seed": 1.0}, TypeError, "seed must be a whole number"),
        ({"seed": [1, -1]}, ValueError, "seed must be a whole number from 0 to 2**32 − 1, got -1"),
        ({"clip": "picturebook"}, TypeError, "clip must be a Clip, as load_clip"),
        ({"recipe": {"steps": 3}}, TypeError, "recipe must be a Recipe"),
        ({"start": "nosuch.png"}, FileNotFoundError, "start='nosuch.png'"),
    ],
)
def test_arguments_that_are_refused(tiny_clip, arguments, error, words):
    with pytest.raises(error) as caught:
        Dream(**{"clip": tiny_clip, "prompt": "a heart", "recipe": RECIPE} | arguments)
    assert words in str(caught.value)


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
    "float64": lambda: default_dtype(torch.float64),
    "another device": lambda: default_device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": lambda: flag(torch.use_deterministic_algorithms, True, False),
    "anomalies": torch.autograd.detect_anomaly,
    "precision": lambda: flag(torch.set_float32_matmul_precision, "medium", "highest"),
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


def dice(seed):
    return [torch.Generator("cpu").manual_seed(seed)]


@pytest.fixture(scope="module")
def calls(tiny_clip, usual, tmp_path_factory):
    """Public calls by name, each of which returns tensors or numbers."""
    images, prompts = usual.pixels.clone(), ["a heart", "a boat"]
    path = save_png(usual, tmp_path_factory.mktemp("state") / "x.png")
    judge, windows = Judge(tiny_clip), draw_windows((32, 32), 2, (1, 1, 1), dice(7))
    deviations = torch.ones(1, 1)

    def made():
        dream = make(tiny_clip, Image.new("RGB", (40, 20), "teal"))
        dream.run()
        return [dream.pixels, dream.start, np.array([step.loss for step in dream.history])]

    def judged():
        measured = measure(images, prompts[:1], clip=tiny_clip, judge=judge, distractors=prompts)
        return [judge.similarity(images, prompts), *map(np.float64, measured[0].values())]

    @undisturbed()
    def flags():  # what they change depends on the processor
        precision = torch.get_float32_matmul_precision()
        return [torch.tensor([torch.is_anomaly_enabled(), precision == "highest"])]

    return {
        "flags": flags,
        "encode_image": lambda: [tiny_clip.encode_image(images)],
        "clip_loss": lambda: [clip_loss(*map(tiny_clip.encode_text, prompts))],
        "masked": lambda: [masked_total_variation(images, detail_mask(images))],
        "resize": lambda: [resize(images, (20, 50))],
        "blur": lambda: [blur(images, 1.5)],
        "look": lambda: [look(images, windows, 16)],
        "add_noise": lambda: [add_noise(images[None], deviations, dice(7))],
        "judge": judged,
        "spectrum": lambda: [spectrum_slope(images.repeat(1, 1, 2, 2))],
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


def test_a_clip_that_is_not_square_is_refused_when_loaded(tmp_path):
    vision = TINY_VIT["vision_cfg"] | {"image_size": [32, 64]}
    folder = create_clip_folder(tmp_path / "wide", TINY_VIT | {"vision_cfg": vision})
    with pytest.raises(ValueError, match=r"32 × 64 px.*square"):
        load_clip(f"local-dir:{folder}", device="cpu")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        *((kind, kind) for kind in (KeyboardInterrupt, GeneratorExit, KeyError)),
        # What would end the dream or the program, as PEP 479 does for Python's own generators:
        *((kind, RuntimeError) for kind in (StopIteration, SystemExit)),
    ],
)
def test_what_a_clip_raises_passes_through_and_the_dream_goes_on(tiny_clip, error, raised):
    errors = [None, error("mine")]

    def around(images, encode):
        if (now := errors.pop(0) if errors else None) is not None:
            raise now
        return encode(images)

    dream = Dream(Wrapped(tiny_clip, around), "a heart", recipe=RECIPE)
    with pytest.raises(raised) as caught:
        dream.run()
    assert raised is error or isinstance(caught.value.__cause__, error)
    assert len(dream.history) == 1
    dream.run()
    assert dream.done


IMAGE = Image.new("RGB", (16, 16), "teal")
HALF = "half a letter \ud83d"
MONEY = r"$x^$ for \$"  # to matplotlib a formula, and a broken one
FIGURES = {
    "pictures": lambda w: plots.pictures([IMAGE], [w], alt="x"),
    "matrices": lambda w: plots.matrices({w: ([[1.0]], [IMAGE])}, [w], alt="x"),
    "curves": lambda w: plots.curves(
        {w: [1, 2], "b": [1, 3]}, title=w, xlabel=w, ylabel=w, alt="x", levels={w: 1}
    ),
    "histograms": lambda w: plots.histograms({w: torch.rand(3, 8, 8)}, alt="x"),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_words_are_drawn_as_they_are_written(figure, monkeypatch):
    drawn, draw_text = [], RendererAgg.draw_text

    def spy(self, gc, x, y, s, *rest, **more):
        drawn.append(s)
        return draw_text(self, gc, x, y, s, *rest, **more)

    monkeypatch.setattr(RendererAgg, "draw_text", spy)
    FIGURES[figure](MONEY).to_png()
    assert MONEY in drawn, "and not as a formula"
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
