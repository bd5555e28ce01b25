"""Many dreams at once: prompts × recipes × seeds, on one process or on any pool of workers.

The workers may be so many processes of this computer (`executor=2`), or those of any
`concurrent.futures.Executor`: Dask's (`client.get_executor()`) or ipyparallel's
(`client.executor()`). A job is a plain description that pickles; the worker loads the CLIPs by
name, once, and sends back finished pictures and numbers.

    result = sweep(["a red heart in the sky"], {"plain": Recipe(tv_weight=0), "full": Recipe()})
    result.sheet()      # a PIL image: a row for each recipe, a column for each prompt
    print(result.markdown())
"""

import json
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from numbers import Integral
from os import PathLike
from typing import Any, NamedTuple

import torch
from PIL import Image
from tqdm import tqdm

from dreamlab.clip import Clip, load_clip
from dreamlab.dream import Dream
from dreamlab.figures.saving import encode_png
from dreamlab.figures.sheet import contact_sheet
from dreamlab.measure.folder import ROW, Folder, Key, plain_start
from dreamlab.measure.judge import Baseline, Judge, measure
from dreamlab.measure.tables import MEASURES, markdown, summarize, write_rows
from dreamlab.measure.workers import Flight
from dreamlab.prompts import checked_seeds
from dreamlab.recipe import Recipe

Loadable = str | tuple[str, str]
"""A CLIP by name, as `load_clip` takes it: a name, or a name and a tag."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: prompts, each with a seed, dreamt together by one recipe."""

    name: str
    recipe: Recipe
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    clip: Loadable | Clip
    judge: Loadable | Clip | Judge | None
    device: str | None
    distractors: tuple[str, ...]
    options: dict[str, Any]  # further arguments of Dream
    threads: int | None = None  # that a worker computes with; None leaves it to the worker
    encoded: bool = False  # whether the pictures are wanted as files as well

    @property
    def cost(self) -> int:
        """How many views CLIP will look at: what a run takes is nearly proportional to it."""
        return self.recipe.steps * self.recipe.views * len(self.prompts)

    def pictures(self) -> list["Key"]:
        """(recipe, prompt, seed) of each picture."""
        return [(self.name, p, s) for p, s in zip(self.prompts, self.seeds, strict=True)]

    def of(self, keys: Sequence["Key"]) -> "Job":
        """Only some of its pictures."""
        _, prompts, seeds = zip(*keys, strict=True)
        return replace(self, prompts=prompts, seeds=seeds)

    def alone(self) -> list["Job"]:
        """The same, one picture at a time."""
        return [self.of([key]) for key in self.pictures()]


