"""Checks of chapter 9: what a file tells of its dream, the judge's favourite, a photo kept."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dreamlab.course.check.verdict import NotYet, ask, said, same, shown, verdict, what
from dreamlab.dream import Dream
from dreamlab.figures.saving import save_png
from dreamlab.measure.sweep import cached_clip
from dreamlab.recipe import Recipe
from dreamlab.resample import resize

# --- what a file says of its dream ----------------------------------------------------------------

MADE = (("two yellow stars at night", 7), ("a white boat on the sea", 2024))


@verdict
def sentence_and_seed(answer: Callable) -> str:
    """Check `answer(path)`: the sentence and the seed of the dream in a PNG file that `save_png`
    wrote, as a pair.
    """
    for sentence, seed in MADE:
        # On Windows a file that the answer left open cannot be removed yet.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            recipe = Recipe(size=16, steps=3)
            dream = Dream(cached_clip("picturebook"), sentence, seed=seed, recipe=recipe)
            path = save_png(dream, Path(folder) / "dreamt.png")
            result = ask(answer, path)
        if isinstance(result, Mapping):
            result = list(result.values())
        if not isinstance(result, Sequence) or isinstance(result, str) or len(result) != 2:
            raise NotYet("a pair is wanted, return sentence, seed")
        found_sentence, found_seed = (_alone(value) for value in result)
        if same(found_seed, sentence) and same(found_sentence, seed):
            raise NotYet("both are right; the sentence comes first, then the seed")
        if not same(found_sentence, sentence):
            raise NotYet(f"of a dream of {sentence!r} it says {shown(found_sentence)}")
        if not same(found_seed, seed):
            number = isinstance(found_seed, str) and found_seed.isdigit()
            hint = "; a number is wanted, not a text" if number else ""
            raise NotYet(
                f"the sentence is right; the seed is {seed}, not {shown(found_seed)}{hint}"
            )
    return "whoever has the file has the dream."


def _alone(value: Any) -> Any:
    """What stands alone in a list: a file can hold a batch, and so has lists."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return value[0] if is_list and len(value) == 1 else value


# --- the judge's favourite ------------------------------------------------------------------------

NUMBERS = ((0.91, 0.41, 2), (0.79, 0.58, 0), None, (0.75, 0.22, 5), (0.72, 0.53, 0))


@verdict
def favourite(answer: Callable) -> str:
    """Check `answer(rows)`: of the rows of a sweep, dictionaries, the one the judge likes most.

    A row of a dream that failed has no numbers, and its `error` is not empty.
    """
    rows = [
        {"recipe": "default", "prompt": "a red heart", "seed": seed, "error": ""}
        | dict(zip(("dreamer", "judge", "rank"), numbers, strict=True))
        if numbers
        else {"recipe": "default", "prompt": "a red heart", "seed": seed, "error": "out of memory"}
        for seed, numbers in enumerate(NUMBERS)
    ]
    whole = [row for row in rows if not row["error"]]
    # The last order begins with the failure: whoever compares with the first row meets it.
    for order in (whole, whole[::-1], rows, rows[2:] + rows[:2]):
        try:
            row = ask(answer, order)
        except NotYet as problem:
            if "stopped with" in str(problem) and order not in (whole, whole[::-1]):
                raise NotYet(
                    f"{problem}, where one of the dreams had failed: its row has an error and no "
                    "numbers, pass over it"
                ) from None
            raise
        best = max(whole, key=lambda row: row["judge"])
        if isinstance(row, int | float) and not isinstance(row, bool):
            raise NotYet("that is a number; the row itself is asked for, with its recipe and seed")
        if not isinstance(row, Mapping):
            raise NotYet(f"one row is asked for, a dictionary, and this is {what(row)}")
        row = next((each for each in rows if same(dict(row), each)), None)
        if row is None:
            raise NotYet("that is none of the rows that it was given; return one as it is")
        if row is best:
            continue
        if row["error"]:
            raise NotYet("that dream failed: its row has an error and no numbers")
        if row is max(whole, key=lambda row: row["dreamer"]):
            raise NotYet("that is the dreamer's favourite, whose picture was made to please it")
        if row is min(whole, key=lambda row: row["judge"]):
            raise NotYet("that is the one that the judge likes least; a higher score is better")
        raise NotYet(
            f"it picks seed {row['seed']}, and the judge's score is highest for seed {best['seed']}"
        )
    return "a dream that failed is passed over, and the dreamer is not asked."


# --- a photo that is kept -------------------------------------------------------------------------

SENTENCE = "a red striped heart in the sky"
VIEWS = 300  # in all, so that the check takes a few seconds
LIKENESS, GAIN = 0.9, 0.12


@verdict
def kept_photo(answer: Callable) -> str:
    """Check `answer(photo)`: a `Recipe` by which a photo (3, h, w) stays recognisable and comes
    nearer to "a red striped heart in the sky".

    The correlation of picture and photo is at least .9, the dreamer's agreement rises by .12 or
    more, and there are at most 300 views in all (steps · views), on 64 to 256 pixels.
    """
    photo = _portrait()
    recipe = ask(answer, photo)
    if not isinstance(recipe, Recipe):
        raise NotYet(f"a Recipe is asked for, and this is {what(recipe)}")
    if (looks := recipe.steps * recipe.views) > VIEWS:
        raise NotYet(
            f"{recipe.steps} steps of {recipe.views} views are {looks} looks at the picture; at "
            f"most {VIEWS} are to be paid for"
        )
    if not 64 <= min(recipe.canvas) <= max(recipe.canvas) <= 256:
        raise NotYet("the canvas should have 64 pixels, which is what CLIP looks at, to 256")
    try:
        likeness, before, after = _keep(recipe)
    except Exception as error:
        raise NotYet(f"the dream broke off with {said(error)}") from error
    found = f"likeness {likeness:.2f}, agreement {before:.2f} → {after:.2f}"
    if likeness < LIKENESS:
        if recipe.keep_start == 0:
            raise NotYet(f"{found}: the photo is lost; keep_start is how strongly it is kept")
        raise NotYet(f"{found}: too little of the photo is left; keep_start could be larger")
    if after - before < GAIN:
        raise NotYet(
            f"{found}: the photo is safe, and there is too little of the dream; keep_start could "
            "be smaller, or the steps more"
        )
    # Without the numbers: they differ from machine to machine in the last digit.
    return "the photo is still there, and so is some of the dream."


@lru_cache(maxsize=1)
def _portrait() -> Tensor:
    """Grace Hopper's portrait, (3, 128, 128); it comes with matplotlib."""
    from matplotlib.cbook import get_sample_data

    from dreamlab.start import starting_picture

    path = get_sample_data("grace_hopper.jpg", asfileobj=False)
    return starting_picture(path, (128, 128), (128, 128), [torch.Generator()])[0]


@torch.no_grad()
def _keep(recipe: Recipe) -> tuple[float, float, float]:
    """Likeness of dream and photo, and the dreamer's agreement before and after."""
    clip = cached_clip("picturebook")
    text = clip.encode_text(SENTENCE)
    dream = Dream(clip, SENTENCE, start=_portrait(), recipe=recipe)
    before = (clip.encode_image(dream.start) * text).sum()
    dream.run()
    shown = dream.pixels.clamp(0, 1)
    photo = resize(dream.start, tuple(shown.shape[-2:]))
    both = torch.stack([shown.flatten(), photo.flatten()])
    likeness = torch.corrcoef(both)[0, 1].nan_to_num()
    return float(likeness), float(before), float((clip.encode_image(shown) * text).sum())
