"""The benchmark: what a step costs beyond CLIP itself, and how soon a picture shows its prompt.

    python -m dreamlab.measure.bench

Times depend on the machine, and on what else it does. The first table compares a step with its
unavoidable part (CLIP forward, and back to the pixels of the same views), in pairs measured right
after each other, so that what slows one slows the other.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import open_clip
import torch

from dreamlab.clip import Clip, load_clip
from dreamlab.console import print_plainly, said_in_a_sentence, whole
from dreamlab.dream import Dream
from dreamlab.measure.ablation import DISTRACTORS, scenes
from dreamlab.measure.judge import Judge
from dreamlab.picturebook.world import caption
from dreamlab.recipe import Recipe
from dreamlab.views import draw_windows, look

CREATED = "ViT-B-32"
WARM_UP = 3  # pairs that are not counted: allocators and caches fill


@dataclass(frozen=True)
class Cost:
    """Seconds of each pair: a whole step, and CLIP alone on as many views."""

    steps: tuple[float, ...]
    bare: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median over the pairs of step / bare."""
        return statistics.median(self.ratios)

    @property
    def ratios(self) -> list[float]:
        return [step / bare for step, bare in zip(self.steps, self.bare, strict=True)]

    @property
    def quartiles(self) -> tuple[float, float]:
        """Between these lies the middle half of the ratios."""
        if len(self.steps) == 1:
            return self.ratio, self.ratio
        low, _, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return low, high


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


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamlab.measure.bench", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--clip", default="picturebook", help="who dreams (%(default)s)")
    parser.add_argument("--judge", default="picturebook-judge", help="who judges (%(default)s)")
    parser.add_argument(
        "--created",
        nargs="*",
        default=[CREATED],
        metavar="MODEL",
        help=f"open_clip models to time with random weights ({CREATED})",
    )
    parser.add_argument("--device", help="cpu, cuda, mps …; the best there is unless given")
    parser.add_argument(
        "--threads", type=whole(1), help="of PyTorch on a CPU; its own choice if not given"
    )
    parser.add_argument("--pairs", type=whole(1), default=30, help="steps to time (%(default)s)")
    parser.add_argument(
        "--prompts", type=whole(0), default=8, help="to dream to top-1 (%(default)s)"
    )
    print_plainly()
    options = parser.parse_args(arguments)
    if options.threads is not None:
        torch.set_num_threads(options.threads)

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


if __name__ == "__main__":
    main()
