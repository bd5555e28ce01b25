"""The benchmark: what dreams cost, beside the least that they could cost and beside other loops.

    python tools/bench.py                    # tables; JSON and a plot in outputs/bench
    python tools/bench.py --only step peers  # some parts; the others stay in the JSON
    python tools/bench.py --only worth       # fewer views: seconds against the judge's score
    python tools/bench.py --write            # the ratios and the plot into README.md

Seconds belong to a machine, and to what else it does. So everything is a ratio of two jobs, done in
turns: what slows one slows the other. With one thread on a CPU, its own computing time counts.
"""

import argparse
import json
import multiprocessing
import os
import platform
import re
import statistics
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import asdict, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from course_files import (
    README,
    check_block,
    exit_on_user_error,
    put_block,
    whole,
    write_atomically,
)
from open_clip.transformer import PatchDropout
from peers import PEERS
from precision import WORTH, choose_precision
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from dreamlab.clip import Clip, load_clip, tokens_first
from dreamlab.dream import Dream
from dreamlab.figures.plots import STYLES, Plot
from dreamlab.judge import Estimate, Judge, mean, share
from dreamlab.measure.ablation import DISTRACTORS, scenes
from dreamlab.octaves import octave_at
from dreamlab.picturebook.world import caption
from dreamlab.recipe import Recipe
from dreamlab.support.console import print_plainly
from dreamlab.support.cores import usable_cores
from dreamlab.support.memory import wait
from dreamlab.views import draw_windows, look

Row = dict[str, Any]

PROMPT = "a red heart in the sky"
ENDLESS = 1_000_000  # steps
WARM_UP = 2  # pairs that are not counted: allocators and caches fill
FEWEST = 3  # pairs that are counted, however long they take
ROUNDING = 1e-4  # relative error of a gradient: another order of sums gives 1e-6, bfloat16 1e-2

# --- timing ---------------------------------------------------------------------------------------


def seconds(job: Callable[[], object], device: torch.device) -> float:
    """How long a job takes: by the wall clock, or what this thread computed if it is the only one.

    The latter does not count the time in which a busy machine did something else.
    """
    clock = time.perf_counter
    exact = time.get_clock_info("thread_time").resolution < 1e-5  # on Windows it is not
    if device.type == "cpu" and torch.get_num_threads() == 1 and exact:
        clock = time.thread_time
    wait(device)
    begin = clock()
    job()
    wait(device)
    return clock() - begin


def time_pairs(
    first: Callable[[], object],
    second: Callable[[], object],
    device: torch.device,
    *,
    pairs: int = 30,
    most: float = 60.0,
    prepare: Callable[[], object] = lambda: None,
) -> tuple[float, float, Row]:
    """Time two jobs, each time one right after the other, in alternating order.

    Args:
        first, second: what to time.
        device: where they work.
        pairs: how many times, at least 1; besides, two are done and not counted.
        most: seconds of the jobs after which no more pairs are begun, once three are counted.
        prepare: done before each pair, and not timed.

    Returns:
        Median seconds of the first and of the second job; and, as a row, the median over the pairs
        of first / second, `ratio`, with its quartiles `low` and `high` and the number of `pairs`.
    """
    times: list[tuple[float, float]] = []
    while len(times) < WARM_UP + pairs:
        prepare()
        if len(times) % 2:
            after = seconds(second, device)
            times.append((seconds(first, device), after))
        else:
            times.append((seconds(first, device), seconds(second, device)))
        if sum(map(sum, times)) > most and len(times) >= WARM_UP + FEWEST:
            break
    a, b = np.array(times[WARM_UP:]).T
    low, ratio, high = np.quantile(a / b, [0.25, 0.5, 0.75]).tolist()
    row = {"ratio": ratio, "low": low, "high": high, "pairs": len(a)}
    return float(np.median(a)), float(np.median(b)), row


