"""The benchmark: what dreams cost, beside the least that they could cost and beside other loops.

    python -m dreamlab.measure.bench                    # tables; JSON and a plot in outputs/bench
    python -m dreamlab.measure.bench --only step peers  # some parts; the others stay in the JSON
    python -m dreamlab.measure.bench --only worth       # fewer views, and what they are worth
    python -m dreamlab.measure.bench --write            # the ratios and the plot into README.md

Seconds belong to a machine, and to what else it does. So everything is a ratio of two jobs, done in
turns: what slows one slows the other. With one thread on a CPU, its own computing time counts.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from dreamlab.clip import Clip, load_clip
from dreamlab.measure.ablation import DISTRACTORS, scenes
from dreamlab.measure.costs import (
    against_peers,
    arithmetic,
    batches,
    canvas_cost,
    created_clip,
    fastest,
    step_cost,
)
from dreamlab.measure.judge import Judge
from dreamlab.measure.report import (
    PANELS,
    PART,
    TABLES,
    Results,
    as_json,
    plot,
    say_machine,
    with_kept,
    write_readme,
)
from dreamlab.measure.timing import machine
from dreamlab.measure.worth import say_top1, time_to_top1, worth
from dreamlab.picturebook.world import caption
from dreamlab.recipe import Recipe
from dreamlab.support.console import exit_on_user_error, print_plainly, whole
from dreamlab.support.files import write_atomically
from dreamlab.support.readme import README, check_readme

PARTS = ("step", "arithmetic", "batches", "canvases", "peers", "top1", "worth")
USUAL = PARTS[:-1]  # worth dreams hundreds of pictures
CREATED = ("ViT-B-32",)
CANVASES = ((1024, 768), (4096, 4096))


def measured(
    options: argparse.Namespace,
    say: Callable[[str], object],
    keep: Callable[[Results], object],
) -> Results:
    """All parts that were asked for; each is said, and all so far kept, as soon as it is there."""
    clip = load_clip(options.clip, device=options.device)
    judge = Judge(load_clip(options.judge, device=options.device))
    models = [clip, *(created_clip(name, device=clip.device) for name in options.created)]
    limits = {"pairs": options.pairs, "most": options.seconds}
    results: Results = {"machine": machine(clip.device)}
    say(say_machine(results["machine"]))

    def part(name: str, rows: Iterable[dict[str, Any]]) -> None:
        results[name] = list(rows)
        say(TABLES[name](results[name]))
        keep(results)

    if "step" in options.only:
        part("step", (step_cost(model, _recipe(model), **limits) for model in models))
    if "arithmetic" in options.only:
        results["chosen"] = fastest(clip, views=Recipe().views)
        part("arithmetic", arithmetic(clip, compiled=options.compile, **limits))
        say(f"Half a second of measuring would choose {results['chosen']}.")
    if "batches" in options.only:
        part("batches", batches(clip, Recipe(), **limits))
    if "canvases" in options.only:
        part("canvases", (canvas_cost(clip.name, c, device=options.device) for c in options.canvas))
    if "peers" in options.only:
        rows = (against_peers(model, _recipe(model), **limits) for model in models)
        part("peers", (row for some in rows for row in some))
    if "top1" in options.only:
        captions = [caption(s) for s in islice(scenes(), options.prompts + DISTRACTORS)]
        prompts, others = captions[: options.prompts], captions[options.prompts :]
        found = time_to_top1(clip, judge, prompts, others, Recipe())
        results["top1"] = [asdict(f) for f in found]
        say(say_top1(found, len(captions)))
        keep(results)
    if "worth" in options.only:
        part("worth", worth(clip, judge, prompts=options.prompts, recipe=Recipe()))
    return results


def _recipe(clip: Clip) -> Recipe:
    """The default one, on a canvas of at least what the model sees."""
    return Recipe(size=max(*Recipe().canvas, clip.image_size))


def canvas(text: str) -> tuple[int, int]:
    """The type of an option that is a canvas, height × width."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"a canvas like 1024x768 is wanted, got {text!r}")
    return int(found[1]), int(found[2])


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamlab.measure.bench", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=USUAL, help="parts (all but worth)")
    add("--clip", default="picturebook", help="who dreams (%(default)s)")
    add("--judge", default="picturebook-judge", help="who judges (%(default)s)")
    add(
        "--created",
        nargs="*",
        default=CREATED,
        metavar="MODEL",
        help="open_clip models to time with random weights (ViT-B-32)",
    )
    add(
        "--canvas",
        nargs="*",
        type=canvas,
        default=CANVASES,
        metavar="HxW",
        help="large canvases (1024x768 4096x4096)",
    )
    add("--device", help="cpu, cuda, mps …; the best there is unless given")
    add("--threads", type=whole(1), help="of PyTorch on a CPU; its own choice if not given")
    add("--pairs", type=whole(1), default=30, help="how often to time (%(default)s)")
    add("--seconds", type=whole(1), default=60, help="about the most for one ratio (%(default)s)")
    add("--prompts", type=whole(1), default=8, help="to dream for top1 and worth (%(default)s)")
    add("--compile", action="store_true", help="try torch.compile too: minutes, and a C++ compiler")
    add("--out", type=Path, default=Path("outputs/bench"), help="JSON and plot (%(default)s)")
    add("--write", action="store_true", help="put the ratios and the plot into README.md")
    print_plainly()
    options = parser.parse_args(arguments)
    if options.threads is not None:
        torch.set_num_threads(options.threads)

    with exit_on_user_error(parser):
        if options.write:
            check_readme(README, PART)
        file = options.out / "bench.json"

        def keep(results: Results) -> None:
            write_atomically(file, as_json(with_kept(results, file)))

        results = with_kept(measured(options, lambda s: print(s + "\n", flush=True), keep), file)
        if any(results.get(name) for name in PANELS):
            write_atomically(options.out / "bench.png", plot(results).to_png())
        print(f"kept in {options.out}")
        if options.write:
            write_readme(results, README)
            print(f"written to {README}")


if __name__ == "__main__":
    main()
