"""Draw a sheet: python -m dreamlab.picturebook sheet.png --seed 3 --hand random."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from dreamlab.support.console import exit_on_user_error, file_named, print_plainly, whole
from dreamlab.support.files import write_atomically

from .draw import contact_sheet, design_sheet
from .hands import BOOK, UNSEEN, Hand, random_hand
from .world import scene_number

KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}


def hands_named(name: str, how_many: int, seed: int) -> list[Hand]:
    """The picture book's hand, the one kept from training, or as many random ones as asked for."""
    rng = np.random.default_rng(seed)
    known = {"book": [BOOK], "unseen": [UNSEEN]}
    return known.get(name) or [random_hand(rng) for _ in range(how_many)]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m dreamlab.picturebook",
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
