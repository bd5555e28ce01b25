"""The benchmark: what dreams cost, beside the least that they could cost and beside other loops.

    python -m dreamlab.measure.bench                     # tables; JSON, plot in outputs/bench
    python -m dreamlab.measure.bench --only step peers   # some parts of it
    python -m dreamlab.measure.bench --only worth        # fewer views, and what they are worth
    python -m dreamlab.measure.bench --write             # the ratios and the plot into README.md

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
<<<<<<< HEAD
from dreamlab.console import print_plainly, said_in_a_sentence, whole
from dreamlab.dream import Dream
=======
from dreamlab.files import write_atomically
>>>>>>> 4a905e7 (Benchmark in parts: step, arithmetic, batches, canvases, other loops, worth; JSON, a plot, README)
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
    README,
    TABLES,
    Results,
    as_json,
    check_readme,
    plot,
    say_machine,
    write_readme,
)
from dreamlab.measure.timing import machine
from dreamlab.measure.worth import say_top1, time_to_top1, worth
from dreamlab.picturebook.world import caption
from dreamlab.recipe import Recipe

PARTS = ("step", "arithmetic", "batches", "canvases", "peers", "top1", "worth")
USUAL = PARTS[:-1]  # worth dreams hundreds of pictures
CREATED = ("ViT-B-32", "ViT-L-14")
CANVASES = ("1024x768", "4096x4096")


def measured(options: argparse.Namespace, say: Callable[[str], object]) -> Results:
    """All parts that were asked for; each is said as soon as it is there."""
    clip = load_clip(options.clip, device=options.device)
    judge = Judge(load_clip(options.judge, device=options.device))
    limits = {"most": options.seconds}
    results: Results = {"machine": machine(clip.device)}
    say(say_machine(results["machine"]))

    def part(name: str, rows: Iterable[dict[str, Any]]) -> None:
        results[name] = list(rows)
        say(TABLES[name](results[name]))

    if "step" in options.only:
        part("step", _step_rows(clip, options, limits))
    if "arithmetic" in options.only:
        results["chosen"] = fastest(clip, views=Recipe().views)
        part("arithmetic", arithmetic(clip, compiled=options.compile, **limits))
        say(f"Half a second of measuring would choose {results['chosen']}.")
    if "batches" in options.only:
        part("batches", batches(clip, pairs=min(8, options.pairs), **limits))
    if "canvases" in options.only:
        sizes = (tuple(map(int, text.split("x"))) for text in options.canvases)
        part("canvases", (canvas_cost(options.clip, s, device=options.device) for s in sizes))
    if "peers" in options.only:
        part("peers", against_peers(clip, pairs=options.pairs, **limits))
    if "top1" in options.only:
        captions = [caption(s) for s in islice(scenes(), options.prompts + DISTRACTORS)]
        prompts, others = captions[: options.prompts], captions[options.prompts :]
        found = time_to_top1(clip, judge, prompts, others)
        results["top1"] = [asdict(f) for f in found]
        say(say_top1(found, len(captions)))
    if "worth" in options.only:
        part("worth", worth(clip, judge, prompts=options.prompts))
    return results


<<<<<<< HEAD
def measure_step(clip: Clip, recipe: Recipe | None = None, *, pairs: int = 30) -> Cost:
    """Time the steps of a whole dream, all octaves, each beside the bare passes through CLIP.

    Args:
        clip: who dreams.
        recipe: its number of steps does not matter.
        pairs: how many are timed, at least 1.

    Raises:
        ValueError: `pairs` is less than 1.
    """
    if pairs < 1:
        raise ValueError(f"pairs is how many steps to time, at least 1, got {pairs}")
    recipe = replace(recipe or Recipe(), steps=WARM_UP + pairs)
    dream = Dream(clip, "a red heart in the sky", recipe=recipe)
    text = clip.encode_text("a red heart in the sky")
    generator = [torch.Generator().manual_seed(0)]

    def bare(views: torch.Tensor) -> None:
        loss = (1 - clip.encode_image(views) @ text.T).mean()
        torch.autograd.grad(loss, views)

    times: list[tuple[float, float]] = []
    for pair in range(recipe.steps):
        windows = draw_windows(dream.pixels.shape[-2:], recipe.views, recipe.view_mix, generator)
        views = look(dream.pixels, windows, clip.image_size)[0].detach().requires_grad_()
        jobs: list[Callable[[], object]] = [lambda: next(dream), lambda views=views: bare(views)]
        if pair % 2:  # in turns, so that neither always runs in the wake of the other
            bare_time, step_time = _seconds(jobs[1], clip.device), _seconds(jobs[0], clip.device)
        else:
            step_time, bare_time = _seconds(jobs[0], clip.device), _seconds(jobs[1], clip.device)
        times.append((step_time, bare_time))
    steps, bares = zip(*times[WARM_UP:], strict=True)
    return Cost(steps, bares)


def _seconds(job: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    begin = time.perf_counter()
    job()
    _wait(device)
    return time.perf_counter() - begin


def _wait(device: torch.device) -> None:
    """Until the device has done what was asked of it; a CPU always has."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


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
        begin = time.perf_counter()
        dream = Dream(clip, prompt, recipe=recipe)
        _wait(clip.device)
        spent = time.perf_counter() - begin
        found = Found(prompt, None, None)
        while not dream.done:
            spent += _seconds(lambda dream=dream: next(dream), clip.device)
            if judge.rank(dream, prompt, captions).item() == 0:
                found = Found(prompt, len(dream.history), spent)
                break
        result.append(found)
    return result


