"""A class's dreams on one sheet, with a table of what made each of them.

    python tools/gallery.py handed-in             # a folder of saved pictures
    python tools/gallery.py handed-in --out wall

writes `gallery.png`, the pictures with their prompts, and `gallery.csv`, a row for each: its
prompt, its seed, the knobs that differ from the default, and what the judge says of it, asked anew.
All of it comes from the pictures themselves (see `dreamlab.figures.saving`).

The files are strangers'. None of them stops the others: what cannot be shown is named with the
reason and left out. Nothing that they say is run, followed, or sent to terminal or spreadsheet as
anything but letters.
"""

import argparse
import hashlib
import io
import math
import os
import re
import stat
import sys
import threading
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from course_files import write_atomically
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dreamlab.figures.plots import Plot, pictures
from dreamlab.figures.saving import checked_settings
from dreamlab.figures.settings import LARGEST, Settings
from dreamlab.figures.static import joined
from dreamlab.judge import Judge
from dreamlab.support.console import print_plainly
from dreamlab.support.files import csv_bytes, user_path
from dreamlab.support.picture import open_picture, opened
from dreamlab.support.words import shorten

MARK = ("Software", "dreamlab gallery")  # in a sheet, so that it is known again
LARGEST_FILE = 100 * 2**20  # bytes
LONGEST_PROMPT = 2000  # letters
LONGEST_WAIT = 20.0  # seconds for a file, where the largest picture takes about one
SIDE = 512  # px that judge and sheet need at most
COLUMNS = ("name", "prompt", "not", "seed", "steps", "recipe", "turned", "clip", "judge", "rank")


@dataclass(frozen=True)
class Entry:
    """A saved picture and the settings that it carries."""

    name: str  # its path inside the folder, without ".png": who, or who/which
    image: Image.Image
    settings: Settings

    @property
    def prompt(self) -> str:
        return joined([self.settings.prompts[self.settings.index]])

    @property
    def sentence(self) -> str:
        """The prompt for the judge, who reads words."""
        text = self.prompt.replace(" + ", ", ")
        return "".join(letter if letter.isprintable() else " " for letter in text)


def collect(folder: str | Path) -> tuple[list[Entry], list[str]]:
    """All pictures below a folder that `save_png` wrote, and for every other file "FILE: why".

    Hidden files and sheets and tables of a gallery are passed over. Links are not followed.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = user_path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give the one with the saved pictures")
    entries, names, problems = [], set(), []
    for path, why in _files(folder):
        name = path.relative_to(folder).as_posix()
        short = re.sub(r"(?i)\.png$", "", name)
        try:  # anna.PNG may lie beside anna.png
            if why:
                raise ValueError(why)
            if entry := _in_time(path, name if short in names else short):
                entries.append(entry)
                names.add(short)
        except Exception as error:  # whatever a file brings about, the others shall be seen
            problems.append(f"{shown(name)}: {shown(str(error) or type(error).__name__)}")
    return entries, problems


def _files(folder: Path) -> list[tuple[Path, str]]:
    """Every entry below a folder that is neither hidden nor a folder, in order, with "", and each
    folder that cannot be looked into, with the reason.
    """
    found = []

    def unreadable(error: OSError) -> None:
        found.append((Path(error.filename), f"this folder cannot be read ({error.strerror})"))

    for place, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [(Path(place) / name, "") for name in files + links if not name.startswith(".")]
    return sorted(found)


def _in_time(path: Path, name: str) -> Entry | None:
    """`_read`, or an error after `LONGEST_WAIT`: a daemon thread that still reads then is left
    behind, and neither keeps the program from ending nor needs more memory than its file allows.
    """
    result: Future = Future()

    def read() -> None:
        try:
            result.set_result(_read(path, name))
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=read, daemon=True).start()
    if not wait([result], LONGEST_WAIT).done:
        raise ValueError(f"it was not read within {LONGEST_WAIT:g} seconds")
    return result.result()


def _read(path: Path, name: str) -> Entry | None:
    """The entry in a file; None if a gallery wrote it."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        raise ValueError("it is a link, and links are not followed")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no ordinary file")
    if status.st_size > LARGEST_FILE:
        raise ValueError(f"it has more than {LARGEST_FILE >> 20} MB")
    content = path.read_bytes()
    return None if _is_ours(path, content) else _entry(name, content)


def _is_ours(path: Path, content: bytes) -> bool:
    """Whether a gallery wrote this file: a sheet with our mark, a table with our head."""
    if path.suffix.lower() == ".csv":
        return content.removeprefix(b"\xef\xbb\xbf").startswith(",".join(COLUMNS).encode())
    return "tEXt{}\0{}".format(*MARK).encode() in content[:1000]


def _entry(name: str, content: bytes) -> Entry:
    with opened(io.BytesIO(content), "it") as image:
        if math.prod(image.size) > LARGEST:
            raise ValueError("it has {} × {} pixels, more than any dream".format(*image.size))
    settings = checked_settings(io.BytesIO(content))
    image = open_picture(io.BytesIO(content), "it", cover=(SIDE, SIDE))
    image.thumbnail((SIDE, SIDE))
    entry = Entry(shown(name), image, settings)
    if len(entry.prompt) > LONGEST_PROMPT:
        raise ValueError(f"its prompt has more than {LONGEST_PROMPT} letters")
    return entry


