"""The ablation: what each ingredient of the method adds, judged by a CLIP that took no part.

    python -m dreamlab.measure.ablation                     # 40 prompts by every rung
    python -m dreamlab.measure.ablation --order views-last  # … with the strongest part last
    python -m dreamlab.measure.ablation --seeds 3 --rungs raw full
    python -m dreamlab.measure.ablation --write             # table and sheet put into README.md

A ladder of recipes, each the one before plus one idea, dreams the same captions of the picture-book
world. Beside the dreams stand drawn scenes of the same captions: what the two CLIPs say of a
picture that really shows it, and of the same picture cut into tiles that lie in random order, which
has the colours and textures and no shape.
"""

import argparse
import io
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from dreamlab.clip import Clip
from dreamlab.dream import to_pil
from dreamlab.figures.sheet import contact_sheet
from dreamlab.measure.judge import as_tensors, mean, measure
from dreamlab.measure.ladder import FULL, LADDER, ORDERS, build_ladder, clip_gradient
from dreamlab.measure.sweep import Sweep, cached_clip, cached_judge, sweep
from dreamlab.measure.tables import MEASURES, markdown, summarize
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
)
from dreamlab.recipe import Recipe
from dreamlab.support.console import exit_on_user_error, print_plainly, whole
from dreamlab.support.files import write_atomically
from dreamlab.support.readme import README, check_readme, put_into_readme

PROMPTS = 40
DISTRACTORS = 60  # captions that nothing is dreamt of
DRAWN = "drawn scene"
TILES = (16, 8)  # px, of a scene at 64 px; each is a row below the drawn scenes

# --- the captions ---------------------------------------------------------------------------------

WORKED: tuple[Scene, ...] = (
    compose("space", [("moon", "yellow", "plain", 1), ("cloud", "white", "plain", 3)]),
    compose("mountains", [("castle", "grey", "plain", 1), ("flower", "red", "plain", 3)]),
    compose("space", [("planet", "orange", "plain", 2), ("comet", "blue", "plain", 2)]),
    compose("city", [("cloud", "white", "plain", 5)]),
)
"""The examples that the course works with."""

KINDS = ("one", "textured", "two kinds", "one", "several", "textured", "two kinds", "one")


def scenes(seed: int = 0) -> Iterator[Scene]:
    """Endless different scenes: the worked examples, then every sort of scene in turn.

    Objects, colours, textures and backgrounds come round in shuffled order, so that a few scenes
    already hold most of the world. No scene's caption is true of another one, so of all captions
    one alone is right for a picture.
    """
    rng = np.random.default_rng([5, seed])

    def shuffled(values: Sequence[str]) -> Iterator[str]:
        while True:
            yield from (str(value) for value in rng.permutation(values))

    objects, colours = shuffled(OBJECTS), shuffled(COLOURS)
    textures, backgrounds = shuffled(TEXTURES[1:]), shuffled(tuple(BACKGROUNDS))
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