@dataclass(frozen=True)
class Sweep:
    """What came of a sweep: `rows` and `images`, in parallel, recipe by recipe, prompt by prompt.

    Attributes:
        rows: a dictionary for each dream: `recipe`, `prompt`, `seed`, the numbers of
            `judge.measure`, and `error`: "" or what went wrong, and then no numbers.
        images: the picture of each row, None where it failed.
        baselines: see `Judge.baselines`.
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

    def sheet(self, *, columns: Iterable[str] | None = None, size: int = 128) -> Image.Image:
        """All pictures: a row for each recipe, a column for each prompt (and seed).

        Args:
            columns: only these prompts.
            size: of a picture's longer side, pixels.
        """
        recipes = list(dict.fromkeys(row["recipe"] for row in self.rows))
        pairs = dict.fromkeys((row["prompt"], row["seed"]) for row in self.rows)
        wanted = None if columns is None else list(columns)
        pairs = [pair for pair in pairs if wanted is None or pair[0] in wanted]
        several = len(pairs) > len({prompt for prompt, _ in pairs})
        found = {
            (row["recipe"], row["prompt"], row["seed"]): image
            for row, image in zip(self.rows, self.images, strict=True)
        }
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
    device: str | None = None,
    batch: int = 8,
    executor: Executor | int | None = None,
    folder: str | PathLike | None = None,
    progress: bool = False,
    **options: Any,
) -> Sweep:
    """Dream every prompt by every recipe with every seed, and measure each picture.

    Args:
        prompts: n sentences. Each is also a wrong caption for the pictures of the others.
        recipes: named in a mapping; in a list, a recipe is named by what differs from the default.
        seeds: s numbers: every prompt is dreamt with each, n · s pictures per recipe.
        clip, judge: by name, or by (name, tag), as `load_clip` takes them; without an executor a
            `Clip` and a `Judge` will do as well. `judge=None` asks no judge.
        distractors: further wrong captions for the judge.
        device: where a worker loads the CLIPs, as for `load_clip`.
        batch: pictures in one run; more are quicker and need more memory.
        executor: the workers: an `Executor`, or so many processes of this computer, of which each
            that dies is replaced. None dreams here, one run after the other.
        folder: where each dream is kept as soon as it is finished (see `dreamlab.measure.folder`).
            Called again with the same arguments, after an interrupt, a crash or a full disk, the
            sweep does only what is missing. `executor`, `batch`, `device` and `progress` may
            differ.
        progress: show a bar with the time left on standard error.
        options: of `Dream`, the same for all: `negative_prompt`, `start`.

    Returns:
        A `Sweep`. A dream that fails costs no other: it is dreamt again alone, and if it fails
        again its row says why and a warning names it. An interrupt ends the sweep with what is
        done, and so do workers that are gone; the rows of the rest then say so.

    Raises:
        TypeError, ValueError: an argument is unusable, or the folder holds another sweep; before
            anything is dreamt.
        RuntimeError: every dream failed; says how the first did.
        OSError: the folder cannot be written, or no longer. What was finished before is kept there.
    """
    prompts = _some("prompts", _sentences("prompts", prompts))
    seeds = _some("seeds", _whole_numbers("seeds", seeds))
    distractors = _sentences("distractors", distractors)
    named = name_recipes(recipes)
    if isinstance(batch, bool) or not isinstance(batch, Integral) or batch < 1:
        raise ValueError(f"batch is a number of pictures, at least 1, got {batch!r}")
    if unknown := options.keys() - OPTIONS:
        raise TypeError(
            f"sweep has no argument {min(unknown)!r}; of Dream's it takes {' and '.join(OPTIONS)}"
        )
    _check_executor(executor)
    arguments = {
        "prompts": prompts,
        "recipes": {name: asdict(recipe) for name, recipe in named.items()},
        "seeds": seeds,
        "clip": _name(clip),
        "judge": _name(judge),
        "distractors": distractors,
        "negative_prompt": options.get("negative_prompt", ""),
        "start": plain_start(options.get("start")) if folder is not None else None,
    }
    if executor is None:
        # What cannot be loaded is known before anything is dreamt.
        clip, judge = load(clip, device), load_judge(judge, device)
    elif not isinstance(clip, str | tuple) or not isinstance(judge, str | tuple | None):
        raise TypeError("workers load the CLIPs themselves: give clip and judge by name")
    pairs = [(prompt, seed) for prompt in prompts for seed in seeds]
    keys = [(name, *pair) for name in named for pair in pairs]
    kept = None if folder is None else Folder(folder, arguments, keys)
    captions = tuple(dict.fromkeys([*prompts, *distractors]))
    # Processes of one computer share its cores.
    threads = max(1, torch.get_num_threads() // executor) if isinstance(executor, int) else None
    shared = (clip, judge, device, captions, options, threads, kept is not None)
    jobs = [
        Job(name, recipe, *zip(*part, strict=True), *shared)
        for name, recipe in named.items()
        for part in (pairs[i : i + batch] for i in range(0, len(pairs), batch))
    ]
    results = run_jobs(jobs, executor, kept, progress=progress)
    rows = [results[key].row for key in keys]
    images = [results[key].image for key in keys]
    if kept is not None:
        kept.write_table(rows)
    asked = any("object_rank" in row for row in rows)
    # Asked here, where the device of distant workers may not exist.
    baselines = load_judge(judge, device if executor is None else None).baselines if asked else ()
    return Sweep(rows, images, baselines)


OPTIONS = ("negative_prompt", "start")
"""The arguments of `Dream` that a sweep hands on."""


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


class Dreamt(NamedTuple):
    """What came of one dream: its row, and its picture unless it failed, also as a file."""

    row: dict[str, Any]
    image: Image.Image | None = None
    png: bytes | None = None


Results = dict[Key, Dreamt]


def run_jobs(
    jobs: Sequence[Job],
    executor: Executor | int | None = None,
    folder: Folder | None = None,
    *,
    progress: bool = False,
) -> Results:
    """Run the jobs, in any order, except for what the folder has already."""
    results: Results = {}
    if folder is not None:
        results |= {key: Dreamt(*found) for key, found in folder.finished().items()}
    missing = [[key for key in job.pictures() if key not in results] for job in jobs]
    left = [job.of(keys) for job, keys in zip(jobs, missing, strict=True) if keys]
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

    def land(job: Job, done: Results) -> None:
        for key, dreamt in done.items():
            if folder is not None and dreamt.png is not None:
                folder.keep(key, dreamt.row, dreamt.png)
            results[key] = dreamt._replace(png=None)

    def count(job: Job, done: Results) -> None:
        land(job, done)
        bar.update(job.cost)

    flight, lost, reason = Flight(run_job, count, Job.alone), [], "interrupted"
    with bar:
        try:
            if executor is None:
                for job in left:
                    land(job, run_job(job, tick=bar.update))
            else:
                lost = flight.through(executor, left)
        except KeyboardInterrupt:
            flight.stop()
        except BaseException:
            flight.cancel()
            raise
        for job, error in lost:
            if isinstance(error, BrokenExecutor):
                reason = f"the workers are gone ({_text(error)})"
            else:
                count(job, _failed(job, error))
    failed = [dreamt.row for dreamt in results.values() if dreamt.row["error"]]
    if failed and len(failed) == len(results):
        raise RuntimeError(f"no dream succeeded; the first, {_say(failed[0])}")
    for row in failed:
        warnings.warn(f"a dream failed: {_say(row)}", stacklevel=3)
    missing = [key for job in left for key in job.pictures() if key not in results]
    if missing:
        go_on = "the same call goes on" if folder else 'with folder="…" the same call would go on'
        warnings.warn(
            f"{reason}: {len(missing)} dreams were not dreamt; {go_on} from here", stacklevel=3
        )
    return results | {key: Dreamt(_row(key, reason)) for key in missing}


def run_job(job: Job, tick: Callable[[int], Any] = lambda views: None) -> Results:
    """Dream one job and measure it. Errors become rows; only interrupts come through.

    `tick` is told after each step how many views were looked at.
    """
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    try:
        clip, judge = load(job.clip, job.device), load_judge(job.judge, job.device)
    except Exception as error:
        return _failed(job, error)
    try:
        return _dream(job, clip, judge, tick)
    except Exception as error:
        if len(job.prompts) == 1:
            return _failed(job, error)
    # One of several is to blame. Alone, the others succeed.
    results: Results = {}
    for part in job.alone():
        results |= run_job(part)
    return results


def _dream(job: Job, clip: Clip, judge: Judge | None, tick: Callable[[int], Any]) -> Results:
    dream = Dream(clip, list(job.prompts), seed=list(job.seeds), recipe=job.recipe, **job.options)
    for _ in dream:
        tick(job.recipe.views * len(job.prompts))
    numbers = measure(dream, job.prompts, clip=clip, judge=judge, distractors=job.distractors)
    rows = [_row(key) | row for key, row in zip(job.pictures(), numbers, strict=True)]
    images = dream.images
    files = [
        encode_png(dream, index, {ROW: json.dumps(row)}) if job.encoded else None
        for index, row in enumerate(rows)
    ]
    return dict(zip(job.pictures(), map(Dreamt, rows, images, files), strict=True))


def load(clip: Loadable | Clip, device: str | None = None) -> Clip:
    """The CLIP of this name, loaded once in each process; a `Clip` is returned as it is."""
    return _load(clip, device) if isinstance(clip, str | tuple) else clip


def load_judge(judge: Loadable | Clip | Judge | None, device: str | None = None) -> Judge | None:
    """The judge of this name, made once in each process; a `Judge` or None as it is."""
    if isinstance(judge, str | tuple):
        return _load_judge(judge, device)
    return judge if judge is None or isinstance(judge, Judge) else Judge(judge)


def _name(clip: Loadable | Clip | Judge | None) -> str | None:
    if clip is None or isinstance(clip, str):
        return clip
    return ":".join(clip) if isinstance(clip, tuple) else getattr(clip, "clip", clip).name


@lru_cache(maxsize=4)
def _load(name: Loadable, device: str | None) -> Clip:
    return load_clip(*((name,) if isinstance(name, str) else name), device=device)


@lru_cache(maxsize=4)
def _load_judge(name: Loadable, device: str | None) -> Judge:
    return Judge(_load(name, device))


def _row(key: Key, error: str = "") -> dict[str, Any]:
    return dict(zip(("recipe", "prompt", "seed"), key, strict=True)) | {"error": error}


def _failed(job: Job, error: BaseException) -> Results:
    return {key: Dreamt(_row(key, _text(error))) for key in job.pictures()}


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _say(row: Mapping[str, Any]) -> str:
    return f"{row['prompt']!r} by recipe {row['recipe']!r} with seed {row['seed']}: {row['error']}"


def _sentences(name: str, values: Any) -> list[str]:
    values = [values] if isinstance(values, str) or not isinstance(values, Iterable) else values
    if isinstance(values, Mapping):
        raise TypeError(f"{name} are sentences without weights, got {values!r}")
    values = list(values)
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name} are sentences, got {value!r}")
        if not value.strip():
            raise ValueError(f"{name}: one is empty; describe what you want to see")
    return list(dict.fromkeys(values))


def _whole_numbers(name: str, values: Any) -> list[int]:
    values = list(values) if isinstance(values, Iterable) else [values]
    for value in values:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise TypeError(f"{name} are whole numbers, got {value!r}")
    return list(dict.fromkeys(checked_seeds(values, len(values)) if values else []))


def _some(name: str, values: list) -> list:
    if not values:
        raise ValueError(f"{name}: give at least one")
    return values


def name_recipes(
    recipes: Recipe | Mapping[str, Recipe] | Sequence[Recipe] | None,
) -> dict[str, Recipe]:
    """Give each recipe a name: its own in a mapping, else what differs from the default recipe."""
    if recipes is None:
        recipes = [Recipe()]
    if isinstance(recipes, Recipe):
        recipes = [recipes]
    if not isinstance(recipes, Mapping):
        listed = list(recipes)
        recipes = {_differences(recipe): recipe for recipe in listed}
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


def _differences(recipe: Any) -> str:
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipes: {recipe!r} is not a Recipe")
    default = Recipe()
    return (
        ", ".join(
            f"{knob} {getattr(recipe, knob)}"
            for knob in Recipe.knobs()
            if getattr(recipe, knob) != getattr(default, knob)
        )
        or "default"
    )
