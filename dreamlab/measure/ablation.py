"""The ablation: what each ingredient of the method adds, judged by a CLIP that took no part."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, pairwise
from typing import Any

import numpy as np
import torch
from PIL import Image

from dreamlab.dream import to_pil
from dreamlab.figures.sheet import contact_sheet
from dreamlab.judge import as_tensors, mean, measure
from dreamlab.measure.ladder import build_ladder
from dreamlab.measure.sweep import Sweep, cached_clip, cached_judge, sweep
from dreamlab.measure.tables import markdown, summarize
from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.probe import in_pieces
from dreamlab.picturebook.world import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    TEXTURES,
    Item,
    Scene,
    caption,
    compose,
    shuffled,
)
from dreamlab.recipe import Recipe

PROMPTS = 40
DISTRACTORS = 60  # captions that nothing is dreamt of
DRAWN = "drawn scene"
TILES = (16, 8)  # px, of a scene at 64 px; each is a row below the drawn scenes
WORKED = (  # the examples that the course works with
    compose("space", [("moon", "yellow", "plain", 1), ("cloud", "white", "plain", 3)]),
    compose("mountains", [("castle", "grey", "plain", 1), ("flower", "red", "plain", 3)]),
    compose("space", [("planet", "orange", "plain", 2), ("comet", "blue", "plain", 2)]),
    compose("city", [("cloud", "white", "plain", 5)]),
)
KINDS = ("one", "textured", "two kinds", "one", "several", "textured", "two kinds", "one")


def scenes(seed: int = 0) -> Iterator[Scene]:
    """Endless different scenes of every sort; no scene's caption is true of another one."""
    rng = np.random.default_rng([5, seed])
    kinds = OBJECTS, COLOURS, TEXTURES[1:], tuple(BACKGROUNDS)
    objects, colours, textures, backgrounds = (shuffled(values, rng) for values in kinds)
    given: list[Scene] = []

    def candidates() -> Iterator[Scene]:
        yield from WORKED
        for kind in cycle(KINDS):
            things = []
            for name in islice(objects, 2 if kind == "two kinds" else 1):
                texture = next(textures) if kind == "textured" else "plain"
                count = int(rng.integers(2, 4)) if kind == "several" else 1
                things.append((name, next(colours), texture, count))
            if len({name for name, *_ in things}) == len(things):
                yield compose(next(backgrounds), things, seed=int(rng.integers(2**31)))

    for scene in candidates():
        if not any(is_true(a, b) or is_true(b, a) for a, b in ((scene, old) for old in given)):
            given.append(scene)
            yield scene


def is_true(claim: Scene, scene: Scene) -> bool:
    """Whether the caption of `claim` also holds for `scene`: it says nothing that is not there."""

    def shown(item: Item) -> bool:
        return any(
            (item.object, item.colour, item.count) == (there.object, there.colour, there.count)
            and item.texture in ("plain", there.texture)  # a caption is silent about plain
            for there in scene.items
        )

    return claim.background == scene.background and all(map(shown, claim.items))


