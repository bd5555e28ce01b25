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
from typing import Any

import numpy as np
from PIL import Image

from dreamlab.measure.tables import write_rows
from dreamlab.support.files import user_path, write_atomically
from dreamlab.support.picture import opened, read_picture
from dreamlab.support.version import __version__

RECORD, TABLE = "sweep.json", "rows.csv"
ROW = "dreamlab row"
"""Under this name a picture's row stands in its file, as JSON."""

TEXTS = ("recipe", "prompt", "said", "error")  # all else in a row is a number

Key = tuple[str, str, int]
"""Recipe, prompt and seed of a dream."""


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
        self._claim({"dreamlab": __version__, **arguments})

    def _claim(self, arguments: Mapping[str, Any]) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"folder: {self.path} is a file")
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

    def finished(self) -> dict[Key, tuple[dict[str, Any], Image.Image]]:
        """Row and picture of every dream that is kept here; a damaged file is as good as none."""
        found = {}
        for key, file in self._files.items():
            if not file.exists():
                continue
            try:
                found[key] = _read(file, key)
                self._rows[key] = found[key][0]
            except Exception as error:
                warnings.warn(f"{file} is damaged ({error}): it is dreamt again", stacklevel=4)
        return found

    def keep(self, key: Key, row: dict[str, Any], png: bytes) -> None:
        """Write a finished dream: to the disk, not only to the system.

        Raises:
            OSError: it could not be written; all that were before are untouched.
        """
        try:
            write_atomically(self._files[key], png)
        except OSError as error:
            words = "what was finished before is kept, and the same call goes on from there"
            raise OSError(error.errno, f"{error.strerror}; {words}") from error
        self._rows[key] = row
        if time.monotonic() >= self._table_due:
            begin = time.monotonic()
            self.write_table(self._rows.values())
            # However many rows: a twentieth of the time at most.
            self._table_due = 20 * time.monotonic() - 19 * begin

    def write_table(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write the rows into `rows.csv`, each with its picture's file.

        A spreadsheet that has it open may forbid that, which is no reason to stop dreaming.
        """
        named = [
            {"file": "" if row["error"] else self._files[_key(row)].name} | row for row in rows
        ]
        try:
            write_rows(self.path / TABLE, named)
        except OSError as error:
            warnings.warn(f"{error}; the rows are in the pictures as well", stacklevel=4)


def _key(row: Mapping[str, Any]) -> Key:
    return row["recipe"], row["prompt"], row["seed"]


def _read(file: Path, key: Key) -> tuple[dict[str, Any], Image.Image]:
    with opened(file) as image:
        image.load()
        if ROW not in image.text:
            raise ValueError("it carries no row")
        row = json.loads(image.text[ROW])
        if not isinstance(row, dict) or not all(
            isinstance(value, str if name in TEXTS else int | float) for name, value in row.items()
        ):
            raise ValueError("its row is none")
        if (found := _key(row)) != key or row["error"]:
            raise ValueError(f"its row is of {found}, not of {key}")
        return row, image.convert("RGB")


def _differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    """What differs between two values of JSON, in words."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(key for key in here if key not in there)]:
            within = f"{name} {key!r}" if name else key
            if key not in there or key not in here:
                yield f"{within} is {'new' if key in here else 'missing'}"
            else:
                yield from _differences(there[key], here[key], within)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for number, (one, two) in enumerate(zip(there, here, strict=True)):
            yield from _differences(one, two, f"{name}[{number}]")
    elif there != here:
        yield f"{name} was {_short(there)}, is {_short(here)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}…"


def plain_start(start: Any) -> Any:
    """The start of dreams for the record: its name, or a fingerprint of its pixels."""
    if start is None or (isinstance(start, str) and start in ("grey", "noise")):
        return start
    pixels = read_picture(start, "start").cpu().numpy()
    digest = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    return {"shape": pixels.shape, "pixels": digest[:16]}
