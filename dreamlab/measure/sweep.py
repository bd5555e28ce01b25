"""Many dreams: prompts × recipes × seeds, in one process or on any pool of workers.

The workers are so many processes of this computer (`executor=2`), or those of any
`concurrent.futures.Executor`: Dask's (`client.get_executor()`) or ipyparallel's
(`client.executor()`). A job is a plain description that pickles; the worker loads the CLIPs by
name, once, and sends back finished pictures and numbers.

    result = sweep(["a red heart in the sky"], {"plain": Recipe(tv_weight=0), "full": Recipe()})
    result.sheet()      # a PIL image: a row for each recipe, a column for each prompt
    print(result.markdown())
"""

import json
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from numbers import Integral
from os import PathLike
from typing import Any

import torch
from PIL import Image
from tqdm import tqdm

from dreamlab.clip import Clip, load_clip
from dreamlab.dream import Dream
from dreamlab.figures.saving import encode_png
from dreamlab.figures.sheet import contact_sheet
from dreamlab.measure.folder import ROW, Finished, Folder, Key, fingerprint, open_folder
from dreamlab.measure.judge import Baseline, Judge, measure
from dreamlab.measure.tables import MEASURES, markdown, summarize, write_rows
from dreamlab.measure.workers import Processes, run_jobs
from dreamlab.prompts import checked_seeds
from dreamlab.recipe import Recipe
from dreamlab.start import Start

Loadable = str | tuple[str, str]
"""A CLIP by name, as `load_clip` takes it: a name, or a name and a tag."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: prompts, each with a seed, dreamt together by one recipe."""

    name: str  # of the recipe
    recipe: Recipe
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    clip: Loadable | Clip
    judge: Loadable | Clip | Judge | None
    device: str | None
    captions: tuple[str, ...]  # all that the judge chooses from
    options: Mapping[str, Any]  # further arguments of Dream
    threads: int | None = None  # that a worker computes with; None leaves it to the worker
    encoded: bool = False  # whether the pictures are wanted as files as well

    @property
    def cost(self) -> int:
        """How many views CLIP encodes: what a run takes is nearly proportional to it."""
        return self.recipe.steps * self.recipe.views * len(self.prompts)

    @property
    def keys(self) -> list[Key]:
        """(recipe, prompt, seed) of each picture."""
        return [(self.name, p, s) for p, s in zip(self.prompts, self.seeds, strict=True)]

    def of(self, keys: Iterable[Key]) -> "Job":
        """Only some of its pictures."""
        _, prompts, seeds = zip(*keys, strict=True)
        return replace(self, prompts=prompts, seeds=seeds)

    def split(self) -> list["Job"]:
        """The same, one picture at a time."""
        return [self.of([key]) for key in self.keys]


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep: `rows` and `images`, in parallel, recipe by recipe, prompt by prompt.

    Attributes:
        rows: a dictionary for each dream: `recipe`, `prompt`, `seed`, the numbers of
            `judge.measure`, and `error`: "" or what went wrong, and then no numbers.
        images: the picture of each row, None where it failed.
        baselines: the judge's scores of drawings, whole and in tiles, see `Judge.baselines`.
    """

    rows: list[dict[str, Any]]
    images: list[Image.Image | None] = field(repr=False)
    baselines: tuple[Baseline, ...] = field(default=(), repr=False)

    @property
    def failures(self) -> list[dict[str, Any]]:
        """The rows without a picture."""
        return [row for row in self.rows if row["error"]]

    def image(self, **wanted: Any) -> Image.Image:
        """The picture of one row: `result.image(recipe="full", prompt="a star")`.

        Raises:
            KeyError: no row or several rows are so; or its dream failed.
        """
        found = [
            image
            for row, image in zip(self.rows, self.images, strict=True)
            if all(row[key] == value for key, value in wanted.items())
        ]
        if len(found) != 1 or found[0] is None:
            raise KeyError(f"{len(found)} dreams with {wanted}, and one that succeeded is needed")
        return found[0]

    def summary(self, by: str = "recipe") -> list[dict[str, Any]]:
        """The mean of each number over the rows with the same recipe (or `by="prompt"`, "seed").

        See `tables.summarize`.
        """
        return summarize(self.rows, by)

    def sheet(self, *, size: int = 128) -> Image.Image:
        """All pictures: a row for each recipe, a column for each prompt (and seed).

        Args:
            size: of a picture's longer side, pixels.
        """
        recipes = list(dict.fromkeys(row["recipe"] for row in self.rows))
        pairs = list(dict.fromkeys((row["prompt"], row["seed"]) for row in self.rows))
        several = len(pairs) > len({prompt for prompt, _ in pairs})
        found = {Finished(r).key: image for r, image in zip(self.rows, self.images, strict=True)}
        return contact_sheet(
            [[found.get((recipe, *pair)) for pair in pairs] for recipe in recipes],
            recipes,
            [f"{prompt} (seed {seed})" if several else prompt for prompt, seed in pairs],
            size=size,
        )

    def save(self, path: str | PathLike) -> None:
        """Write the rows as ``.csv``."""
        write_rows(path, self.rows)

    def markdown(self, by: str | None = "recipe") -> str:
        """The summary in Markdown, the judge's baselines below; `by=None` is every row."""
        if by is None:
            return markdown(self.rows, ["recipe", "prompt", "seed", *MEASURES, "said", "error"])
        baselines = [baseline.row(by) for baseline in self.baselines]
        return markdown([*self.summary(by), *baselines], [by, *MEASURES])


