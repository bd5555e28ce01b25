"""The ablation: what each ingredient of the method adds, judged by a CLIP that took no part.

    python tools/ablation.py                     # 40 captions on every rung: a quarter of an hour
    python tools/ablation.py --order views-last  # … with the windows later
    python tools/ablation.py --seeds 3 --rungs raw full
    python tools/ablation.py --write             # table, sheet and strip put into README.md
    python tools/ablation.py --clip picturebook-plain --order course-all --write  # ordinary CLIP
    python tools/ablation.py --alignment         # does the gradient at grey point at the thing?

What is dreamt and measured is `dreamlab.measure.ablation`; the grain of all pictures, the seconds
of a dream and the control, two rungs blurred when finished, are added here. Table, sheet, rows and
pictures are kept in outputs/ablation, those of an interrupted run too; with `--folder` the same
command goes on.
"""

import argparse
import io
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from course_files import (
    README,
    check_block,
    exit_on_user_error,
    put_block,
    whole,
    write_atomically,
)
from PIL import Image, ImageFilter

from dreamlab.clip import Clip
from dreamlab.dream import Dream
from dreamlab.figures.sheet import contact_sheet
from dreamlab.judge import Estimate, grain_share, mean, measure
from dreamlab.measure.ablation import DRAWN, PROMPTS, Ablation, run, scenes
from dreamlab.measure.ladder import ORDERS, build_ladder
from dreamlab.measure.sweep import cached_clip, cached_judge
from dreamlab.picturebook.probe import drawn
from dreamlab.picturebook.world import BACKGROUNDS, COLOURS, OBJECTS, caption, compose
from dreamlab.recipe import Recipe
from dreamlab.support.console import print_plainly
from dreamlab.support.loading import EMBEDDED
from dreamlab.views import add_noise, draw_deviations, draw_windows, look

SHEET, STRIP = Path("docs/ablation.jpg"), Path("docs/strip.jpg")  # beside README
BLURRED, BLURS = ("+ views", "full"), (2, 3, 4)  # rungs; px, deviations of a Gaussian
LARGEST = 1_000_000  # bytes of a sheet in the repository
COLUMNS = (
    "recipe", "dreamer", "judge", "gain", "top1", "rank", "object", "slope", "out_of_range",
    "grain", "seconds",
)  # fmt: skip


def with_controls(
    ablation: Ablation, ladder: Mapping[str, Recipe], clip: str, judge: str, device: str, seed: int
) -> Ablation:
    """The same with three more things measured.

    - Pictures of the rungs `BLURRED`, blurred when finished: smoothing within a run has to surpass
      that.
    - `grain` of all rows, see `dreamlab.judge.grain_share`.
    - `seconds` of processor time that each rung takes for the first caption alone.
    """
    clips = {"clip": cached_clip(clip, device), "judge": cached_judge(judge, device)}
    captions = [caption(scene) for scene in islice(scenes(seed), ablation.captions)]
    rows, drawings = ablation.drawn, ablation.drawings
    pairs = list(zip(ablation.dreams.rows, ablation.dreams.images, strict=True))
    for rung, sigma in product(reversed(BLURRED), reversed(BLURS)):
        finished = [(row, image) for row, image in pairs if row["recipe"] == rung and image]
        if not finished:
            continue
        blurred = [image.filter(ImageFilter.GaussianBlur(sigma)) for _, image in finished]
        asked = [row["prompt"] for row, _ in finished]
        said = measure(blurred, asked, distractors=captions, **clips)
        name = {"recipe": f"{rung}, blurred by {sigma} px"}
        rows = [row | name | new for (row, _), new in zip(finished, said, strict=True)] + rows
        drawings = blurred + drawings
    for row, image in [*pairs, *zip(rows, drawings, strict=True)]:
        if image is not None:
            row["grain"] = grain_share(image, clips["clip"].image_size / 2).item()
    for row, image in pairs:
        if (row["prompt"], row["seed"]) == (captions[0], seed) and image:
            start = time.process_time()
            Dream(clips["clip"], captions[0], recipe=ladder[row["recipe"]], seed=seed).run()
            row["seconds"] = time.process_time() - start
    return replace(ablation, drawn=rows, drawings=drawings)


