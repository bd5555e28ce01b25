"""A folder in which a sweep is kept while it runs, so that it can be interrupted and goes on later.

    sweep.json      the arguments: another sweep is refused
    dream-001.png   a finished dream, its settings (see `load_dream`) and its row
    rows.csv        all rows so far, for a spreadsheet

A dream is in its one file, whole or not at all. The table is only a copy of what these say. One
sweep at a time writes into a folder: it holds the lock of ``sweep.lock``, which ends with it.
"""

import hashlib
import json
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from PIL import Image

from dreamlab.figures.saving import KEY
from dreamlab.measure.tables import MEASURES, write_rows
from dreamlab.picturebook.world import OBJECTS
from dreamlab.start import Start
from dreamlab.support.files import user_path, write_atomically
from dreamlab.support.picture import opened, read_picture
from dreamlab.support.version import __version__

RECORD, TABLE, LOCK = "sweep.json", "rows.csv", "sweep.lock"
ROW = "dreamlab row"
"""Under this name a picture's row stands in its file, as JSON."""

TEXTS = ("recipe", "prompt", "said", "error")  # all else in a row is a number
COLUMNS = {"file", "seed", *TEXTS, *MEASURES}

Key = tuple[str, str, int]
"""Recipe, prompt and seed of a dream."""


class Finished(NamedTuple):
    """A dream of a sweep: its row, and its picture unless it failed, also as a file."""

    row: dict[str, Any]
    image: Image.Image | None = None
    png: bytes | None = None

    @property
    def key(self) -> Key:
        return self.row["recipe"], self.row["prompt"], self.row["seed"]


@contextmanager
def open_folder(
    path: str | PathLike, arguments: Mapping[str, Any], keys: Sequence[Key]
) -> Iterator["Folder"]:
    """A `Folder` for this block, in which no other sweep can open it.

    Raises:
        ValueError: another one has opened it; or see `Folder`.
    """
    path = user_path(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(f"folder: {path} is a file")
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / LOCK)  # the system frees it when a process ends, even by a kill
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(
            f"folder: another sweep is writing into {path}: wait until it has ended, or choose "
            "another folder"
        ) from None
    except NotImplementedError:
        pass  # a file system that knows no locks
    try:
        yield Folder(path, arguments, keys)
    finally:
        lock.release()


