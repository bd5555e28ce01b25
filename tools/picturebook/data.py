"""Painted scenes to train on: drawn once, kept on disk, refused when another painter made them.

A painting is kept at 80 px with a map of which object owns each pixel, eight captions, four *false*
captions (the complete caption with another object's name) and its attributes as indices. Words are
kept as compact indices: of the 49,408 tokens of CLIP this world uses about a hundred.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import multiprocessing
import pickle
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from captions import ATTRIBUTES, random_caption
from dreamlab.picturebook.draw import draw_with_labels
from dreamlab.picturebook.styles import BOOK, Style
from dreamlab.picturebook.world import (
    BACKGROUNDS,
    COLOURS,
    OBJECTS,
    TEXTURES,
    Place,
    Scene,
    caption,
    compose,
    describe,
    scene_number,
)
from dreamlab.support.files import write_atomically
from random_styles import random_style

SIDE = 80  # of a kept painting, px
LABEL_SIDE = 20  # of a kept label map
CAPTIONS = 8  # per scene, the last two of them complete
FALSE = 4  # complete captions with another object's name
CONTEXT = 24  # tokens per caption
BOOK_ONLY, STYLES, CANONICAL = "book", "styles", "canonical"  # kinds of paintings
BOOK_SHARE = 0.25  # of the paintings, where many styles are painted
ARRAYS = {  # name of the file: type and shape of a row
    "pictures": (np.uint8, (SIDE, SIDE, 3)),
    "labels": (np.uint8, (LABEL_SIDE, LABEL_SIDE)),
    "tokens": (np.int16, (CAPTIONS + FALSE, CONTEXT)),
    "attributes": (np.int8, (9,)),
}

# --- words ----------------------------------------------------------------------------------------


@functools.cache
def _tokenizer() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer(context_length=CONTEXT)


@functools.cache
def vocabulary() -> np.ndarray:
    """The ids of CLIP's tokenizer that captions of this world use, ascending."""
    texts = {text for values in ATTRIBUTES.values() for text in values.values()}
    texts |= {describe(name, count="two") for name in OBJECTS}
    texts |= {"a picture of nothing", "an eye and two things", "next to", "above", "below"}
    return np.unique(_tokenizer()(sorted(texts)).numpy())


def tokens(texts: list[str]) -> Tensor:
    """Captions as rows of indices into `vocabulary`, (n, CONTEXT).

    Raises:
        ValueError: a word is not in the vocabulary.
    """
    ids = _tokenizer()(texts).numpy()
    compact = np.searchsorted(vocabulary(), ids)
    if not np.array_equal(vocabulary()[compact.clip(max=len(vocabulary()) - 1)], ids):
        raise ValueError("a caption uses a word that no scene of the world produces")
    return torch.from_numpy(compact)


def zero_shot_prompts() -> Tensor:
    """The sentences of `captions.ATTRIBUTES`, in its order, as rows of tokens."""
    return tokens([text for values in ATTRIBUTES.values() for text in values.values()])


def attributes(scene: Scene) -> list[int]:
    """Index of the background, then object, colour, texture, count of both items; −1 for none."""
    names = {kind: list(values) for kind, values in ATTRIBUTES.items()}
    indices = [names["background"].index(scene.background)]
    for item in scene.items:
        for kind in ("object", "colour", "texture", "count"):
            value = getattr(item, kind)
            indices.append(names[kind].index(value) if value else -1)
    return indices + [-1] * (9 - len(indices))


def renamed(scene: Scene, name: str) -> Scene:
    """The scene with another name for its first object, for the caption: all else stays equal.

    (A rainbow in all its colours has no colour word; another object then gets none either.)
    """
    first, *rest = scene.items
    return replace(scene, items=(replace(first, object=name), *rest))