def gradient_alignment(clip: Clip, frames: int = 8, seed: int = 0) -> Estimate:
    """Does the gradient at a grey picture point at the thing? The mean cosine, −1 to 1.

    Each frame shows the 25 things, each alone in the same colour and place before the same
    background. Of a thing, its drawing less the mean drawing of the 25 is compared with the
    gradient of CLIP's cosine with its caption less the mean gradient, both averaged over 4 × 4 px,
    at grey with noise of deviation 0.1. The interval is that of the frames.
    """
    rng, generator = np.random.default_rng([6, seed]), torch.Generator().manual_seed(seed)
    cosines = []
    for number in range(frames):
        colour, background = (str(rng.choice(names)) for names in (COLOURS, tuple(BACKGROUNDS)))
        shown = [compose(background, [(o, colour, "plain", 1)], seed=number) for o in OBJECTS]
        drawings = F.interpolate(drawn(shown), (clip.image_size,) * 2, mode="bilinear")
        grey = 0.5 + 0.1 * torch.randn(drawings[:1].shape, generator=generator)
        grey = grey.repeat(len(shown), 1, 1, 1).to(clip.device).requires_grad_()
        text = clip.encode_text([caption(scene) for scene in shown])
        (gradient,) = torch.autograd.grad((clip.encode_image(grey) * text).sum(), grey)
        asked, due = (F.avg_pool2d(x - x.mean(0), 4).flatten(1) for x in (gradient.cpu(), drawings))
        cosines.append(float(F.cosine_similarity(asked, due).mean()))
    return mean(cosines)


def clip_gradient(clip: Clip, prompts: Sequence[str], recipe: Recipe, every: int = 10) -> float:
    """The size of CLIP's gradient: median RMS over a dream, of what one pixel feels.

    Args:
        clip: who dreams.
        prompts: of the dreams.
        recipe: how to dream.
        every: how many steps lie between two looks; the last step is looked at as well.
    """
    dream = Dream(clip, list(prompts), recipe=recipe)
    text = clip.encode_text(prompts)[:, None]
    sizes = []
    for step in dream:
        if step.step % every and not dream.done:
            continue
        pixels = dream.pixels.detach().requires_grad_()
        chance, noise = (
            [torch.Generator(where).manual_seed(step.step + i) for i in range(len(prompts))]
            for where in ("cpu", clip.device)
        )
        windows = draw_windows(pixels.shape[-2:], recipe.views, recipe.view_mix, chance)
        deviations = draw_deviations(recipe.views, recipe.view_noise, chance)
        views = add_noise(look(pixels, windows, clip.image_size), deviations, noise)
        rows = clip.encode_image(views.flatten(0, 1)).unflatten(0, (len(prompts), recipe.views))
        (gradient,) = torch.autograd.grad((rows * text).sum(2).mean(1).sum(), pixels)
        sizes.append(gradient.square().mean((1, 2, 3)).sqrt() * pixels[0].numel())
    return float(torch.cat(sizes).median())


def goals(summary: Sequence[dict[str, Any]]) -> list[tuple[str, bool]]:
    """What raw and full dreams of the embedded models should reach: (a sentence, whether they do).

    Of a judge that is not asked for things, the sentences about them are left out.
    """
    value = {
        row["recipe"]: {
            name: row[name].value if name in row else math.nan
            for name in ("dreamer", "top1", "object", "slope", "out_of_range")
        }
        for row in summary
    }
    raw, full, drawn = value["raw"], value["full"], value[DRAWN]
    said = [
        (f"raw: the dreamer scores its noise ({raw['dreamer']:.2f}) above a drawn scene "
         f"({drawn['dreamer']:.2f})", raw["dreamer"] > drawn["dreamer"]),
        (f"raw: judge R-precision {raw['top1']:.0%} is at most 30 %", raw["top1"] <= 0.30),
        (f"raw: the thing is named in {raw['object']:.0%}, at most 20 %", raw["object"] <= 0.20),
        (f"raw: slope {raw['slope']:.2f} is above −1", raw["slope"] > -1),
        (f"raw: {raw['out_of_range']:.1%} of pixels are out of range", raw["out_of_range"] > 0),
        (f"full: judge R-precision {full['top1']:.0%} is at least 90 %", full["top1"] >= 0.90),
        (f"full: … and within 10 points of drawn scenes ({drawn['top1']:.0%})",
         full["top1"] >= drawn["top1"] - 0.10),
        (f"full: the thing is named in {full['object']:.0%}, at least 80 %",
         full["object"] >= 0.80),
        (f"full: slope {full['slope']:.2f} is in the band of photographs, −3.0 to −1.6",
         -3.0 <= full["slope"] <= -1.6),
        (f"full: {full['out_of_range']:.1%} of pixels are out of range",
         full["out_of_range"] == 0),
    ]  # fmt: skip
    return [(sentence, reached) for sentence, reached in said if "nan" not in sentence]


