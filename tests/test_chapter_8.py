"""Chapter 8: its functions are the package's, and its checks accept every right solution.

Each wrong solution stands for a mistake that students make, with words its sentence must hold.
"""

import math
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import ROOT, chapter, functions

from dreamlab import Dream, Recipe, clip_loss
from dreamlab.course import check
from dreamlab.dream import unit_rms
from dreamlab.measure.judge import Judge
from dreamlab.measure.ladder import build_ladder

CHAPTER = ROOT / "notebooks" / "08_the_full_pipeline.ipynb"


@pytest.fixture
def define(tiny_clip):
    return functions(CHAPTER.stem, clip=tiny_clip, judge=Judge(tiny_clip))


def random(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


# --- the functions that it defines ----------------------------------------------------------------


def test_dice_are_the_packages(define, tiny_clip):
    dream = Dream(tiny_clip, "a red heart", seed=5)
    for number in (0, 3, -4):
        (ours,), (theirs,) = define["dice"](number, seed=5), dream._generators(number)
        assert torch.equal(torch.rand(4, generator=ours), torch.rand(4, generator=theirs))


def test_loss_is_the_packages(define):
    rows = F.normalize(random(3, 9) - 0.5, dim=1)
    for weight in (0.0, 0.5, 2.0):
        x, wanted, unwanted = rows
        theirs = clip_loss(
            x[None], wanted[None], negative_features=unwanted[None], negative_weight=weight
        )
        ours = define["my_loss"](x, wanted, unwanted, weight)
        assert torch.isclose(ours, theirs, atol=1e-6)


def test_unit_rms_is_the_packages(define):
    gradient = random(1, 3, 5, 6) - 0.3
    assert torch.allclose(define["my_unit_rms"](gradient), unit_rms(gradient))


def test_a_louder_clip_says_the_same(define, tiny_clip):
    louder = define["louder"](tiny_clip, 10)
    assert louder is not tiny_clip
    assert louder.image_size == tiny_clip.image_size
    assert torch.allclose(louder.encode_text(["a heart"]), 10 * tiny_clip.encode_text(["a heart"]))
    step = next(Dream(louder, "a heart", recipe=Recipe.raw(size=32)))
    quiet = next(Dream(tiny_clip, "a heart", recipe=Recipe.raw(size=32)))
    assert 1 - step.clip_loss == pytest.approx(10 * (1 - quiet.clip_loss), rel=1e-3)


def test_the_busiest_tenth_is_measured_among_all_movement(define):
    still, moved = torch.zeros(2, 3, 4, 10), torch.zeros(2, 3, 4, 10)
    assert define["busiest_tenth"](still, moved + 1) == pytest.approx(0.1)
    moved[:, 0, 0, :6] = -0.5
    moved[:, 0, 0, 6] = 1
    assert define["busiest_tenth"](still, moved) == pytest.approx(1)
    moved[:, 1:] = 0.05  # 80 values that together move as far as the seven
    assert define["busiest_tenth"](still, moved) == pytest.approx((4 + 5 * 0.05) / 8)


def test_rate_is_the_packages(define):
    recipe = Recipe(learning_rate=0.2, final_learning_rate=0.05)
    for progress in np.linspace(0, 1, 30):
        ours = define["my_rate"](progress, 0.2, 0.05)
        assert float(ours) == pytest.approx(recipe.learning_rate_at(progress), abs=1e-6)


def test_movement_is_measured_step_by_step(define):
    define["captions"] = ["a red heart"]
    recipe = Recipe(size=32, steps=6, views=2, octaves=(1.0,), clamp=False, optimizer="adam")
    moved, dream = define["movement"](recipe)
    assert len(moved) == 6 and dream.done
    # Adam's first step moves every value that has a slope by the learning rate.
    assert 0.8 * recipe.learning_rate < moved[0] <= 1.001 * recipe.learning_rate


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"octaves": (1.0,)},
        {"octaves": (0.5, 1.0), "size": (32, 48)},
        {"views": 1, "view_mix": (1, 0, 0), "tv_weight": 3.0, "final_learning_rate": 1.0},
    ],
)
def test_loop_is_the_packages(define, tiny_clip, changes):
    recipe = Recipe(**{"size": 48, "steps": 9, "views": 3} | changes)
    dream = Dream(tiny_clip, "a red heart", recipe=recipe, seed=3)
    dream.run()
    ours = define["dream_full"]("a red heart", recipe, seed=3)
    assert ours.shape == dream.pixels.shape
    assert (ours - dream.pixels).abs().mean() < 2e-3


