"""The judge: opinions of a CLIP that took no part, pixel measures and their intervals."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib import cbook
from PIL import Image

from dreamlab.clip import load_clip
from dreamlab.judge import (
    Judge,
    as_tensors,
    grain_share,
    mean,
    measure,
    out_of_range_share,
    share,
    spectrum_slope,
)
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.world import OBJECTS, caption, compose, variants


class DreamOf:
    """A Dream as far as a judge looks at it."""

    def __init__(self, prompt, pixels):
        self.prompts = [prompt] * len(pixels) if isinstance(prompt, str) else prompt
        self.pixels = pixels


class ColourClip:
    """Knows three words, sees the mean colour: the judge's sums can be done by hand."""

    WORDS, image_size = ("red", "green", "blue"), 8

    def encode_text(self, prompts):
        prompts = [prompts] if isinstance(prompts, str) else prompts
        self.encoded = getattr(self, "encoded", 0) + len(prompts)
        if not prompts:
            raise ValueError("no prompt")
        return torch.stack([torch.eye(3)[self.WORDS.index(prompt)] for prompt in prompts])

    def encode_image(self, images):
        assert not torch.is_grad_enabled()
        return torch.nn.functional.normalize(images.mean((2, 3)), dim=1)


def colour(*rgb: float, size: int = 8) -> torch.Tensor:
    return torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, size, size)


def noise(n=1, height=128, width=128, seed=0):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(load_clip("picturebook-judge", device="cpu"))


def of_spectrum(slope: float) -> torch.Tensor:
    n = 128
    radius = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    radius[0, 0] = 1
    spectra = np.fft.fft2(np.random.default_rng(3).normal(size=(8, n, n))) * radius ** (slope / 2)
    grey = np.fft.ifft2(spectra).real
    return torch.from_numpy(0.5 + grey / np.abs(grey).max() / 2)[:, None].expand(-1, 3, -1, -1)


@pytest.mark.parametrize("wanted", [0.0, -1.0, -2.0, -3.0])
def test_a_made_spectrum_is_measured_back(wanted):
    assert abs(spectrum_slope(of_spectrum(wanted)).mean() - wanted) < 0.1


def test_slope_of_a_photo(photo):
    """In the natural band, whatever the contrast; blur steepens, noise flattens."""
    small = as_tensors(photo.resize((128, 150)))[0]
    assert -3.0 < spectrum_slope(small, finest=32).item() < -1.6  # as far as a 64 px CLIP sees
    blurred = torch.nn.functional.avg_pool2d(small, 3, 1, 1, count_include_pad=False)
    noisy = (small + 0.3 * torch.randn(small.shape, generator=torch.Generator())).clamp(0, 1)
    steep, plain, faint, shallow = spectrum_slope([blurred, small, small / 2 + 0.2, noisy]).tolist()
    assert steep < plain - 0.3 < plain + 0.3 < shallow
    assert faint == pytest.approx(plain, abs=1e-3)


def test_what_has_no_detail_has_no_slope():
    # Without a window a plain ramp would have the spectrum of a sawtooth, −2 along one axis.
    assert spectrum_slope(torch.linspace(0, 1, 128).expand(1, 3, 128, 128)).item() < -4
    assert spectrum_slope(colour(1.7, 0.8, 0.3, size=64)).isnan().all()


def test_grain_is_what_a_blur_removes():
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    coarse = Image.fromarray(noise[:6, :8]).resize((128, 96), Image.Resampling.BICUBIC)
    fine, soft, flat = grain_share([noise, coarse, colour(1, 0, 0, size=64)], 32)
    assert fine > 0.6 > 0.01 > soft and flat < 1e-9


def test_out_of_range_counts_pixels_not_channels():
    images = torch.full((2, 3, 4, 4), 0.5)
    images[0, 0, 0, 0] = -0.1  # one pixel of 16 out of range …
    images[0, 2, 0, 0] = 7.0  # … in two of its channels
    images[0, 1, 1, 1] = 1.0  # at the end of the range, and in it
    assert out_of_range_share(DreamOf("x", images)).tolist() == [1 / 16, 0]
    assert out_of_range_share(Image.new("RGB", (4, 4), "white")).item() == 0


def test_score_and_rank_take_the_prompts_of_dreams():
    judge = Judge(ColourClip())
    raw, shown = colour(-5.0, 1.0, 9.0), colour(0.0, 1.0, 1.0)  # and what a screen shows of it
    assert torch.equal(judge.score(raw, "green"), judge.score(shown, "green"))
    both = DreamOf(["red", "green"], torch.cat([colour(1, 0.5, 0), colour(1, 0.5, 0)]))
    seeds = DreamOf("blue", torch.cat([colour(0, 0, 1), colour(1, 1, 0)]))
    assert torch.allclose(
        judge.score([both, seeds]), torch.tensor([1.0, 0.5, 1.118034, 0]) / 1.118034
    )
    # Green is preferred to blue in the last picture, and so is red.
    assert judge.rank([both, seeds]).tolist() == [0, 1, 0, 2]


@pytest.mark.parametrize(
    ("rgb", "distractors", "rank"),
    [
        ((0.5, 0.5, 0.5), ["green", "blue"], 2),  # a judge who cannot tell earns nothing
        ((1, 0, 0), ["red", "blue", "blue"], 0),  # the right caption is no distractor
        ((0, 1, 0), ["green", "green"], 1),  # nor does one count twice
    ],
)
def test_rank_among_distractors(rgb, distractors, rank):
    assert Judge(ColourClip()).rank(colour(*rgb), "red", distractors).item() == rank