def shown(text: str) -> str:
    """A text with what would act on a terminal or break a file written out as an escape."""
    joiners = "\u200c\u200d"  # parts of words and of emoji
    return "".join(
        letter if letter.isprintable() or letter in joiners else ascii(letter)[1:-1]
        for letter in text
    )


def judged(entries: Sequence[Entry], judge: Judge) -> tuple[list[Entry], list[str]]:
    """Those entries of which the judge has an opinion, and for the others "FILE: why"."""
    kept, problems = [], []
    for entry in entries:
        try:
            judge.score([entry.image], [entry.sentence])
            kept.append(entry)
        except Exception as error:
            problems.append(f"{entry.name}: {shown(str(error))}")
    return kept, problems


def table(entries: Sequence[Entry], judge: Judge) -> list[dict[str, Any]]:
    """A row for each picture, at least one: what made it, and what the judge thinks of it.

    `judge` is the judge's score, the cosine of picture and prompt in [−1, 1]; `rank`, how many of
    the other pictures' prompts it prefers to the right one (empty if all have the same prompt).
    Scores of different dreamers can be compared, since the judge is the same for all.
    """
    images, prompts = [entry.image for entry in entries], [entry.sentence for entry in entries]
    scores, ranks = judge.score(images, prompts).tolist(), [""] * len(entries)
    if len(set(prompts)) > 1:
        ranks = judge.rank(images, prompts).tolist()
    rows = []
    for entry, score, rank in zip(entries, scores, ranks, strict=True):
        made = entry.settings
        words = {
            "name": entry.name,
            "prompt": entry.prompt,
            "not": joined([made.negative_prompts[made.index]]),
            "seed": made.seeds[made.index],
            "steps": made.steps_done,
            "recipe": made.recipe.differences(),
            "turned": len(made.changes),
            "clip": " + ".join(Path(name).name for name, _ in made.clips),
            "judge": round(score, 3),
            "rank": rank,
        }
        rows.append({key: shown(x) if isinstance(x, str) else x for key, x in words.items()})
    return rows


def sheet(entries: Sequence[Entry], rows: Sequence[dict[str, Any]]) -> Plot:
    """The pictures in rows of 5, or more where there would be more than 25, above each its name,
    its prompt and the judge's score; `entries` and `rows` as of `collect` and `table`.
    """
    titles = [
        f"{shorten(row['name'], 60)}: {shorten(row['prompt'], 160)} ({row['judge']:.2f})"
        for row in rows
    ]
    alt = "Dreams with the names of their files and their prompts: " + "; ".join(titles)
    columns, images = max(5, math.isqrt(len(entries))), [entry.image for entry in entries]
    return pictures(images, titles, columns=columns, size=2, alt=alt)


def _sheet_bytes(plot: Plot, table: bytes) -> bytes:
    """The sheet as PNG, with our mark at its beginning, and the digest of the table beside it."""
    mark, buffer = PngInfo(), io.BytesIO()
    mark.add_text(*MARK)
    mark.add_text("Table", hashlib.sha256(table).hexdigest())
    with Image.open(io.BytesIO(plot.to_png())) as drawn:
        drawn.save(buffer, "png", pnginfo=mark)
    return buffer.getvalue()


def _free_stem(out: Path) -> Path:
    """`gallery`, or `gallery-2`, …: the first under which nothing lies but a sheet and a table as a
    gallery wrote them. What somebody added to the table is theirs, and stays.
    """

    def content(path: Path) -> bytes:
        """What may be written over; b"" if nothing of ours lies there."""
        found = b"" if path.is_symlink() or not path.is_file() else path.read_bytes()
        return found if _is_ours(path, found) else b""

    for number in count(1):
        stem = out / ("gallery" if number == 1 else f"gallery-{number}")
        png, csv = stem.with_suffix(".png"), stem.with_suffix(".csv")
        sheet, digest = content(png)[:1000], hashlib.sha256(content(csv)).hexdigest().encode()
        if (not os.path.lexists(csv) and (sheet or not os.path.lexists(png))) or digest in sheet:
            return stem


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with pictures saved by the panel or save_png")
    parser.add_argument("--out", type=Path, help="folder for sheet and table (the same)")
    print_plainly()
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # of prompts that are too long, of letters that no font has
    try:
        entries, problems = collect(options.folder)
        if entries:
            judge = Judge()
            entries, more = judged(entries, judge)
            problems += more
        for problem in problems:
            print(f"left out: {problem}", file=sys.stderr)
        if not entries:
            parser.error(f"no picture in {options.folder} was saved by dreamlab")
        rows = table(entries, judge)
        stem = _free_stem(user_path(options.out or options.folder))
        words = csv_bytes(rows, COLUMNS)
        drawn = _sheet_bytes(sheet(entries, rows), words)
        written = write_atomically(stem.with_suffix(".png"), drawn)
        write_atomically(stem.with_suffix(".csv"), words)
    except (OSError, ValueError) as error:  # ValueError: a NUL in a path
        parser.error(shown(str(error)))
    print(f"{len(entries)} pictures: {written} and {stem.with_suffix('.csv')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