def test_gains_of_forty_captions_are_those_of_the_readme():
    text = (ROOT / "README.md").read_text("utf-8")
    table = text.partition("<!-- ablation:begin -->")[2].partition("<!-- ablation:end -->")[0]
    rows = [[part.strip() for part in row.strip("|").split("|")] for row in table.splitlines()]
    gains = {row[0]: row[3] for row in rows if len(row) > 4 and re.match(r"-?0\.", row[3])}
    (cell,) = (c for c in chapter(CHAPTER).cells if "<!-- gains" in c.source)
    told = dict(re.findall(r"^\| ([^|]+) \| (-?0\.[^|]+) \|$", cell.source, re.MULTILINE))
    assert gains and told == gains


def test_ladders_are_the_packages_made_short(define):
    for order in ("course", "views-last"):
        rungs = define["shorter"](order)
        assert list(rungs) == list(build_ladder(order))
        assert all(r.steps == Recipe().steps and r.views <= 2 for r in rungs.values())


# --- its checks -----------------------------------------------------------------------------------


def rms(g):
    return g.square().mean((1, 2, 3), keepdim=True).sqrt()


@pytest.mark.parametrize(
    "answer",
    [
        unit_rms,
        lambda g: g / (rms(g) + 1e-12),
        lambda g: torch.nan_to_num(g / rms(g)),
        lambda g: torch.stack([x / max(x.square().mean() ** 0.5, 1e-12) for x in g]),
        lambda g: torch.where(rms(g) > 0, g / rms(g), g),
        lambda g: g.numpy() / np.sqrt(np.square(g.numpy()).mean((1, 2, 3), keepdims=True) + 1e-20),
        lambda g: F.normalize(g.flatten(1), dim=1).view_as(g) * math.sqrt(g[0].numel()),
    ],
)
def test_every_normalisation_is_right(answer):
    verdict = check.unit_rms(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda g: g / rms(g), "NaN"),
        (lambda g: -g / rms(g).clamp(min=1e-12), "sign has changed"),
        (lambda g: g / g.square().mean().sqrt(), "whole batch"),
        (lambda g: g / g.square().mean((2, 3), keepdim=True).sqrt(), "each colour"),
        (lambda g: F.normalize(g.flatten(1), dim=1).view_as(g), "length 1"),
        (lambda g: g / g.abs().amax((1, 2, 3), keepdim=True), "largest value"),
        (lambda g: g / g.abs().mean((1, 2, 3), keepdim=True), "absolute values"),
        (lambda g: g / g.std((1, 2, 3), keepdim=True), "standard deviation"),
        (lambda g: g / rms(g) ** 2, "root is missing"),
        (lambda g: g, "1 is wanted"),
        (lambda g: g.div_(rms(g)), "changes the tensor"),
        (lambda g: rms(g), "shape"),
    ],
)
def test_a_wrong_normalisation_is_told_what_is_wrong(answer, words):
    verdict = check.unit_rms(answer)
    assert not verdict and words in verdict.sentence, verdict


def errors_of(gained, correction=1):
    return gained.std(correction=correction) / len(gained) ** 0.5