def created_clip(name: str = CREATED, *, device: str | torch.device = "cpu") -> Clip:
    """An open_clip model with random weights: it costs what the trained one costs, no download.

    Raises:
        ValueError: open_clip knows no model of that name.
    """
    if name not in open_clip.list_models():
        raise ValueError(f"unknown model {name!r} (all: open_clip.list_models())")
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the weights are random
        torch.manual_seed(0)
        model = open_clip.create_model(name, device=device)
    return Clip(f"{name}, created weights", model, open_clip.get_tokenizer(name), device)


def report_step(clip: Clip, recipe: Recipe, cost: Cost) -> str:
    """A row of the table whose head is `STEP_HEAD`."""
    step, bare = statistics.median(cost.steps), statistics.median(cost.bare)
    low, high = cost.quartiles
    height, width = recipe.canvas
    cells = [
        clip.name,
        f"{height} × {width}",
        str(recipe.views),
        f"{1000 * bare:.1f} ms",
        f"{1000 * step:.1f} ms",
        f"{cost.ratio:.2f} [{low:.2f}, {high:.2f}]",
        f"{1 / step:.2g}" if step > 0.1 else f"{1 / step:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


STEP_HEAD = """\
| model | canvas | views | CLIP alone | whole step | ratio [quartiles] | steps per second |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |"""


def report_top1(found: Sequence[Found], captions: int) -> str:
    """A sentence about when the judge was convinced."""
    reached = [f for f in found if f.step is not None]
    text = (
        f"The judge ranks the prompt first among {captions} captions for "
        f"{len(reached)} of {len(found)} prompts"
    )
    if not reached:
        return text + "."
    seconds = statistics.median(f.seconds for f in reached)
    step = statistics.median(f.step for f in reached)
    return f"{text}; of these, half are there within {seconds:.1f} s ({step:.0f} steps)."
=======
def _step_rows(clip: Clip, options: argparse.Namespace, limits: dict) -> Iterable[dict[str, Any]]:
    yield step_cost(clip, Recipe(), pairs=options.pairs, **limits)
    for name in options.created:
        created = created_clip(name, device=clip.device)
        recipe = Recipe(size=max(Recipe().size, created.image_size))
        yield step_cost(created, recipe, pairs=options.pairs, **limits)
>>>>>>> 4a905e7 (Benchmark in parts: step, arithmetic, batches, canvases, other loops, worth; JSON, a plot, README)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamlab.measure.bench", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=USUAL, help=f"parts ({' '.join(USUAL)})")
    add("--clip", default="picturebook", help="who dreams (%(default)s)")
    add("--judge", default="picturebook-judge", help="who judges (%(default)s)")
    add(
        "--created",
        nargs="*",
        default=CREATED,
        metavar="MODEL",
        help=f"open_clip models to time with random weights ({' '.join(CREATED)})",
    )
<<<<<<< HEAD
    parser.add_argument("--device", help="cpu, cuda, mps …; the best there is unless given")
    parser.add_argument(
        "--threads", type=whole(1), help="of PyTorch on a CPU; its own choice if not given"
    )
    parser.add_argument("--pairs", type=whole(1), default=30, help="steps to time (%(default)s)")
    parser.add_argument(
        "--prompts", type=whole(0), default=8, help="to dream to top-1 (%(default)s)"
    )
    print_plainly()
=======
    add(
        "--canvases",
        nargs="*",
        default=CANVASES,
        metavar="HxW",
        help=f"large canvases ({' '.join(CANVASES)})",
    )
    add("--device", help="cpu, cuda, mps …; the best there is unless given")
    add("--threads", type=int, help="of PyTorch on a CPU; its own choice if not given")
    add("--pairs", type=int, default=30, help="how often to time (%(default)s)")
    add("--seconds", type=float, default=60, help="about the most for one ratio (%(default)s)")
    add("--prompts", type=int, default=8, help="to dream for top1 and worth (%(default)s)")
    add("--compile", action="store_true", help="try torch.compile too: minutes, and a C++ compiler")
    add("--out", type=Path, default=Path("outputs/bench"), help="JSON and plot (%(default)s)")
    add("--write", action="store_true", help="put the ratios and the plot into README.md")
>>>>>>> 4a905e7 (Benchmark in parts: step, arithmetic, batches, canvases, other loops, worth; JSON, a plot, README)
    options = parser.parse_args(arguments)
    for name in ("threads", "pairs", "prompts"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(options, name)}")
    for text in options.canvases:
        if not re.fullmatch(r"\d+x\d+", text):
            parser.error(f"--canvases must be like 1024x768, got {text}")
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    if options.write:
        check_readme(README)

<<<<<<< HEAD
    judge = None
    with said_in_a_sentence(parser):
        clip = load_clip(options.clip, device=options.device)
        if options.prompts > 0:
            judge = Judge(load_clip(options.judge, device=options.device))
    where = str(clip.device)
    if where == "cpu":
        where += f" with {torch.get_num_threads()} threads"
    print(f"On {where}, PyTorch {torch.__version__}:\n\n{STEP_HEAD}", flush=True)
    models = [(clip, Recipe())]
    for name in options.created:
        with said_in_a_sentence(parser):
            created = created_clip(name, device=clip.device)
        models.append((created, Recipe(size=max(Recipe().size, created.image_size))))
    for model, recipe in models:
        cost = measure_step(model, recipe, pairs=options.pairs)
        print(report_step(model, recipe, cost), flush=True)
    if judge is not None:
        captions = [caption(s) for s in islice(scenes(), options.prompts + DISTRACTORS)]
        prompts, others = captions[: options.prompts], captions[options.prompts :]
        found = time_to_top1(clip, judge, prompts, others)
        print("\n" + report_top1(found, len(captions)))
=======
    results = measured(options, lambda text: print(text + "\n", flush=True))
    write_atomically(options.out / "bench.json", as_json(results))
    if any(results.get(name) for name in PANELS):
        write_atomically(options.out / "bench.png", plot(results).to_png())
    print(f"kept in {options.out}")
    if options.write:
        write_readme(results, README)
        print(f"written to {README}")
>>>>>>> 4a905e7 (Benchmark in parts: step, arithmetic, batches, canvases, other loops, worth; JSON, a plot, README)


if __name__ == "__main__":
    main()