def false_captions(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Complete captions of which only the first object is wrong; [] for a scene without objects."""
    if not scene.items:
        return []
    shown = {item.object for item in scene.items}
    others = [name for name in OBJECTS if name not in shown]
    return [caption(renamed(scene, str(name))) for name in rng.choice(others, FALSE, False)]


# --- paintings ------------------------------------------------------------------------------------


def style_of(seed: int, index: int, kind: str) -> Style:
    """The style of scene `index` of a series: the picture book's own, or one of many."""
    rng = np.random.default_rng([seed, index, 2])
    return random_style(rng) if kind == STYLES and rng.random() >= BOOK_SHARE else BOOK


def canonical_scene(seed: int, index: int) -> Scene:
    """One object, upright, in the middle, as large as it is meant to be dreamt.

    Each 25 scenes are a setting: colour, texture, background and place are the same, and every
    object stands there once. Settings go through all colours and backgrounds in turn.
    """
    setting, which = divmod(index, len(OBJECTS))
    backgrounds = list(BACKGROUNDS)
    colour = COLOURS[setting % len(COLOURS)]
    background = backgrounds[setting // len(COLOURS) % len(backgrounds)]
    rng = np.random.default_rng([seed, setting, 4])
    texture = "plain" if rng.random() < 0.7 else str(rng.choice(TEXTURES))
    place = Place(0.5, 0.5, float(rng.uniform(0.36, 0.42)), 0.0, False)
    scene = compose(background, [(OBJECTS[which], colour, texture, 1)], seed=seed + setting)
    return replace(scene, items=(replace(scene.items[0], places=(place,)),))


def _paint(job: tuple[int, int, str]) -> tuple[np.ndarray, np.ndarray, list[str], list[int]]:
    seed, index, kind = job
    scene = canonical_scene(seed, index) if kind == CANONICAL else scene_number(seed, index)
    picture, labels = draw_with_labels(scene, SIDE, style_of(seed, index, kind))
    rng = np.random.default_rng([seed, index, 1])
    texts = [random_caption(scene, rng) for _ in range(CAPTIONS - 2)] + [caption(scene)] * 2
    # A scene without objects has no false caption; its own stands there and counts as right.
    texts += false_captions(scene, rng) or [caption(scene)] * FALSE
    small = labels.resize((LABEL_SIDE, LABEL_SIDE), 0)
    return np.asarray(picture), np.asarray(small), texts, attributes(scene)


def _painted(jobs: list[tuple[int, int, str]], workers: int) -> Iterator[tuple]:
    """What `_paint` makes of each job, in their order."""
    if workers == 1:
        yield from map(_paint, jobs)
    else:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            yield from pool.imap(_paint, jobs, chunksize=64)


@functools.cache
def _painter(seed: int, kind: str) -> str:
    """A digest of what the painter paints at present."""
    probe = hashlib.sha256()
    for index in range(24):
        picture, labels, texts, indices = _paint((seed, index, kind))
        probe.update(picture.tobytes() + labels.tobytes() + "\n".join(texts).encode())
        probe.update(bytes(i % 256 for i in indices))
    return probe.hexdigest()


def fingerprint(seed: int, scenes: int, kind: str) -> dict[str, object]:
    """What decides a set of paintings: series, words, and the painter."""
    return {
        "seed": seed,
        "scenes": scenes,
        "kind": kind,
        "sizes": [SIDE, LABEL_SIDE, CAPTIONS, FALSE, CONTEXT],
        "vocabulary": hashlib.sha256(vocabulary().astype(np.int64).tobytes()).hexdigest(),
        "painter": _painter(seed, kind),
    }


def check_fingerprint(found: dict, wanted: dict, path: Path) -> None:
    """Refuse what another plan, vocabulary or painter has made.

    Raises:
        ValueError: naming the path, what differs, and what to do.
    """
    differs = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
    if differs:
        raise ValueError(
            f"{path} was made with another {', '.join(differs)} than this code has now: delete "
            "it to make it anew, or give another --folder"
        )


@contextmanager
def refuse_broken(path: Path) -> Iterator[None]:
    """The gate for files of the training: what is read and checked here is whole, or refused.

    Raises:
        ValueError: instead of any error of reading or checking; names the path and what to do.
    """
    wrong = (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError)
    try:
        yield
    except (*wrong, pickle.UnpicklingError) as error:
        # PyTorch's own words go on to recommend loading it unsafely.
        reason = (str(error).splitlines() or [type(error).__name__])[0].split(". ")[0]
        raise ValueError(f"{path} is broken ({reason}): delete it to begin anew") from error


def paintings(
    seed: int, scenes: int, kind: str, folder: Path, workers: int
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Pictures (n, 80, 80, 3), labels (n, 20, 20), tokens (n, 12, 24) and attributes (n, 9).

    Of a kind: BOOK_ONLY, STYLES (most in a style of their own) or CANONICAL (`canonical_scene`).
    Painted once, by `workers` processes (1: by this one), into a folder of their own. Its file
    `done`, written last, holds their fingerprint, which is returned as well.

    Raises:
        ValueError: the folder holds paintings of another world, or broken ones.
        OSError: the paintings could not be written.
    """
    name = "canonical" if kind == CANONICAL else "scenes"
    folder = folder / f"{name}-{seed}-{scenes}"
    wanted, done = fingerprint(seed, scenes, kind), folder / "done"
    if not done.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_paintings(seed, scenes, kind, folder, workers)
            write_atomically(done, json.dumps(wanted, indent=2))
        except OSError as error:
            size = scenes * sum(np.dtype(k).itemsize * math.prod(s) for k, s in ARRAYS.values())
            words = (
                f"{scenes} paintings could not be written to {folder} ({error.strerror}): they "
                f"need {size / 1e9:.2g} GB; make room or give another --folder, and start again"
            )
            raise OSError(error.errno, words) from error
    with refuse_broken(folder):
        found = dict(json.loads(done.read_text("utf-8")))
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in ARRAYS}
    check_fingerprint(found, wanted, folder)
    with refuse_broken(folder):
        sizes = {kind: len(values) for kind, values in ATTRIBUTES.items()}
        item = [sizes[kind] for kind in ("object", "colour", "texture", "count")]
        bounds = {
            "labels": (0, 3),
            "tokens": (0, len(vocabulary())),
            "attributes": ([0] + [-1] * 8, [sizes["background"], *item, *item]),
        }
        for name, (kind, shape) in ARRAYS.items():
            if (arrays[name].dtype, arrays[name].shape) != (kind, (scenes, *shape)):
                raise ValueError(f"{name}.npy has another shape")
        for name, (low, high) in bounds.items():
            if not ((arrays[name] >= low) & (arrays[name] < high)).all():
                raise ValueError(f"{name}.npy holds numbers out of range")
    return arrays, wanted


def _write_paintings(seed: int, scenes: int, kind: str, folder: Path, workers: int) -> None:
    """Row by row, as `numpy.save` would: a full disk is an error here, and kills a memory map."""
    jobs = [(seed, index, kind) for index in range(scenes)]
    with ExitStack() as stack:
        files = [stack.enter_context((folder / f"{name}.npy").open("wb")) for name in ARRAYS]
        for file, (kind, shape) in zip(files, ARRAYS.values(), strict=True):
            header = np.lib.format.header_data_from_array_1_0(np.empty((0, *shape), kind))
            np.lib.format.write_array_header_1_0(file, header | {"shape": (scenes, *shape)})
        for row in tqdm(_painted(jobs, workers), "painting scenes", scenes):
            picture, labels, texts, indices = row
            values = (picture, labels, tokens(texts), indices)
            for file, value, (kind, _) in zip(files, values, ARRAYS.values(), strict=True):
                file.write(np.asarray(value, kind).tobytes())


# --- batches --------------------------------------------------------------------------------------


@dataclass
class Batch:
    """One step's paintings, and all that is known about them."""

    pictures: Tensor  # (b, 3, 80, 80) in [0, 1]
    masks: Tensor  # (b, 3, 20, 20), 0 or 1: background, first and second item own the pixel
    tokens: Tensor  # (b, CONTEXT), one of the captions
    complete: Tensor  # (b, CONTEXT), the complete caption
    false: Tensor  # (b, FALSE, CONTEXT), complete captions with another object's name
    attributes: Tensor  # (b, 9), indices, see `attributes`


def single_object(attributes: Tensor | np.ndarray) -> Tensor | np.ndarray:
    """Where one object stands and nothing else, (b,) of bool, for attributes (b, 9)."""
    return (attributes[:, 4] == 0) & (attributes[:, 5] < 0)


def as_tensors(
    data: dict[str, np.ndarray], rows: np.ndarray, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Pictures and masks of these rows (b,) of `paintings`, as a `Batch` has them."""
    pictures = torch.from_numpy(data["pictures"][rows]).to(device)
    labels = torch.from_numpy(data["labels"][rows]).to(device)
    masks = F.one_hot(labels.long(), 3).permute(0, 3, 1, 2).float()
    return pictures.permute(0, 3, 1, 2) / 255, masks


def load_batch(
    data: dict[str, np.ndarray],
    seed: int,
    step: int,
    size: int,
    device: torch.device,
    *,
    prefer_single: bool,
) -> tuple[Batch, torch.Generator]:
    """The paintings of a step, and the generator of all its further randomness.

    Both depend on `seed` and `step` alone. With `prefer_single` scenes of a single object, which
    can be seen close up, are drawn 4 to 10 times as often.
    """
    rng = np.random.default_rng([seed, 2, step])
    likely = np.ones(len(data["attributes"]))
    if prefer_single:
        indices = data["attributes"]
        likely += single_object(indices) * (3 + 6 * (indices[:, 3] == 0))
    chosen = rng.choice(len(likely), size, replace=False, p=likely / likely.sum())
    chosen.sort()
    rng.shuffle(chosen)
    which = rng.integers(CAPTIONS, size=size)
    which[: size // 2] = CAPTIONS - 1  # half of the captions are complete
    texts = torch.from_numpy(data["tokens"][chosen].astype(np.int64)).to(device)
    batch = Batch(
        *as_tensors(data, chosen, device),
        texts[torch.arange(size), torch.from_numpy(which)],
        texts[:, CAPTIONS - 1],
        texts[:, CAPTIONS:],
        torch.from_numpy(data["attributes"][chosen].astype(np.int64)).to(device),
    )
    return batch, torch.Generator().manual_seed(seed * 1_000_003 + step)