@pytest.mark.parametrize(
    "answer",
    [
        lambda a, b: ((b - a).mean(), errors_of(b - a)),
        lambda a, b: [(b.mean() - a.mean()).item(), errors_of(b - a, 0).item()],
        lambda a, b: torch.stack([(b - a).mean(), errors_of(b - a)]),
        lambda a, b: (
            np.mean(b.numpy() - a.numpy()),
            np.std(b.numpy() - a.numpy(), ddof=1) / math.sqrt(len(a)),
        ),
        lambda a, b: (
            (b - a).mean(),
            ((a.var() + b.var() - 2 * torch.cov(torch.stack([a, b]))[0, 1]) / len(a)).sqrt(),
        ),
    ],
)
def test_every_gain_is_right(answer):
    verdict = check.gain(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: ((a - b).mean(), errors_of(b - a)), "sign has changed"),
        (lambda a, b: (errors_of(b - a), (b - a).mean()), "exchanged"),
        (lambda a, b: ((b - a).sum(), errors_of(b - a)), "sum of all gains"),
        (lambda a, b: ((b - a).median(), errors_of(b - a)), "the median"),
        (lambda a, b: (b.mean(), errors_of(b - a)), "mean gain of 6"),
        (lambda a, b: ((b - a).mean(), (b - a).std()), "single captions scatter"),
        (lambda a, b: ((b - a).mean(), (b - a).std() / len(a)), "divided by n"),
        (lambda a, b: ((b - a).mean(), (b - a).var() / len(a)), "variance of the mean"),
        (
            lambda a, b: ((b - a).mean(), ((a.var() + b.var()) / len(a)).sqrt()),
            "different captions",
        ),
        (lambda a, b: ((b - a).mean(), 2 * errors_of(b - a)), "standard error is"),
        (lambda a, b: (b - a).mean(), "shape"),
        (lambda a, b: b - a, "shape"),
    ],
)
def test_a_wrong_gain_is_told_what_is_wrong(answer, words):
    verdict = check.gain(answer)
    assert not verdict and words in verdict.sentence, verdict


def half_cosine(progress):
    return (1 + math.cos(math.pi * progress)) / 2


def by_fraction(step, steps, octaves):
    return half_cosine(step * octaves / steps % 1)


@pytest.mark.parametrize(
    "answer",
    [
        by_fraction,
        lambda i, n, k: half_cosine(i % (n // k) / (n // k - 1)),
        lambda i, n, k: np.cos(np.pi / 2 * (i % (n // k)) / (n // k - 1)) ** 2,
        lambda i, n, k: torch.tensor(half_cosine(i % (n / k) / (n / k))),
        lambda i, n, k: Recipe(learning_rate=1, final_learning_rate=0).learning_rate_at(
            (i - i * k // n * (n // k)) / (n // k - 1)
        ),
    ],
)
def test_every_restart_is_right(answer):
    verdict = check.restarts(answer)
    assert verdict, verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda i, n, k: 1.0, "never changes"),
        (lambda i, n, k: half_cosine(i / (n - 1)), "whole run"),
        (lambda i, n, k: half_cosine(i / n), "whole run"),
        (lambda i, n, k: 1 - by_fraction(i, n, k), "it rises"),
        (lambda i, n, k: half_cosine(2 * (i % (n // k)) / (n // k)), "half of it"),
        (lambda i, n, k: 1 - i % (n // k) / (n // k), "straight line"),
        (lambda i, n, k: math.cos(math.pi * (i % (n // k)) / (n // k)), "below 0"),
        (lambda i, n, k: 0.05 * by_fraction(i, n, k), "which gives"),
        (lambda i, n, k: half_cosine(i % k / k), "which gives"),
        (lambda i, n, k: [1.0] * n, "one number is wanted"),
    ],
)
def test_a_wrong_restart_is_told_what_is_wrong(answer, words):
    verdict = check.restarts(answer)
    assert not verdict and words in verdict.sentence, verdict
