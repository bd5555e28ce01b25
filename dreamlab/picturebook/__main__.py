"""Draw a sheet: python -m dreamlab.picturebook sheet.png --seed 3 --hand random."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from .draw import contact_sheet, design_sheet
from .hands import BOOK, UNSEEN, Hand, random_hand
from .world import scene_number


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
    parser.add_argument("file", nargs="?", type=Path, default=Path("picturebook.png"))
    parser.add_argument("--scenes", type=int, default=48)
    parser.add_argument("--columns", type=int, help="8 scenes, or 3 things with --designs, a row")
    parser.add_argument("--size", type=int, help="side of a picture; 160 px, 96 with --designs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--hand",
        choices=("book", "random", "unseen"),
        default="book",
        help="whose hand draws: the picture book's, a new one every time, the one kept to test on",
    )
    parser.add_argument(
        "--designs", action="store_true", help="every design of every thing instead of scenes"
    )
    args = parser.parse_args()
    columns = args.columns if args.columns is not None else 3 if args.designs else 8
    size = args.size if args.size is not None else 96 if args.designs else 160
    if args.scenes < 1 or columns < 1:
        parser.error("--scenes and --columns are at least 1")
    if size < 8:
        parser.error("--size is at least 8")
    hands = hands_named(args.hand, args.scenes, args.seed)
    if args.designs:
        design_sheet(columns=columns, size=size, hand=hands[0]).save(args.file)
        print(f"all designs drawn to {args.file}")
        return
    scenes = [scene_number(args.seed, i) for i in range(args.scenes)]
    contact_sheet(scenes, columns=columns, size=size, hands=hands).save(args.file)
    print(f"{args.scenes} scenes drawn to {args.file}")


if __name__ == "__main__":
    main()