def machine(device: torch.device) -> Row:
    """What the numbers belong to, as plain values; None for what this system does not tell."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    info = _read("/proc/cpuinfo", r"model name\s*: (.*)")
    memory = _read("/proc/meminfo", r"MemTotal:\s*(\d+) kB")
    return {
        "device": str(device),
        "accelerator": accelerator,
        "processor": info or platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "memory_gb": int(memory) * 1024 / 1e9 if memory else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def peak_memory() -> float | None:
    """The most memory that this process ever held, in GB; None where the system is not Linux."""
    peak = _read("/proc/self/status", r"VmHWM:\s*(\d+) kB")
    return int(peak) / 1e6 if peak else None


def _read(path: str, pattern: str) -> str | None:
    file = Path(path)
    found = re.search(pattern, file.read_text("utf-8")) if file.is_file() else None
    return found and found[1].strip()


# --- what is timed --------------------------------------------------------------------------------


def created_clip(name: str, device: str | torch.device = "cpu") -> Clip:
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


def passes(clip: Clip, views: Tensor, text: Tensor) -> Tensor:
    """CLIP forward, and back to the pixels of the views: what no dream can do without."""
    views = views.detach().requires_grad_()
    loss = (1 - clip.encode_image(views).float() @ text.T).mean()
    return torch.autograd.grad(loss, views)[0]


def random_views(clip: Clip, count: int) -> Tensor:
    shape = (count, 3, clip.image_size, clip.image_size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(clip.device)


def dream_each_octave(clip: Clip, recipe: Recipe) -> Iterator[Dream]:
    """Endless dreams, one on the canvas of each octave, in turns: however few steps are timed."""
    octaves = (recipe.octave_canvas(k) for k in range(len(recipe.octaves)))
    sizes = [tuple(max(16, side) for side in size) for size in octaves]  # as a recipe allows
    alone = replace(recipe, octaves=(1.0,), steps=ENDLESS)
    return cycle([Dream(clip, PROMPT, recipe=replace(alone, size=size)) for size in sizes])


def step_cost(clip: Clip, recipe: Recipe, **limits) -> Row:
    """Steps on the canvas of each octave ÷ the passes alone, on as many views of the picture."""
    dreams, text = dream_each_octave(clip, recipe), clip.encode_text(PROMPT)
    generator = [torch.Generator().manual_seed(0)]
    dream, views = next(dreams), torch.empty(0)

    def prepare() -> None:
        nonlocal dream, views
        dream = next(dreams)
        windows = draw_windows(dream.pixels.shape[-2:], recipe.views, recipe.view_mix, generator)
        views = look(dream.pixels, windows, clip.image_size)[0].detach()

    job, bare_job = (lambda: next(dream)), (lambda: passes(clip, views, text))
    step, bare, row = time_pairs(job, bare_job, clip.device, prepare=prepare, **limits)
    what = {"model": clip.name, "canvas": list(recipe.canvas), "views": recipe.views}
    return what | {"bare_s": bare, "step_s": step} | row


def arithmetic(clip: Clip, views: int, **limits) -> list[Row]:
    """Other ways to compute the passes: how fast, how exact, and whether they are worth it.

    A way is worth it if it is more than 1.1 times as fast and gives the same gradient but for
    rounding.
    """
    text, seen = clip.encode_text(PROMPT), random_views(clip, views)
    exact = passes(clip, seen, text)
    rows = []
    for name, (other, images, context) in other_ways(clip, seen).items():

        def job(other: Clip = other, images: Tensor = images, context: Callable = context):
            with context():
                return passes(other, images, text)

        begin = time.perf_counter()
        error = ((job() - exact).norm() / exact.norm()).item()
        ready = time.perf_counter() - begin
        *_, row = time_pairs(partial(passes, clip, seen, text), job, clip.device, **limits)
        kept = row["ratio"] > WORTH and error < ROUNDING
        rows.append({"way": name, "error": error, "first_s": ready, "worth": kept, **row})
    return rows


def other_ways(clip: Clip, seen: Tensor) -> dict[str, tuple[Clip, Tensor, Callable]]:
    """For each way the model, the views, and the context to compute in."""
    open_clips, channels_last = deepcopy(clip), deepcopy(clip)
    tokens_first(open_clips.model, False)
    channels_last.model.to(memory_format=torch.channels_last)
    bfloat16 = partial(torch.autocast, clip.device.type, torch.bfloat16)
    views_last = seen.to(memory_format=torch.channels_last)
    return {
        "bfloat16, autocast": (clip, seen, bfloat16),
        "attention as plain products": (clip, seen, partial(sdpa_kernel, SDPBackend.MATH)),
        "images first, as open_clip": (open_clips, seen, nullcontext),
        "channels last": (channels_last, views_last, nullcontext),
    }


def batches(clip: Clip, recipe: Recipe, sizes: Sequence[int] = (1, 4, 16), **limits) -> list[Row]:
    """One run of B pictures ÷ B runs of one, with one thread and with all of PyTorch's."""
    recipe = replace(recipe, steps=ENDLESS, octaves=(1.0,))
    before = torch.get_num_threads()
    rows = []
    for threads in sorted({1, before}) if clip.device.type == "cpu" else [1]:
        torch.set_num_threads(threads)
        for size in sizes:
            run = partial(next, Dream(clip, PROMPT, seed=range(size), recipe=recipe))
            single = [Dream(clip, PROMPT, seed=seed, recipe=recipe) for seed in range(size)]
            runs = lambda single=single: [next(dream) for dream in single]  # noqa: E731
            spent, _, row = time_pairs(run, runs, clip.device, **limits)
            rows.append({"threads": threads, "pictures": size, "picture_s": spent / size} | row)
    torch.set_num_threads(before)
    return rows


