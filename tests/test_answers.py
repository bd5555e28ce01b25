"""The exercises' checks: every right way is right, and usual mistakes are called by their names.

What all checks have in common, such as answers of another kind or shape, or right ones in another
carrier of numbers, is in `test_check.py`.
"""

import cmath
import math

import pytest
import torch
import torch.nn.functional as F
from chapters import answers

from dreamlab import Recipe, detail_mask, load_dream, total_variation
from dreamlab.course import check
from dreamlab.figures.saving import read_settings
from dreamlab.octaves import compose as add_up
from dreamlab.octaves import octave_at
from dreamlab.picturebook.world import Scene, compose
from dreamlab.resample import blur, resize
from dreamlab.views import look

S = answers("solution")
STARS, MOON = ("star", "yellow", "plain", 3), ("moon", "white", "plain", 1)
STRIPED, COMET = ("moon", "white", "striped", 1), ("comet", "white", "plain", 1)
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


def chained(start, deltas, pixels):
    for delta in deltas:
        start = resize(start, size_of(delta)) + delta
    return pixels - resize(start, size_of(pixels))


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
        (lambda thing: f"my big {thing}", "'my', 'big'"),
        (lambda thing: f"a red {thing}", "3 words"),
        (lambda thing: "a red heart in the sky", "the thing is missing"),
        (lambda thing: "a red castle in the sky", "whatever thing it is given"),
        (lambda thing: " ", "says nothing"),
        (lambda thing: "a red star " * 20 + thing, "too long"),
    ],
    "difference": [
        lambda a, b: F.l1_loss(a, b),
        (lambda a, b: (a - b).mean(), "cancel"),
        (lambda a, b: -(a - b).abs().mean(), "never negative"),
        (lambda a, b: (a - b).abs().sum(), "that is the sum"),
        (lambda a, b: (a - b).abs().max(), "the largest"),
        (lambda a, b: F.mse_loss(a, b), "mean of the squares"),
        (lambda a, b: F.mse_loss(a, b).sqrt(), "root of the mean square"),
        (lambda a, b: (a != b).float().mean(), "share of values that differ"),
        (lambda a, b: 255 * (a - b).abs().mean(), "0 to 255"),
    ],
    "scene": [
        lambda seed: compose("night", [STARS, MOON], seed=seed),
        lambda seed: Scene("night", compose("night", [STARS, MOON], seed=0).items, seed),
        (lambda seed: compose("night", [STARS, MOON]), "every seed gives the same page"),
        (lambda seed: compose("sky", [STARS, MOON], seed=seed), "background should be 'night'"),
        (lambda seed: compose("night", [MOON, STARS], seed=seed), "another order"),
        (lambda seed: compose("night", [STARS], seed=seed), "there is no moon"),
        (lambda seed: compose("night", [STARS, STRIPED], seed=seed), "texture of 'moon'"),
        (lambda seed: compose("night", [STARS, COMET], seed=seed), "nobody asked for a comet"),
    ],
    "cosine": [
        lambda u, v: F.cosine_similarity(u, v, dim=0),
        (lambda u, v: u @ v, "dot product"),
        (lambda u, v: (u @ v) / ((u @ u) * (v @ v)), "squares"),
        (lambda u, v: (u @ v) / u.norm(), "one vector only"),
        (lambda u, v: 1 - F.cosine_similarity(u, v, dim=0), "that is the loss"),
        (lambda u, v: torch.arccos(F.cosine_similarity(u, v, dim=0)), "the angle itself"),
        (lambda u, v: math.inf, "it returns inf"),
    ],
    "promise": [
        lambda g, step: step * g.norm(p=1),
        (lambda g, step: -step * g.abs().sum(), "positive number"),
        (lambda g, step: g.abs().sum(), "the step is missing"),
        (lambda g, step: step * g.sum(), "cancel"),
        (lambda g, step: step * g.abs().mean(), "that is the mean"),
        (lambda g, step: step * g.norm(), "along the gradient"),
        (lambda g, step: step * (g**2).sum(), "whatever its derivative"),
    ],
    "pull_and_push": [
        lambda x, w, u, k: k * dot(x, u) - dot(x, w),
        lambda x, w, u, k: 5 * (2 - dot(x, w) + k * (1 + dot(x, u))),
        (lambda x, w, u, k: dot(x, w) - k * dot(x, u), "the opposite"),
        (lambda x, w, u, k: 1 - dot(x, w) - k * dot(x, u), "pulls to both"),
        (lambda x, w, u, k: dot(x, w) + k * dot(x, u), "pushes away from both"),
        (lambda x, w, u, k: 1 - dot(x, w), "one of the two"),
        (lambda x, w, u, k: 1 - dot(x, w) + dot(x, u), "no effect"),
        (lambda x, w, u, k: 1 - k * dot(x, w) + dot(x, u), "wrong sentence"),
        (lambda x, w, u, k: x.sum(), "does not turn"),
        lambda x, w, u, k: -(x @ (w - k * u).T).exp(),
        (lambda x, w, u, k: 1 - dot(x, w) + k * F.relu(dot(x, u)), "agree by -0."),
        (lambda x, w, u, k: F.relu(0.2 - dot(x, w) + k * dot(x, u)), "leaves where it is"),
        (lambda x, w, u, k: 1 - dot(x, w) + 3 * k * dot(x, u), "1.5 times"),
    ],
    "shift": [
        lambda x, right, down: x.roll((down, right), (-2, -1)),
        (lambda x, right, down: x.roll((-down, -right), (-2, -1)), "the other way"),
        (lambda x, right, down: x.roll((right, down), (-2, -1)), "exchanged"),
        (lambda x, right, down: x.roll((-down, right), (-2, -1)), "wrong sign"),
        (lambda x, right, down: x.clone(), "stay where they are"),
        (lambda x, right, down: x.roll(2 * right, -1).roll(2 * down, -2), "should arrive"),
        lambda x, right, down: F.pad(x, (right, -right, down, -down)),
    ],
    "overflow": [
        lambda x: ((x.amax(0) > 1) | (x.amin(0) < 0)).sum() / x[0].numel(),
        (lambda x: outside(x).float().mean(), "share of values"),
        (lambda x: outside(x).any(0).sum(), "counts the pixels"),
        (lambda x: 100 * outside(x).any(0).float().mean(), "per cent"),
        (lambda x: 1 - outside(x).any(0).float().mean(), "can show"),
        (lambda x: (x > 1).any(0).float().mean(), "one end only"),
        (lambda x: outside(x).all(0).float().mean(), "one is enough"),
        (lambda x: ((x <= 0) | (x >= 1)).any(0).float().mean(), "can be shown"),
    ],
    "worst_change": [
        lambda w, step: torch.where(w > 0, step, -step),
        (lambda w, step: -step * w.sign(), "the other way round"),
        (lambda w, step: w.sign(), "size of the step is missing"),
        (lambda w, step: step * w / w.abs().max(), "in proportion"),
        (lambda w, step: step * torch.ones_like(w), "all pixels the same way"),
        (lambda w, step: 3 * step * w.sign(), "is allowed"),
        (lambda w, step: step * torch.cos(w), "can be had"),
    ],
    "period": [
        lambda x: min(APART, key=lambda k: difference(x, k)),
        (lambda x: torch.tensor([difference(x, k) for k in APART]).argmin(), "out by two"),
        (lambda x: torch.tensor([difference(x, k) for k in APART]).argmin() + 1, "out by one"),
        (lambda x: min(APART, key=lambda k: difference(x.transpose(1, 2), k)), "looks down"),
        (lambda x: min(range(2, 12), key=lambda k: difference(x, k)), "for wallpaper of 12"),
        (lambda x: 0, "too small"),
        (lambda x: 16, "up to 12 only"),
        (lambda x: 4, "differ least"),
    ],
    "step_back": [
        lambda x, size: F.avg_pool2d(x, size),
        (lambda x, size: F.avg_pool2d(x, size) * size**2, "the sum of a block"),
        (lambda x, size: F.max_pool2d(x, size), "the largest value"),
        (lambda x, size: x[:, ::size, ::size], "forgets the others"),
        (lambda x, size: S["step_back"](x, size).mean(0).expand(3, -1, -1), "mixes red"),
        (lambda x, size: 0.5 * F.avg_pool2d(x, size), "became"),
    ],
    "strata": [
        lambda u: ((torch.arange(len(u)) + u) / len(u)).flip(0),
        lambda u: (torch.arange(len(u)) + u[0]) / len(u),
        lambda u: (torch.arange(len(u)) + 1 - u) / len(u),
        (lambda u: u, "the numbers it was given"),
        (lambda u: torch.arange(len(u)) + u, "belong into [0, 1)"),
        (lambda u: (torch.arange(len(u)) + 0.5) / len(u), "always at the same place"),
        (lambda u: u / len(u), "parts got one"),
        (lambda u: (torch.arange(len(u)) + u / 2) / len(u), "do not reach everywhere"),
    ],
    "cutout": [
        lambda x, top, left, s, n: look(x, torch.tensor([[[top, left, s]]]).float(), n)[0],
        lambda x, top, left, s, n: scale(cut(x, top, left, s), n, "bicubic", antialias=True),
        lambda x, top, left, s, n: scale(cut(x, top, left, s), n, antialias=True),
        (lambda x, top, left, s, n: F.interpolate(cut(x, top, left, s), n), "skips pixels"),
        (lambda x, top, left, s, n: by_mean(x, left, top, s, n), "exchanged"),
        (lambda x, top, left, s, n: F.interpolate(x, n, mode="area"), "whole picture"),
        (lambda x, top, left, s, n: x[..., top : top + n, left : left + n], "as small as the view"),
        (lambda x, top, left, s, n: by_mean(x, top + 6, left, s, n), "shows something else"),
        (lambda x, top, left, s, n: by_mean(x, top, left + 1, s, n), "a pixel aside"),
        (lambda x, top, left, s, n: by_mean(x, top, left, s, n).flip(-1), "turned over"),
        (lambda x, top, left, s, n: by_mean(x, top, left, s, n).mT, "rows have become columns"),
        (lambda x, *at: scale(cut(x, *at[:3]), at[3], align_corners=True, antialias=True), "aside"),
    ],
    "wave_left": [
        lambda p, n: torch.exp(-2j * torch.pi * torch.arange(n) / p).mean().abs(),
        lambda p, n: abs(math.sin(math.pi * n / p) / math.sin(math.pi / p) / n),
        (lambda p, n: n * abs(wave(p, n)), "the sum"),
        (lambda p, n: abs(wave(p, n)) ** 2, "square"),
        (lambda p, n: wave(p, n).real, "mean of cosines"),
        (lambda p, n: wave(p, n).imag, "mean of sines"),
        (lambda p, n: abs(wave(p, n + 1)), "one place too many"),
        (lambda p, n: abs(wave(2 * math.pi * p, n)), "a full turn is 2π"),
        (lambda p, n: abs(wave(2 * p, n)), "half a turn"),
    ],
    "squared_variation": [
        lambda x: sum(step.pow(2) for step in pad_steps(x)).mean(),
        (lambda x: x.diff(dim=1).square().sum() + x.diff(dim=0).square().sum(), "the sum"),
        (lambda x: x.diff(dim=1).square().mean() + x.diff(dim=0).square().mean(), "one step fewer"),
        (lambda x: total_variation(x[None]), "that is L1"),
        (lambda x: (total_variation(x[None]) * x.numel()) ** 2 / x.numel(), "squares the sum"),
        (lambda x: x.diff(dim=1).square().sum() / x.numel(), "steps down are missing"),
        (lambda x: x.diff(dim=0).square().sum() / x.numel(), "to the right are missing"),
    ],
    "variation_gradient": [
        own_backward,
        lambda x: sum(torch.sign(x - n) for n in neighbours(x)).int(),
        (lambda x: -S["variation_gradient"](x), "the wrong way round"),
        (lambda x: sum(x - n for n in neighbours(x)), "only their signs count"),
        (lambda x: -sum(step.sign() for step in pad_steps(x)), "right and down only"),
        (lambda x: sum(torch.sign(x - x.roll(s, d)) for s in (1, -1) for d in (0, 1)), "border"),
        (lambda x: torch.zeros_like(x), "a speck alone in the dark has 4, and yours gives 0"),
    ],
    "isotropic_variation": [
        lambda x: root(x, torch.finfo(x.dtype).tiny).mean(),
        lambda x: total_variation(x[None], "isotropic"),
        (lambda x: root(x).mean(), "the gradient is NaN"),
        (lambda x: root(x, 1e-12).sum(), "that is the sum"),
        (lambda x: root(x).square().mean(), "the root is missing"),
        (lambda x: sum(step.abs() for step in pad_steps(x)).mean(), "that is L1"),
        (lambda x: root(x).square().mean().sqrt(), "one root of everything"),
        (lambda x: root(x)[:-1, :-1].mean(), "last row and column"),
        (lambda x: x.mean() + (root(x).mean() - x.mean()).detach(), "not that of this value"),
    ],
    "contrast_left": [
        lambda width, weight: 1 - weight / width,
        lambda width, weight: max(0, 1 - weight / width),
        (lambda width, weight: weight / width, "what the bar loses"),
        (lambda width, weight: 1 - 2 * weight / width, "twice too much"),
        (lambda width, weight: 1 - weight / (2 * width), "two edges"),
        (lambda width, weight: 1 - weight, "the width plays a part"),
        (lambda width, weight: 1 - weight * width, "loses less, not more"),
        (lambda width, weight: 0.5, "keeps 0.800 of its height"),
        (lambda width, weight: abs(1 - weight / width), "is gone at weight 4"),
    ],
    "coherence": [
        lambda xx, yy, xy: torch.hypot(xx - yy, 2 * xy),
        (lambda xx, yy, xy: -torch.hypot(xx - yy, 2 * xy), "wrong way round"),
        (lambda xx, yy, xy: (xx - yy) ** 2 + 4 * xy**2, "take the root"),
        (lambda xx, yy, xy: torch.hypot(xx - yy, 2 * xy) / 2, "half"),
        (lambda xx, yy, xy: (xx + yy + torch.hypot(xx - yy, 2 * xy)) / 2, "μ₁ alone"),
        (lambda xx, yy, xy: (xx + yy - torch.hypot(xx - yy, 2 * xy)) / 2, "μ₂ alone"),
        (lambda xx, yy, xy: xx + yy, "μ₁ + μ₂"),
        (lambda xx, yy, xy: xx * yy - xy**2, "μ₁ · μ₂"),
        (lambda xx, yy, xy: (xx - yy).abs(), "diagonal"),
        (lambda xx, yy, xy: xx - yy, "has a sign"),
        (lambda xx, yy, xy: torch.hypot(xx - yy, xy), "four times"),
        (lambda xx, yy, xy: ((xx - yy) ** 2 + 2 * xy**2).sqrt(), "not twice"),
        (lambda xx, yy, xy: torch.hypot(xx - yy, 2 * xy) / (xx + yy), "difference itself"),
    ],
    "equal_weight": [
        lambda m: m * m[0].numel() / m.sum((-3, -2, -1), keepdim=True),
        (lambda m: m / m.mean(), "not that of each"),
        (lambda m: m / m.amax((1, 2, 3), keepdim=True), "greatest weight"),
        (lambda m: m / m.sum((1, 2, 3), keepdim=True), "the sum is 1"),
        (lambda m: m * m.mean((1, 2, 3), keepdim=True), "instead of divided"),
        (lambda m: m + 1 - m.mean((1, 2, 3), keepdim=True), "by adding"),
        (lambda m: m, "as they were"),
        (lambda m: torch.ones_like(m), "no longer what they were"),
    ],
    "calm_mask": [
        lambda image, kappa: calm(boxes(image), kappa),
        (lambda image, kappa: calm(blur(image, 0.3), kappa), "blur before"),
        (lambda image, kappa: 1 - calm(blur(image, 1.5), kappa), "that is the trust"),
        (lambda image, kappa: calm(blur(image, 1.5), 0.04), "κ has no such effect"),
        (lambda image, kappa: calm(blur(image, 9.0), kappa), "should be spared"),
        (lambda image, kappa: 2 * calm(blur(image, 1.5), kappa) - 1, "between 0 and 1"),
        (lambda image, kappa: calm(blur(image, 1.5), kappa).sqrt(), "another rule"),
    ],
    "project": [
        lambda x, low, high: torch.where(x < low, low, torch.where(x > high, high, x)),
        (lambda x, low, high: x.clamp(0, 1), "no effect"),
        (lambda x, low, high: x, "stay where they are"),
        (lambda x, low, high: x.clamp(max=high), "one wall is missing"),
        (lambda x, low, high: low + (high - low) * (x - x.min()) / (x.max() - x.min()), "squeezes"),
        (lambda x, low, high: low + (x - low).remainder(high - low), "wraps round"),
        (lambda x, lo, hi: hi - ((x - lo) % (2 * (hi - lo)) - (hi - lo)).abs(), "reflects"),
        (lambda x, low, high: low + (high - low) * x.sigmoid(), "sigmoid"),
        (lambda x, low, high: x / x.abs().max(), "already inside"),
        (lambda x, low, high: torch.where((x < low) | (x > high), low, x), "the nearest is"),
    ],
    "to_bytes": [
        lambda x: (x * 255).round().clamp(0, 255).to(torch.uint8),
        (lambda x: (x * 255).round().long().to(torch.uint8), "cut off before"),
        (lambda x: (x * 255).round(), "a byte holds 0 to 255"),
        (lambda x: x.clamp(0, 1) * 255, "round them"),
        (lambda x: (x.clamp(0, 1) * 255).to(torch.uint8), "cuts the fraction off"),
        (lambda x: (x * 256).clamp(0, 255).floor(), "the factor is 255"),
        (lambda x: x.clamp(0, 1), "scale from 0 to 1"),
    ],
    "range_penalty": [
        lambda x: distance(x).sum(),
        lambda x: (torch.relu(x - 1) + torch.relu(-x)).mean(),
        (lambda x: torch.relu(x.clamp(0, 1) - 1).sum(), "before the image is clamped"),
        (lambda x: -distance(x).square().sum(), "wrong way round"),
        (lambda x: (x - 0.5).square().sum(), "pulls at values that are inside"),
        (lambda x: torch.relu(x - 1).sum(), "one wall only"),
        (lambda x: torch.relu(x - 1.3).sum() + torch.relu(-x).sum(), "feel nothing"),
        (lambda x: (x - x.clamp(0, 1)).sum(), "pushed further out"),
        (lambda x: 1 + distance(x).square().sum(), "it should be 0"),
        lambda x: distance(x)[outside(x)].sum() if outside(x).any() else 0.0,
        (lambda x: distance(x)[outside(x)].mean(), "nan"),
    ],
    "forget_momentum": [
        lambda x, m: torch.where(((x <= 0) & (m > 0)) | ((x >= 1) & (m < 0)), 0.0, m),
        lambda x, m: torch.where((x - 1e-3 * m).clamp(0, 1) == x, 0.0, m),
        (lambda x, m: m, "nothing is forgotten"),
        (lambda x, m: 0 * m, "everything is forgotten"),
        (lambda x, m: m.masked_fill(held(x, -m), 0), "forgets the way back"),
        (lambda x, m: m.masked_fill((x == 0) | (x == 1), 0), "whatever the direction"),
        (lambda x, m: m.masked_fill((x == 0) & (m > 0), 0), "at 0 only"),
        (lambda x, m: m.masked_fill((x == 1) & (m < 0), 0), "at 1 only"),
        (lambda x, m: m * held(x, m), "exactly what should go"),
        (lambda x, m: m.clamp(min=0), "not at a wall"),
        (lambda x, m: torch.where((x == 0) | (x == 1), -m, m), "the rest stay"),
        (lambda x, m: m.masked_fill(held(x.round(decimals=1), m), 0), "not at a wall"),
    ],
    "octave_of": [
        lambda steps, octaves: [octave_at(int(s), len(steps), octaves) for s in steps],
        lambda steps, octaves: torch.div(steps * octaves, len(steps), rounding_mode="floor"),
        lambda steps, octaves: ((steps + 0.5) / len(steps) * octaves).floor(),
        (lambda steps, octaves: steps * octaves // len(steps) + 1, "counted from 0"),
        (lambda steps, octaves: steps // (len(steps) // octaves), "there is none"),
        (lambda steps, octaves: 0 * steps, "all into octave 0"),
        (lambda steps, octaves: steps % octaves, "goes back to octave 0"),
        (lambda steps, octaves: (steps > 9) * (octaves - 1), "equal shares"),
        (lambda steps, octaves: steps * octaves / len(steps), "whole number"),
        (
            lambda s, o: (s // (len(s) // o)).clamp(max=o - 1),
            "of 5 steps and 3 octaves, the octaves get",
        ),
        (lambda s, o: s / 0, "infinite"),
    ],
    "octave_delta": [
        lambda s, d, x: x - sum(resize(y, size_of(x)) for y in [s, *d]),
        (lambda s, d, x: add_up(s, d, size_of(x)) - x, "sign"),
        (lambda s, d, x: x - resize(s, size_of(x)), "earlier deltas"),
        (lambda s, d, x: x - sum(resize(y, size_of(x)) for y in d), "the start is still"),
        (lambda s, d, x: x - add_up(s, d[-1:], size_of(x)), "only the last delta"),
        (lambda s, d, x: x - add_up(s, d[:1], size_of(x)), "only the first delta"),
        (chained, "each term is resized once"),
        (lambda s, d, x: x, "it is not what was added"),
    ],
    "fine_part": [
        lambda x, side: x - through(x, side, "bicubic", antialias=True),
        lambda x, side: x - through(x, side, antialias=True),
        lambda x, side: x - F.interpolate(F.adaptive_avg_pool2d(x, side), size_of(x)),
        (lambda x, side: resize(resize(x, (side, side)), size_of(x)) - x, "sign"),
        (lambda x, side: resize(resize(x, (side, side)), size_of(x)), "coarse part"),
        (lambda x, side: x.clone(), "unchanged"),
        (lambda x, side: x - resize(resize(x, (8, 8)), size_of(x)), "use its side"),
        (lambda x, side: 0 * x, "a checker of pixels is too fine"),
        (lambda x, side: x - through(x, side, "nearest"), "a checker of pixels became"),
        (lambda x, side: x - through(x, side), "a wave of 8 pixels became"),
        (lambda x, side: x - through(x, side, align_corners=True, antialias=True), "visit move"),
    ],
    "unit_rms": [
        lambda g: g / (rms(g) + 1e-12),
        lambda g: torch.nan_to_num(g / rms(g)),
        lambda g: torch.stack([x / max(x.square().mean() ** 0.5, 1e-12) for x in g]),
        (lambda g: g / rms(g), "NaN"),
        (lambda g: -g / rms(g).clamp(min=1e-12), "sign has changed"),
        (lambda g: g / g.square().mean().sqrt(), "whole batch"),
        (lambda g: g / g.square().mean((2, 3), keepdim=True).sqrt(), "each colour"),
        (lambda g: F.normalize(g.flatten(1), dim=1).view_as(g), "length 1"),
        (lambda g: g / g.abs().amax((1, 2, 3), keepdim=True), "largest value"),
        (lambda g: g / g.abs().mean((1, 2, 3), keepdim=True), "absolute values"),
        (lambda g: g / g.std((1, 2, 3), keepdim=True), "standard deviation"),
        (lambda g: g / rms(g) ** 2, "root is missing"),
    ],
    "gain": [
        lambda a, b: torch.stack([(b - a).mean(), error_of(b - a)]),
        lambda a, b: [(b - a).mean(), (b - a).std(correction=0) / len(a) ** 0.5],
        (lambda a, b: ((a - b).mean(), error_of(b - a)), "sign has changed"),
        (lambda a, b: (error_of(b - a), (b - a).mean()), "exchanged"),
        (lambda a, b: ((b - a).sum(), error_of(b - a)), "sum of all gains"),
        (lambda a, b: ((b - a).median(), error_of(b - a)), "the median"),
        (lambda a, b: (b.mean(), error_of(b - a)), "mean gain of 6"),
        (lambda a, b: ((b - a).mean(), (b - a).std()), "single captions scatter"),
        (lambda a, b: ((b - a).mean(), (b - a).std() / len(a)), "divided by n"),
        (lambda a, b: ((b - a).mean(), (b - a).var() / len(a)), "variance of the mean"),
        (
            lambda a, b: ((b - a).mean(), (error_of(a) ** 2 + error_of(b) ** 2) ** 0.5),
            "different captions",
        ),
        (lambda a, b: ((b - a).mean(), 2 * error_of(b - a)), "standard error is"),
    ],
    "restarts": [
        lambda i, n, k: half_cosine(i % (n // k) / (n // k - 1)),
        lambda i, n, k: half_cosine(i * k / n % 1),
        (lambda i, n, k: 1.0, "never changes"),
        (lambda i, n, k: half_cosine(i / (n - 1)), "whole run"),
        (lambda i, n, k: 1 - half_cosine(i * k / n % 1), "it rises"),
        (lambda i, n, k: half_cosine(2 * (i % (n // k)) / (n // k)), "half of it"),
        (lambda i, n, k: 1 - i % (n // k) / (n // k), "straight line"),
        (lambda i, n, k: math.cos(math.pi * (i % (n // k)) / (n // k)), "below 0"),
    ],
    "sentence_and_seed": [
        lambda path: (load_dream(path).prompts, load_dream(path).seeds),
        lambda path: {k: read_settings(path)[k] for k in ("prompts", "seeds")},
        (lambda path: S["sentence_and_seed"](path)[::-1], "the sentence comes first"),
        (lambda path: (S["sentence_and_seed"](path)[0], 0), "the seed is 7, not 0"),
        (lambda path: ("two yellow stars at night", 7), "of a dream of 'a white boat on the sea'"),
        (lambda path: (path.stem, 7), "it says 'dreamt'"),
    ],
    "favourite": [
        lambda rows: sorted(rows, key=lambda r: r.get("judge", -2))[-1],
        (lambda rows: max(rows, key=lambda r: r["judge"]), "one of the dreams had failed"),
        (lambda rows: max(rows, key=lambda r: r.get("judge", 2)), "that dream failed"),
        (lambda rows: max(rows, key=lambda r: r.get("dreamer", 0)), "the dreamer's favourite"),
        (lambda rows: min(rows, key=lambda r: r.get("judge", 2)), "likes least"),
        (lambda rows: max(r.get("judge", -2) for r in rows), "that is a number"),
        (lambda rows: S["favourite"](rows) | {"judge": 0.9}, "none of the rows"),
        (lambda rows: sorted(rows, key=lambda r: r.get("judge", -2))[-2], "it picks seed 4"),
        (lambda rows: {**S["favourite"](rows), "judge": math.nan}, "none of the rows"),
    ],
    "break_even": [
        lambda start, each, workers: start / (each * (1 - 1 / workers)),
        (lambda s, a, w: s / a, "while they start, one process dreams on"),
        (lambda s, a, w: s * w / a, "in the time they took to start"),
        (lambda s, a, w: a * (1 - 1 / w) / s, "turned over"),
        (lambda s, a, w: (1 - 1 / w) * s / a, "divided by what a dream saves"),
        (lambda s, a, w: math.ceil(s / (a * (1 - 1 / w)) - 1e-9), "do not round yet"),
        (lambda s, a, w: s + a * w, "where equal?"),
    ],
    "finish": [
        (lambda jobs, workers: sum(jobs), "one worker's time"),
        (lambda jobs, workers: sum(jobs) / workers, "jobs cannot be cut"),
        (lambda jobs, n: max(sum(jobs[i::n]) for i in range(n)), "dealt out in turn"),
        (lambda jobs, workers: S["finish"](sorted(jobs, reverse=True), workers), "longest first"),
        (lambda jobs, workers: max(jobs), "takes another one"),
        (lambda jobs, workers: 1.0, "until when"),
    ],
    "left_to_do": [
        (lambda w, r: [p for p in w if p not in S["left_to_do"](w, r)] or w, "what is finished"),
        (
            lambda w, r: [p for p in w if p not in {(x["recipe"], x["seed"]) for x in r}],
            "failed has a row",
        ),
        (lambda w, r: S["left_to_do"](w, r)[::-1], "in the wanted order"),
        (lambda w, r: [row["error"] for row in r], "are left"),
    ],
    "kappa_for": [
        searched,
        lambda height: searched(0.5) * height / 0.5,
        (lambda height: 0.04, "too small"),
        (lambda height: searched(0.5), "grow with the height"),
        (lambda height: 3 * searched(height), "too large"),
        (lambda height: -searched(height), "κ is above 0"),
    ],
    "halved": [
        lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear"),
        lambda x: resize(x, size_of(x[..., ::2, ::2])),
        lambda x: scale(x, size_of(x[..., ::2, ::2]), "bicubic", antialias=True),
        (lambda x: x[..., ::2, ::2], "became black"),
        (lambda x: x[..., ::2, 1::2], "became white"),
        (lambda x: 0.75 * x[..., ::2, ::2] + 0.25 * x[..., ::2, 1::2], "even grey"),
        (lambda x: 0 * F.avg_pool2d(x, 2) + 0.5, "a flat colour of .25 became 0.50"),
        (lambda x: F.avg_pool2d(x, 2).roll(1, -2), "grows down"),
        (lambda x: F.avg_pool2d(x, 2).flip(-1), "grows right"),
    ],
    "kept_photo": [
        (lambda photo: Recipe(steps=20), "the photo is lost; keep_start"),
        (lambda photo: Recipe(steps=20, keep_start=0.3), "could be larger"),
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
    verdict = getattr(check, name)(answer)
    assert words in repr(verdict) and bool(verdict) == (words == "✓ Right")


def test_the_table_knows_every_exercise():
    assert ANSWERS.keys() == S.keys() == answers("exercise").keys()
