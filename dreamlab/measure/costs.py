"""What dreams cost: a step beside bare CLIP, arithmetic, batches, large canvases, other loops.

Each function measures one thing and returns its rows, dictionaries of plain values.
"""

import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import cycle
from typing import Any

import open_clip
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from dreamlab.clip import Clip, load_clip, tokens_first
from dreamlab.dream import Dream
from dreamlab.measure.peers import PEERS
from dreamlab.measure.timing import Pairs, in_turns, peak_memory, seconds
from dreamlab.octaves import canvas_size
from dreamlab.recipe import Recipe
from dreamlab.support.precision import WORTH, choose_precision
from dreamlab.views import draw_windows, look

Row = dict[str, Any]

PROMPT = "a red heart in the sky"
ENDLESS = 1_000_000  # steps
ROUNDING = 1e-4
"""Relative error of a gradient up to which it counts as rounded. Sums in another order give some
1e-6; bfloat16, which has 8 bits, about 1e-2."""


def created_clip(name: str, *, device: str | torch.device = "cpu") -> Clip:
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


# --- a step ---------------------------------------------------------------------------------------


def measure_step(clip: Clip, recipe: Recipe, **limits) -> Pairs:
    """Time steps on the canvas of each octave, each beside the bare passes through CLIP.

    Bare are: CLIP forward on as many views of the same picture, and back to their pixels.

    Args:
        clip: who dreams.
        recipe: its number of steps does not matter.
        limits: as for `in_turns`.
    """
    turns = _dreams(clip, recipe)
    text = clip.encode_text(PROMPT)
    generator = [torch.Generator().manual_seed(0)]
    dream, views = next(turns), torch.empty(0)

    def prepare() -> None:
        nonlocal dream, views
        dream = next(turns)
        windows = draw_windows(dream.pixels.shape[-2:], recipe.views, recipe.view_mix, generator)
        views = look(dream.pixels, windows, clip.image_size)[0].detach()

    return in_turns(
        lambda: next(dream),
        lambda: passes(clip, views, text),
        device=clip.device,
        prepare=prepare,
        **limits,
    )


def _dreams(clip: Clip, recipe: Recipe) -> Iterator[Dream]:
    """Endless dreams, one on the canvas of each octave, in turns: however few steps are timed."""
    octaves = (canvas_size(recipe.canvas, scale) for scale in recipe.octaves)
    sizes = [tuple(max(16, side) for side in size) for size in octaves]  # as a recipe allows
    alone = replace(recipe, octaves=(1.0,), steps=ENDLESS)
    return cycle([Dream(clip, PROMPT, recipe=replace(alone, size=size)) for size in sizes])


def passes(clip: Clip, views: Tensor, text: Tensor) -> Tensor:
    """CLIP forward, and back to the pixels of the views: what no dream can do without."""
    views = views.detach().requires_grad_()
    loss = (1 - clip.encode_image(views).float() @ text.T).mean()
    return torch.autograd.grad(loss, views)[0]


def step_cost(clip: Clip, recipe: Recipe, **limits) -> Row:
    """One row of the table of steps."""
    measured = measure_step(clip, recipe, **limits)
    step, bare = measured.medians
    return {
        "model": clip.name,
        "canvas": list(recipe.canvas),
        "views": recipe.views,
        "bare_s": bare,
        "step_s": step,
    } | measured.row()


# --- arithmetic -----------------------------------------------------------------------------------


def arithmetic(clip: Clip, *, views: int = 8, compiled: bool = False, **limits) -> list[Row]:
    """Other ways to compute the passes: how fast, how exact, and whether they are worth it.

    A way is worth it if it is more than 1.1 times as fast and gives the same gradient but for
    rounding. `compiled` also tries torch.compile, which needs a C++ compiler and minutes.
    """
    generator = torch.Generator().manual_seed(0)
    size = clip.image_size
    seen = torch.rand(views, 3, size, size, generator=generator).to(clip.device)
    text = clip.encode_text(PROMPT)
    exact = passes(clip, seen, text)
    rows = []
    for name, (other, layout, context) in _ways(clip, compiled).items():
        job = partial(_within, context, other, seen.to(memory_format=layout), text)
        begin = time.perf_counter()
        error = ((job() - exact).norm() / exact.norm()).item()
        ready = time.perf_counter() - begin
        measured = in_turns(lambda: passes(clip, seen, text), job, device=clip.device, **limits)
        kept = measured.ratio > WORTH and error < ROUNDING
        rows.append(
            {"way": name, "error": error, "first_s": ready, "worth": kept, **measured.row()}
        )
    return rows


def _within(context: Callable, clip: Clip, views: Tensor, text: Tensor) -> Tensor:
    with context():
        return passes(clip, views, text)


