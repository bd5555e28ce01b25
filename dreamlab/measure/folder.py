"""A folder in which a sweep is kept while it runs, so that it can be interrupted and goes on later.

sweep.json      the arguments: another sweep is refused
dream-001.png   a finished dream, its settings (see `load_dream`) and its row
rows.csv        all rows so far, for a spreadsheet
sweep.lock      locked by the one sweep that may write here
"""

import hashlib
import io
import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from dreamlab.figures.saving import KEY
from dreamlab.measure.tables import MEASURES
from dreamlab.picturebook.world import OBJECTS
from dreamlab.support.files import csv_bytes, remove_left_over, user_path, write_atomically
from dreamlab.support.picture import Picture, opened, read_picture
from dreamlab.support.version import __version__

RECORD, TABLE, LOCK = "sweep.json", "rows.csv", "sweep.lock"
LARGEST_RECORD = 64 * 2**20  # bytes
ROW = "dreamlab row"
"""Under this name a picture's row stands in its file, as JSON."""
TEXTS = ("recipe", "prompt", "said", "error")  # all else in a row is a number
COLUMNS = {"file", "seed", *TEXTS, *MEASURES}


class Key(NamedTuple):
    """Which dream of a sweep."""

    recipe: str
    prompt: str
    seed: int


class Finished(NamedTuple):
    """A dream of a sweep: its row, and its picture unless it failed."""

    row: dict[str, Any]
    image: Image.Image | None = None


@contextmanager
def open_folder(
    path: str | PathLike, arguments: Mapping[str, Any], keys: Sequence[Key]
) -> Iterator["Folder"]:
    """A locked `Folder` for this block; ValueError if another sweep has it or it holds another."""
    path = user_path(path)
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / LOCK)  # the system frees it when a process ends, even by a kill
    try:
        with suppress(NotImplementedError):  # a file system that knows no locks
            lock.acquire(timeout=0)
    except Timeout:
        words = f"folder: another sweep is writing into {path}: wait, or choose another folder"
        raise ValueError(words) from None
    try:
        remove_left_over(path)
        yield Folder(path, arguments, keys)
    finally:
        lock.release()


class Folder:
    """The files of one sweep; see `open_folder`."""

    def __init__(self, path: Path, arguments: Mapping[str, Any], keys: Sequence[Key]) -> None:
        digits = max(3, len(str(len(keys))))
        self._files = {key: path / f"dream-{n:0{digits}d}.png" for n, key in enumerate(keys, 1)}
        here = {"dreamlab": __version__, **arguments}
        here = json.loads(json.dumps(here, default=float))  # as it will be read
        self._recipes = here["recipes"]
        self._check_record(path / RECORD, here)
        self._table, self._next_table = path / TABLE, 0.0
        if self._table.is_file():
            with self._table.open(encoding="utf-8-sig", errors="replace") as file:
                there = set(file.readline(10_000).rstrip("\n").split(","))
            if foreign := ", ".join(sorted(there - COLUMNS))[:100]:
                self._table = path / f"new-{TABLE}"
                words = f"{TABLE} has columns that no sweep writes ({foreign}): it is left as it is"
                warnings.warn(f"{words}, and the rows go into {self._table.name}", stacklevel=5)

    def _check_record(self, record: Path, here: dict[str, Any]) -> None:
        """Write the arguments, or compare them with those that are there."""
        if not record.exists():
            if taken := [file for file in self._files.values() if file.exists()]:
                raise ValueError(f"folder: {taken[0]} is of no sweep recorded: take another")
            write_atomically(record, json.dumps(here, indent=1, ensure_ascii=False))
            return
        there = None
        with suppress(ValueError, RecursionError):
            if record.is_file() and record.stat().st_size < LARGEST_RECORD:
                there = json.loads(record.read_text("utf-8"))
        if not isinstance(there, dict):
            raise ValueError(f"folder: {record} was damaged: choose another folder")
        if differences := "; ".join(_differences(there, here))[:300]:
            words = f"folder: {record.parent} holds a sweep with other arguments: {differences}"
            raise ValueError(f"{words}. Give it the same, or another folder")

    def finished(self) -> dict[Key, Finished]:
        """Every dream that is kept here; a damaged file counts as none."""
        found = {}
        for key, file in self._files.items():
            if file.exists():
                try:
                    found[key] = _checked(file, key, self._recipes[key.recipe])
                except Exception as error:
                    warnings.warn(f"{file} is damaged ({error}): it is dreamt again", stacklevel=3)
        return found

    def keep(self, key: Key, png: bytes) -> None:
        """Write a finished dream; an `OSError` leaves all that were before untouched."""
        write_atomically(self._files[key], png)

    def write_table(self, results: Mapping[Key, Finished], *, last: bool = False) -> None:
        """Write the rows so far into `rows.csv`, at most a twentieth of the time but at the end."""
        began = time.monotonic()
        if began < self._next_table and not last:
            return
        done = [(file, results[key]) for key, file in self._files.items() if key in results]
        rows = [{"file": file.name if found.image else ""} | found.row for file, found in done]
        try:
            write_atomically(self._table, csv_bytes(rows))
        except OSError as error:  # a spreadsheet has it open: no reason to stop dreaming
            warnings.warn(f"{error}; the rows are in the pictures as well", stacklevel=3)
        self._next_table = began + 20 * (time.monotonic() - began)


def read(file: Path | io.BytesIO) -> tuple[Finished, Any]:
    """A finished dream and its settings from a PNG file, unchecked."""
    with opened(file) as image:
        image.load()
        row = json.loads(image.text[ROW])
        return Finished(row, image.convert("RGB")), json.loads(image.text[KEY])


def _checked(file: Path, key: Key, recipe: Mapping[str, Any]) -> Finished:
    """A dream from its file; an exception if it is not what this sweep writes for this key."""
    found, settings = read(file)
    if not all(_is_cell(*cell) for cell in found.row.items()):
        raise ValueError("its row is none")
    if found.row != found.row | key._asdict() | {"error": ""}:
        raise ValueError(f"it is not the dream of {key}")
    if settings["recipe"] != recipe:
        raise ValueError(f"its recipe has the name {key.recipe!r} and other contents")
    return found


def _is_cell(name: str, value: Any) -> bool:
    if name in TEXTS:
        return value in OBJECTS if name == "said" else isinstance(value, str)
    # NaN is the slope of a flat picture.
    return name in COLUMNS and isinstance(value, int | float) and not abs(value) > 1e10


def _differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """What differs between two values of JSON, in words."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in there | here:
            inner = f"{name} {key!r}" if name else key
            yield from _differences(there.get(key), here.get(key), inner)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for number, pair in enumerate(zip(there, here, strict=True)):
            yield from _differences(*pair, f"{name}[{number}]")
    elif there != here:
        was, now = ("missing" if v is None else repr(v)[:60] for v in (there, here))
        yield f"{name} was {was}, is {now}"


def fingerprint(start: Picture | None) -> Any:
    """The start of dreams for the record: its name, or shape and hash of its pixels."""
    if start is None or (isinstance(start, str) and start in ("grey", "noise")):
        return start
    pixels = read_picture(start, "start").cpu().numpy()
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return {"shape": pixels.shape, "pixels": digest[:16]}
