"""The judge: opinions of a CLIP that took no part, pixel measures and their intervals."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import cbook
from PIL import Image

from dreamlab.clip import load_clip
from dreamlab.measure.judge import (
    Estimate,
    Judge,
    as_tensors,
    clipped_share,
    fragility,
    mean,
    measure,
    out_of_range_share,
    share,
    spectrum_slope,
)
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.world import OBJECTS, caption, compose, variants
from dreamlab.resample import resize


class StandIn:
    """A Dream as far as a judge looks at it."""

    def __init__(self, prompt, pixels):
        self.prompts = [prompt] * len(pixels) if isinstance(prompt, str) else prompt
        self.pixels = pixels


class ColourClip:
    """Knows three words, sees the mean colour: the judge's sums can be done by hand."""

    WORDS = ("red", "green", "blue")

    def encode_text(self, prompts):
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


# --- pictures of every kind -------------------------------------------------------------------


def test_one_picture_in_every_form_is_the_same_picture(photo):
    tensor = torch.from_numpy(np.array(photo)).permute(2, 0, 1) / 255
    forms = [photo, tensor, tensor[None], tensor.double(), StandIn("x", tensor[None]), [photo]]
    forms += [np.array(photo), (tensor * 255).round().byte()]
    for form in forms:
        (result,) = as_tensors(form)
        assert result.shape == (1, 3, 600, 512)
        assert result.dtype == torch.float32
        assert torch.equal(result, tensor[None])


def test_a_list_may_hold_several_sizes_and_kinds(photo):
    batch = noise(2, 40, 64)
    assert [x.shape[0] for x in as_tensors([photo, batch, StandIn("x", batch)])] == [1, 2, 2]
    assert spectrum_slope([photo, batch]).shape == (3,)
    assert out_of_range_share([photo, batch]).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        ("cat.png", FileNotFoundError, "no such file"),
        (3, TypeError, "a PIL image, an array"),
        (torch.zeros(1, 4, 8, 8), ValueError, r"\(1, 4, 8, 8\)"),
        (torch.zeros(0, 3, 8, 8), ValueError, r"\(0, 3, 8, 8\)"),
        (torch.zeros(8, 8), ValueError, r"\(8, 8\)"),
        (torch.full((1, 3, 8, 8), math.nan), ValueError, "NaN"),
        ([], ValueError, "no picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_the_reason(images, error, words):
    with pytest.raises(error, match=words):
        as_tensors(images)


# --- pixels -----------------------------------------------------------------------------------


def test_white_noise_has_slope_zero():
    slopes = spectrum_slope(noise(64))
    # Each scatters by about .1, hence their mean by about .013.
    assert abs(slopes.mean()) < 0.06
    assert slopes.abs().max() < 0.5


@pytest.mark.parametrize("wanted", [-1.0, -2.0, -3.0])
def test_a_made_spectrum_is_measured_back(wanted):
    n = 256
    radius = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n))
    radius[0, 0] = 1
    rng = np.random.default_rng(3)
    grey = np.stack(
        [
            np.fft.ifft2(np.fft.fft2(rng.normal(size=(n, n))) * radius ** (wanted / 2)).real
            for _ in range(8)
        ]
    )
    grey = 0.5 + grey / np.abs(grey).max() / 2
    images = torch.from_numpy(grey)[:, None].expand(-1, 3, -1, -1)
    assert abs(spectrum_slope(images).mean() - wanted) < 0.1


def test_a_photo_lies_in_the_natural_band_at_every_size(photo):
    for side in (64, 128, 224, 512):
        small = photo.resize((side, round(side * 600 / 512)), Image.Resampling.LANCZOS)
        assert -3.0 < spectrum_slope(small).item() < -1.6
        assert -3.0 < spectrum_slope(small, finest=32).item() < -1.6  # as far as a 64 px CLIP sees