def strip(ablation: Ablation, columns: int = 6, size: int = 128) -> Image.Image:
    """The rungs *raw*, *+ views* and *full* of the captions whose full dream the judge scores
    highest, and drawings.

    So it shows the method at its best; `Ablation.sheet` and the table show what is usual.
    """
    rows = ablation.dreams.rows
    shown = [name for name in ("raw", "+ views", "full") if name in {r["recipe"] for r in rows}]
    scores = {
        row["prompt"]: row["judge"]
        for row in rows
        if (row["recipe"], row["seed"]) == (shown[-1], rows[0]["seed"]) and not row["error"]
    }
    best = sorted(scores, key=scores.__getitem__, reverse=True)[:columns]
    found = ablation.pictures()
    grid = [[found[row, prompt] for prompt in best] for row in (*shown, DRAWN)]
    return contact_sheet(grid, [*shown, DRAWN], best, size=size)


def save_sheet(sheet: Image.Image, path: Path) -> None:
    """Save as JPEG under 1 MB, with the best quality that fits."""
    for quality in range(92, 10, -8):
        buffer = io.BytesIO()
        sheet.save(buffer, "JPEG", quality=quality, subsampling=0)
        if buffer.tell() < LARGEST:
            break
    write_atomically(path, buffer.getvalue())


def alignment() -> str:
    """The table of `gradient_alignment` for the embedded CLIPs that dream."""
    lines = [f"| {name} | {gradient_alignment(cached_clip(name)):.2f} |" for name in EMBEDDED[:2]]
    head = ["| dreamer | alignment of the gradient at grey with the thing |", "| --- | ---: |"]
    return "\n".join(head + lines)


def explanation(ablation: Ablation, full: Recipe, where: str, options: str) -> str:
    """The sentences below the table: what was done, and what its numbers mean."""
    height, width = full.canvas
    count = len({row["prompt"] for row in ablation.drawn})
    seeds = len({row["seed"] for row in ablation.dreams.rows})
    times = f" × {seeds} seeds" if seeds > 1 else ""
    things = (
        " *Object named*: how often it finds the right thing among 25 captions that are equal in "
        "all else. *In tiles*: the scenes cut to pieces that lie in random order."
    )
    asked = any("object_rank" in row for row in ablation.dreams.rows)
    return (
        f"Means over {count} captions{times}, with 95 % intervals; {height} × {width} px, "
        f"{full.steps} steps of {full.views} views (raw: the whole image once a step). *Dreamer "
        "score*: cosine of picture and caption by the CLIP that made the picture; *judge score*: "
        "by the other one, of what a screen shows of it. *Judge's gain*: caption by caption. "
        f"*R-precision*: how often the judge finds the right one of {ablation.captions} captions; "
        f"*rank*: how many wrong ones it prefers.{things if asked else ''} *Spectrum slope*, up to "
        "the finest detail that CLIP sees of the whole picture: white noise 0, photographs −1.6 to "
        "−3.0. *Out of range*: pixels that no screen can show. *Grain*: share of the luminance's "
        "energy above half the finest frequency that CLIP sees of the whole picture. *Seconds*: of "
        "a processor, for one picture alone. *Blurred*: the rung's pictures when finished, by a "
        "Gaussian of that deviation. Made on "
        f"{where} by `python tools/ablation.py{options}`."
    )


def save(ablation: Ablation, rungs: Sequence[str], text: str, folder: Path) -> None:
    """Keep table, rows, sheet and every picture; `rung-caption-seed.png` counts both from 0."""
    write_atomically(folder / "table.md", f"{text}\n")
    rows = [*ablation.dreams.rows, *ablation.drawn]
    write_atomically(folder / "rows.json", json.dumps(rows, indent=1, ensure_ascii=False))
    save_sheet(ablation.sheet(), folder / "sheet.jpg")
    prompts = list(dict.fromkeys(row["prompt"] for row in ablation.drawn))
    for row, image in zip(ablation.dreams.rows, ablation.dreams.images, strict=True):
        if image is not None:
            rung, number = rungs.index(row["recipe"]), prompts.index(row["prompt"])
            path = folder / f"{rung}-{number:02d}-{row['seed']}.png"
            write_atomically(path, partial(image.save, format="png"))