# --- the run --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ablation:
    """What the ladder gave.

    Attributes:
        dreams: the sweep, a recipe for each rung.
        drawn: rows as in a sweep, of the drawn scenes, whole and in tiles.
        drawings: their pictures, in parallel.
        captions: how many captions the judge chose from.
        seconds: how long it all took.
    """

    dreams: Sweep
    drawn: list[dict[str, Any]]
    drawings: list[Image.Image]
    captions: int
    seconds: float

    def summary(self) -> list[dict[str, Any]]:
        """A dictionary of estimates for each rung, then for the drawn scenes.

        `gain` is what the judge's score rose from the rung above, prompt by prompt: two rungs may
        differ for certain although the intervals of their own means overlap.
        """
        result = summarize([*self.dreams.rows, *self.drawn])
        scores: dict[str, dict[str, dict[int, float]]] = {}
        for row in self.dreams.rows:
            if not row["error"]:
                by_prompt = scores.setdefault(row["recipe"], {})
                by_prompt.setdefault(row["prompt"], {})[row["seed"]] = row["judge"]
        rungs = [summary for summary in result if summary["recipe"] in scores]
        for above, summary in pairwise(rungs):
            before, after = scores[above["recipe"]], scores[summary["recipe"]]
            gains = []
            for prompt in sorted(before.keys() & after.keys()):
                old, new = before[prompt], after[prompt]
                if seeds := sorted(old.keys() & new.keys()):
                    gains.append(sum(new[s] - old[s] for s in seeds) / len(seeds))
            if gains:
                summary["gain"] = mean(gains)
        return result

    def table(self, columns: Sequence[str] = (), summary: list[dict] | None = None) -> str:
        """The summary in Markdown; all columns unless some are named."""
        named = [
            {HEADS.get(key, key): value for key, value in row.items()}
            for row in summary or self.summary()
        ]
        return markdown(named, [HEADS.get(c, c) for c in columns or ALL_COLUMNS])

    def sheet(self, columns: int = 8, size: int = 112) -> Image.Image:
        """The first pictures of each rung, and the drawn scenes, as one RGB image."""
        found = self._pictures()
        prompts = list(dict.fromkeys(prompt for _, prompt in found))[:columns]
        rows = list(dict.fromkeys(rung for rung, _ in found))
        grid = [[found[row, prompt] for prompt in prompts] for row in rows]
        return contact_sheet(grid, rows, prompts, size=size)

    def strip(self, columns: int = 6, size: int = 128) -> Image.Image:
        """First and last rung of the captions whose last dream the judge likes best, and drawings.

        So it shows the method at its best; `sheet` and `table` show what is usual.
        """
        rows = self.dreams.rows
        ends = rows[0]["recipe"], rows[-1]["recipe"]
        scores = {
            row["prompt"]: row["judge"]
            for row in rows
            if (row["recipe"], row["seed"]) == (ends[1], rows[0]["seed"]) and not row["error"]
        }
        best = sorted(scores, key=scores.__getitem__, reverse=True)[:columns]
        found = self._pictures()
        grid = [[found[row, prompt] for prompt in best] for row in (*ends, DRAWN)]
        return contact_sheet(grid, [*ends, DRAWN], best, size=size)

    def _pictures(self) -> dict[tuple[str, str], Image.Image | None]:
        """The picture of each rung and caption, of the first seed; then the drawn scenes'."""
        first = self.dreams.rows[0]["seed"]
        dreams = zip(self.dreams.rows, self.dreams.images, strict=True)
        drawn = zip(self.drawn, self.drawings, strict=True)
        return {
            (row["recipe"], row["prompt"]): image
            for row, image in [*(pair for pair in dreams if pair[0]["seed"] == first), *drawn]
        }


