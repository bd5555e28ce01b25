"""Painted scenes to train on: drawn once, kept on disk, refused when they are of another world.

A painting is kept at 80 px with a map of who owns each pixel, with captions, with *false* captions
(the same words about another thing) and with its attributes as numbers. Words are kept as compact
numbers: of CLIP's 49,408 tokens this world uses about a hundred.
"""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import torch
from torch import Tensor
from tqdm import tqdm

from dreamlab.picturebook.draw import draw_with_labels
from dreamlab.picturebook.hands import BOOK, Hand, random_hand
from dreamlab.picturebook.world import ATTRIBUTES, OBJECTS, Scene, caption, scene_number
from dreamlab.support.files import write_atomically

KEPT = 80  # side of a kept painting, px
LABELS = 20  # side of a kept label map
CAPTIONS = 8  # captions written per scene, the last two of them complete
FALSE = 4  # complete captions about another thing
CONTEXT = 24  # tokens per caption
BOOK_SHARE = 0.25  # of the paintings where many hands paint


def attributes(scene: Scene) -> list[int]:
    """Index of the background, then object, colour, texture, count of both items; −1 for none."""
    names = {kind: list(values) for kind, values in ATTRIBUTES.items()}
    numbers = [names["background"].index(scene.background)]
    for slot in range(2):
        if slot >= len(scene.items):
            numbers += [-1] * 4
            continue
        item = scene.items[slot]
        for kind in ("object", "colour", "texture", "count"):
            value = getattr(item, kind)
            numbers.append(names[kind].index(value) if value else -1)
    return numbers


def renamed(scene: Scene, name: str) -> Scene:
    """The scene's words with its first thing called something else: all else stays equal.

    A rainbow in all its colours has no colour word; the others get none either, then.
    """
    first, *rest = scene.items
    return replace(scene, items=(replace(first, object=name), *rest))


def false_captions(scene: Scene, rng: np.random.Generator, how_many: int = FALSE) -> list[str]:
    """Complete captions of which only the thing is wrong; [] for a scene without things."""
    if not scene.items:
        return []
    taken = {item.object for item in scene.items}
    others = [name for name in OBJECTS if name not in taken]
    return [caption(renamed(scene, str(name))) for name in rng.choice(others, how_many, False)]


@functools.cache
def vocabulary() -> np.ndarray:
    """The ids of CLIP's tokenizer that captions of this world use, ascending."""
    tokenizer = open_clip.SimpleTokenizer(context_length=CONTEXT)
    rng = np.random.default_rng(0)
    texts = {text for values in ATTRIBUTES.values() for text in values.values()}
    texts |= {caption(scene_number(0, i), rng) for i in range(4000)}
    return np.unique(tokenizer(sorted(texts)).numpy())


def tokens(texts: list[str]) -> Tensor:
    """Captions as rows of compact token numbers, (n, CONTEXT)."""
    ids = open_clip.SimpleTokenizer(context_length=CONTEXT)(texts).numpy()
    compact = np.searchsorted(vocabulary(), ids)
    if not np.array_equal(vocabulary()[compact.clip(max=len(vocabulary()) - 1)], ids):
        raise ValueError("a caption uses a word that no scene of the world produces")
    return torch.from_numpy(compact)


def zero_shot_prompts() -> Tensor:
    """The sentences of `world.ATTRIBUTES`, in its order, as rows of compact token numbers."""
    return tokens([text for values in ATTRIBUTES.values() for text in values.values()])


def hand_of(seed: int, index: int, many_hands: bool) -> Hand:
    """Who paints scene `index` of a series: the picture book's own hand, or one of many."""
    rng = np.random.default_rng([seed, index, 2])
    return random_hand(rng) if many_hands and rng.random() >= BOOK_SHARE else BOOK


def _paint(job: tuple[int, int, bool]) -> tuple[np.ndarray, np.ndarray, list[str], list[int]]:
    seed, index, many_hands = job
    scene = scene_number(seed, index)
    picture, labels = draw_with_labels(scene, KEPT, hand_of(seed, index, many_hands))
    rng = np.random.default_rng([seed, index, 1])
    words = [caption(scene, rng) for _ in range(CAPTIONS - 2)] + [caption(scene)] * 2
    # A scene of nothing has no false thing; its own words stand there and count as right ones.
    words += false_captions(scene, rng) or [caption(scene)] * FALSE
    small = labels.resize((LABELS, LABELS), 0)
    return np.asarray(picture), np.asarray(small), words, attributes(scene)