def test_blur_steepens_and_noise_flattens_the_slope(photo):
    small = as_tensors(photo.resize((128, 150)))[0]
    blurred = torch.nn.functional.avg_pool2d(small, 3, 1, 1, count_include_pad=False)
    noisy = (small + 0.3 * torch.randn(small.shape, generator=torch.Generator())).clamp(0, 1)
    steep, plain, shallow = spectrum_slope([blurred, small, noisy]).tolist()
    assert steep < plain - 0.3 < plain + 0.3 < shallow


def test_opposite_borders_that_differ_are_no_detail():
    """Without a window a plain ramp has the spectrum of a sawtooth, slope −2 along one axis."""
    ramp = torch.linspace(0, 1, 128).expand(1, 3, 128, 128)
    assert spectrum_slope(ramp).item() < -4


def test_slope_ignores_brightness_and_contrast(photo):
    small = as_tensors(photo.resize((128, 128)))[0]
    assert torch.allclose(spectrum_slope(small * 0.5 + 0.2), spectrum_slope(small), atol=1e-3)


@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0, 1.7])
def test_a_flat_picture_has_no_slope(level):
    assert spectrum_slope(colour(level, level / 2, 0.3, size=64)).isnan().all()


def test_a_slope_of_few_pixels_is_refused():
    with pytest.raises(ValueError, match="at least 32 px, got 31 × 90"):
        spectrum_slope(noise(1, 31, 90))


@settings(max_examples=25, deadline=None)
@given(st.integers(32, 80), st.integers(32, 80), st.integers(1, 3))
def test_slope_takes_any_shape(height, width, n):
    slopes = spectrum_slope(noise(n, height, width))
    assert slopes.shape == (n,)
    assert slopes.isfinite().all()
    turned = spectrum_slope(noise(n, height, width).transpose(2, 3))
    assert torch.allclose(slopes, turned, atol=1e-4)


def test_shares_count_pixels_not_channels():
    images = torch.full((2, 3, 4, 4), 0.5)
    images[0, 0, 0, 0] = -0.1  # one pixel of 16 out of range …
    images[0, 2, 0, 0] = 7.0  # … in two of its channels
    images[0, 1, 1, 1] = 1.0  # in range, but clipped
    images[1, :, :2] = 0.0
    assert out_of_range_share(images).tolist() == [1 / 16, 0]
    assert clipped_share(images).tolist() == [2 / 16, 1 / 2]


def test_a_dream_is_measured_on_its_raw_pixels_and_a_pil_image_is_always_in_range():
    assert out_of_range_share(StandIn("x", torch.full((1, 3, 4, 4), 1.5))).item() == 1
    white = Image.new("RGB", (4, 4), "white")
    assert (out_of_range_share(white).item(), clipped_share(white).item()) == (0, 1)


# --- opinions ---------------------------------------------------------------------------------


def test_similarity_is_the_table_of_cosines():
    table = Judge(ColourClip()).similarity([colour(1, 0, 0), colour(0, 0.3, 0.4)], ["red", "blue"])
    assert torch.allclose(table, torch.tensor([[1.0, 0.0], [0.0, 0.8]]))


def test_the_judge_sees_what_a_screen_shows():
    raw = colour(-5.0, 1.0, 9.0)
    shown = colour(0.0, 1.0, 1.0)
    judge = Judge(ColourClip())
    assert torch.equal(judge.score(raw, "green"), judge.score(shown, "green"))


def test_score_and_rank_take_the_prompts_of_dreams():
    judge = Judge(ColourClip())
    both = StandIn(["red", "green"], torch.cat([colour(1, 0.5, 0), colour(1, 0.5, 0)]))
    seeds = StandIn("blue", torch.cat([colour(0, 0, 1), colour(1, 1, 0)]))
    assert torch.allclose(
        judge.score([both, seeds]), torch.tensor([1.0, 0.5, 1.118034, 0]) / 1.118034
    )
    # green is preferred to blue in the last picture, and so is red
    assert judge.rank([both, seeds]).tolist() == [0, 1, 0, 2]
    result = judge.r_precision([both, seeds])
    assert (result.value, result.count) == (0.5, 4)