HEADS = {"recipe": "rung", "gain": "judge's gain on the rung above"}
ALL_COLUMNS = ("recipe", "dreamer", "judge", "gain", *list(MEASURES)[2:])
README_COLUMNS = (
    "recipe", "dreamer", "judge", "gain", "top1", "rank", "object", "slope", "out_of_range",
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
    batch: int = 8,
    workers: int = 1,
    progress: bool = False,
) -> Ablation:
    """Dream `prompts` captions by every rung, and measure dreams and drawn scenes.

    Args:
        prompts: how many captions, 1 to 1000. The judge chooses from these and 60 more.
        ladder: other recipes by name; `LADDER` unless given.
        clip, judge: names for `load_clip`: who dreams and who judges.
        seed: chooses captions, drawings and the randomness of every dream.
        seeds: how often to dream each caption, with `seed`, `seed` + 1, … More of them narrow no
            interval: it is that of the captions.
        device, batch, progress: as for `dreamlab.measure.sweep.sweep`.
        workers: processes that dream at the same time; 1 dreams in this one.
    """
    if not 1 <= prompts <= 1000:
        raise ValueError(f"prompts is how many captions to dream, 1 to 1000, got {prompts}")
    if seeds < 1:
        raise ValueError(f"seeds is how often to dream each caption, at least 1, got {seeds}")
    if workers < 1:
        raise ValueError(f"workers is a number of processes, at least 1, got {workers}")
    ladder = LADDER if ladder is None else ladder
    begin = time.monotonic()
    chosen = list(islice(scenes(seed), prompts + DISTRACTORS))
    captions = [caption(scene) for scene in chosen]
    wanted, distractors = captions[:prompts], captions[prompts:]

    # First, because it is quick and says at once if a CLIP cannot be loaded.
    side = max(next(iter(ladder.values())).canvas)
    clip_here, judge_here = cached_clip(clip, device), cached_judge(judge, device)
    drawn, drawings = [], []
    for name, pictures in _scenes_and_tiles([draw(scene, side) for scene in chosen[:prompts]]):
        numbers = measure(
            pictures, wanted, clip=clip_here, judge=judge_here, distractors=distractors
        )
        for prompt, row, picture in zip(wanted, numbers, pictures, strict=True):
            drawn.append({"recipe": name, "prompt": prompt, "seed": seed, "error": ""} | row)
            drawings.append(picture)
    dreams = sweep(
        wanted,
        ladder,
        range(seed, seed + seeds),
        clip=clip,
        judge=judge,
        distractors=distractors,
        device=device,
        batch=batch,
        executor=workers if workers > 1 else None,
        progress=progress,
    )
    return Ablation(dreams, drawn, drawings, len(captions), time.monotonic() - begin)


def _scenes_and_tiles(
    drawings: list[Image.Image],
) -> Iterator[tuple[str, list[Image.Image]]]:
    """The drawings as they are, and cut into tiles, with the names of their rows."""
    yield DRAWN, drawings
    whole = torch.cat(as_tensors(drawings))
    for side, tiles in zip(TILES, list(in_pieces(whole, TILES).values())[1:], strict=True):
        yield f"… in {side}-px tiles", [to_pil(pixels) for pixels in tiles]


def bars(summary: Sequence[dict[str, Any]]) -> list[tuple[str, bool]]:
    """What raw and full dreams of the embedded models must reach: (a sentence, whether they do).

    Of a judge that is not asked for things, the sentences about them are left out.
    """
    rung = {row["recipe"]: row for row in summary}
    raw, full, drawn = rung["raw"], rung["full"], rung[DRAWN]

    def value(row: dict[str, Any], name: str) -> float:
        return row[name].value if name in row else math.nan

    said = [
        (
            f"raw: the dreamer scores its noise ({value(raw, 'dreamer'):.2f}) above a drawn scene "
            f"({value(drawn, 'dreamer'):.2f})",
            value(raw, "dreamer") > value(drawn, "dreamer"),
        ),
        (
            f"raw: judge R-precision {value(raw, 'top1'):.0%} is at most 30 %",
            value(raw, "top1") <= 0.30,
        ),
        (
            f"raw: the thing is named in {value(raw, 'object'):.0%}, at most 20 %",
            value(raw, "object") <= 0.20,
        ),
        (f"raw: slope {value(raw, 'slope'):.2f} is above −1", value(raw, "slope") > -1),
        (
            f"raw: {value(raw, 'out_of_range'):.1%} of pixels are out of range",
            value(raw, "out_of_range") > 0,
        ),
        (
            f"full: judge R-precision {value(full, 'top1'):.0%} is at least 90 %",
            value(full, "top1") >= 0.90,
        ),
        (
            f"full: … and within 10 points of drawn scenes ({value(drawn, 'top1'):.0%})",
            value(full, "top1") >= value(drawn, "top1") - 0.10,
        ),
        (
            f"full: the thing is named in {value(full, 'object'):.0%}, at least 80 %",
            value(full, "object") >= 0.80,
        ),
        (
            f"full: slope {value(full, 'slope'):.2f} is in the band of photographs, −3.0 to −1.6",
            -3.0 <= value(full, "slope") <= -1.6,
        ),
        (
            f"full: {value(full, 'out_of_range'):.1%} of pixels are out of range",
            value(full, "out_of_range") == 0,
        ),
    ]
    return [(sentence, reached) for sentence, reached in said if "nan" not in sentence]


