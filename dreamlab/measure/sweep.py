"""Many dreams: prompts × recipes × seeds, in one process or on any pool of workers.

A job is a few names and numbers; a worker loads the CLIPs by name, once, and returns each picture
as a PNG file that carries its settings and its numbers.
"""

import io
import json
import math
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import zip_longest
from numbers import Integral
from os import PathLike
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from dreamlab.clip import Clip, load_clip
from dreamlab.dream import Dream, to_pil
from dreamlab.figures.saving import encode_png
from dreamlab.figures.settings import LARGEST
from dreamlab.judge import Baseline, Judge, measure
from dreamlab.measure.folder import ROW, Finished, Folder, Key, fingerprint, open_folder, read
from dreamlab.measure.tables import MEASURES, markdown, summarize
from dreamlab.measure.workers import Processes, run_jobs
from dreamlab.prompts import Prompt, checked_prompts, checked_seeds, encoder_name, is_schedule
from dreamlab.recipe import Recipe
from dreamlab.support.picture import Picture, read_picture
from dreamlab.support.progress import StandardError
from dreamlab.support.version import __version__
from dreamlab.support.words import brief

Loadable = str | tuple[str, str]
"""A CLIP by name, as `load_clip` takes it: a name, or a name and a tag."""


@dataclass(frozen=True)
class Sweep:
    """`rows` and `images` of a sweep, in parallel, and the judge's `baselines`.

    A row has `recipe`, `prompt`, `seed`, the numbers of `judge.measure`, and `error`: "", or what
    went wrong, and then neither numbers nor image.
    """

    rows: list[dict[str, Any]]
    images: list[Image.Image | None] = field(repr=False)
    baselines: tuple[Baseline, ...] = field(default=(), repr=False)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The rows without a picture."""
        return [row for row in self.rows if row["error"]]

    def image(self, **wanted: Any) -> Image.Image:
        """The picture of one row: `result.image(recipe="full", prompt="a star")`."""
        pairs = zip(self.rows, self.images, strict=True)
        found = [image for row, image in pairs if row.items() >= wanted.items()]
        if len(found) != 1 or found[0] is None:
            raise KeyError(f"{len(found)} dreams with {wanted}, and one that succeeded is needed")
        return found[0]

    def summary(self, by: str = "recipe") -> list[dict[str, Any]]:
        """The mean of each number by recipe, "prompt" or "seed"; see `tables.summarize`."""
        return summarize(self.rows, by)

    def markdown(self, by: str = "recipe") -> str:
        """The summary in Markdown, the judge's baselines below."""
        baselines = [
            {by: f"drawings, {drawn.what}", "judge": drawn.cosine, "object": drawn.found}
            for drawn in self.baselines
        ]
        return markdown([*self.summary(by), *baselines], [by, *MEASURES])


