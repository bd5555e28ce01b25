"""Functions that the chapters define, where the chapters themselves do not assert what they do.

What a cell tagged `proof` or `claim` asserts, such as "ours is the package's", is run with the
notebooks and not repeated here.
"""

import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import CHAPTERS, ROOT, cells, chapter, functions

from dreamlab import Dream, Recipe, clip_loss, detail_mask, load_dream, total_variation
from dreamlab import masked_total_variation as masked_variation
from dreamlab.adam import Adam

SENTENCES = ["a red heart", "two stars at night"]
WAYS = {"neither": (1, 1, False), "move": (0.8, 0.8, True), "zoom": (0.5, 1, False)}


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def define(tiny_clip):
    """The functions of the notebook whose name begins so; `known` are its globals."""

    def load(start: str, **known) -> dict:
        (path,) = (ROOT / "notebooks").glob(f"{start}_*.ipynb")
        return functions(path.stem, clip=tiny_clip, **known)

    return load


def run(clip, *arguments, **options) -> Dream:
    dream = Dream(clip, *arguments, **options)
    dream.run()
    return dream


# --- loops that are the package's -----------------------------------------------------------------


def test_the_raw_loop_takes_several_images_and_mixes_nothing(define):
    loop, images = define("01")["dream_raw"], noise(2, 3, 32, 32)
    together, losses = loop(images, SENTENCES, steps=5)
    assert losses[-1] < losses[0]
    for i, sentence in enumerate(SENTENCES):
        alone, _ = loop(images[i : i + 1], sentence, steps=5)
        assert (together[i] - alone[0]).abs().mean() < 2e-3


def test_without_windows_the_loop_of_chapter_3_is_the_packages(define, tiny_clip):
    film = define("03", WAYS=WAYS)["dream_through"]("neither", SENTENCES, kept=(2, 6))
    dream = run(tiny_clip, SENTENCES, recipe=Recipe.raw(size=64, steps=6))
    assert list(film) == [2, 6]
    assert (film[6] - dream.pixels).abs().mean() < 2e-3


def test_the_free_loops_of_chapter_6_are_the_packages(define, tiny_clip):
    functions = define("06", texts=tiny_clip.encode_text(SENTENCES), captions=SENTENCES)
    free = run(tiny_clip, SENTENCES, recipe=Recipe.raw(size=64, steps=8)).pixels
    never = functions["dream"](SENTENCES, "never", steps=8)
    without = functions["dream_free"](SENTENCES, torch.clone, start=0.5, rate=0.05, steps=8)
    assert (never - free).abs().mean() < 2e-3 and (without - free).abs().mean() < 2e-3
    for clamp in ("before", "never"):
        ended = functions["dream"](SENTENCES, clamp, steps=14)
        assert ended.min() < 0 and ended.max() > 1
    unheld, held = (
        functions["dream_free"](SENTENCES, torch.clone, 0.5, 0.05, weight, steps=14)
        for weight in (0.0, 10.0)
    )
    assert functions["beyond"](held).sum() < functions["beyond"](unheld).sum() / 2


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"octaves": (0.5, 1.0), "size": (32, 48)},
        {"views": 1, "view_mix": (1, 0, 0), "tv_weight": 3.0, "octaves": (1.0,)},
    ],
)
def test_the_full_loop_of_chapter_8_is_the_packages(define, tiny_clip, changes):
    recipe = Recipe(**{"size": 48, "steps": 9, "views": 3} | changes)
    theirs = run(tiny_clip, "a red heart", recipe=recipe, seed=3).pixels
    ours = define("08")["dream_full"]("a red heart", recipe, seed=3)
    assert ours.shape == theirs.shape and (ours - theirs).abs().mean() < 2e-3


@pytest.mark.parametrize("start", ["03", "08"])
def test_dice_are_the_packages(define, tiny_clip, start):
    dream = Dream(tiny_clip, "a red heart", seed=5)
    for number in (0, 3, -4):
        (ours,), (theirs,) = define(start)["dice"](number, seed=5), dream._generators(number)
        assert torch.equal(torch.rand(4, generator=ours), torch.rand(4, generator=theirs))


# --- losses and gradients -------------------------------------------------------------------------


def test_agreement_is_one_minus_the_loss(define, tiny_clip):
    images = noise(3, 3, 32, 32)
    table = define("01")["agreement"](tiny_clip, images, SENTENCES)
    features = tiny_clip.encode_image(images), tiny_clip.encode_text(SENTENCES)
    theirs = [[clip_loss(image[None], text[None]) for text in features[1]] for image in features[0]]
    assert torch.allclose(1 - table, torch.tensor(theirs), atol=1e-6)
    assert not table.requires_grad


@pytest.mark.parametrize(("start", "name"), [("01", "gradient_at"), ("02", "gradient")])
def test_gradients_agree_with_finite_differences(define, tiny_clip, start, name):
    image, width = noise(3, 32, 32), 0.02
    slope = define(start)[name](image[None] if start == "01" else image, "a red heart").squeeze(0)
    assert slope.shape == image.shape and not image.requires_grad
    way = slope / slope.norm()
    texts = tiny_clip.encode_text("a red heart")
    up, down = (
        (tiny_clip.encode_image((image + sign * width * way)[None]) @ texts.T).item()
        for sign in (1, -1)
    )
    assert abs(up - down) / (2 * width) == pytest.approx(slope.norm().item(), rel=0.05)