def fingerprint(seed: int, scenes: int, many_hands: bool) -> dict[str, object]:
    """What decides a set of paintings: the series, the words, and the painter as it paints now."""
    probe = hashlib.sha256()
    for index in range(24):
        picture, labels, words, numbers = _paint((seed, index, many_hands))
        probe.update(picture.tobytes() + labels.tobytes() + "\n".join(words).encode())
        probe.update(bytes(number % 256 for number in numbers))
    words = hashlib.sha256(vocabulary().astype(np.int64).tobytes()).hexdigest()
    return {
        "seed": seed,
        "scenes": scenes,
        "many hands": many_hands,
        "kept": [KEPT, LABELS, CAPTIONS, FALSE, CONTEXT],
        "vocabulary": words,
        "painter": probe.hexdigest(),
    }


def check_fingerprint(found: dict, wanted: dict, where: Path) -> None:
    """Refuse what another plan, vocabulary or painter has made.

    Raises:
        ValueError: naming the file, what differs, and what to do.
    """
    keys = {*found, *wanted}
    differs = sorted(k for k in keys if found.get(k) != wanted.get(k))
    if differs:
        raise ValueError(
            f"{where} was made with another {', '.join(differs)} than this code has now: delete "
            "it to make it anew, or give another --folder"
        )


def read_json(file: Path) -> dict:
    """The object in a JSON file.

    Raises:
        ValueError: naming the file, if it is broken.
    """
    try:
        value = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file} is broken ({error}): delete {file.parent} and start again"
        ) from error
    if not isinstance(value, dict):
        raise ValueError(f"{file} is broken (no object): delete {file.parent} and start again")
    return value


@contextmanager
def _painters(workers: int) -> Iterator[Callable[..., Iterable]]:
    """A `map` that keeps the order: here, or in processes of its own."""
    if workers == 1:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield functools.partial(pool.imap, chunksize=64)


def paintings(
    seed: int, scenes: int, many_hands: bool, folder: Path, workers: int
) -> dict[str, np.ndarray]:
    """Pictures (n, 80, 80, 3), labels (n, 20, 20), tokens (n, 12, 24) and attributes (n, 9).

    Painted once into a folder of their own, in which the file `done` holds their fingerprint,
    by `workers` processes (1 paints here).

    Raises:
        ValueError: the folder holds paintings of another world, or broken ones.
    """
    folder = folder / f"scenes-{seed}-{scenes}"
    names = ("pictures", "labels", "tokens", "attributes")
    shapes = (
        (scenes, KEPT, KEPT, 3), (scenes, LABELS, LABELS),
        (scenes, CAPTIONS + FALSE, CONTEXT), (scenes, 9),
    )  # fmt: skip
    kinds = (np.uint8, np.uint8, np.int16, np.int8)
    wanted = fingerprint(seed, scenes, many_hands)
    done = folder / "done"
    if done.exists():
        check_fingerprint(read_json(done), wanted, folder)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        arrays = [
            np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape)
            for name, kind, shape in zip(names, kinds, shapes, strict=True)
        ]
        words: list[str] = []
        jobs = [(seed, index, many_hands) for index in range(scenes)]
        with _painters(workers) as painted:
            for index, (picture, labels, texts, numbers) in enumerate(
                tqdm(painted(_paint, jobs), "painting scenes", scenes)
            ):
                arrays[0][index], arrays[1][index], arrays[3][index] = picture, labels, numbers
                words += texts
        arrays[2][:] = tokens(words).view(scenes, CAPTIONS + FALSE, CONTEXT).numpy()
        for array in arrays:
            array.flush()
        write_atomically(done, json.dumps(wanted, indent=2))
    try:
        loaded = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{folder} is broken ({error}): delete it and start again") from error
    for (name, array), shape in zip(loaded.items(), shapes, strict=True):
        if array.shape != shape:
            raise ValueError(f"{folder}/{name}.npy is broken: delete {folder} and start again")
    return loaded
