"""The settings in a saved picture: written from a dream, and checked when they are read.

A picture may come from anybody. So `Settings` checks every entry once: the recipe by `Recipe`,
prompts and seeds by `prompts`, the rest as a saved state. A file can name an embedded CLIP and can
carry a start as pixels; it can name no path and no address.
"""

import json
import math
import platform
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor

from dreamlab.dream import Dream, to_pil
from dreamlab.prompts import (
    CHANGEABLE,
    Prompt,
    checked_changes,
    checked_plain,
    checked_seeds,
    encoder_name,
    plain,
)
from dreamlab.recipe import Recipe
from dreamlab.start import starting_picture
from dreamlab.support.entries import entry, require, whole_entry
from dreamlab.support.picture import from_png_text, to_png_text
from dreamlab.support.version import __version__
from dreamlab.support.words import shorten

FORMAT = 1
LARGEST = 8192**2  # pixels of all starts together: what the largest canvas has
LONGEST = 60 * 2**20  # letters: Pillow reads no more than 64 MB of text from a file
MOST_CLIPS = 16
MOST = 1_000_000  # entries; a knob that was turned has four
TOO_LARGE = "too large"  # in place of a start that would not fit


def settings(dream: Dream, index: int = 0) -> dict[str, Any]:
    """What made one picture of a dream, as plain values for JSON; of own starts, only its own."""
    starts = [_start_of_one(dream, i) for i in range(len(dream.seeds))]
    shared = all(_alike(start, starts[0]) for start in starts)
    part = slice(None) if shared else slice(index, index + 1)
    history = dream.history
    recipe = asdict(history[0].recipe if history else dream.recipe)
    made = recipe | _canvas_of_start(dream, Recipe(**recipe), starts[index])
    early = [(0, knob, recipe[knob]) for knob in recipe if made[knob] != recipe[knob]]
    models = [[encoder_name(clip), weight] for clip, weight in dream.clips.items()]
    versions = {"dreamlab": __version__, "torch": str(torch.__version__)}
    versions |= {"open_clip_torch": open_clip.__version__, "python": platform.python_version()}
    return {
        "format": FORMAT,
        **{name: list(map(plain, p[part])) for name, p in dream.first_prompts.items()},
        "seeds": dream.seeds[part],
        "batched": dream.batched and shared,
        "index": index if shared else 0,
        "start": _encoded(starts[index]),
        "recipe": made,
        "changes": [list(change) for change in early + _turned_knobs(dream)]
        + [[s, name, list(map(plain, p[part]))] for s, name, p in dream.prompt_changes],
        "steps_done": len(history),
        "clip": models if len(models) > 1 else models[0][0],
        "versions": versions,
    }


def start_of(dream: Dream) -> str | Tensor:
    """What a dream started from: "grey", "noise" or its pictures, (b, 3, h, w) in [0, 1]."""
    first, *others = (_start_of_one(dream, i) for i in range(len(dream.seeds)))
    one = isinstance(first, str) and all(_alike(first, other) for other in others)
    return first if one else dream.start


def _turned_knobs(dream: Dream) -> list[tuple[int, str, Any]]:
    """(step, knob, value) of every knob that was turned between two steps, after which step."""
    return [
        (before.step, name, value)
        for before, after in pairwise(dream.history)
        if after.recipe is not before.recipe
        for name, value in asdict(after.recipe).items()
        if value != getattr(before.recipe, name)
    ]


def _canvas_of_start(dream: Dream, recipe: Recipe, start: str | Tensor) -> dict[str, Any]:
    """The knobs with which this start is made again; {} if those of the recipe do."""
    size = tuple(dream.start.shape[-2:])
    if isinstance(start, str) and start == "noise":  # drawn on the canvas of the first octave
        if size == recipe.octave_canvas(0):
            return {}
        if min(size) < 16:  # smaller than any full canvas
            return {"size": (10 * size[0], 10 * size[1]), "octaves": (0.1, 1.0)}
        return {"size": size, "octaves": (1.0,)}
    return {} if size == recipe.canvas else {"size": size}


def _start_of_one(dream: Dream, index: int) -> str | Tensor:
    """The same of one of its pictures, (3, h, w); noise is told by making it again."""
    base = dream.start[index]
    if bool((base == 0.5).all()):
        return "grey"
    size = tuple(base.shape[-2:])
    (noise,) = starting_picture("noise", size, size, dream._generators(0)[index : index + 1])
    return "noise" if torch.equal(noise, base.cpu()) else base


def _alike(a: str | Tensor, b: str | Tensor) -> bool:
    both = isinstance(a, Tensor) and isinstance(b, Tensor)
    return torch.equal(a, b) if both else type(a) is type(b) and a == b


