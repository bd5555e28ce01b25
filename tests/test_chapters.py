"""Functions that the chapters define, where the chapters themselves do not assert what they do.

What a cell tagged `proof` or `claim` asserts, such as "ours is the package's", is run with the
notebooks and not repeated here.
"""

import sys

import pytest
import torch
from chapters import APPENDICES, ROOT, cells, chapter, functions

from dreamlab import Dream, Recipe, detail_mask, load_dream
from dreamlab import masked_total_variation as masked_variation

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


def test_without_windows_the_loop_of_chapter_3_is_the_packages(define, tiny_clip):
    ours = define("03", WAYS=WAYS)["dream_through"]("neither", SENTENCES, steps=6)
    theirs = run(tiny_clip, SENTENCES, recipe=Recipe.raw(size=128, steps=6)).pixels
    assert (ours - theirs).abs().mean() < 2e-3


def test_without_a_clamp_the_loop_of_chapter_6_is_the_packages(define, tiny_clip):
    free = run(tiny_clip, SENTENCES, recipe=Recipe.raw(size=64, steps=8)).pixels
    never = define("06")["dream_clamped"](SENTENCES, "never", steps=8, side=64)
    assert (never - free).abs().mean() < 2e-3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"octaves": (0.5, 1.0), "size": (32, 48)},
        {"views": 1, "view_mix": (1, 0, 0), "tv_weight": 3.0, "octaves": (1.0,)},
    ],
)
def test_the_full_loop_of_chapter_8_is_the_packages(define, tiny_clip, changes):
    recipe = Recipe.suited_to(tiny_clip, **{"size": 48, "steps": 9, "views": 3} | changes)
    theirs = run(tiny_clip, "a red heart", recipe=recipe, seed=3).pixels
    ours = define("08")["dream_full"]("a red heart", recipe, seed=3)
    assert ours.shape == theirs.shape and (ours - theirs).abs().mean() < 2e-3


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


def test_a_file_that_the_chapter_wrote_is_a_dream_of_the_packages(define, tiny_clip, tmp_path):
    functions, theirs, ours = define("09"), tmp_path / "theirs.png", tmp_path / "ours.png"
    dream = run(tiny_clip, "a red heart", seed=4, recipe=Recipe(size=32, steps=3, views=2))
    functions["save_png"](dream, theirs)
    functions["my_save"](dream.image, ours, functions["my_read"](theirs))
    assert load_dream(ours, tiny_clip).run() == dream.image


@pytest.mark.parametrize("name", ["dask-import", "dask"])
def test_without_dask_it_says_what_to_install(name, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    sources = {cell["id"]: cell.source for _, cell in cells(chapter(APPENDICES[3]), "code")}
    names = {}
    exec(sources["dask-import"], names)
    assert "pip install dask distributed" in capsys.readouterr().out
    exec(sources[name], names)  # nothing that it lacks is asked for