def test_an_opinion_does_not_depend_on_what_was_asked_before(tiny_clip):
    images, captions = noise(2, 32, 32), [f"a castle by {n} lakes" for n in range(30)]
    asked, fresh = Judge(tiny_clip), Judge(tiny_clip)
    for prompt in captions[:3]:
        asked.score(images, prompt)
    assert torch.equal(asked.similarity(images, captions), fresh.similarity(images, captions))
    clip = ColourClip()
    judge = Judge(clip)
    for _ in range(3):
        judge.rank(colour(1, 0, 0), "red", ["green", "blue", {"red": 1, "blue": 1}])
    assert clip.encoded == 5  # each caption once, the mixture's two words for it alone


RAW = SimpleNamespace(encode_image=len, encode_text=len)  # as a model of open_clip has


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda j: j.rank(colour(1, 0, 0), "red"), ValueError, "distractors"),
        (lambda j: j.score(colour(1, 0, 0)), ValueError, "prompts="),
        (lambda j: j.score(colour(1, 0, 0), ["red", "blue"]), ValueError, "2 entries for 1"),
        (lambda j: j.similarity(colour(1, 0, 0), []), ValueError, "empty list"),
        (lambda j: Judge("picturebook"), TypeError, "load_clip"),
        (lambda j: Judge(RAW), TypeError, "load_clip"),
        (lambda j: as_tensors([]), ValueError, "no picture"),
        (lambda j: share([]), ValueError, "at least one"),
    ],
)
def test_unusable_arguments_are_refused(call, error, words):
    with pytest.raises(error, match=words):
        call(Judge(ColourClip()))


def test_measure_gives_a_row_of_numbers_for_each_picture(tiny_clip):
    raw = torch.cat([noise(1, 40, 40) * 3 - 1, noise(1, 40, 40)])
    dream = DreamOf(["a red heart", "a star"], raw)
    rows = measure(dream, clip=tiny_clip, judge=Judge(tiny_clip), distractors=["a cat", "a moon"])
    assert list(rows[0]) == ["dreamer", "judge", "rank", "slope", "out_of_range"]
    assert rows[0]["out_of_range"] > 0.9 > rows[1]["out_of_range"] == 0
    # The dreamer is asked about the pixels it made, the judge about what can be seen of them.
    assert abs(rows[0]["dreamer"] - rows[0]["judge"]) > 1e-4
    assert rows[1]["dreamer"] == pytest.approx(rows[1]["judge"], abs=1e-6)
    (plain,) = measure(raw[1:, :, :31].requires_grad_(), "a star", clip=tiny_clip)
    assert set(rows[0]) - set(plain) == {"judge", "rank"} and math.isnan(plain["slope"])


def test_the_judge_says_which_thing_a_drawing_shows(judge):
    things = {"heart": "sky", "tree": "snow", "star": "space"}
    scenes = [compose(place, [(it, "red", "plain", 1)], seed=3) for it, place in things.items()]
    pictures, captions = [draw(scene, 96) for scene in scenes], list(map(caption, scenes))
    answers = judge.things(pictures, captions)
    assert [(answer.said, answer.rank) for answer in answers] == [(it, 0) for it in things]
    # Asked about another thing, it still names what is there, and ranks what is asked for.
    wrong = judge.things(pictures[0], "a red umbrella in the sky")[0]
    assert wrong.said == "heart" and wrong.rank > 0
    table = judge.similarity(pictures[0], list(variants(captions[0]).values()))[0]
    assert wrong.rank == (table >= table[list(variants("a ball")).index("umbrella")]).sum() - 1


def test_no_thing_no_answer(judge, tiny_clip):
    prompts = ["a red heart", "in the clouds", "a red boat"]
    rows = measure(noise(3, 32, 32), prompts, clip=tiny_clip, judge=judge)
    assert ["object_rank" in row for row in rows] == [True, False, True]
    assert rows[0]["object_rank"] in range(25) and rows[0]["said"] in OBJECTS
    for clip in (tiny_clip, ColourClip()):  # not of the picture-book world
        other = Judge(clip)
        assert not other.knows_things and other.baselines == ()
        assert other.things(noise(1, 32, 32), "a red heart") == [None]


def test_baselines_fall_from_whole_drawings_to_small_tiles(judge):
    baselines = judge.baselines
    assert judge.baselines is baselines, "measured once"
    assert [b.what for b in baselines] == ["whole"] + [f"{n}-px tiles" for n in (16, 8, 4)]
    whole, sixteen, eight, four = baselines
    assert whole.found.value > 0.8 and four.found.value < 0.3
    assert whole.cosine.value > sixteen.cosine.value > eight.cosine.value > four.cosine.value


def test_wilson_interval_agrees_with_the_published_example():
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I."""
    some, none = share([True] * 15 + [False] * 133), share([False] * 20)
    assert (some.low, some.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert (none.low, none.high) == pytest.approx((0, 0.1611), abs=5e-5)
    assert f"{share([True] * 36 + [False] * 4):.0%}" == "90 % [77, 96]"


def test_bootstrap_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    tries = [mean(rng.exponential(size=40), resamples=400) for _ in range(300)]
    covered = np.mean([t.low <= 1 <= t.high for t in tries])
    assert 0.88 < covered < 0.98
