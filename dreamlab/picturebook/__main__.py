"""Draw a contact sheet: python -m dreamlab.picturebook sheet.png --seed 3."""

from __future__ import annotations

import argparse
from pathlib import Path

from .draw import contact_sheet
from .world import scene_number


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m dreamlab.picturebook",
        description="Draw scenes of the picture-book world with their captions.",
    )
    parser.add_argument("file", nargs="?", type=Path, default=Path("picturebook.png"))
    parser.add_argument("--scenes", type=int, default=48)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.scenes < 1 or args.columns < 1:
        parser.error("--scenes and --columns are at least 1")
    scenes = [scene_number(args.seed, i) for i in range(args.scenes)]
    contact_sheet(scenes, columns=args.columns).save(args.file)
    print(f"{args.scenes} scenes drawn to {args.file}")


if __name__ == "__main__":
    main()