@dataclass(frozen=True)
class Ablation:
    """What the ladder gave."""

    dreams: Sweep  # a recipe for each rung
    drawn: list[dict[str, Any]]  # rows of what no recipe made: scenes whole and in tiles, controls
    drawings: list[Image.Image]  # their pictures, in parallel
    captions: int  # from which the judge chose

    def summary(self) -> list[dict[str, Any]]:
        """Estimates for each rung and the drawn scenes; `gain` is the judge's on the rung above."""
        result = summarize([*self.dreams.rows, *self.drawn])
        scores = {
            (row["recipe"], row["prompt"], row["seed"]): row["judge"]
            for row in self.dreams.rows
            if not row["error"]
        }
        dreamt = {rung for rung, *_ in scores}
        for above, summary in pairwise(row for row in result if row["recipe"] in dreamt):
            gains: dict[str, list[float]] = {}
            for (rung, prompt, seed), score in scores.items():
                before = scores.get((above["recipe"], prompt, seed))
                if rung == summary["recipe"] and before is not None:
                    gains.setdefault(prompt, []).append(score - before)
            if gains:
                summary["gain"] = mean(sum(each) / len(each) for _, each in sorted(gains.items()))
        return result

    def table(self, columns: Sequence[str] = (), summary: list[dict] | None = None) -> str:
        """The summary in Markdown; all columns unless some are named."""
        rows = summary or self.summary()
        named = [{HEADS.get(key, key): value for key, value in row.items()} for row in rows]
        return markdown(named, [HEADS.get(c, c) for c in columns or COLUMNS])

    def sheet(self, columns: int = 8, size: int = 112) -> Image.Image:
        """The first pictures of each rung, and the drawn scenes, as one RGB image."""
        found = self.pictures()
        prompts = list(dict.fromkeys(prompt for _, prompt in found))[:columns]
        rows = list(dict.fromkeys(rung for rung, _ in found))
        grid = [[found[row, prompt] for prompt in prompts] for row in rows]
        return contact_sheet(grid, rows, prompts, size=size)

    def pictures(self) -> dict[tuple[str, str], Image.Image | None]:
        """The picture of each rung and caption, of the first seed; then the drawn scenes'."""
        first = self.dreams.rows[0]["seed"]
        dreams = zip(self.dreams.rows, self.dreams.images, strict=True)
        drawn = zip(self.drawn, self.drawings, strict=True)
        pairs = [*(pair for pair in dreams if pair[0]["seed"] == first), *drawn]
        return {(row["recipe"], row["prompt"]): image for row, image in pairs}


HEADS = {"recipe": "rung", "gain": "judge's gain on the rung above"}
COLUMNS = (
    "recipe", "dreamer", "judge", "gain", "top1", "rank", "object", "object_rank", "slope",
    "out_of_range",
)  # fmt: skip


def run(
    prompts: int = PROMPTS,
    *,
    ladder: dict[str, Recipe] | None = None,
    clip: str = "picturebook",
    judge: str = "picturebook-judge",
    seed: int = 0,
    seeds: int = 1,
    device: str | None = None,
    **options: Any,
) -> Ablation:
    """Dream `prompts` captions, 1 to 1000, by every rung, and measure dreams and drawn scenes.

    The judge chooses from these captions and 60 more. `seed` chooses captions, drawings and all
    randomness, and each caption is dreamt with `seeds` of them; `options` are `sweep`'s.

    Raises:
        ValueError: prompts out of range, or what `sweep` raises.
    """
    if not 1 <= prompts <= 1000:
        raise ValueError(f"prompts is how many captions to dream, 1 to 1000, got {prompts}")
    ladder = build_ladder() if ladder is None else ladder
    chosen = list(islice(scenes(seed), prompts + DISTRACTORS))
    captions = [caption(scene) for scene in chosen]
    wanted, distractors = captions[:prompts], captions[prompts:]
    side = max(next(iter(ladder.values())).canvas)
    clips = {"clip": cached_clip(clip, device), "judge": cached_judge(judge, device)}
    whole = [draw(scene, side) for scene in chosen[:prompts]]
    _, *tiles = in_pieces(torch.cat(as_tensors(whole)), TILES).values()
    shown = {DRAWN: whole}
    for size, pictures in zip(TILES, tiles, strict=True):
        shown[f"… in {size}-px tiles"] = list(map(to_pil, pictures))
    drawn = [
        {"recipe": name, "prompt": prompt, "seed": seed, "error": ""} | row
        for name, pictures in shown.items()
        for prompt, row in zip(
            wanted, measure(pictures, wanted, distractors=distractors, **clips), strict=True
        )
    ]
    models = {"clip": clip, "judge": judge, "device": device}
    every = range(seed, seed + seeds)
    dreams = sweep(wanted, ladder, every, distractors=distractors, **models, **options)
    drawings = [picture for pictures in shown.values() for picture in pictures]
    return Ablation(dreams, drawn, drawings, len(captions))
