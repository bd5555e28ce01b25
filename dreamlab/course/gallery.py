"""A class's dreams on one sheet, with a table of what made each of them.

    python -m dreamlab.course.gallery handed-in             # a folder of saved pictures
    python -m dreamlab.course.gallery handed-in --out wall

writes `gallery.png`, the pictures with their prompts, and `gallery.csv`, a row for each: its
prompt, its seed, the knobs that differ from the default, and what the judge says of it, asked anew.
All of it comes from the pictures themselves (see `dreamlab.figures.saving`); a picture that carries
no settings is named and left out.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from dreamlab.figures.plots import Plot, pictures
from dreamlab.figures.saving import read_settings, recipe_from
from dreamlab.figures.static import joined
from dreamlab.measure.judge import Judge
from dreamlab.measure.sweep import name_recipes

SHEET, TABLE = "gallery.png", "gallery.csv"


@dataclass(frozen=True)
class Entry:
    """A saved picture and the settings that it carries."""

    name: str  # its path inside the folder, without ".png": who, or who/which
    image: Image.Image
    settings: dict[str, Any]

    @property
    def prompt(self) -> str:
        return joined([self.settings["prompts"][self.settings["index"]]])


def collect(folder: str | Path) -> tuple[list[Entry], list[str]]:
    """All pictures below a folder that `save_png` wrote, and a sentence for every other PNG.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder; give the one with the saved pictures")
    entries, problems = [], []
    for path in sorted(folder.rglob("*.png")):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if path.name == SHEET:
            continue
        try:
            with Image.open(path) as opened:
                entries.append(Entry(name, opened.convert("RGB"), read_settings(path)))
        except UnidentifiedImageError:
            problems.append(f"{path.name} is no picture")
        except (ValueError, OSError) as error:
            problems.append(str(error))
    return entries, problems


def table(entries: Sequence[Entry], judge: Judge | None = None) -> list[dict[str, Any]]:
    """A row for each picture: what made it, and what the judge thinks of it.

    `judge` is the judge's score, the cosine of picture and prompt in [−1, 1]; `rank`, how many of
    the other pictures' prompts it prefers to the right one (empty if all have the same prompt).
    Scores of different dreamers can be compared, since the judge is the same for all.

    Raises:
        ValueError: there is no picture.
    """
    if not entries:
        raise ValueError("there is no picture to look at")
    judge = judge or Judge()
    images = [entry.image for entry in entries]
    prompts = [entry.prompt.replace(" + ", ", ") for entry in entries]  # as a sentence
    scores = judge.score(images, prompts).tolist()
    several = len(set(prompts)) > 1
    ranks = judge.rank(images, prompts).tolist() if several else [""] * len(entries)
    rows = []
    for entry, score, rank in zip(entries, scores, ranks, strict=True):
        made = entry.settings
        (recipe,) = name_recipes([recipe_from(made["recipe"])])
        rows.append(
            {
                "name": entry.name,
                "prompt": entry.prompt,
                "not": joined([made["negative_prompts"][made["index"]]]),
                "seed": made["seeds"][made["index"]],
                "steps": made["steps_done"],
                "recipe": recipe,
                "turned": len(made["changes"]),
                "clip": Path(made["clip"]).name,
                "judge": round(score, 3),
                "rank": rank,
            }
        )
    return rows


def sheet(entries: Sequence[Entry], rows: Sequence[dict[str, Any]], *, columns: int = 5) -> Plot:
    """The pictures in rows, above each its name, its prompt and the judge's score."""
    return pictures(
        [entry.image for entry in entries],
        [f"{row['name']}: {row['prompt']} ({row['judge']:.2f})" for row in rows],
        columns=columns,
        size=2,
        alt="Dreams with the names of their files and their prompts: "
        + "; ".join(f"{row['name']}, {row['prompt']}" for row in rows),
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with pictures saved by the panel or save_png")
    parser.add_argument("--out", type=Path, help="folder for sheet and table (the same)")
    options = parser.parse_args(arguments)
    try:
        entries, problems = collect(options.folder)
    except FileNotFoundError as error:
        parser.error(str(error))
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)
    if not entries:
        parser.error(f"no picture in {options.folder} was saved by dreamlab")
    rows = table(entries)
    out = options.out or options.folder
    out.mkdir(parents=True, exist_ok=True)
    (out / SHEET).write_bytes(sheet(entries, rows).to_png())
    # The signature tells spreadsheets that the file is UTF-8.
    with (out / TABLE).open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(entries)} pictures: {out / SHEET} and {out / TABLE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
