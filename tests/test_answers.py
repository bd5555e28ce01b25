"""The exercises' checks: every right way is right, and usual mistakes are called by their names."""

import cmath
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from chapters import answers

from dreamlab import Recipe, detail_mask, load_dream, total_variation
from dreamlab.course import check
from dreamlab.course.check import verdict
from dreamlab.figures.saving import read_settings
from dreamlab.octaves import compose as add_up
from dreamlab.octaves import octave_at
from dreamlab.picturebook.world import Scene, compose
from dreamlab.support.resample import blur, resize
from dreamlab.views import look

S = answers("solution")
STARS, MOON = ("star", "yellow", "plain", 3), ("moon", "white", "plain", 1)
STRIPED = ("moon", "white", "striped", 1)
APART = range(2, 13)  # periods of wallpaper that are asked for


def dot(a, b):
    return (a * b).sum()


def outside(x):
    return (x < 0) | (x > 1)


def distance(x):
    """From each value to [0, 1]."""
    return (x - x.clamp(0, 1)).abs()


def difference(x, k):
    return (x[..., k:] - x[..., :-k]).square().mean().item()


def scale(image, size, mode="bilinear", **options):
    return F.interpolate(image, size, mode=mode, **options)


def cut(image, top, left, side):
    return image[..., top : top + side, left : left + side]


def by_mean(image, top, left, side, size):
    """By blocks where they fit, else by adaptive blocks: every pixel counts."""
    return F.adaptive_avg_pool2d(cut(image, top, left, side), size)


def wave(period, reach):
    return sum(cmath.exp(2j * cmath.pi * s / period) for s in range(reach)) / reach


def pad_steps(x):
    return F.pad(x.diff(dim=1), (0, 1)), F.pad(x.diff(dim=0), (0, 0, 0, 1))


