"""Checks of chapter 9: what a file tells of its dream, the judge's favourite, a photo kept."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from dreamlab.dream import Dream
from dreamlab.figures.saving import save_png
from dreamlab.octaves import compose
from dreamlab.recipe import Recipe

from .start_here import embedded_clip
from .verdict import NotYet, Table, ask, brief, raise_first, said, same, table, what


@table((("two yellow stars at night", 7), ("a white boat on the sea", 2024)))
def sentence_and_seed(answer: Callable, sentence: str, seed: int) -> Table:
    """Check `answer(path)`: sentence and seed of the dream in a PNG of `save_png`, as a pair."""
    # On Windows a file that the answer left open cannot be removed yet.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        recipe = Recipe(size=16, steps=3)
        dream = Dream(embedded_clip(), sentence, seed=seed, recipe=recipe)
        result = ask(answer, save_png(dream, Path(folder) / "dreamt.png"))
    if isinstance(result, Mapping):
        result = list(result.values())
    if not isinstance(result, Sequence) or isinstance(result, str) or len(result) != 2:
        raise NotYet("a pair is wanted, return sentence, seed")
    # What stands alone in a list: a file can hold a batch, and so has lists.
    words, number = (x[0] if isinstance(x, list | tuple) and len(x) == 1 else x for x in result)
    digits = isinstance(number, str) and number.isdigit()
    hint = "; a number is wanted, not a text" if digits else ""
    exchanged = same(number, sentence) and same(words, seed)
    wrong_seed = f"the sentence is right; the seed is {seed}, not {brief(number)}{hint}"
    return result, {
        "whoever has the file has the dream.": None,
        "both are right; the sentence comes first, then the seed": exchanged,
        f"of a dream of {sentence!r} it says {brief(words)}": not same(words, sentence),
        wrong_seed: not same(number, seed),
    }


NUMBERS = ((0.91, 0.41, 2), (0.79, 0.58, 0), None, (0.75, 0.22, 5), (0.72, 0.53, 0))


@table()
def favourite(answer: Callable) -> Table:
    """Check `answer(rows)`: of a sweep's rows, dictionaries, the one the judge likes most."""
    rows = []
    for seed, numbers in enumerate(NUMBERS):
        row = {"recipe": "default", "prompt": "a red heart", "seed": seed, "error": ""}
        scores = dict(zip(("dreamer", "judge", "rank"), numbers or (), strict=False))
        rows.append(row | (scores or {"error": "out of memory"}))
    whole = [row for row in rows if not row["error"]]
    best, worst = (pick(whole, key=lambda row: row["judge"]) for pick in (max, min))
    dreamers = max(whole, key=lambda row: row["dreamer"])
    # The last order begins with the failure: whoever compares with the first row meets it.
    for order in (whole, whole[::-1], rows, rows[2:] + rows[:2]):
        try:
            row = ask(answer, order)
        except NotYet as problem:
            if "stopped with" not in str(problem) or len(order) == len(whole):
                raise
            hint = "one of the dreams had failed: its row has an error and no numbers, pass over it"
            raise NotYet(f"{problem}, where {hint}") from None
        if isinstance(row, int | float) and not isinstance(row, bool):
            raise NotYet("that is a number; the row itself is asked for, with its recipe and seed")
        if not isinstance(row, Mapping):
            raise NotYet(f"one row is asked for, a dictionary, and this is {what(row)}")
        row = next((each for each in rows if same(dict(row), each)), None)
        if row is None:
            raise NotYet("that is none of the rows that it was given; return one as it is")
        picks = f"it picks seed {row['seed']}, and the judge's score is highest for seed"
        problems = {
            "that dream failed: its row has an error and no numbers": bool(row["error"]),
            "that is the dreamer's favourite, whose picture was made to please it": row is dreamers,
            "that is the one that the judge likes least; a higher score is better": row is worst,
            f"{picks} {best['seed']}": row is not best,
        }
        raise_first(problems)
    return "a dream that failed is passed over, and the dreamer is not asked."


SENTENCE = "a red striped heart in the sky"
VIEWS = 300  # in all, so that the check takes a few seconds
LIKENESS, GAIN = 0.9, 0.12


@table()
def kept_photo(answer: Callable) -> Table:
    """Check `answer(photo)`: a `Recipe` by which a photo (3, h, w) becomes "a red striped heart in
    the sky" by .12, at a correlation of .9, in 300 views on 64 to 256 pixels.
    """
    recipe = ask(answer, _portrait())
    if not isinstance(recipe, Recipe):
        raise NotYet(f"a Recipe is asked for, and this is {what(recipe)}")
    steps, views, sides = recipe.steps, recipe.views, recipe.canvas
    looks, fits = steps * views, 64 <= min(sides) <= max(sides) <= 256
    problems = {
        f"{steps} steps of {views} views are {looks} looks, more than {VIEWS}": looks > VIEWS,
        "the canvas should have 64 pixels, which is what CLIP looks at, to 256": not fits,
    }
    raise_first(problems)
    try:
        likeness, before, after = _keep(recipe)
    except Exception as error:
        raise NotYet(f"the dream broke off with {said(error)}") from error
    found = f"likeness {likeness:.2f}, agreement {before:.2f} → {after:.2f}"
    lost, unkept, faint = likeness < LIKENESS, recipe.keep_start == 0, after - before < GAIN
    return found, {
        "the photo is still there, and so is some of the dream.": None,
        f"{found}: the photo is lost; keep_start is how strongly it is kept": lost and unkept,
        f"{found}: too little of the photo is left; keep_start could be larger": lost,
        f"{found}: too little of the dream; keep_start could be smaller, or the steps more": faint,
    }


@lru_cache(maxsize=1)
def _portrait() -> Tensor:
    """Grace Hopper's portrait, (3, 128, 128); it comes with matplotlib."""
    from matplotlib.cbook import get_sample_data

    path = get_sample_data("grace_hopper.jpg", asfileobj=False)
    return Dream(embedded_clip(), SENTENCE, start=path).start[0]


@torch.no_grad()
def _keep(recipe: Recipe) -> tuple[float, float, float]:
    """Likeness of dream and photo, and the dreamer's agreement before and after."""
    clip = embedded_clip()
    text = clip.encode_text(SENTENCE)
    dream = Dream(clip, SENTENCE, start=_portrait(), recipe=recipe)
    before = (clip.encode_image(dream.start) * text).sum()
    dream.run()
    pixels = dream.pixels.clamp(0, 1)
    photo = compose(dream.start, (), tuple(pixels.shape[-2:]))
    likeness = torch.corrcoef(torch.stack([pixels.flatten(), photo.flatten()]))[0, 1].nan_to_num()
    return float(likeness), float(before), float((clip.encode_image(pixels) * text).sum())
