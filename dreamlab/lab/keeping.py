"""What the buttons Save and Film write: every picture of a panel, or a film of every run."""

from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from dreamlab.figures import saving
from dreamlab.lab.track import Track, side_by_side
from dreamlab.support.files import claim_name


def save_pictures(
    tracks: Sequence[Track], folder: Path, path: str | PathLike | None = None
) -> list[Path]:
    """Write every picture of every dream with its settings as PNG; returns the paths.

    Args:
        folder: takes them under the next free names, where there is no path.
        path: of the first; the next ones get ``path-2``, ``path-3``, …
    """
    pictures = [(t.dream, index) for t in tracks for index in range(len(t.dream.seeds))]
    writers = [partial(saving.save_png, dream, index=index) for dream, index in pictures]
    return _write(writers, folder, path, ".png")


def save_films(
    tracks: Sequence[Track], folder: Path, path: str | PathLike | None = None, **options: Any
) -> list[Path]:
    """Write an animation of every run so far; options as for `saving.Film.save`."""
    lasts = [side_by_side(track.dream.images) for track in tracks]
    writers = [
        partial(track.film.save, last=last, **options)
        for track, last in zip(tracks, lasts, strict=True)
    ]
    return _write(writers, folder, path, ".webp")


def _write(
    writers: Sequence[Callable[[Path], Path]],
    folder: Path,
    path: str | PathLike | None,
    suffix: str,
) -> list[Path]:
    """Have each write its file: under this path and numbered ones, or under free names."""
    written = []
    for number, write in enumerate(writers, 1):
        if path is None:
            with claim_name(folder, suffix) as free:
                written.append(write(free))
        else:
            stem = Path(path).stem + (f"-{number}" if number > 1 else "")
            written.append(write(Path(path).with_stem(stem)))
    return written