# --- files ----------------------------------------------------------------------------------------

SHEET, STRIP = Path("docs/ablation.jpg"), Path("docs/strip.jpg")  # beside README
LARGEST = 1_000_000  # bytes of a sheet in the repository


def part_of(order: str) -> str:
    """The name of the part of README in which the ablation in this order stands."""
    return "ablation" if order == "course" else f"ablation-{order}"


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Save as JPEG under 1 MB, with the best quality that fits."""
    for quality in range(92, 10, -8):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, subsampling=0)
        if buffer.tell() < LARGEST:
            break
    write_atomically(path, buffer.getvalue())


def write_readme(ablation: Ablation, readme: Path, words: str, order: str = "course") -> None:
    """Put the table and `words` about it between the marks of `readme`.

    In the course's order the sheet goes there as well, and the strip beside it.
    """
    check_readme(readme, part_of(order))
    parts = [ablation.table(README_COLUMNS), "", words]
    if order == "course":
        save_sheet(ablation.sheet(), readme.parent / SHEET)
        save_sheet(ablation.strip(), readme.parent / STRIP)
        alt = "A row of dreams for each rung: noise at the top, pictures at the bottom"
        parts += ["", f"![{alt}]({SHEET.as_posix()})"]
    put_into_readme(readme, part_of(order), "\n".join(parts))


THINGS = (
    " *Object named*: how often it finds the right thing among 25 captions that are equal in all "
    "else. *In tiles*: the scenes cut to pieces that lie in random order."
)


def say_how(ablation: Ablation, ladder: dict[str, Recipe], where: str, command: str = "") -> str:
    """The sentences below the table: what was done, and what its numbers mean."""
    full = list(ladder.values())[-1]
    height, width = full.canvas
    count = len({row["prompt"] for row in ablation.drawn})
    seeds = len({row["seed"] for row in ablation.dreams.rows})
    times = f" × {seeds} seeds" if seeds > 1 else ""
    asked = any("object_rank" in row for row in ablation.dreams.rows)
    return (
        f"Means over {count} captions{times}, with 95 % intervals; {height} × {width} px, "
        f"{full.steps} steps of {full.views} views (raw: the whole image once a step). *Dreamer "
        "score*: cosine of picture and caption by the CLIP that made the picture; *judge score*: "
        "by the other one, of what a screen shows of it. *Judge's gain*: caption by caption. "
        f"*R-precision*: how often the judge finds the right one of {ablation.captions} captions; "
        f"*rank*: how many wrong ones it prefers.{THINGS if asked else ''} *Spectrum slope*, up to "
        "the finest detail that CLIP sees of the whole picture: white noise 0, photographs −1.6 to "
        "−3.0. *Out of range*: pixels that no screen can show. Made in "
        f"{ablation.seconds / 60:.0f} minutes on {where} by "
        f"`python -m dreamlab.measure.ablation{command}`."
    )


def _knob(name: str) -> Callable[[str], int]:
    """The type of an option that is a knob of the recipe, a whole number in its range."""
    rule = Recipe.knobs()[name]["rule"]
    side = getattr(rule, "side", rule)
    return whole(side.low, side.high)


def _ladder(options: argparse.Namespace, clip: Clip) -> dict[str, Recipe]:
    """The rungs that are asked for, for this CLIP."""
    changes = {"steps": options.steps, "size": options.size}
    some = [caption(scene) for scene in islice(scenes(options.seed), 2)]
    gradient = float(f"{clip_gradient(clip, some, replace(FULL, **changes)):.2g}")
    return {
        name: replace(recipe, **changes)
        for name, recipe in build_ladder(options.order, gradient).items()
        if not options.rungs or name in options.rungs
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamlab.measure.ablation", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--prompts", type=whole(1, 1000), default=PROMPTS, help="captions (%(default)s)"
    )
    parser.add_argument(
        "--order", choices=list(ORDERS), default="course", help="of the ladder (%(default)s)"
    )
    parser.add_argument("--rungs", nargs="+", choices=list(LADDER), help="only these; default all")
    parser.add_argument(
        "--steps", type=_knob("steps"), default=FULL.steps, help="per dream (%(default)s)"
    )
    parser.add_argument(
        "--size", type=_knob("size"), default=FULL.size, help="of the canvas (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=whole(0, 2**32 - 1), default=0, help="of captions and dreams (%(default)s)"
    )
    parser.add_argument(
        "--seeds", type=whole(1), default=1, help="dreams of a caption (%(default)s)"
    )
    parser.add_argument("--clip", default="picturebook", help="who dreams (%(default)s)")
    parser.add_argument("--judge", default="picturebook-judge", help="who judges (%(default)s)")
    parser.add_argument("--device", help="cpu, cuda, mps …; the best there is unless given")
    parser.add_argument("--batch", type=whole(1), default=8, help="pictures in a run (%(default)s)")
    parser.add_argument(
        "--workers", type=whole(1), help="processes; on a CPU one per core unless given"
    )
    parser.add_argument("--out", type=Path, default=Path("outputs/ablation"), help="(%(default)s)")
    parser.add_argument("--write", action="store_true", help="put the result into README.md")
    print_plainly()
    options = parser.parse_args(arguments)
    with exit_on_user_error(parser):
        if options.write:
            check_readme(README, part_of(options.order))
        options.out.mkdir(parents=True, exist_ok=True)
        clip = cached_clip(options.clip, options.device)
        device = str(clip.device)
        workers = options.workers or (torch.get_num_threads() if device == "cpu" else 1)
        ladder = _ladder(options, clip)
        ablation = run(
            options.prompts,
            ladder=ladder,
            clip=options.clip,
            judge=options.judge,
            seed=options.seed,
            seeds=options.seeds,
            device=device,
            batch=options.batch,
            workers=workers,
            progress=True,
        )
    summary = ablation.summary()
    where = f"{device} with {workers} process{'es' * (workers > 1)}"
    command = f" --order {options.order}" if options.order != "course" else ""
    command += f" --seeds {options.seeds}" if options.seeds > 1 else ""
    words = say_how(ablation, ladder, where, command)
    table = ablation.table(summary=summary)
    write_atomically(options.out / "table.md", f"{table}\n\n{words}\n")
    rows = [*ablation.dreams.rows, *ablation.drawn]
    write_atomically(options.out / "rows.json", json.dumps(rows, indent=1, ensure_ascii=False))
    save_sheet(ablation.sheet(), options.out / "sheet.jpg")
    prompts = list(dict.fromkeys(row["prompt"] for row in ablation.drawn))
    for row, image in zip(ablation.dreams.rows, ablation.dreams.images, strict=True):
        if image is not None:
            rung, number = list(ladder).index(row["recipe"]), prompts.index(row["prompt"])
            again = f"-{row['seed']}" if options.seeds > 1 else ""
            write_atomically(
                options.out / f"{rung}-{number:02d}{again}.png", partial(image.save, format="png")
            )
    print(table, words, sep="\n\n")
    if {"raw", "full"} <= set(ladder):
        for sentence, reached in bars(summary):
            print("✓" if reached else "✗", sentence)
    if missing := len(ablation.dreams.failures):
        unwritten = " README.md is as it was." if options.write else ""
        sys.exit(
            f"{missing} of {len(ablation.dreams.rows)} dreams are missing, see above; the others "
            f"are in {options.out}.{unwritten}"
        )
    if options.write:
        write_readme(ablation, README, words, options.order)
        print(f"written to {README}")


if __name__ == "__main__":
    main()