def _ways(clip: Clip, compiled: bool) -> dict[str, tuple[Clip, torch.memory_format, Callable]]:
    """For each way the model, the layout of the views and what to compute within."""
    plain = torch.contiguous_format
    kind = clip.device.type
    ways = {
        "bfloat16, autocast": (clip, plain, lambda: torch.autocast(kind, torch.bfloat16)),
        "attention as plain products": (clip, plain, lambda: sdpa_kernel(SDPBackend.MATH)),
    }
    theirs = deepcopy(clip)
    tokens_first(theirs.model, False)
    ways["images first, as open_clip"] = (theirs, plain, nullcontext)
    last = deepcopy(clip)
    last.model.to(memory_format=torch.channels_last)
    ways["channels last"] = (last, torch.channels_last, nullcontext)
    if compiled:
        quick = deepcopy(clip)
        quick.model.encode_image = torch.compile(quick.model.encode_image)
        ways["torch.compile"] = (quick, plain, nullcontext)
    return ways


def fastest(clip: Clip, *, views: int = 8, half_second: float = 0.5) -> str:
    """What half a second of measuring chooses for the passes, in words."""
    size = clip.image_size
    seen, text = torch.rand(views, 3, size, size, device=clip.device), clip.encode_text(PROMPT)
    return str(choose_precision(lambda: passes(clip, seen, text), half_second, device=clip.device))


# --- batches --------------------------------------------------------------------------------------


def batches(
    clip: Clip, recipe: Recipe, *, sizes: Sequence[int] = (1, 4, 16), **limits
) -> list[Row]:
    """One run of B pictures ÷ B runs of one, with one thread and with all of PyTorch's."""
    recipe = replace(recipe, steps=ENDLESS, octaves=(1.0,))
    counts = {1, torch.get_num_threads()} if clip.device.type == "cpu" else {1}
    rows = []
    for threads in sorted(counts):
        with _threads(threads):
            for size in sizes:
                together = Dream(clip, PROMPT, seed=range(size), recipe=recipe)
                alone = [Dream(clip, PROMPT, seed=seed, recipe=recipe) for seed in range(size)]
                measured = in_turns(
                    lambda together=together: next(together),
                    lambda alone=alone: [next(dream) for dream in alone],
                    device=clip.device,
                    **limits,
                )
                picture = measured.medians[0] / size
                rows.append(
                    {"threads": threads, "pictures": size, "picture_s": picture} | measured.row()
                )
    return rows


@contextmanager
def _threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# --- canvases -------------------------------------------------------------------------------------


def canvas_cost(
    clip: str, size: int | tuple[int, int], *, device: str | None = None, steps: int = 2
) -> Row:
    """Seconds of a step in each octave, and the most memory, of a dream in a process of its own.

    Args:
        clip: name for `load_clip`.
        size: the canvas, as in a `Recipe`.
        steps: how many of each octave; the quickest of each counts.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_canvas, clip, size, device, steps, torch.get_num_threads()).result()


def _canvas(
    name: str, size: int | tuple[int, int], device: str | None, steps: int, threads: int
) -> Row:
    torch.set_num_threads(threads)
    clip = load_clip(name, device=device)
    recipe = Recipe(size=size)
    recipe.steps, whole = steps * len(recipe.octaves), recipe.steps
    before = peak_memory()
    dream = Dream(clip, PROMPT, recipe=recipe)
    taken: dict[int, list[float]] = {}
    while not dream.done:
        spent = seconds(lambda: next(dream), clip.device)
        taken.setdefault(dream.history[-1].octave, []).append(spent)
    octaves = [min(times) for times in taken.values()]
    peak = peak_memory()
    return {
        "canvas": list(recipe.canvas),
        "octaves": [list(canvas_size(recipe.canvas, scale)) for scale in recipe.octaves],
        "step_s": octaves,
        "dream_s": statistics.mean(octaves) * whole,
        "steps": whole,
        "before_gb": before,
        "peak_gb": peak,
    }


# --- other loops ----------------------------------------------------------------------------------


def against_peers(clip: Clip, recipe: Recipe, **limits) -> list[Row]:
    """The step of each other loop ÷ ours, with as many views on one encoder; views per second.

    The last row has the passes alone: no loop can show more views per second than these.
    """
    views, side = recipe.views, clip.image_size
    # Direct Ascent Synthesis is published with a canvas of one and a half times what CLIP sees.
    sizes = {"Direct Ascent Synthesis": 3 * side // 2}
    jobs: dict[str, Callable[[], object]] = {}
    for name, peer in PEERS.items():
        loop = peer(clip, PROMPT, sizes.get(name, min(recipe.canvas)), views)
        jobs[name] = partial(next, loop)
    seen = torch.rand(views, 3, side, side, generator=torch.Generator().manual_seed(0))
    jobs["the passes alone"] = partial(passes, clip, seen.to(clip.device), clip.encode_text(PROMPT))

    turns = _dreams(clip, recipe)
    rows, ours = [], []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name, job in jobs.items():
            measured = in_turns(job, lambda: next(next(turns)), device=clip.device, **limits)
            theirs, own = measured.medians
            ours.append(views / own)
            row = {"model": clip.name, "loop": name, "views_per_s": views / theirs}
            rows.append(row | measured.row())
    first = {"model": clip.name, "loop": "dreamlab", "views_per_s": statistics.median(ours)}
    return [first, *rows]