def _encoded(start: str | Tensor) -> str | list[str]:
    """A name, or the picture as a PNG in base64."""
    if isinstance(start, str):
        return start
    text = to_png_text(to_pil(start))
    if len(text) < LONGEST:
        return [text]
    words = f"the start picture is too large to be saved with the dream ({len(text) >> 20} MB)"
    warnings.warn(f"{words}: keep it, to make the dream again", stacklevel=5)
    return TOO_LARGE


@dataclass(frozen=True)
class Settings:
    """What made a picture, checked: whatever stands here can be used."""

    prompts: list[Prompt]  # like the next two, one for every picture of the run
    negative_prompts: list[Prompt]
    seeds: list[int]
    batched: bool  # whether they were given as lists
    index: int  # which of the run's pictures the file shows
    start: str | Tensor  # "grey", "noise", "too large" (to travel) or bytes (b, 3, h, w)
    recipe: Recipe  # the knobs before the first step
    changes: list[tuple[int, str, Any]]  # (step, knob or "prompts", value): set after these steps
    steps_done: int  # by the picture
    clips: list[tuple[str, float]]  # the names of the models, with their weights

    @classmethod
    def from_dict(cls, made: Mapping[str, Any]) -> "Settings":
        """Check the entries: each is there, and is as `settings` writes it."""
        names = ("seeds", "prompts", "negative_prompts")
        seeds, prompts, negatives = (entry(made, name, list) for name in names)
        require(all(type(seed) is int for seed in seeds), "seeds")
        count, batched = len(seeds), entry(made, "batched", bool)
        require(len(prompts) == len(negatives) == count > 0, "prompts")
        require(batched or count == 1, "batched")
        recipe = Recipe.from_dict(entry(made, "recipe", dict))
        turned, changes, longest = replace(recipe), [], recipe.steps
        for change in entry(made, "changes", list):
            require(type(change) is list and len(change) == 3, "changes")
            step, knob, value = change
            require(type(step) is int and step >= 0, "changes")
            if knob in CHANGEABLE:
                changes += checked_changes([change], count, 2**31)
                continue
            require(type(knob) is str and knob in Recipe.knobs(), "changes", "names no knob")
            setattr(turned, knob, value)
            changes.append((step, knob, getattr(turned, knob)))
            longest = max(longest, turned.steps)
        return cls(
            prompts=checked_plain("prompts", prompts, count),
            negative_prompts=checked_plain("negative_prompts", negatives, count),
            seeds=checked_seeds(seeds, count),
            batched=batched,
            index=whole_entry(made, "index", count - 1) if "index" in made else 0,
            start=_start(made, count),
            recipe=recipe,
            changes=changes,
            steps_done=whole_entry(made, "steps_done", longest),
            clips=_clips(made),
        )


def parsed(text: str) -> tuple[dict[str, Any], Settings]:
    """Stored settings: their entries as they stand there, and the same checked; else ValueError."""
    entries = sum(map(text.count, ",[{"))
    require(entries <= MOST, "settings", f"have {entries:,} entries, more than any dream has")
    try:
        made = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its settings cannot be read: {shorten(str(error), 200)}") from None
    require(isinstance(made, dict), "settings", "are no list of entries")
    if type(made.get("format")) is not int or made["format"] != FORMAT:
        versions = made.get("versions")
        by = versions.get("dreamlab") if isinstance(versions, dict) else None
        by = shorten(by, 200) if isinstance(by, str) else "?"
        words = f"its settings are of another format than {FORMAT}, which this version reads"
        raise ValueError(f"{words}: they were written by dreamlab {by}")
    try:
        return made, Settings.from_dict(made)
    except (ValueError, RecursionError, OverflowError) as error:
        raise ValueError(shorten(str(error), 200)) from None


def _clips(made: Mapping[str, Any]) -> list[tuple[str, float]]:
    require("clip" in made, "clip", "is missing")
    named = made["clip"]
    named = [[named, 1.0]] if type(named) is str else named
    require(type(named) is list and 0 < len(named) <= MOST_CLIPS, "clip")
    for pair in named:
        require(type(pair) is list and [*map(type, pair)] == [str, float], "clip")
        require(0 < pair[1] < math.inf, "clip")
    return list(map(tuple, named))


def _start(made: Mapping[str, Any], count: int) -> str | Tensor:
    """The start that settings name or carry, as bytes (b, 3, h, w) if they carry it."""
    require("start" in made, "start", "is missing")
    start = made["start"]
    if isinstance(start, str):
        known = start in ("grey", "noise", TOO_LARGE)
        require(known, "start", f"cannot be {shorten(start, 200)!r}")
        return start
    require(type(start) is list and len(start) in (1, count), "start")
    pictures, left = [], LARGEST
    for text in start:
        require(type(text) is str, "start")
        pictures.append(np.array(from_png_text(text, "its start picture", left)))
        left -= pictures[-1].size // 3
    require(len({picture.shape for picture in pictures}) == 1, "start", "has several sizes")
    return torch.from_numpy(np.stack(pictures)).movedim(-1, 1)
