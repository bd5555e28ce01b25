"""Files that are whole or not there, and names that are given once."""

import csv
import io
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from os import PathLike
from pathlib import Path
from typing import IO, Any

HALVES = "backslashreplace"  # half of a character is written as an escape, as JSON knows it
LEFT_OVER = 86_400  # seconds after which a hidden file is that of a writer that was killed


def user_path(path: str | PathLike) -> Path:
    """The path that somebody typed, with ``~`` as home; ValueError for an impossible one."""
    path = Path(path)
    try:
        if b"\0" in os.fsencode(path):
            raise ValueError
        return path.expanduser()
    except ValueError:  # of `fsencode` a UnicodeEncodeError
        raise ValueError(f"a path holds no null character or half of one: {str(path)!r}") from None
    except RuntimeError:  # ~somebody, whom this computer does not know: a name like any other
        return path


def write_atomically(
    path: str | PathLike, content: bytes | str | Callable[[IO[bytes]], object]
) -> Path:
    """Write a file so that at every moment either the old one or the whole new one is there.

    The content is bytes, a text (UTF-8), or a function that writes into a binary file. Folders are
    made; a link is replaced, never followed. Returns the path, with ``~`` replaced.

    Raises:
        OSError: of the kind that the system reports (no room, no permission, …).
    """
    path = user_path(path)
    if path.exists() and not path.is_file():
        raise FileExistsError(f"{path} is no ordinary file, and is left as it is")
    if path.is_file() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} is write-protected, and is left as it is")
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.parent / f".dreamlab-{secrets.token_hex(8)}.tmp"
    try:
        with hidden.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content.encode("utf-8", HALVES) if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file():
            shutil.copymode(path, hidden)
        os.replace(hidden, path)
    except OSError as error:
        hidden.unlink(missing_ok=True)
        if error.errno is None:  # not the system's, but of the function that writes
            raise
        words = f"{path} could not be written ({error.strerror}); nothing there was changed"
        raise OSError(error.errno, words) from error
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
    return path


def remove_left_over(folder: Path) -> None:
    """Remove the hidden files that killed writers left in a folder."""
    for left in folder.glob(".dreamlab-*.tmp"):
        with suppress(OSError):
            if time.time() - left.lstat().st_mtime > LEFT_OVER:
                left.unlink()


@contextmanager
def claim_name(folder: str | PathLike, suffix: str, stem: str = "dream") -> Iterator[Path]:
    """The first of ``dream-001.png``, ``dream-002.png``, … that nobody has, for this block."""
    folder = user_path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_left_over(folder)
    for number in count(1):
        path = folder / f"{stem}-{number:03d}{suffix}"
        claim = folder / f".dreamlab-{path.name}.tmp"
        if os.path.lexists(path):
            continue
        with suppress(FileExistsError):
            claim.open("xb").close()
            if not os.path.lexists(path):  # written and given back since the first look
                break
            claim.unlink()
    try:
        yield path
    finally:
        claim.unlink(missing_ok=True)


def csv_bytes(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> bytes:
    """Rows as CSV for spreadsheets, none of whose cells they take for a formula."""
    file, columns = io.StringIO(newline=""), columns or [*dict.fromkeys(k for r in rows for k in r)]
    writer = csv.DictWriter(file, columns)
    writer.writerow({name: _harmless(name) for name in writer.fieldnames})
    writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    return file.getvalue().encode("utf-8-sig", HALVES)  # its signature tells them that it is UTF-8


def _harmless(cell: Any) -> Any:
    formula = isinstance(cell, str) and re.match(r"\s*[=+\-@＝＋－＠]", cell)
    return f"'{cell}" if formula else cell