class Folder:
    """The folder of one sweep.

    Args:
        path: an existing folder.
        arguments: what decides how the dreams come out, as plain values.
        keys: all dreams, in the order of their files.

    Raises:
        ValueError: the folder holds a sweep with other arguments, which are named, or pictures of
            something else.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, arguments: Mapping[str, Any], keys: Sequence[Key]) -> None:
        self.path = path
        digits = max(3, len(str(len(keys))))
        self._files = {
            key: self.path / f"dream-{number:0{digits}d}.png" for number, key in enumerate(keys, 1)
        }
        self._rows: dict[Key, dict[str, Any]] = {}
        self._table_due = 0.0
        here = {"dreamlab": __version__, **arguments}
        here = json.loads(json.dumps(here, default=float))  # as it will be read
        self._check_record(here)
        self._recipes = here["recipes"]
        self._table = path / TABLE
        if foreign := sorted(_columns(self._table) - COLUMNS):
            self._table = path / f"new-{TABLE}"
            warnings.warn(
                f"{TABLE} has columns that no sweep writes ({', '.join(foreign)[:100]}): it is "
                f"left as it is, and the rows go into {self._table.name}",
                stacklevel=4,
            )

    def _check_record(self, here: dict[str, Any]) -> None:
        """Write the arguments, or compare them with those that are there."""
        record = self.path / RECORD
        if not record.exists():
            if taken := [file.name for file in self._files.values() if file.exists()]:
                raise ValueError(
                    f"folder: {self.path} holds {taken[0]}, which is of no sweep that is recorded "
                    "there: choose another folder"
                )
            write_atomically(record, json.dumps(here, indent=1, ensure_ascii=False))
            return
        try:
            there = json.loads(record.read_text("utf-8"))
        except (ValueError, RecursionError):
            there = None
        if not isinstance(there, dict):
            raise ValueError(f"folder: {record} was damaged: choose another folder")
        if differences := list(_differences(there, here)):
            more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
            raise ValueError(
                f"folder: {self.path} holds a sweep with other arguments: "
                f"{'; '.join(differences[:3])}{more}. Give it the same, or another folder"
            )

    def finished(self) -> dict[Key, Finished]:
        """Every dream that is kept here; a damaged file counts as none."""
        found = {}
        for key, file in self._files.items():
            if not file.exists():
                continue
            try:
                found[key] = _read(file, key, self._recipes[key[0]])
                self._rows[key] = found[key].row
            except Exception as error:
                warnings.warn(f"{file} is damaged ({error}): it is dreamt again", stacklevel=4)
        return found

    def keep(self, dream: Finished) -> None:
        """Write a finished dream: to the disk, not only to the system.

        Raises:
            OSError: it could not be written; all that were before are untouched.
        """
        try:
            write_atomically(self._files[dream.key], dream.png)
        except OSError as error:
            words = "what was finished before is kept, and the same call goes on from there"
            raise OSError(error.errno, f"{error.strerror}; {words}") from error
        self._rows[dream.key] = dream.row
        begin = time.monotonic()
        if begin >= self._table_due:
            self.write_table(self._rows.values())
            # However many rows: a twentieth of the time at most.
            self._table_due = begin + 20 * (time.monotonic() - begin)

    def write_table(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write the rows into `rows.csv`, each with its picture's file.

        A spreadsheet that has it open may forbid that, which is no reason to stop dreaming.
        """
        named = [
            {"file": "" if row["error"] else self._files[Finished(row).key].name} | row
            for row in rows
        ]
        try:
            write_rows(self._table, named)
        except OSError as error:
            warnings.warn(f"{error}; the rows are in the pictures as well", stacklevel=4)


def _columns(table: Path) -> set[str]:
    """The columns of a table that is there already; those of a sweep hold no comma."""
    with suppress(OSError):
        if table.is_file():
            with table.open(encoding="utf-8-sig", errors="replace") as file:
                return set(file.readline(10_000).rstrip("\n").split(","))
    return set()


def _read(file: Path, key: Key, recipe: Mapping[str, Any]) -> Finished:
    """A dream from its file, which may come from anybody.

    Raises:
        Exception: it is not what this sweep writes for the dream with this key.
    """
    with opened(file) as image:
        image.load()
        if ROW not in image.text:
            raise ValueError("it carries no row")
        row = json.loads(image.text[ROW])
        if not isinstance(row, dict) or not all(_is_cell(*cell) for cell in row.items()):
            raise ValueError("its row is none")
        found = Finished(row, image.convert("RGB"))
        if found.key != key or row["error"]:
            raise ValueError(f"its row is of {found.key}, not of {key}")
        if json.loads(image.text[KEY])["recipe"] != recipe:
            raise ValueError(f"its recipe has the name {key[0]!r} and other contents")
        return found


def _is_cell(name: str, value: Any) -> bool:
    if name == "said":
        return value in OBJECTS
    if name in TEXTS:
        return isinstance(value, str)
    # NaN is the slope of a flat picture.
    return name in COLUMNS and isinstance(value, int | float) and not abs(value) > 1e10


def _differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """What differs between two values of JSON, in words."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in there | here:
            inner = f"{name} {key!r}" if name else key
            yield from _differences(there.get(key), here.get(key), inner)
    elif there != here:
        yield f"{name} was {_short(there)}, is {_short(here)}"


def _short(value: Any) -> str:
    text = "missing" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"


def fingerprint(start: Start) -> Any:
    """The start of dreams for the record: its name, or shape and hash of its pixels."""
    if start is None or (isinstance(start, str) and start in ("grey", "noise")):
        return start
    pixels = read_picture(start, "start").cpu().numpy()
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return {"shape": pixels.shape, "pixels": digest[:16]}
