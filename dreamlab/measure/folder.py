"""A folder in which a sweep is kept while it runs, so that it can be interrupted and goes on later.

    sweep.json      the arguments: another sweep is refused
    dream-001.png   a finished dream, its settings (see `load_dream`) and its row
    rows.csv        all rows so far, for a spreadsheet

A dream is in its one file, whole or not at all. The table is only a copy of what these say.
"""

import hashlib
import json
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from dreamlab.measure.tables import write_rows
from dreamlab.start import Start
from dreamlab.support.files import user_path, write_atomically
from dreamlab.support.picture import opened, read_picture
from dreamlab.support.version import __version__

RECORD, TABLE = "sweep.json", "rows.csv"
ROW = "dreamlab row"
"""Under this name a picture's row stands in its file, as JSON."""

TEXTS = ("recipe", "prompt", "said", "error")  # all else in a row is a number

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


class Folder:
    """The folder of one sweep.

    Args:
        path: made if it is missing; `~` is the home folder.
        arguments: what decides how the dreams come out, as plain values.
        keys: all dreams, in the order of their files.

    Raises:
        ValueError: the folder holds a sweep with other arguments, which are named, or pictures of
            something else.
        OSError: it cannot be written.
    """

    def __init__(
        self, path: str | PathLike, arguments: Mapping[str, Any], keys: Sequence[Key]
    ) -> None:
        self.path = user_path(path)
        digits = max(3, len(str(len(keys))))
        self._files = {
            key: self.path / f"dream-{number:0{digits}d}.png" for number, key in enumerate(keys, 1)
        }
        self._rows: dict[Key, dict[str, Any]] = {}
        self._table_due = 0.0
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"folder: {self.path} is a file")
        self._check_record({"dreamlab": __version__, **arguments})

    def _check_record(self, arguments: Mapping[str, Any]) -> None:
        """Write the arguments, or compare them with those that are there."""
        record = self.path / RECORD
        here = json.loads(json.dumps(arguments, default=float))  # as it will be read
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
                found[key] = _read(file, key)
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
            write_rows(self.path / TABLE, named)
        except OSError as error:
            warnings.warn(f"{error}; the rows are in the pictures as well", stacklevel=4)


def _read(file: Path, key: Key) -> Finished:
    with opened(file) as image:
        image.load()
        if ROW not in image.text:
            raise ValueError("it carries no row")
        row = json.loads(image.text[ROW])
        if not isinstance(row, dict) or not all(
            isinstance(value, str if name in TEXTS else int | float) for name, value in row.items()
        ):
            raise ValueError("its row is none")
        found = Finished(row, image.convert("RGB"))
        if found.key != key or row["error"]:
            raise ValueError(f"its row is of {found.key}, not of {key}")
        return found


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
