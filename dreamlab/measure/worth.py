"""What the seconds of a dream are worth: how soon, and how surely, a picture shows its sentence.

A step costs what its views cost. `worth` asks whether fewer of them, in some octaves, or views of
half as many patches give pictures of equal worth: what another CLIP says of them, against the
seconds of a picture.
"""

import statistics
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import torch
from open_clip.transformer import PatchDropout

from dreamlab.clip import Clip
from dreamlab.dream import Dream
from dreamlab.measure.ablation import DISTRACTORS, scenes
from dreamlab.measure.judge import Judge, mean, share
from dreamlab.measure.timing import seconds
from dreamlab.octaves import octave_at
from dreamlab.picturebook.world import caption
from dreamlab.recipe import Recipe

Views = tuple[int, ...]


def variants(octaves: int, views: int) -> list[Views]:
    """Views of each octave: all as now; half, a quarter everywhere; few early; twice each time."""
    half, quarter = max(1, views // 2), max(1, views // 4)
    shapes = [
        (views,) * octaves,
        (half,) * octaves,
        (quarter,) * octaves,
        (quarter,) + (views,) * (octaves - 1),
        tuple(max(1, views >> doublings) for doublings in reversed(range(octaves))),
    ]
    return list(dict.fromkeys(shapes))


def half_blind(clip: Clip) -> Clip | None:
    """The same CLIP, that of each view encodes half the patches, drawn anew each time.

    So are some CLIPs trained (Li et al. 2023, FLIP). None if it is not open_clip's own vision
    transformer: others have no patches to leave out, or no place for it.
    """
    if not hasattr(clip.model.visual, "patch_dropout"):
        return None
    other = deepcopy(clip)
    other.model.visual.patch_dropout = PatchDropout(0.5).train()
    return other


def worth(
    clip: Clip,
    judge: Judge,
    *,
    prompts: int = 40,
    recipe: Recipe | None = None,
    shapes: Sequence[Views] | None = None,
    batch: int = 8,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Dream the same captions with fewer views in the octaves, or with fewer patches.

    Args:
        clip, judge: who dreams and who judges.
        prompts: how many captions of the picture-book world.
        recipe: all else.
        shapes: views of each octave, one tuple for each variant, the first to compare with;
            `variants` unless given.
        batch: pictures in a run.
        seed: chooses captions and randomness.

    Returns:
        A row of plain values for each variant: its `views`, the share of `patches` seen, and
        `picture_s`, the seconds of a picture; as estimates (`value`, `low`, `high`, `count`) the
        mean `judge` score, its `gain` on the first variant caption by caption, `top1`, the
        R-precision among the captions and 60 more, and, if the judge knows the things of the
        world, how often it names the right `object`.

    Raises:
        ValueError: a shape has another number of octaves than the recipe.
    """
    recipe = recipe or Recipe()
    octaves = len(recipe.octaves)
    shapes = variants(octaves, recipe.views) if shapes is None else list(shapes)
    for shape in shapes:
        if len(shape) != octaves:
            raise ValueError(
                f"a shape has the views of each octave: {octaves} numbers for this recipe, "
                f"got {shape}"
            )
    captions = [caption(scene) for scene in islice(scenes(seed), prompts + DISTRACTORS)]
    wanted = captions[:prompts]
    tried = [(clip, 1.0, shape) for shape in shapes]
    if (other := half_blind(clip)) is not None:
        tried.insert(1, (other, 0.5, shapes[0]))
    rows, first = [], []
    for dreamer, patches, shape in tried:
        spent, scores, ranks, named = 0.0, [], [], []
        for begin in range(0, prompts, batch):
            some = wanted[begin : begin + batch]
            with torch.random.fork_rng(devices=[]):  # PatchDropout draws from PyTorch's own
                torch.manual_seed(seed)
                dream = Dream(dreamer, some, seed=seed, recipe=replace(recipe, views=shape[0]))
                spent += seconds(lambda dream=dream, shape=shape: _dream(dream, shape), clip.device)
            scores += judge.score(dream, some).tolist()
            ranks += judge.rank(dream, some, captions).tolist()
            named += [answer.rank == 0 for answer in judge.things(dream, some) if answer]
        first = first or scores
        estimates = {
            "judge": mean(scores),
            "gain": mean(a - b for a, b in zip(scores, first, strict=True)),
            "top1": share(rank == 0 for rank in ranks),
        }
        if named:
            estimates["object"] = share(named)
        row = {"views": list(shape), "patches": patches, "picture_s": spent / prompts}
        rows.append(row | {name: asdict(estimate) for name, estimate in estimates.items()})
    return rows


def _dream(dream: Dream, shape: Views) -> None:
    """All steps, with so many views in each octave."""
    recipe = dream.recipe
    for step in range(recipe.steps):
        recipe.views = shape[octave_at(step, recipe.steps, len(shape))]
        next(dream)


@dataclass(frozen=True)
class Found:
    """When the judge first put the prompt before all other captions: None if it never did."""

    prompt: str
    step: int | None
    seconds: float | None


def time_to_top1(
    clip: Clip,
    judge: Judge,
    prompts: Sequence[str],
    distractors: Sequence[str],
    recipe: Recipe | None = None,
) -> list[Found]:
    """Dream each prompt until the judge ranks it first among all `prompts` and `distractors`.

    The judge looks after every step; its own time does not count.
    """
    captions = list(dict.fromkeys([*prompts, *distractors]))
    result = []
    for prompt in prompts:
        made: list[Dream] = []
        spent = seconds(
            lambda made=made, prompt=prompt: made.append(Dream(clip, prompt, recipe=recipe)),
            clip.device,
        )
        (dream,) = made
        found = Found(prompt, None, None)
        while not dream.done:
            spent += seconds(lambda dream=dream: next(dream), clip.device)
            if judge.rank(dream, prompt, captions).item() == 0:
                found = Found(prompt, len(dream.history), spent)
                break
        result.append(found)
    return result


def say_top1(found: Sequence[Found], captions: int) -> str:
    """A sentence about when the judge was convinced."""
    reached = [f for f in found if f.step is not None]
    text = (
        f"The judge ranks the prompt first among {captions} captions for "
        f"{len(reached)} of {len(found)} prompts"
    )
    if not reached:
        return text + "."
    spent = statistics.median(f.seconds for f in reached)
    step = statistics.median(f.step for f in reached)
    return f"{text}; of these, half are there within {spent:.1f} s ({step:.0f} steps)."