def test_an_undecided_judge_earns_nothing():
    judge = Judge(ColourClip())
    grey = colour(0.5, 0.5, 0.5)
    assert judge.rank(grey, "red", ["green", "blue"]).item() == 2
    assert judge.r_precision(grey, "red", ["green", "blue"]).value == 0


def test_distractors_equal_to_the_right_caption_do_not_count():
    assert Judge(ColourClip()).rank(colour(1, 0, 0), "red", ["red", "blue", "blue"]).item() == 0


def test_a_prompt_is_encoded_once():
    clip = ColourClip()
    judge = Judge(clip)
    for _ in range(3):
        judge.rank(colour(1, 0, 0), "red", ["green", "blue"])
    assert clip.encoded == 3


def test_an_opinion_does_not_depend_on_what_was_asked_before(tiny_clip):
    images, captions = noise(2, 32, 32), [f"a castle by {n} lakes" for n in range(30)]
    asked, fresh = Judge(tiny_clip), Judge(tiny_clip)
    for prompt in captions[:3]:
        asked.score(images, prompt)
    assert torch.equal(asked.similarity(images, captions), fresh.similarity(images, captions))


def test_results_are_ordinary_tensors_without_gradient(tiny_clip):
    images = noise(2, 40, 40).requires_grad_()
    scores = Judge(tiny_clip).score(images, "a red heart")
    assert not scores.requires_grad
    assert not scores.is_inference()  # an inference tensor could not enter a later loss


def test_many_pictures_are_judged_in_parts_with_the_same_result(tiny_clip, monkeypatch):
    images = noise(5, 32, 32)
    whole = Judge(tiny_clip).similarity(images, ["a heart", "a star"])
    monkeypatch.setattr("dreamlab.measure.judge.AT_ONCE", 2)
    parts = Judge(tiny_clip).similarity(images, ["a heart", "a star"])
    assert torch.allclose(whole, parts, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda j: j.rank(colour(1, 0, 0), "red"), ValueError, "distractors"),
        (lambda j: j.score(colour(1, 0, 0)), ValueError, "prompts="),
        (lambda j: j.score(colour(1, 0, 0), ["red", "blue"]), ValueError, "1 pictures, but 2"),
        (lambda j: j.score(colour(1, 0, 0), [3]), TypeError, "text"),
        (lambda j: j.similarity(colour(1, 0, 0), []), ValueError, "no prompt"),
        (lambda j: j.score(StandIn([{"red": 2}], colour(1, 0, 0))), TypeError, "one sentence"),
        (lambda j: Judge("picturebook"), TypeError, "load_clip"),
    ],
)
def test_bad_questions_are_answered_with_the_reason(call, error, words):
    with pytest.raises(error, match=words):
        call(Judge(ColourClip()))


# --- fragility --------------------------------------------------------------------------------


class PixelClip(ColourClip):
    """Is fooled by the brightest pixel of each channel, wherever it is."""

    def encode_image(self, images):
        return torch.nn.functional.normalize(images.amax((2, 3)) ** 4, dim=1)


def test_a_score_that_hangs_on_single_pixels_is_fragile():
    dots = torch.full((1, 3, 64, 64), 0.4)
    dots[:, 0, 4::8, 4::8] = 1.0
    lost = fragility(PixelClip(), dots, "red", blur=1 / 32)
    area = torch.full((1, 3, 64, 64), 0.4)
    area[:, 0] = 1.0
    kept = fragility(PixelClip(), area, "red", blur=1 / 32)
    assert lost.blur.item() > 0.2
    assert abs(kept.blur.item()) < 1e-5
    # Both depend on nothing but the colours there are, so a shift changes neither.
    assert abs(lost.shift.item()) < 1e-5


def test_shift_moves_by_whole_pixels_in_all_four_ways():
    class Corner(ColourClip):
        def encode_image(self, images):
            seen.append(images[0, 0].clone())
            return super().encode_image(images)

    seen = []
    image = torch.arange(64.0).view(1, 1, 8, 8).expand(1, 3, 8, 8) / 64
    fragility(Corner(), image, "red", shift=1 / 8)
    _, right, left, down, up, *_ = seen
    original = image[0, 0]
    assert torch.equal(right[:, 1:], original[:, :-1])
    assert torch.equal(right[:, 0], original[:, 0])
    assert torch.equal(left[:, :-1], original[:, 1:])
    assert torch.equal(down[1:], original[:-1])
    assert torch.equal(up[:-1], original[1:])