def sweep(
    prompts: str | Sequence[str],
    recipes: Recipe | Mapping[str, Recipe] | Sequence[Recipe] | None = None,
    seeds: int | Sequence[int] = 0,
    *,
    clip: Loadable | Clip = "picturebook",
    judge: Loadable | Clip | Judge | None = "picturebook-judge",
    distractors: Sequence[str] = (),
    negative_prompt: str = "",
    start: Start = None,
    device: str | None = None,
    batch: int = 8,
    executor: Executor | int | None = None,
    folder: str | PathLike | None = None,
    progress: bool = False,
) -> Sweep:
    """Dream every prompt by every recipe with every seed, and measure each picture.

    Args:
        prompts: n sentences. Each is also a wrong caption for the pictures of the others.
        recipes: named in a mapping; in a list, a recipe is named by what differs from the default.
        seeds: s numbers: every prompt is dreamt with each, n · s pictures per recipe.
        clip, judge: by name, or by (name, tag), as `load_clip` takes them; without an executor a
            `Clip` and a `Judge` will do as well. `judge=None` asks no judge.
        distractors: further wrong captions for the judge.
        negative_prompt, start: of every `Dream`.
        device: where a worker loads the CLIPs, as for `load_clip`.
        batch: pictures in one run; more are quicker and need more memory.
        executor: the workers: an `Executor`, or so many processes of this computer, of which each
            that dies is replaced. None dreams here, one run after the other.
        folder: where each dream is kept as soon as it is finished (see `dreamlab.measure.folder`).
            Called again with the same arguments, after an interrupt, a crash or a full disk, the
            sweep does only what is missing. `executor`, `batch`, `device` and `progress` may
            differ.
        progress: show a bar with the time left on standard error.

    Returns:
        A `Sweep`. A dream that fails costs no other: it is dreamt again alone, and if it fails
        again its row says why and a warning names it. An interrupt ends the sweep with what is
        done, and so do workers that are gone; the rows of the rest then say so.

    Raises:
        TypeError, ValueError: an argument is unusable, or the folder holds another sweep or is
            written by one; before anything is dreamt.
        RuntimeError: every dream failed; says how the first did.
        OSError: the folder cannot be written, or no longer. What was finished before is kept there.
    """
    prompts = _sentences("prompts", prompts)
    if not prompts:
        raise ValueError("prompts: give at least one")
    distractors = _sentences("distractors", distractors)
    seeds = list(seeds) if isinstance(seeds, Iterable) else [seeds]
    seeds = list(dict.fromkeys(checked_seeds(seeds, len(seeds))))
    named = name_recipes(recipes)
    if isinstance(batch, bool) or not isinstance(batch, Integral) or batch < 1:
        raise ValueError(f"batch is a number of pictures, at least 1, got {batch!r}")
    _check_executor(executor)
    pairs = [(prompt, seed) for prompt in prompts for seed in seeds]
    keys = [(name, *pair) for name in named for pair in pairs]
    names = {"clip": _name(clip), "judge": _name(judge)}
    if executor is None:
        # What cannot be loaded is known before anything is dreamt.
        clip, judge = cached_clip(clip, device), cached_judge(judge, device)
    elif not isinstance(clip, str | tuple) or not isinstance(judge, str | tuple | None):
        raise TypeError("workers load the CLIPs themselves: give clip and judge by name")
    captions = tuple(dict.fromkeys([*prompts, *distractors]))
    options = {"negative_prompt": negative_prompt, "start": start}
    # Processes of one computer share its cores.
    threads = max(1, torch.get_num_threads() // executor) if isinstance(executor, int) else None
    shared = (clip, judge, device, captions, options, threads, folder is not None)
    jobs = [
        Job(name, recipe, *zip(*pairs[i : i + batch], strict=True), *shared)
        for name, recipe in named.items()
        for i in range(0, len(pairs), batch)
    ]
    if folder is None:
        results = _dream_all(jobs, executor, None, progress)
    else:
        arguments = {
            "prompts": prompts,
            "recipes": {name: asdict(recipe) for name, recipe in named.items()},
            "seeds": seeds,
            **names,
            "distractors": distractors,
            "negative_prompt": negative_prompt,
            "start": fingerprint(start),
        }
        with open_folder(folder, arguments, keys) as kept:
            results = _dream_all(jobs, executor, kept, progress)
            kept.write_table([results[key].row for key in keys])
    rows = [results[key].row for key in keys]
    asked = any("object_rank" in row for row in rows)
    # Asked here, where the device of distant workers may not exist.
    baselines = cached_judge(judge, device if executor is None else None).baselines if asked else ()
    return Sweep(rows, [results[key].image for key in keys], baselines)


def _check_executor(executor: Any) -> None:
    if executor is None or isinstance(executor, Executor):
        return
    if isinstance(executor, bool) or not isinstance(executor, int):
        raise TypeError(
            "executor is a concurrent.futures.Executor or a number of processes; a Dask client "
            f"gives one by client.get_executor(). Got {executor!r}"
        )
    if executor < 1:
        raise ValueError(f"executor as a number of processes is at least 1, got {executor}")
    if multiprocessing.current_process().daemon:
        raise ValueError(
            "executor: this process is itself a worker that may start no processes: leave it out "
            "here, or give the sweep an executor of its own outside"
        )


def _dream_all(
    jobs: Sequence[Job], executor: Executor | int | None, folder: Folder | None, progress: bool
) -> dict[Key, Finished]:
    """Run the jobs, in any order, except for what the folder has already."""
    results = {} if folder is None else folder.finished()
    missing = [(job, [key for key in job.keys if key not in results]) for job in jobs]
    left = [job.of(keys) for job, keys in missing if keys]
    total = sum(job.cost for job in jobs)
    bar = tqdm(
        desc="dreaming",
        total=total,
        initial=total - sum(job.cost for job in left),
        unit="view",
        unit_scale=True,
        smoothing=0,  # by the whole run so far: the jobs of many workers end in bursts
        disable=not progress,
    )

    def on_result(job: Job, finished: Sequence[Finished]) -> None:
        for dream in finished:
            if folder is not None and dream.png is not None:
                folder.keep(dream)
            results[dream.key] = dream._replace(png=None)
        if executor is not None:
            bar.update(job.cost)

    lost: list[tuple[Job, BaseException]] = []
    reason = "interrupted"
    with bar:
        try:
            if executor is None:
                for job in left:
                    on_result(job, run_job(job, tick=bar.update))
            else:
                own = isinstance(executor, int)
                with Processes(executor) if own else nullcontext(executor) as workers:
                    lost = run_jobs(run_job, left, workers, on_result, Job.split)
        except KeyboardInterrupt:
            pass  # what is finished is returned
        for job, error in lost:
            if isinstance(error, BrokenExecutor):
                reason = f"the workers are gone ({_text(error)})"
            else:
                on_result(job, _failed(job, error))
    failed = [dream.row for dream in results.values() if dream.row["error"]]
    if failed and len(failed) == len(results):
        raise RuntimeError(f"no dream succeeded; the first, {_describe(failed[0])}")
    for row in failed:
        warnings.warn(f"a dream failed: {_describe(row)}", stacklevel=3)
    undone = [key for job in left for key in job.keys if key not in results]
    if undone:
        go_on = "the same call goes on" if folder else 'with folder="…" the same call would go on'
        warnings.warn(
            f"{reason}: {len(undone)} dreams were not dreamt; {go_on} from here", stacklevel=3
        )
    return results | {key: Finished(_row(key, reason)) for key in undone}


def run_job(job: Job, tick: Callable[[int], Any] = lambda views: None) -> list[Finished]:
    """Dream one job and measure it. Errors become rows; only interrupts come through.

    `tick` is called after each step with the number of views that it encoded.
    """
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    try:
        clip, judge = cached_clip(job.clip, job.device), cached_judge(job.judge, job.device)
    except Exception as error:
        return _failed(job, error)
    try:
        return _dream(job, clip, judge, tick)
    except Exception as error:
        if len(job.prompts) == 1:
            return _failed(job, error)
    # One of several is to blame. Alone, the others succeed.
    return [finished for part in job.split() for finished in run_job(part)]


def _dream(job: Job, clip: Clip, judge: Judge | None, tick: Callable[[int], Any]) -> list[Finished]:
    dream = Dream(clip, list(job.prompts), seed=list(job.seeds), recipe=job.recipe, **job.options)
    for _ in dream:
        tick(job.recipe.views * len(job.prompts))
    numbers = measure(dream, job.prompts, clip=clip, judge=judge, distractors=job.captions)
    rows = [_row(key) | row for key, row in zip(job.keys, numbers, strict=True)]
    files = [
        encode_png(dream, index, {ROW: json.dumps(row)}) if job.encoded else None
        for index, row in enumerate(rows)
    ]
    return list(map(Finished, rows, dream.images, files))


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
    return ":".join(clip) if isinstance(clip, tuple) else getattr(clip, "clip", clip).name


def _row(key: Key, error: str = "") -> dict[str, Any]:
    return dict(zip(("recipe", "prompt", "seed"), key, strict=True)) | {"error": error}


def _failed(job: Job, error: BaseException) -> list[Finished]:
    return [Finished(_row(key, _text(error))) for key in job.keys]


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _describe(row: Mapping[str, Any]) -> str:
    return f"{row['prompt']!r} by recipe {row['recipe']!r} with seed {row['seed']}: {row['error']}"


def _sentences(name: str, values: Any) -> list[str]:
    if isinstance(values, Mapping):
        raise TypeError(f"{name} are sentences without weights, got {values!r}")
    values = [values] if isinstance(values, str) or not isinstance(values, Iterable) else values
    values = list(dict.fromkeys(values))
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name} are sentences, got {value!r}")
        if not value.strip():
            raise ValueError(f"{name}: one is empty; describe what you want to see")
    return values


def name_recipes(
    recipes: Recipe | Mapping[str, Recipe] | Sequence[Recipe] | None,
) -> dict[str, Recipe]:
    """Give each recipe a name: its own in a mapping, else what differs from the default recipe."""
    if recipes is None or isinstance(recipes, Recipe):
        recipes = [recipes or Recipe()]
    if not isinstance(recipes, Mapping):
        listed = list(recipes)
        recipes = {
            recipe.differences() if isinstance(recipe, Recipe) else repr(recipe): recipe
            for recipe in listed
        }
        if len(recipes) < len(listed):
            raise ValueError("recipes: two are the same")
    if not recipes:
        raise ValueError("recipes: give at least one")
    for name, recipe in recipes.items():
        if not isinstance(name, str) or not name.strip():
            raise TypeError(f"recipes: a name is text, got {name!r}")
        if not isinstance(recipe, Recipe):
            raise TypeError(f"recipes: {name!r} is a {type(recipe).__name__}, not a Recipe")
    return dict(recipes)
