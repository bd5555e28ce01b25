"""Draw a sheet: python tools/picturebook/sheet.py sheet.png --seed 3 --hand random."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dreamlab.picturebook.draw import alone, draw
from dreamlab.picturebook.hands import BOOK, UNSEEN, Hand, random_hand
from dreamlab.picturebook.shapes import DESIGNS
from dreamlab.picturebook.world import Scene, caption, scene_number
from dreamlab.support.console import exit_on_user_error, file_named, print_plainly, whole
from dreamlab.support.files import write_atomically

KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def contact_sheet(
    scenes: Iterable[Scene],
    *,
    columns: int = 8,
    size: int = 160,
    hands: Sequence[Hand] = (BOOK,),
) -> Image.Image:
    """Scenes in rows with their captions underneath, as one RGB image; hands take turns."""
    scenes = list(scenes)
    rows = -(-len(scenes) // columns)
    strip = 42
    sheet = Image.new("RGB", (columns * (size + 6) + 6, rows * (size + strip) + 6), "white")
    pen = ImageDraw.Draw(sheet)
    for i, scene in enumerate(scenes):
        x, y = 6 + (i % columns) * (size + 6), 6 + (i // columns) * (size + strip)
        sheet.paste(draw(scene, size, hands[i % len(hands)]), (x, y))
        words, lines = caption(scene).split(), [""]
        for word in words:
            if len(lines[-1]) + len(word) > size // 6:
                lines.append("")
            lines[-1] = f"{lines[-1]} {word}".strip()
        pen.multiline_text((x, y + size + 2), "\n".join(lines[:3]), fill="black", spacing=1)
    return sheet


def design_sheet(*, columns: int = 3, size: int = 96, hand: Hand = BOOK) -> Image.Image:
    """Every design of every thing, in so many columns of things, as one RGB image."""
    colours = ("red", "blue", "yellow", "green", "purple", "orange", "grey", "pink", "white")
    designs = len(next(iter(DESIGNS.values())))
    wide, high = designs * (size + 2) + 10, size + 18
    rows = -(-len(DESIGNS) // columns)
    sheet = Image.new("RGB", (columns * wide, rows * high), "white")
    pen = ImageDraw.Draw(sheet)
    for i, name in enumerate(DESIGNS):
        x, y = i % columns * wide, i // columns * high
        pen.text((x + 2, y + size + 3), name, fill="black")
        scene = alone(name, colours[i % len(colours)], seed=i)
        for k in range(designs):
            picture = draw(scene, size, replace(hand, designs=(k,)))
            sheet.paste(picture, (x + k * (size + 2), y))
    return sheet


def hands_named(name: str, how_many: int, seed: int) -> list[Hand]:
    """The picture book's hand, the one kept from training, or as many random ones as asked for."""
    rng = np.random.default_rng(seed)
    known = {"book": [BOOK], "unseen": [UNSEEN]}
    return known.get(name) or [random_hand(rng) for _ in range(how_many)]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python tools/picturebook/sheet.py",
        description="Draw scenes of the picture-book world with their captions.",
    )
    parser.add_argument("file", nargs="?", type=file_named(*KINDS), default=Path("picturebook.png"))
    parser.add_argument("--scenes", type=whole(1), default=48)
    parser.add_argument(
        "--columns", type=whole(1), help="8 scenes, or 3 things with --designs, a row"
    )
    parser.add_argument(
        "--size", type=whole(8), help="side of a picture; 160 px, 96 with --designs"
    )
    parser.add_argument("--seed", type=whole(0), default=0)
    parser.add_argument(
        "--hand",
        choices=("book", "random", "unseen"),
        default="book",
        help="whose hand draws: the picture book's, a new one every time, the one kept to test on",
    )
    parser.add_argument(
        "--designs", action="store_true", help="every design of every thing instead of scenes"
    )
    print_plainly()
    args = parser.parse_args()
    columns = args.columns or (3 if args.designs else 8)
    size = args.size or (96 if args.designs else 160)
    hands = hands_named(args.hand, args.scenes, args.seed)
    if args.designs:
        sheet, drawn = design_sheet(columns=columns, size=size, hand=hands[0]), "all designs"
    else:
        scenes = [scene_number(args.seed, i) for i in range(args.scenes)]
        sheet = contact_sheet(scenes, columns=columns, size=size, hands=hands)
        drawn = f"{args.scenes} scenes"
    with exit_on_user_error(parser):
        save(sheet, args.file)
    print(f"{drawn} drawn to {args.file}")


def save(sheet: Image.Image, path: Path) -> None:
    write_atomically(path, lambda file: sheet.save(file, KINDS[path.suffix.lower()]))


if __name__ == "__main__":
    main()