def test_blur_keeps_flat_colour_and_the_mean_of_detail():
    from dreamlab.measure.judge import _blurred

    flat = colour(0.2, 0.5, 0.9, size=32)
    assert torch.allclose(_blurred(flat, 1 / 16), flat, atol=1e-6)
    image = torch.zeros(1, 3, 33, 33)
    image[..., 16, 16] = 1
    result = _blurred(image, 2 / 33)
    assert torch.allclose(result.sum((2, 3)), torch.ones(1, 3), atol=1e-5)
    assert result.max() == pytest.approx(1 / (2 * math.pi * 4), rel=0.02)  # of a 2-D Gaussian


def test_fragility_of_a_wild_strength_is_refused():
    with pytest.raises(ValueError, match=r"shift is a share .* got 4"):
        fragility(ColourClip(), colour(1, 0, 0), "red", shift=4)


# --- everything at once -----------------------------------------------------------------------


def test_measure_gives_one_row_of_numbers_for_each_picture(tiny_clip):
    raw = torch.cat([noise(1, 40, 40) * 3 - 1, noise(1, 40, 40)])
    dream = StandIn(["a red heart", "a star"], raw)
    rows = measure(dream, clip=tiny_clip, judge=Judge(tiny_clip), distractors=["a cat", "a moon"])
    assert [list(row) for row in rows] == 2 * [
        ["dreamer", "judge", "rank", "slope", "out_of_range", "clipped", "blur", "shift"]
    ]
    assert rows[0]["out_of_range"] > 0.9
    assert rows[1]["out_of_range"] == 0
    # The dreamer is asked about the pixels it made, the judge about what can be seen of them.
    assert abs(rows[0]["dreamer"] - rows[0]["judge"]) > 1e-4
    assert rows[1]["dreamer"] == pytest.approx(rows[1]["judge"], abs=1e-6)
    assert rows[1]["rank"] in range(4)
    (plain,) = measure(raw[1:], "a star", clip=tiny_clip)
    assert set(rows[0]) - set(plain) == {"judge", "rank"}


# --- intervals --------------------------------------------------------------------------------