@dataclass(frozen=True)
class Task:
    """What a worker does with a job: dream the pictures with these keys, all of one recipe."""

    recipes: Mapping[str, Recipe]  # by name
    clip: Loadable | Clip
    judge: Loadable | Clip | Judge | None
    device: str | None
    prompts: Mapping[str, Prompt]  # by what rows call them; all that the judge chooses from
    options: Mapping[str, Any]  # further arguments of Dream
    threads: int | None  # that a worker computes with; None leaves it to the worker
    as_png: bool  # pictures are returned as PNG files, for a folder or from a worker

    def views(self, job: Sequence[Key]) -> int:
        """How many views CLIP encodes: what a run takes is nearly proportional to it."""
        return sum(self.recipes[key.recipe].steps * self.recipes[key.recipe].views for key in job)

    def __call__(
        self, job: Sequence[Key], tick: Callable[[int], Any] = lambda views: None
    ) -> list[Finished | bytes | str]:
        """For each picture row and image, a PNG with both, or the error; `tick` counts views."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        try:
            clip, judge = cached_clip(self.clip, self.device), cached_judge(self.judge, self.device)
        except Exception as error:
            return [_text(error)] * len(job)
        names, asked, seeds = map(list, zip(*job, strict=True))
        prompts, recipe = [self.prompts[name] for name in asked], self.recipes[names[0]]
        try:
            dream = Dream(clip, prompts, seed=seeds, recipe=recipe, **self.options)
            for _ in dream:
                tick(recipe.views * len(job))
            captions = list(self.prompts.values())
            measured = measure(dream, prompts, clip=clip, judge=judge, distractors=captions)
            rows = [_row(key) | row for key, row in zip(job, measured, strict=True)]
            if self.as_png:
                return [encode_png(dream, i, {ROW: json.dumps(row)}) for i, row in enumerate(rows)]
            return list(map(Finished, rows, dream.images))
        except Exception as error:
            if len(job) == 1:
                return [_text(error)]
        # One of several is to blame. Alone, the others succeed.
        return [outcome for key in job for outcome in self([key])]


def sweep(
    prompts: Any,
    recipes: Recipe | Mapping[str, Recipe] | Sequence[Recipe] | None = None,
    seeds: int | Sequence[int] = 0,
    *,
    clip: Loadable | Clip = "picturebook",
    judge: Loadable | Clip | Judge | None = "picturebook-judge",
    distractors: Sequence[Any] = (),
    negative_prompt: Any = "",
    start: Picture | None = None,
    device: str | None = None,
    batch: int = 8,
    executor: Executor | int | None = None,
    folder: str | PathLike | None = None,
    progress: bool = False,
) -> Sweep:
    """Dream every prompt by every recipe with every seed, and measure each picture.

    Args:
        prompts: n of any kind that `Dream` takes, each a wrong caption for the others' pictures.
            Rows call a sentence by itself, a picture by a hash of it.
        recipes: named in a mapping; in a list, a recipe is named by `Recipe.differences`. None is
            the one that suits the CLIP, `Recipe.suited_to`.
        seeds: s numbers: every prompt is dreamt with each, n · s pictures per recipe.
        clip, judge: by name, or by (name, tag), as `load_clip` takes them; without an executor a
            `Clip` and a `Judge` will do as well. `judge=None` asks no judge.
        distractors: further wrong captions for the judge.
        negative_prompt, start: of every `Dream`.
        device: where a worker loads the CLIPs, as for `load_clip`.
        batch: pictures in one run, less where these have more pixels than the largest canvas.
        executor: any `Executor`, such as Dask's (`client.get_executor()`), or so many processes.
        folder: where each dream is kept as soon as it is finished (see `dreamlab.measure.folder`).
            Called again with the same arguments, the sweep does only what is missing.
        progress: show a bar with the time left on standard error.

    Returns:
        A `Sweep`. A dream that failed twice, and after an interrupt or a loss of all workers one
        that was not dreamt, has a row that says so; a warning names it.

    Raises:
        TypeError, ValueError: before anything is dreamt: an argument or the folder is unusable.
        RuntimeError: every dream failed; says how the first did.
        OSError: the folder cannot be written, or no longer; what it has is kept.
    """
    prompts, distractors = _by_name("prompts", prompts), _by_name("distractors", distractors)
    if not prompts:
        raise ValueError("prompts: give at least one")
    (avoided,) = checked_prompts("negative_prompt", negative_prompt, 1, may_be_empty=True)
    seeds = list(seeds) if isinstance(seeds, Iterable) else [seeds]
    seeds = list(dict.fromkeys(checked_seeds(seeds, len(seeds))))
    if isinstance(batch, bool) or not isinstance(batch, Integral) or batch < 1:
        raise ValueError(f"batch is a number of pictures, at least 1, got {brief(batch)}")
    _check_executor(executor)
    models = {"clip": _name(clip), "judge": _name(judge)}
    if recipes is None:
        recipes = Recipe.suited_to(cached_clip(clip, device if executor is None else None))
    named = name_recipes(recipes)
    arguments = {
        "prompts": list(prompts),
        "recipes": {name: asdict(recipe) for name, recipe in named.items()},
        "seeds": seeds,
        **models,
        "distractors": list(distractors),
        "negative_prompt": _text_of(avoided),
        "start": fingerprint(start),
    }
    if executor is None:  # what cannot be loaded is known before anything is dreamt
        clip, judge = cached_clip(clip, device), cached_judge(judge, device)
    elif not isinstance(clip, str | tuple) or not isinstance(judge, str | tuple | None):
        raise TypeError("workers load the CLIPs themselves: give clip and judge by name")
    options = {"negative_prompt": avoided, "start": _plain(start)}
    threads = max(1, torch.get_num_threads() // executor) if isinstance(executor, int) else None
    as_png = executor is not None or folder is not None
    task = Task(named, clip, judge, device, prompts | distractors, options, threads, as_png)
    keys = [Key(name, prompt, seed) for name in named for prompt in prompts for seed in seeds]
    opening = nullcontext() if folder is None else open_folder(folder, arguments, keys)
    with opening as kept:
        results = _dream_all(task, keys, batch, executor, kept, progress)
    rows = [results[key].row for key in keys]
    asked = any("object_rank" in row for row in rows)
    # Asked here, where the device of distant workers may not exist.
    baselines = cached_judge(judge, device if executor is None else None).baselines if asked else ()
    return Sweep(rows, [results[key].image for key in keys], baselines)


def _check_executor(executor: Any) -> None:
    if executor is None or isinstance(executor, Executor):
        return
    if isinstance(executor, bool) or not isinstance(executor, int):
        kinds = "a concurrent.futures.Executor (of Dask: client.get_executor()) or a number"
        raise TypeError(f"executor is {kinds} of processes, got {brief(executor)}")
    if executor < 1:
        raise ValueError(f"executor as a number of processes is at least 1, got {executor}")
    if multiprocessing.current_process().daemon:
        raise ValueError("executor: this process is a worker itself and may start no processes")


def _dream_all(
    task: Task,
    keys: Sequence[Key],
    batch: int,
    executor: Executor | int | None,
    folder: Folder | None,
    progress: bool,
) -> dict[Key, Finished]:
    """Dream what the folder does not have, in any order."""
    results = {} if folder is None else folder.finished()
    parts = []
    for name, recipe in task.recipes.items():
        missing = [key for key in keys if key.recipe == name and key not in results]
        # No run has more pixels than the largest canvas.
        most = min(batch, max(1, LARGEST // math.prod(recipe.canvas)))
        parts.append([missing[i : i + most] for i in range(0, len(missing), most)])
    # Prompts in turn, so that an interrupted sweep has the same ones of every recipe.
    jobs = [job for turn in zip_longest(*parts) for job in turn if job]
    ours = {"dreamlab": __version__, "torch": str(torch.__version__)}
    known = [ours]
    shown = {"desc": "dreaming", "unit": "view", "unit_scale": True, "file": StandardError()}
    done = {"total": task.views(keys), "initial": task.views(results), "disable": not progress}
    bar = tqdm(smoothing=0, **shown | done)  # by the whole run: many workers' jobs end in bursts

    def on_result(job: Sequence[Key], outcomes: Sequence[Finished | bytes | str]) -> None:
        for key, outcome in zip(job, outcomes, strict=True):
            if isinstance(outcome, str):
                outcome = Finished(_row(key, outcome))
            elif isinstance(outcome, bytes):
                if folder is not None:
                    folder.keep(key, outcome)
                outcome, made = read(io.BytesIO(outcome))
                if (theirs := {name: made["versions"][name] for name in ours}) not in known:
                    known.append(theirs)
                    words = f"a worker has {theirs}, this process {ours}: its pictures may differ"
                    warnings.warn(words, stacklevel=5)
            results[key] = outcome
        if folder is not None:
            folder.write_table(results)
        if executor is not None:
            bar.update(task.views(job))

    lost: list[tuple[Sequence[Key], BaseException]] = []
    reason = "interrupted"
    with bar:
        with suppress(KeyboardInterrupt):  # what is finished is returned
            if executor is None:
                for job in jobs:
                    on_result(job, task(job, bar.update))
            else:
                own = isinstance(executor, int)
                with Processes(executor) if own else nullcontext(executor) as workers:
                    lost = run_jobs(task, jobs, workers, on_result)
        for job, error in lost:
            if isinstance(error, BrokenExecutor):
                reason = f"the workers are gone ({_text(error)})"
            else:
                on_result(job, [_text(error)] * len(job))
    failed = [
        f"{brief(row['prompt'])} by recipe {brief(row['recipe'])} with seed {row['seed']}: "
        f"{row['error']}"
        for row, _ in results.values()
        if row["error"]
    ]
    if failed and len(failed) == len(results):
        raise RuntimeError(f"no dream succeeded; the first, {failed[0]}")
    for words in failed:
        warnings.warn(f"a dream failed: {words}", stacklevel=3)
    if undone := [key for key in keys if key not in results]:
        go_on = "the same call goes on" if folder else 'with folder="…" the same call would go on'
        words = f"{reason}: {len(undone)} dreams were not dreamt; {go_on} from here"
        warnings.warn(words, stacklevel=3)
    results |= {key: Finished(_row(key, reason)) for key in undone}
    if folder is not None:
        folder.write_table(results, last=True)
    return results


def cached_clip(clip: Loadable | Clip, device: str | None = None) -> Clip:
    """The CLIP of this name, loaded once in each process; a `Clip` is returned as it is."""
    return _load(clip, device) if isinstance(clip, str | tuple) else clip


def cached_judge(judge: Loadable | Clip | Judge | None, device: str | None = None) -> Judge | None:
    """The judge of this name, made once in each process; a `Judge` or None as it is."""
    if isinstance(judge, str | tuple):
        return _load_judge(judge, device)
    return judge if judge is None or isinstance(judge, Judge) else Judge(judge)


@lru_cache(maxsize=4)
def _load(name: Loadable, device: str | None) -> Clip:
    return load_clip(*((name,) if isinstance(name, str) else name), device=device)


@lru_cache(maxsize=4)
def _load_judge(name: Loadable, device: str | None) -> Judge:
    return Judge(_load(name, device))


def _name(clip: Loadable | Clip | Judge | None) -> str | None:
    if clip is None or isinstance(clip, str):
        return clip
    if isinstance(clip, tuple):
        return ":".join(clip)
    return encoder_name(clip.clip if isinstance(clip, Judge) else clip)


def _row(key: Key, error: str = "") -> dict[str, Any]:
    return key._asdict() | {"error": error}


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _by_name(name: str, prompts: Any) -> dict[str, Prompt]:
    """Each of one or several prompts once, by a text that stands for it in rows and files."""
    single = isinstance(prompts, str | Mapping | torch.Tensor | np.ndarray) or is_schedule(prompts)
    prompts = [prompts] if single or not isinstance(prompts, Iterable) else list(prompts)
    checked = checked_prompts(name, prompts, len(prompts)) if prompts else []
    return {_text_of(prompt): prompt for prompt in checked}


def _text_of(prompt: Prompt) -> str:
    if isinstance(prompt, dict):
        return " + ".join(f"{weight:g} {target}" for target, weight in prompt.items())
    if isinstance(prompt, list):
        return ", ".join(f"{step}: {_text_of(mixture)}" for step, mixture in prompt)
    return str(prompt)


def _plain(start: Picture | None) -> Picture | None:
    """The start without classes and notes of the caller, which may not reach a worker."""
    if start is None or isinstance(start, str | PathLike):
        return start
    pixels = read_picture(start, "start").cpu()
    return to_pil(pixels[0]) if isinstance(start, Image.Image) else pixels


def name_recipes(recipes: Recipe | Mapping[str, Recipe] | Sequence[Recipe]) -> dict[str, Recipe]:
    """Give each recipe a name: its own in a mapping, else that of `Recipe.differences`."""
    if isinstance(recipes, Recipe):
        recipes = [recipes]
    if not isinstance(recipes, Mapping):
        listed = list(recipes)
        recipes = {r.differences() if isinstance(r, Recipe) else repr(r): r for r in listed}
        if len(recipes) < len(listed):
            raise ValueError("recipes: two are the same")
    if not recipes:
        raise ValueError("recipes: give at least one")
    for name, recipe in recipes.items():
        if not isinstance(name, str) or not isinstance(recipe, Recipe):
            raise TypeError(f"recipes: {brief(name)}: {brief(recipe)} is not a Recipe with a name")
    return dict(recipes)