def write_readme(ablation: Ablation, words: str, block: str) -> None:
    """Put table and `words` into README; in the course's order also the sheet, and the strip."""
    parts = [ablation.table(COLUMNS), words]
    if "views-last" not in block:
        sheet = SHEET if block == "ablation" else SHEET.with_stem(f"ablation-{block}")
        save_sheet(ablation.sheet(), README.parent / sheet)
        alt = "A row of dreams for each rung, raw at the top; drawings at the bottom"
        parts.append(f"![{alt}]({sheet.as_posix()})")
    if block == "ablation":
        save_sheet(strip(ablation), README.parent / STRIP)
    put_block(README, block, "\n\n".join(parts))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--prompts", type=whole(1, 1000), default=PROMPTS, help="captions (%(default)s)")
    add("--order", choices=ORDERS, default="course", help="of the ladder (%(default)s)")
    add("--rungs", nargs="+", help="only these; default all")
    add("--steps", type=int, help="per dream; as the full recipe unless given")
    add("--size", type=int, help="of the canvas; as the full recipe unless given")
    add("--seed", type=int, default=0, help="of captions and dreams (%(default)s)")
    add("--seeds", type=whole(1), default=1, help="dreams of a caption (%(default)s)")
    add("--clip", default="picturebook", help="who dreams (%(default)s)")
    add("--judge", default="picturebook-judge", help="who judges (%(default)s)")
    add("--device", help="cpu, cuda, mps …; the best there is unless given")
    add("--batch", type=whole(1), default=8, help="pictures in a run (%(default)s)")
    add("--workers", type=whole(1), help="processes; on a CPU one per core unless given")
    add("--folder", type=Path, help="where each dream is kept, to go on from after an interrupt")
    add("--alignment", action="store_true", help="only this, of the embedded CLIPs")
    add("--out", type=Path, default=Path("outputs/ablation"), help="(%(default)s)")
    add("--write", action="store_true", help="put the result into README.md")
    print_plainly()
    options = parser.parse_args(arguments)
    if options.alignment:
        with exit_on_user_error(parser):
            print(text := alignment())
            if options.write:
                put_block(README, "alignment", text)
        return
    told = {name: getattr(options, name) for name in ("clip", "order", "seeds")}
    told = {name: value for name, value in told.items() if value != parser.get_default(name)}
    block = "plain" if told.get("clip") == "picturebook-plain" else "ablation"
    block += f"-{options.order}" if options.order.startswith("views-last") else ""
    with exit_on_user_error(parser):
        if options.write:
            check_block(README, block)
        options.out.mkdir(parents=True, exist_ok=True)
        clip = cached_clip(options.clip, options.device)
        given = {"steps": options.steps, "size": options.size}
        changes = {knob: value for knob, value in given.items() if value is not None}
        full = Recipe.suited_to(clip, **changes)
        device = str(clip.device)
        workers = options.workers or (torch.get_num_threads() if device == "cpu" else 1)
        some = [caption(scene) for scene in islice(scenes(options.seed), 2)]
        gradient = float(f"{clip_gradient(clip, some, full):.2g}")
        ladder = build_ladder(options.order, gradient, full)
        if unknown := set(options.rungs or ()) - set(ladder):
            raise ValueError(f"no rung {sorted(unknown)}; there are {', '.join(ladder)}")
        ladder = {name: ladder[name] for name in ladder if name in (options.rungs or ladder)}
        ablation = run(
            options.prompts,
            ladder=ladder,
            clip=options.clip,
            judge=options.judge,
            seed=options.seed,
            seeds=options.seeds,
            device=device,
            batch=options.batch,
            executor=workers if workers > 1 else None,
            folder=options.folder,
            progress=True,
        )
        ablation = with_controls(
            ablation, ladder, options.clip, options.judge, device, options.seed
        )
    where = f"{device} with {workers} process{'es' * (workers > 1)}"
    command = "".join(f" --{name.replace('_', '-')} {value}" for name, value in told.items())
    words = explanation(ablation, full, where, command)
    summary = ablation.summary()
    text = f"{ablation.table(summary=summary)}\n\n{words}"
    save(ablation, list(ladder), text, options.out)
    print(text)
    if {"raw", "full"} <= set(ladder):
        for sentence, reached in goals(summary):
            print("✓" if reached else "✗", sentence)
    if missing := len(ablation.dreams.failures):
        unwritten = " README.md is as it was." if options.write else ""
        sys.exit(
            f"{missing} of {len(ablation.dreams.rows)} dreams are missing, see above; the others "
            f"are in {options.out}.{unwritten}"
        )
    if options.write:
        write_readme(ablation, words, block)
        print(f"written to {README}")


if __name__ == "__main__":
    main()