def neighbours(x):
    """Each pixel's four neighbours; those beyond the border equal the pixel itself."""
    wide = F.pad(x[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    return wide[1:-1, :-2], wide[1:-1, 2:], wide[:-2, 1:-1], wide[2:, 1:-1]


def own_backward(x):
    """A gradient that was made by a `.backward()` of its own is as good as any."""
    x = x.clone().requires_grad_()
    sum(step.abs().sum() for step in pad_steps(x)).backward()
    return x.grad


def root(x, small=0.0):
    right, down = pad_steps(x)
    return (right**2 + down**2 + small).sqrt()


def calm(blurred, kappa):
    down, right = torch.gradient(blurred, dim=(-2, -1))
    return 1 / (1 + (right**2 + down**2) / kappa**2)


boxes = torch.nn.AvgPool2d(5, stride=1, padding=2, count_include_pad=False)


def held(x, m):
    """Where the mean pushes a value against the wall that it is at."""
    return (x == 0) & (m > 0) | (x == 1) & (m < 0)


def size_of(images):
    return tuple(images.shape[-2:])


def through(images, side, mode="bilinear", **shrink):
    """There and back: to a square of this side, and to the size it had."""
    return scale(scale(images, (side, side), mode, **shrink), size_of(images), mode)


def rms(g):
    return g.square().mean((1, 2, 3), keepdim=True).sqrt()


def error_of(gained):
    """The standard error of the mean."""
    return gained.std() / len(gained) ** 0.5


def half_cosine(progress):
    return (1 + math.cos(math.pi * progress)) / 2


def searched(height):
    """By halving, without a formula."""
    card = torch.full((1, 64, 64), 0.5)
    card[..., 32:] += height
    low, high = 1e-4, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if detail_mask(card, kappa=middle)[0, 32, 31:33].mean() < 0.5:
            low = middle
        else:
            high = middle
    return middle


# By the name of the check: right answers, and wrong ones with words of what is said to them.
ANSWERS = {
    "readable": [
        lambda thing: "Two striped " + {"fish": "fish"}.get(thing, thing + "s") + " at night!",
        lambda thing: f"a picture of a {thing.upper()}, next to a yellow moon",
        (lambda thing: f"a sleepy {thing} in the sky", "does not know 'sleepy'"),
        (lambda thing: "a red heart in the sky", "the thing is missing"),
        (lambda thing: "a red castle in the sky", "whatever thing it is given"),
        (lambda thing: "a red star " * 20 + thing, "too long"),
    ],
    "difference": [
        lambda a, b: F.l1_loss(a, b),
        (lambda a, b: (a - b).mean(), "cancel"),
        (lambda a, b: F.mse_loss(a, b), "mean of the squares"),
    ],
    "scene": [
        lambda seed: compose("night", [STARS, MOON], seed=seed),
        lambda seed: Scene("night", compose("night", [STARS, MOON], seed=0).items, seed),
        (lambda seed: compose("night", [STARS, MOON]), "every seed gives the same page"),
        (lambda seed: compose("night", [STARS], seed=seed), "there is no moon"),
        (lambda seed: compose("night", [STARS, STRIPED], seed=seed), "texture of 'moon'"),
    ],
    "cosine": [
        lambda u, v: F.cosine_similarity(u, v, dim=0),
        (lambda u, v: u @ v, "dot product"),
        (lambda u, v: (u @ v) / u.norm(), "one vector only"),
    ],
    "promise": [
        lambda g, step: step * g.norm(p=1),
        (lambda g, step: step * g.sum(), "cancel"),
        (lambda g, step: step * g.abs().mean(), "that is the mean"),
    ],
    "pull_and_push": [
        lambda x, w, u, k: -(x @ (w - k * u).T).exp(),
        lambda x, w, u, k: k * dot(x, u) - dot(x, w),
        lambda x, w, u, k: 5 * (2 - dot(x, w) + k * (1 + dot(x, u))),
        (lambda x, w, u, k: dot(x, w) - k * dot(x, u), "the opposite"),
        (lambda x, w, u, k: 1 - dot(x, w), "one of the two"),
        (lambda x, w, u, k: 1 - dot(x, w) + k * F.relu(dot(x, u)), "agree by -0."),
        (lambda x, w, u, k: F.relu(0.2 - dot(x, w) + k * dot(x, u)), "leaves where it is"),
        (lambda x, w, u, k: 1 - dot(x, w) + 3 * k * dot(x, u), "1.5 times"),
    ],
    "shift": [
        lambda x, right, down: x.roll((down, right), (-2, -1)),
        (lambda x, right, down: x.roll((-down, -right), (-2, -1)), "the other way"),
        (lambda x, right, down: x.roll((right, down), (-2, -1)), "exchanged"),
        lambda x, right, down: F.pad(x, (right, -right, down, -down)),
    ],
    "overflow": [
        lambda x: ((x.amax(0) > 1) | (x.amin(0) < 0)).sum() / x[0].numel(),
        (lambda x: outside(x).float().mean(), "share of values"),
        (lambda x: ((x <= 0) | (x >= 1)).any(0).float().mean(), "can be shown"),
    ],
    "worst_change": [
        lambda w, step: torch.where(w > 0, step, -step),
        (lambda w, step: -step * w.sign(), "the other way round"),
        (lambda w, step: w.sign(), "size of the step is missing"),
        (lambda w, step: step * w / w.abs().max(), "in proportion"),
    ],
    "period": [
        lambda x: min(APART, key=lambda k: difference(x, k)),
        (lambda x: torch.tensor([difference(x, k) for k in APART]).argmin(), "out by two"),
        (lambda x: torch.tensor([difference(x, k) for k in APART]).argmin() + 1, "out by one"),
        (lambda x: min(APART, key=lambda k: difference(x.transpose(1, 2), k)), "looks down"),
        (lambda x: 4, "differ least"),
    ],
    "step_back": [
        lambda x, size: F.avg_pool2d(x, size),
        (lambda x, size: x[:, ::size, ::size], "forgets the others"),
        (lambda x, size: S["step_back"](x, size).mean(0).expand(3, -1, -1), "mixes red"),
    ],
    "strata": [
        lambda u: (torch.arange(len(u)) + 1 - u) / len(u),
        lambda u: ((torch.arange(len(u)) + u) / len(u)).flip(0),
        lambda u: (torch.arange(len(u)) + u[0]) / len(u),
        (lambda u: torch.arange(len(u)) + u, "belong into [0, 1)"),
        (lambda u: (torch.arange(len(u)) + 0.5) / len(u), "always at the same place"),
    ],
    "cutout": [
        lambda x, top, left, s, n: scale(cut(x, top, left, s), n, antialias=True),
        lambda x, top, left, s, n: look(x, torch.tensor([[[top, left, s]]]).float(), n)[0],
        lambda x, top, left, s, n: scale(cut(x, top, left, s), n, "bicubic", antialias=True),
        (lambda x, top, left, s, n: F.interpolate(cut(x, top, left, s), n), "skips pixels"),
        (lambda x, top, left, s, n: by_mean(x, left, top, s, n), "exchanged"),
        (lambda x, top, left, s, n: F.interpolate(x, n, mode="area"), "whole picture"),
        (lambda x, *at: scale(cut(x, *at[:3]), at[3], align_corners=True, antialias=True), "aside"),
    ],
    "wave_left": [
        lambda p, n: torch.exp(-2j * torch.pi * torch.arange(n) / p).mean().abs(),
        lambda p, n: abs(math.sin(math.pi * n / p) / math.sin(math.pi / p) / n),
        (lambda p, n: wave(p, n).real, "mean of cosines"),
        (lambda p, n: abs(wave(2 * math.pi * p, n)), "a full turn is 2π"),
    ],
    "squared_variation": [
        lambda x: sum(step.pow(2) for step in pad_steps(x)).mean(),
        (lambda x: x.diff(dim=1).square().mean() + x.diff(dim=0).square().mean(), "one step fewer"),
        (lambda x: x.diff(dim=0).square().sum() / x.numel(), "to the right are missing"),
    ],
    "variation_gradient": [
        own_backward,
        lambda x: sum(torch.sign(x - n) for n in neighbours(x)).int(),
        (lambda x: sum(x - n for n in neighbours(x)), "only their signs count"),
        (lambda x: -sum(step.sign() for step in pad_steps(x)), "right and down only"),
        (lambda x: sum(torch.sign(x - x.roll(s, d)) for s in (1, -1) for d in (0, 1)), "border"),
    ],
    "isotropic_variation": [
        lambda x: root(x, torch.finfo(x.dtype).tiny).mean(),
        lambda x: total_variation(x[None], "isotropic"),
        (lambda x: root(x).mean(), "the gradient is NaN"),
        (lambda x: root(x).square().mean(), "the root is missing"),
        (lambda x: x.mean() + (root(x).mean() - x.mean()).detach(), "not that of this value"),
    ],
    "contrast_left": [
        lambda width, weight: 1 - weight / width,
        lambda width, weight: max(0, 1 - weight / width),
        (lambda width, weight: weight / width, "what the bar loses"),
        (lambda width, weight: 0.5, "keeps 0.800 of its height"),
    ],
    "coherence": [
        lambda xx, yy, xy: torch.hypot(xx - yy, 2 * xy),
        (lambda xx, yy, xy: (xx - yy) ** 2 + 4 * xy**2, "take the root"),
        (lambda xx, yy, xy: (xx + yy + torch.hypot(xx - yy, 2 * xy)) / 2, "μ₁ alone"),
        (lambda xx, yy, xy: torch.hypot(xx - yy, 2 * xy) / 2, "half"),
        (lambda xx, yy, xy: -torch.hypot(xx - yy, 2 * xy), "wrong way round"),
        (lambda xx, yy, xy: xx * yy - xy**2, "μ₁ · μ₂"),
    ],
    "equal_weight": [
        lambda m: m * m[0].numel() / m.sum((-3, -2, -1), keepdim=True),
        (lambda m: m / m.mean(), "not that of each"),
        (lambda m: torch.ones_like(m), "no longer what they were"),
    ],
    "calm_mask": [
        lambda image, kappa: calm(boxes(image), kappa),
        (lambda image, kappa: calm(blur(image, 0.3), kappa), "blur before"),
        (lambda image, kappa: 1 - calm(blur(image, 1.5), kappa), "that is the trust"),
        (lambda image, kappa: calm(blur(image, 1.5), 0.04), "κ has no such effect"),
    ],
    "project": [
        lambda x, low, high: torch.where(x < low, low, torch.where(x > high, high, x)),
        (lambda x, low, high: x.clamp(0, 1), "no effect"),
        (lambda x, low, high: x, "stay where they are"),
    ],
    "to_bytes": [
        lambda x: (x * 255).round().clamp(0, 255).to(torch.uint8),
        (lambda x: (x * 255).round().long().to(torch.uint8), "cut off before"),
        (lambda x: (x.clamp(0, 1) * 255).to(torch.uint8), "cuts the fraction off"),
    ],
    "range_penalty": [
        lambda x: distance(x)[outside(x)].sum() if outside(x).any() else 0.0,
        lambda x: distance(x).sum(),
        lambda x: (torch.relu(x - 1) + torch.relu(-x)).mean(),
        (lambda x: torch.relu(x.clamp(0, 1) - 1).sum(), "before the image is clamped"),
        (lambda x: (x - 0.5).square().sum(), "pulls at values that are inside"),
        (lambda x: torch.relu(x - 1).sum(), "one wall only"),
        (lambda x: distance(x)[outside(x)].mean(), "nan"),
    ],
    "forget_momentum": [
        lambda x, m: torch.where(((x <= 0) & (m > 0)) | ((x >= 1) & (m < 0)), 0.0, m),
        lambda x, m: torch.where((x - 1e-3 * m).clamp(0, 1) == x, 0.0, m),
        (lambda x, m: m.masked_fill(held(x, -m), 0), "forgets the way back"),
        (lambda x, m: m.masked_fill((x == 0) | (x == 1), 0), "whatever the direction"),
        (lambda x, m: m.clamp(min=0), "not at a wall"),
        (lambda x, m: m.masked_fill(held(x.round(decimals=1), m), 0), "not at a wall"),
    ],
    "octave_of": [
        lambda steps, octaves: ((steps + 0.5) / len(steps) * octaves).floor(),
        lambda steps, octaves: [octave_at(int(s), len(steps), octaves) for s in steps],
        lambda steps, octaves: torch.div(steps * octaves, len(steps), rounding_mode="floor"),
        (lambda steps, octaves: steps // (len(steps) // octaves), "there is none"),
        (lambda steps, octaves: (steps > 9) * (octaves - 1), "equal shares"),
        (
            lambda s, o: (s // (len(s) // o)).clamp(max=o - 1),
            "of 5 steps and 3 octaves, the octaves get",
        ),
    ],
    "octave_delta": [
        lambda s, d, x: x - sum(resize(y, size_of(x)) for y in [s, *d]),
        (lambda s, d, x: x - resize(s, size_of(x)), "earlier deltas"),
        (lambda s, d, x: x - add_up(s, d[-1:], size_of(x)), "only the last delta"),
    ],
    "fine_part": [
        lambda x, side: x - F.interpolate(F.adaptive_avg_pool2d(x, side), size_of(x)),
        lambda x, side: x - through(x, side, "bicubic", antialias=True),
        lambda x, side: x - through(x, side, antialias=True),
        (lambda x, side: x - through(x, side, "nearest"), "a checker of pixels became"),
        (lambda x, side: x - through(x, side, align_corners=True, antialias=True), "visit move"),
    ],
    "unit_rms": [
        lambda g: torch.stack([x / max(x.square().mean() ** 0.5, 1e-12) for x in g]),
        lambda g: g / (rms(g) + 1e-12),
        lambda g: torch.nan_to_num(g / rms(g)),
        (lambda g: g / rms(g), "NaN"),
        (lambda g: g / g.square().mean((2, 3), keepdim=True).sqrt(), "each colour"),
    ],
    "gain": [
        lambda a, b: torch.stack([(b - a).mean(), error_of(b - a)]),
        lambda a, b: [(b - a).mean(), (b - a).std(correction=0) / len(a) ** 0.5],
        (lambda a, b: ((b - a).mean(), (b - a).std()), "single captions scatter"),
        (
            lambda a, b: ((b - a).mean(), (error_of(a) ** 2 + error_of(b) ** 2) ** 0.5),
            "different captions",
        ),
    ],
    "restarts": [
        lambda i, n, k: half_cosine(i % (n // k) / (n // k - 1)),
        lambda i, n, k: half_cosine(i * k / n % 1),
        (lambda i, n, k: half_cosine(i / (n - 1)), "whole run"),
        (lambda i, n, k: math.cos(math.pi * (i % (n // k)) / (n // k)), "below 0"),
    ],
    "sentence_and_seed": [
        lambda path: (load_dream(path).prompts, load_dream(path).seeds),
        lambda path: {k: read_settings(path)[k] for k in ("prompts", "seeds")},
        (lambda path: S["sentence_and_seed"](path)[::-1], "the sentence comes first"),
        (lambda path: ("two yellow stars at night", 7), "of a dream of 'a white boat on the sea'"),
    ],
    "favourite": [
        lambda rows: sorted(rows, key=lambda r: r.get("judge", -2))[-1],
        (lambda rows: max(rows, key=lambda r: r["judge"]), "one of the dreams had failed"),
        (lambda rows: S["favourite"](rows) | {"judge": 0.9}, "none of the rows"),
        (lambda rows: {**S["favourite"](rows), "judge": math.nan}, "none of the rows"),
    ],
    "break_even": [
        lambda start, each, workers: start / (each * (1 - 1 / workers)),
        (lambda s, a, w: s / a, "while they start, one process dreams on"),
        (lambda s, a, w: a * (1 - 1 / w) / s, "turned over"),
        (lambda s, a, w: s + a * w, "where equal?"),
    ],
    "finish": [
        (lambda jobs, workers: sum(jobs), "one worker's time"),
        (lambda jobs, workers: sum(jobs) / workers, "jobs cannot be cut"),
        (lambda jobs, workers: S["finish"](sorted(jobs, reverse=True), workers), "longest first"),
        (lambda jobs, workers: max(jobs), "takes another one"),
    ],
    "left_to_do": [
        (lambda w, r: [p for p in w if p not in S["left_to_do"](w, r)] or w, "what is finished"),
        (
            lambda w, r: [p for p in w if p not in {(x["recipe"], x["seed"]) for x in r}],
            "failed has a row",
        ),
    ],
    "kappa_for": [
        searched,
        lambda height: searched(0.5) * height / 0.5,
        (lambda height: 0.04, "too small"),
        (lambda height: searched(0.5), "grow with the height"),
    ],
    "halved": [
        lambda x: scale(x, size_of(x[..., ::2, ::2]), "bicubic", antialias=True),
        lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear"),
        lambda x: resize(x, size_of(x[..., ::2, ::2])),
        (lambda x: x[..., ::2, ::2], "became black"),
        (lambda x: F.avg_pool2d(x, 2).roll(1, -2), "grows down"),
    ],
    "kept_photo": [
        (lambda photo: Recipe(steps=20), "the photo is lost; keep_start"),
        (lambda photo: Recipe(steps=12, keep_start=500.0), "too little of the dream"),
        (lambda photo: Recipe(steps=150, views=8), "150 steps of 8 views are 1200 looks"),
        (lambda photo: Recipe(size=32, steps=30), "should have 64 pixels"),
    ],
}


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        (name, *(case if isinstance(case, tuple) else (case, "✓ Right")))
        for name, cases in ANSWERS.items()
        for case in cases
    ],
)
def test_right_answers_are_right_and_mistakes_called_by_their_names(name, answer, words):
    found = getattr(check, name)(answer)
    assert words in repr(found) and bool(found) == (words == "✓ Right")


# Checks that ask once in a case and compare with numbers of which each stands for a mistake.
TABLES = [
    *("difference", "cosine", "promise", "overflow", "step_back", "wave_left", "project"),
    *("squared_variation", "contrast_left", "equal_weight", "to_bytes", "unit_rms", "octave_delta"),
]


@pytest.mark.parametrize("name", TABLES)
def test_every_wrong_result_in_a_table_is_called_by_its_name(name, monkeypatch):
    """No sentence is hidden by one above it, or belongs to what is right."""
    tables, compare = [], verdict.compare

    def noting(found, right, mistakes, *, close=None):
        tables.append(mistakes)
        compare(found, right, mistakes, close=close)

    with monkeypatch.context() as patch:
        patch.setattr(verdict, "compare", noting)
        assert getattr(check, name)(S[name])

    def said(case, result):
        calls = itertools.count()
        answer = lambda *values: result if next(calls) == case else S[name](*values)  # noqa: E731
        return getattr(check, name)(answer).sentence

    wrong, found = set(), set()
    for case, mistakes in enumerate(tables):
        for row, (words, results) in enumerate(mistakes.items()):
            for result in results if isinstance(results, list) else [results]:
                if not isinstance(result, bool) and row not in found:
                    wrong.add(row)
                    if said(case, result) == words:
                        found.add(row)
    assert wrong == found != set()


def test_the_table_knows_every_exercise():
    assert ANSWERS.keys() == S.keys() == answers("exercise").keys()