def test_wilson_interval_agrees_with_the_published_example():
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I."""
    result = share([True] * 15 + [False] * 133)
    assert (result.low, result.high) == (
        pytest.approx(0.0624, abs=5e-5),
        pytest.approx(0.1605, abs=5e-5),
    )
    none = share([False] * 20)
    assert (none.low, none.high) == (0, pytest.approx(0.1611, abs=5e-5))


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_wilson_interval_holds_the_share_and_stays_in_range(hits):
    result = share(hits)
    assert 0 <= result.low <= result.value <= result.high <= 1
    assert result.low < result.high


def test_bootstrap_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    tries = [mean(rng.exponential(size=40), resamples=400) for _ in range(300)]
    covered = np.mean([t.low <= 1 <= t.high for t in tries])
    assert 0.88 < covered < 0.98


def test_a_mean_is_the_same_each_time_and_unknown_from_one_value():
    assert mean([1, 2, 7]) == mean([1, 2, 7])
    assert math.isnan(mean([3]).low)
    assert mean([3]).value == 3


@pytest.mark.parametrize("function", [share, mean])
def test_nothing_cannot_be_averaged(function):
    with pytest.raises(ValueError, match="at least one"):
        function([])


def test_estimates_print_with_their_interval():
    assert f"{Estimate(0.474, 0.42, 0.526, 40):.2f}" == "0.47 [0.42, 0.53]"
    assert f"{Estimate(0.9, 0.77, 0.96, 40):.0%}" == "90 % [77, 96]"
    assert f"{Estimate(3.0, math.nan, math.nan, 1):.1f}" == "3.0"
    assert f"{Estimate(math.nan, math.nan, math.nan, 4):.1f}" == "–"


def test_slope_up_to_what_clip_sees_forgets_the_filter_that_made_the_picture_small():
    """Noise of 32 px, enlarged to 128: white as far as it goes, nothing beyond."""
    coarse = torch.nn.functional.interpolate(noise(16, 32, 32), size=(128, 128), mode="bicubic")
    assert spectrum_slope(coarse).mean() < -3
    assert spectrum_slope(coarse, finest=12).mean() > -1
    with pytest.raises(ValueError, match="at least 8"):
        spectrum_slope(coarse, finest=3)


def test_the_band_of_a_dream_ends_where_clips_own_resize_halves_the_power():
    across = torch.arange(128) * (2 * math.pi * 0.4 / 2)  # .4 cycles per pixel once it is halved
    waves = torch.stack([across.sin(), across.cos()])[:, None, None].expand(2, 1, 128, 128)
    power = resize(waves, (64, 64))[..., 8:-8].square().sum(0).mean()
    assert power == pytest.approx(0.5, abs=0.02)


# --- which thing is it? -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(load_clip("picturebook-judge", device="cpu"))


def test_the_judge_says_which_thing_a_drawing_shows(judge):
    scenes = [compose(b, [(name, "red", "plain", 1)], seed=3) for b, name in
              (("sky", "heart"), ("snow", "tree"), ("space", "star"))]  # fmt: skip
    pictures = [draw(scene, 96) for scene in scenes]
    captions = [caption(scene) for scene in scenes]
    answers = judge.things(pictures, captions)
    assert [answer.said for answer in answers] == ["heart", "tree", "star"]
    assert [answer.rank for answer in answers] == [0, 0, 0]
    # Asked about another thing, it still names what is there, and ranks what is asked for.
    wrong = judge.things(pictures[0], "a red umbrella in the sky")[0]
    assert wrong.said == "heart" and wrong.rank > 0
    table = judge.similarity(pictures[0], list(variants(captions[0]).values()))[0]
    assert wrong.rank == (table >= table[list(variants("a ball")).index("umbrella")]).sum() - 1


def test_no_thing_no_answer(judge, tiny_clip):
    images = noise(3, 32, 32)
    prompts = ["a red heart", "in the clouds", "a giraffe"]
    with pytest.warns(UserWarning, match="giraffe"):
        rows = measure(images, prompts, clip=tiny_clip, judge=judge)
    assert [answer is None for answer in judge.things(images, prompts)] == [False, True, True]
    assert ["object_rank" in row for row in rows] == [True, False, False]
    assert rows[0]["object_rank"] in range(25) and rows[0]["said"] in OBJECTS


@pytest.mark.parametrize("make", [lambda tiny: tiny, lambda tiny: ColourClip()])
def test_a_judge_of_another_world_is_not_asked_for_things(make, tiny_clip):
    other = Judge(make(tiny_clip))
    assert not other.knows_things
    assert other.things(noise(1, 32, 32), "a red heart") == [None]
    assert other.baselines == ()


def test_both_embedded_clips_know_things(judge):
    assert judge.knows_things
    assert Judge(load_clip("picturebook", device="cpu")).knows_things


def test_baselines_fall_from_whole_drawings_to_small_tiles(judge):
    baselines = judge.baselines
    assert judge.baselines is baselines  # measured once
    assert [shown.what for shown in baselines] == ["whole"] + [f"{n}-px tiles" for n in (16, 8, 4)]
    assert all(shown.cosine.count == shown.found.count == 50 for shown in baselines)
    whole, sixteen, eight, four = baselines
    assert whole.found.value > 0.8 and four.found.value < 0.3
    assert whole.cosine.value > sixteen.cosine.value > eight.cosine.value > four.cosine.value
    assert whole.row("rung") == {
        "rung": "drawings, whole", "count": 50, "judge": whole.cosine, "object": whole.found
    }  # fmt: skip
    assert "whole: thing named " in str(whole)