def canvas_cost(clip: str, size: tuple[int, int], device: str | None = None) -> Row:
    """Seconds of a step in each octave, and the most memory, of a dream in a process of its own.

    Two steps of each octave of the default recipe are run, and the quicker one counts.

    Args:
        clip: name for `load_clip`.
        size: the canvas, (height, width) in pixels.
        device: as for `load_clip`.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_canvas_cost, clip, size, device, torch.get_num_threads()).result()


def _canvas_cost(name: str, size: tuple[int, int], device: str | None, threads: int) -> Row:
    torch.set_num_threads(threads)
    clip, recipe = load_clip(name, device=device), Recipe(size=size)
    steps, recipe.steps = recipe.steps, 2 * len(recipe.octaves)
    before = peak_memory()
    dream = Dream(clip, PROMPT, recipe=recipe)
    spent = [seconds(partial(next, dream), clip.device) for _ in range(recipe.steps)]
    octaves = [min(pair) for pair in zip(spent[::2], spent[1::2], strict=True)]
    return {
        "canvas": list(recipe.canvas),
        "octaves": [list(recipe.octave_canvas(k)) for k in range(len(recipe.octaves))],
        "step_s": octaves,
        "dream_s": statistics.mean(octaves) * steps,
        "steps": steps,
        "before_gb": before,
        "peak_gb": peak_memory(),
    }


def time_to_top1(
    clip: Clip, judge: Judge, prompts: Sequence[str], captions: Sequence[str], recipe: Recipe
) -> list[Row]:
    """Dream each prompt until the judge ranks it first among `captions`, and count the seconds.

    The judge looks after every step; its own time does not count. `step` and `seconds` are None if
    it never ranks the prompt first.
    """
    rows = []
    for prompt in prompts:
        begin = time.perf_counter()
        dream = Dream(clip, prompt, recipe=recipe)
        spent, first = time.perf_counter() - begin, False
        while not (dream.done or first):
            spent += seconds(partial(next, dream), clip.device)
            first = judge.rank(dream, prompt, captions).item() == 0
        step, spent = (len(dream.history), spent) if first else (None, None)
        rows.append({"prompt": prompt, "step": step, "seconds": spent})
    return rows


def worth(clip: Clip, judge: Judge, recipe: Recipe, prompts: int, *, batch: int = 8) -> list[Row]:
    """Dream the same captions with fewer views, or with views of half as many patches.

    Variants: views of each octave as in the recipe, half, a quarter, few early, doubling.

    Args:
        clip, judge: who dreams and who judges.
        recipe: all but the views.
        prompts: how many captions of the picture-book world.
        batch: pictures in a run.

    Returns:
        A row for each variant: its `views`, the share of `patches` seen, and `picture_s`, the
        seconds of a picture; as estimates (`value`, `low`, `high`, `count`) the mean `judge` score,
        its `gain` on the first variant caption by caption, `top1`, the R-precision among the
        captions and 60 more, and how often the judge names the right `object`, if it knows things.
    """
    n, views = len(recipe.octaves), recipe.views
    half, quarter = max(1, views // 2), max(1, views // 4)
    doubling = tuple(max(1, views >> k) for k in reversed(range(n)))
    shapes = [(views,) * n, (half,) * n, (quarter,) * n, (quarter,) + (views,) * (n - 1), doubling]
    variants = [(clip, 1.0, shape) for shape in dict.fromkeys(shapes)]
    if (other := with_half_the_patches(clip)) is not None:
        variants.insert(1, (other, 0.5, shapes[0]))
    captions = [caption(scene) for scene in islice(scenes(), prompts + DISTRACTORS)]
    rows, first = [], []
    for dreamer, patches, shape in variants:
        spent, scores, ranks, named = 0.0, [], [], []
        for begin in range(0, prompts, batch):
            some = captions[begin : min(begin + batch, prompts)]
            dream = Dream(dreamer, some, recipe=replace(recipe, views=shape[0]))
            spent += seconds(partial(run_with_views, dream, shape), clip.device)
            scores += judge.score(dream, some).tolist()
            ranks += judge.rank(dream, some, captions).tolist()
            named += [answer.rank == 0 for answer in judge.things(dream, some) if answer]
        first = first or scores
        gains = [a - b for a, b in zip(scores, first, strict=True)]
        found = {"judge": mean(scores), "gain": mean(gains), "top1": share(r == 0 for r in ranks)}
        if named:
            found["object"] = share(named)
        row = {"views": list(shape), "patches": patches, "picture_s": spent / prompts}
        rows.append(row | {name: asdict(estimate) for name, estimate in found.items()})
    return rows


def with_half_the_patches(clip: Clip) -> Clip | None:
    """The same CLIP, that of each view encodes half the patches, drawn anew each time.

    So are some CLIPs trained (Li et al. 2023, FLIP). None if it is not open_clip's own vision
    transformer: others have no patches to leave out, or no place for it.
    """
    if not hasattr(clip.model.visual, "patch_dropout"):
        return None
    other = deepcopy(clip)
    other.model.visual.patch_dropout = PatchDropout(0.5).train()
    return other


def run_with_views(dream: Dream, views: Sequence[int]) -> None:
    """All steps, with so many views in each octave."""
    steps = dream.recipe.steps
    with torch.random.fork_rng(devices=[]):  # PatchDropout draws from PyTorch's own generator
        torch.manual_seed(0)
        for step in range(steps):
            dream.recipe.views = views[octave_at(step, steps, len(views))]
            next(dream)


def against_peers(clip: Clip, recipe: Recipe, **limits) -> list[Row]:
    """The step of each other loop ÷ ours, with as many views on one encoder; views per second.

    The last row has the passes alone: no loop can show more views per second than these.
    """
    # Direct Ascent Synthesis is published with a canvas of one and a half times what CLIP sees.
    sizes = {"Direct Ascent Synthesis": 3 * clip.image_size // 2}
    views, side = recipe.views, min(recipe.canvas)
    seen, text = random_views(clip, views), clip.encode_text(PROMPT)
    dreams = dream_each_octave(clip, recipe)
    rows, ours = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        jobs = {
            name: peer(clip, PROMPT, sizes.get(name, side), views) for name, peer in PEERS.items()
        }
        jobs["the passes alone"] = partial(passes, clip, seen, text)
        for name, job in jobs.items():
            theirs, own, row = time_pairs(job, lambda: next(next(dreams)), clip.device, **limits)
            ours.append(views / own)
            rows.append({"model": clip.name, "loop": name, "views_per_s": views / theirs} | row)
    first = {"model": clip.name, "loop": "dreamlab", "views_per_s": statistics.median(ours)}
    return [first, *rows]


# --- tables ---------------------------------------------------------------------------------------


def ratio_text(row: Row) -> str:
    return f"{row['ratio']:.2f} [{row['low']:.2f}, {row['high']:.2f}]" if "ratio" in row else ""


def seconds_text(number: float) -> str:
    if number < 1:
        return f"{1000 * number:.0f} ms" if number >= 0.01 else f"{1000 * number:.1f} ms"
    return f"{number:.1f} s" if number < 100 else f"{number / 60:.0f} min"


def gigabytes_text(number: float | None) -> str:
    return "–" if number is None else f"{number:.2f} GB"


def canvas_text(row: Row) -> str:
    return f"{row['canvas'][0]} × {row['canvas'][1]}"


def estimate_text(row: Row, name: str, form: str) -> str:
    return format(Estimate(**row[name]), form) if name in row else ""


def views_text(row: Row) -> str:
    return ", ".join(map(str, row["views"])) + ", half the patches" * (row["patches"] < 1)


def threads_text(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"


TABLES: dict[str, tuple[str, Callable[[Row], tuple[Any, ...]]]] = {
    "step": (
        "model | canvas | views | CLIP alone | whole step | step ÷ CLIP [quartiles]",
        lambda r: (r["model"], canvas_text(r), r["views"], seconds_text(r["bare_s"]),
                   seconds_text(r["step_s"]), ratio_text(r)),
    ),
    "arithmetic": (
        "passes in another way | times as fast | error of the gradient | first time | kept",
        lambda r: (r["way"], ratio_text(r), f"{r['error']:.0e}", seconds_text(r["first_s"]),
                   "yes" if r["worth"] else "no"),
    ),
    "batches": (
        "threads | pictures in a run | step of one picture | one run ÷ single runs",
        lambda r: (r["threads"], r["pictures"], seconds_text(r["picture_s"]), ratio_text(r)),
    ),
    "canvases": (
        "canvas | step in each octave | whole dream | without octaves | memory before | peak",
        lambda r: (canvas_text(r), ", ".join(map(seconds_text, r["step_s"])),
                   f"{seconds_text(r['dream_s'])} ({r['steps']} steps)",
                   seconds_text(r["steps"] * r["step_s"][-1]),
                   gigabytes_text(r["before_gb"]), gigabytes_text(r["peak_gb"])),
    ),
    "peers": (
        "loop | model | views per second | its time ÷ ours [quartiles]",
        lambda r: (r["loop"], r["model"], f"{r['views_per_s']:.3g}", ratio_text(r)),
    ),
    "worth": (
        "views of each octave | a picture | judge score | its gain on the first | "
        "judge R-precision | thing named",
        lambda r: (views_text(r), seconds_text(r["picture_s"]), estimate_text(r, "judge", ".2f"),
                   estimate_text(r, "gain", ".3f"), estimate_text(r, "top1", ".0%"),
                   estimate_text(r, "object", ".0%")),
    ),
    "ratios": (
        "time of | ÷ time of | ratio [quartiles] | pairs",
        lambda r: (r["of"], r["by"], ratio_text(r), r["pairs"]),
    ),
}  # fmt: skip
"""For each part the heads of its table, and the cells of a row."""


def table(part: str, rows: Sequence[Row]) -> str:
    """Markdown; all columns but the first are numbers."""
    heads, cells = TABLES[part]
    rules = ["---", *["---:"] * heads.count("|")]
    lines = [heads, *(" | ".join(map(str, line)) for line in (rules, *map(cells, rows)))]
    return "\n".join(f"| {line} |" for line in lines)


def machine_text(details: Row) -> str:
    """One sentence about what the numbers belong to."""
    where = details["accelerator"] or details["processor"]
    threads = f"{details['threads']} of {details['cores']} cores"
    load = "" if details["load"] is None else f", load {details['load']:.1f} at the start"
    memory = "" if details["memory_gb"] is None else f", {details['memory_gb']:.0f} GB"
    return (
        f"On {details['device']}: {where} ({details['instructions']}), {threads}{memory}{load}; "
        f"{details['system']}, Python {details['python']}, PyTorch {details['torch']}."
    )


def top1_text(rows: Sequence[Row], captions: int) -> str:
    """A sentence about when the judge was convinced."""
    text = f"The judge ranks the prompt first among {captions} captions for"
    reached = [row for row in rows if row["step"] is not None]
    text += f" {len(reached)} of {len(rows)} prompts"
    if not reached:
        return text + "."
    spent, step = (statistics.median(row[name] for row in reached) for name in ("seconds", "step"))
    return f"{text}; of these, half are there within {spent:.1f} s ({step:.0f} steps)."


def all_ratios(results: Row) -> list[Row]:
    """The ratios of all parts, as rows of one table."""
    rows = [
        {"of": f"a step with {r['model']}, {r['views']} views", "by": "its passes through CLIP"} | r
        for r in results.get("step", [])
    ]
    for r in results.get("batches", []):
        if r["pictures"] > 1:
            run = f"one run of {r['pictures']} pictures, {threads_text(r['threads'])}"
            rows.append({"of": run, "by": f"{r['pictures']} runs of one"} | r)
    for r in results.get("peers", []):
        if "ratio" in r:
            loop = f"{r['loop']} with {r['model']}"
            rows.append({"of": loop, "by": "our step with as many views"} | r)
    return rows


def readme_text(results: Row) -> str:
    """What README says: all ratios in one table, and below it what belongs to a machine."""
    parts = [table("ratios", all_ratios(results))]
    for name in ("arithmetic", "canvases", "worth"):
        if results.get(name):
            parts.append(table(name, results[name]))
    return "\n\n".join([*parts, machine_text(results["machine"])])


def with_kept(results: Row, path: Path) -> Row:
    """Add the parts that `path` has from another run on the same machine, and `results` has not."""
    if not path.is_file():
        return results
    kept = json.loads(path.read_text("utf-8"))
    one, other = ({**r["machine"], "load": None} for r in (results, kept))
    return {**kept, **results} if one == other else results


# --- the plot -------------------------------------------------------------------------------------


def draw_bars(axes: Any, rows: list[Row], names: list[str], title: str) -> None:
    values = [row["ratio"] for row in rows]
    errors = [[r["ratio"] - r["low"] for r in rows], [r["high"] - r["ratio"] for r in rows]]
    axes.barh(names, values, xerr=errors, color=STYLES[0][0], ecolor="#555555")
    axes.axvline(1, color="#555555", linewidth=1)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=min(10, 56 / len(rows)))  # names are up to two lines
    axes.set_title(title, fontsize=10)


def draw_step(axes: Any, rows: list[Row]) -> None:
    draw_bars(axes, rows, [r["model"].split(",")[0] for r in rows], "step ÷ passes through CLIP")


def draw_peers(axes: Any, rows: list[Row]) -> None:
    others = [row for row in rows if "ratio" in row]
    names = [f"{r['loop']}\n{r['model'].split(',')[0]}" for r in others]
    draw_bars(axes, others, names, "time of the loop ÷ ours")


def draw_batches(axes: Any, rows: list[Row]) -> None:
    counts = sorted({row["threads"] for row in rows})
    for (colour, line), threads in zip(STYLES, counts, strict=False):
        points = [(row["pictures"], row["ratio"]) for row in rows if row["threads"] == threads]
        label = threads_text(threads)
        axes.plot(*zip(*points, strict=True), line, color=colour, marker="o", label=label)
    axes.set_xscale("log")
    name_ticks(axes.xaxis, {row["pictures"] for row in rows})
    axes.set_ylim(0, 1.2)
    axes.set_xlabel("pictures in a run")
    axes.set_title("one run ÷ single runs", fontsize=10)
    axes.legend(fontsize=8)


def draw_canvases(axes: Any, rows: list[Row]) -> None:
    points = sorted(
        (height * width / 1e6, spent)
        for row in rows
        for (height, width), spent in zip(row["octaves"], row["step_s"], strict=True)
    )
    pixels, spent = zip(*points, strict=True)
    axes.loglog(pixels, spent, STYLES[0][1], color=STYLES[0][0], marker="o")
    name_ticks(axes.xaxis, pixels)
    name_ticks(axes.yaxis, spent)
    axes.set_xlabel("megapixels")
    axes.set_title("seconds of a step", fontsize=10)


def name_ticks(axis: Any, values: Collection[float]) -> None:
    """Name what was measured, and nothing between; of values close together, the first."""
    named: list[float] = []
    apart = (max(values) / min(values)) ** 0.06  # of a logarithmic axis, about a name's height
    for value in sorted(values):
        if not named or value >= apart * named[-1]:
            named.append(value)
    axis.set_ticks(named, [f"{value:.2g}" for value in named])
    axis.set_ticks([], minor=True)


def draw_worth(axes: Any, rows: list[Row]) -> None:
    labels = {"judge": "judge score", "top1": "R-precision", "object": "thing named"}
    for (colour, _), (name, label) in zip(STYLES, labels.items(), strict=False):
        for number, row in enumerate(row for row in rows if name in row):
            x, each = row["picture_s"], row[name]
            axes.plot([x, x], [each["low"], each["high"]], color=colour, alpha=0.4)
            axes.plot(x, each["value"], "o", color=colour, label=None if number else label)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0)
    axes.set_xlabel("seconds of a picture")
    axes.set_title("worth of fewer views or patches", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")


PANELS: dict[str, tuple[Callable[[Any, list[Row]], None], str]] = {
    "step": (draw_step, "a step beside the passes through CLIP alone"),
    "batches": (draw_batches, "one run of several pictures beside as many runs of one"),
    "canvases": (draw_canvases, "seconds of a step by the size of the canvas"),
    "peers": (draw_peers, "the time that other loops take for as many views as ours"),
    "worth": (draw_worth, "what the judge says of pictures by the seconds that they took"),
}
"""For each part that is drawn: how, and its panel in words."""


def plot(results: Row) -> Plot:
    """What was measured, at a look: a panel for each part that has bars or curves."""
    parts = [name for name in PANELS if results.get(name)]
    words = "; ".join(PANELS[name][1] for name in parts)
    figure = Plot(3.6 * len(parts), 3.2, f"The benchmark: {words}.")
    for axes, name in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        PANELS[name][0](axes, results[name])
    return figure


# --- the command line -----------------------------------------------------------------------------

PARTS = ("step", "arithmetic", "batches", "canvases", "peers", "top1", "worth")
PICTURE = Path("docs/bench.png")  # beside README


def measure(options: argparse.Namespace, keep: Callable[[Row], Row]) -> Row:
    """Measure the parts that were asked for; print and keep each as soon as it is there."""
    clip = load_clip(options.clip, device=options.device)
    judge = Judge(load_clip(options.judge, device=options.device))
    models = [clip, *(created_clip(name, clip.device) for name in options.created)]
    sized = [(m, Recipe(size=max(*Recipe().canvas, m.image_size))) for m in models]
    recipe, limits = Recipe(), {"pairs": options.pairs, "most": options.seconds}
    captions = [caption(s) for s in islice(scenes(), options.prompts + DISTRACTORS)]
    prompts = captions[: options.prompts]
    parts: dict[str, Callable[[], list[Row]]] = {
        "step": lambda: [step_cost(*each, **limits) for each in sized],
        "arithmetic": lambda: arithmetic(clip, recipe.views, **limits),
        "batches": lambda: batches(clip, recipe, **limits),
        "canvases": lambda: [canvas_cost(clip.name, c, options.device) for c in options.canvas],
        "peers": lambda: [row for each in sized for row in against_peers(*each, **limits)],
        "top1": lambda: time_to_top1(clip, judge, prompts, captions, recipe),
        "worth": lambda: worth(clip, judge, recipe, options.prompts),
    }
    results: Row = {"machine": machine(clip.device)}
    print(machine_text(results["machine"]), flush=True)
    for name in (name for name in PARTS if name in options.only):
        results[name] = rows = parts[name]()
        text = top1_text(rows, len(captions)) if name == "top1" else table(name, rows)
        print(f"\n{text}", flush=True)
        if name == "arithmetic":
            job = partial(passes, clip, random_views(clip, recipe.views), clip.encode_text(PROMPT))
            results["chosen"] = str(choose_precision(job, device=clip.device))
            print(f"Half a second of measuring would choose {results['chosen']}.")
        keep(results)
    return keep(results)


def write_readme(results: Row, readme: Path) -> None:
    """Put tables and plot into the block of `readme`; the JSON stands by the plot."""
    drawn, path = plot(results), readme.parent / PICTURE
    write_json(path.with_suffix(".json"), results)
    write_atomically(path, drawn.to_png())
    image = f"![{drawn.description}]({PICTURE.as_posix()})"
    put_block(readme, "bench", f"{readme_text(results)}\n\n{image}")


def write_json(path: Path, results: Row) -> None:
    write_atomically(path, json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def canvas(text: str) -> tuple[int, int]:
    """The type of an option that is a canvas, height × width."""
    if not (found := re.fullmatch(r"(\d+)x(\d+)", text)):
        raise argparse.ArgumentTypeError(f"a canvas like 1024x768 is wanted, got {text!r}")
    return int(found[1]), int(found[2])


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=PARTS[:-1], help="parts (all but worth)")
    add("--clip", default="picturebook", help="who dreams (%(default)s)")
    add("--judge", default="picturebook-judge", help="who judges (%(default)s)")
    words = "open_clip models to time with random weights (%(default)s)"
    add("--created", nargs="*", default=["ViT-B-32"], metavar="MODEL", help=words)
    words, sizes = "large canvases (1024x768 4096x4096)", [(1024, 768), (4096, 4096)]
    add("--canvas", nargs="*", type=canvas, default=sizes, metavar="HxW", help=words)
    add("--device", help="cpu, cuda, mps …; the best there is unless given")
    add("--threads", type=whole(1), help="of PyTorch on a CPU; its own choice if not given")
    add("--pairs", type=whole(1), default=30, help="how often to time (%(default)s)")
    add("--seconds", type=whole(1), default=60, help="about the most for one ratio (%(default)s)")
    add("--prompts", type=whole(1), default=8, help="to dream for top1 and worth (%(default)s)")
    add("--out", type=Path, default=Path("outputs/bench"), help="JSON and plot (%(default)s)")
    add("--write", action="store_true", help="put the ratios and the plot into README.md")
    print_plainly()
    options = parser.parse_args(arguments)
    if options.threads is not None:
        torch.set_num_threads(options.threads)

    def keep(results: Row) -> Row:
        results = with_kept(results, options.out / "bench.json")
        write_json(options.out / "bench.json", results)
        return results

    with exit_on_user_error(parser):
        if options.write:
            check_block(README, "bench")
        results = measure(options, keep)
        if any(results.get(name) for name in PANELS):
            write_atomically(options.out / "bench.png", plot(results).to_png())
        print(f"kept in {options.out}")
        if options.write:
            write_readme(results, README)
            print(f"written to {README}")


if __name__ == "__main__":
    main()