def test_masked_variation_and_its_mean_weight(define):
    functions, images, mask = define("05"), noise(2, 3, 20, 24), noise(2, 1, 20, 24)
    right, down = torch.zeros_like(images), torch.zeros_like(images)
    right[..., :-1], down[..., :-1, :] = images.diff(dim=-1), images.diff(dim=-2)
    ours = functions["my_masked_tv"](right, down, mask)
    assert torch.isclose(ours, masked_variation(images, mask))
    edge = torch.full((1, 16, 16), 0.2)
    edge[..., 8:] = 0.8
    weights = detail_mask(edge)
    shared = functions["masked"](edge)
    assert torch.isclose(shared, masked_variation(edge, weights) / weights.mean())
    ones = functions["masked"](edge, lambda image: torch.full_like(image, 0.3))
    assert torch.isclose(ones, total_variation(edge, "squared"))


@pytest.mark.parametrize("start", ["05", "B"])
def test_eigenvalues(define, start):
    slopes = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    xx, yy, xy = slopes[0].square().mean(0), slopes[1].square().mean(0), slopes.prod(0).mean(0)
    first, second = define(start)["eigenvalues"](xx, yy, xy)
    assert (first >= second).all()
    assert torch.allclose(first + second, xx + yy)
    assert torch.allclose(first * second, xx * yy - xy**2)


def test_the_penalty_is_the_squared_distance_to_the_range(define):
    functions, wide = define("06"), 0.5 + 3 * (noise(3, 9, 7) - 0.5)
    distance = torch.maximum(wide - 1, -wide).clamp(min=0)
    assert torch.allclose(functions["beyond"](wide), distance)
    assert torch.isclose(functions["penalty"](wide), distance.square().sum())


@pytest.mark.parametrize(("push", "strength"), [(1, 1), (5, 1), (50, 1), (7, 3), (50, 10)])
def test_one_pixel_leaves_the_wall_when_adam_says_so(define, push, strength):
    x, adam = torch.ones(1), Adam.zeros_like(torch.ones(1))
    for _ in range(push):
        adam = adam.update(torch.tensor([-float(strength)]))
        x = (x - 0.05 * adam.direction()).clamp(0, 1)
    waited = 0
    while x == 1:
        adam = adam.update(torch.ones(1))
        x = (x - 0.05 * adam.direction()).clamp(0, 1)
        waited += 1
    assert define("06")["steps_until_it_leaves"](push, strength) == waited


def test_the_pull_is_the_packages_at_every_step(define, tiny_clip):
    recipe = Recipe(size=32, steps=5, views=2, octaves=(1.0,), keep_start=4.0)
    dream = Dream(tiny_clip, "a red heart", start=noise(3, 32, 32), recipe=recipe)
    for _ in range(4):
        before, step = dream.pixels, next(dream)
        theirs = step.loss - step.clip_loss - recipe.tv_weight * step.tv_loss
        ours = define("09")["my_pull"](before, dream.start, 4.0)
        assert float(ours) == pytest.approx(theirs, abs=1e-5)
    assert theirs > 0


# --- what is measured -----------------------------------------------------------------------------


def test_neighbour_correlation(define):
    correlation = define("01")["neighbour_correlation"]
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2
    assert correlation(torch.linspace(0, 1, 32).expand(3, 32, 32)) == pytest.approx(1, abs=1e-3)
    assert correlation(board.float().expand(3, 32, 32)) == pytest.approx(-1, abs=1e-3)
    assert abs(correlation(noise(3, 64, 64))) < 0.05


def test_sides_by_both_dice_come_from_the_same_distribution(define):
    functions = define("03", MIX=(0.2, 0.7, 0.1))
    means = []
    for name in ("independent_sides", "stratified_sides"):
        sides = np.stack([functions[name](8, functions["dice"](n)) for n in range(400)])
        assert sides.shape == (400, 8) and sides.min() >= 0.25 and sides.max() == 1
        means.append(sides.mean())
    assert means[0] == pytest.approx(means[1], abs=0.02)


def test_spectra_find_the_wave_and_are_averaged_relative_to_their_slowest_ring(define):
    place = (torch.arange(64) + 0.5) / 64
    for waves in (5, 20):
        picture = torch.cos(2 * torch.pi * waves * place).expand(2, 3, 64, 64)
        assert define("07")["spectrum"](picture).argmax() == waves - 1
    functions, picture = define("A"), F.avg_pool2d(noise(3, 128, 128), 2)
    _, power = functions["mean_spectrum"](torch.stack([picture, picture / 2]), 25.6)
    _, single = functions["my_spectrum"](picture, 25.6)
    assert power == pytest.approx((single / single[0]).tolist(), rel=1e-3)


def test_a_file_that_the_chapter_wrote_is_a_dream_of_the_packages(define, tiny_clip, tmp_path):
    functions, theirs, ours = define("09"), tmp_path / "theirs.png", tmp_path / "ours.png"
    dream = run(tiny_clip, "a red heart", seed=4, recipe=Recipe(size=32, steps=3, views=2))
    functions["save_png"](dream, theirs)
    functions["my_save"](dream.image, ours, functions["my_read"](theirs))
    assert load_dream(ours, tiny_clip).run() == dream.image


# --- beyond one machine ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dask-import", "dask"])
def test_without_dask_it_says_what_to_install(name, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    sources = {cell["id"]: cell.source for _, cell in cells(chapter(CHAPTERS[10]), "code")}
    names = {}
    exec(sources["dask-import"], names)
    assert "pip install dask distributed" in capsys.readouterr().out
    exec(sources[name], names)  # nothing that it lacks is asked for
