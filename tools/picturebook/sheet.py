"""Draw scenes of the picture-book world, or all designs of its objects, on one sheet.

python tools/picturebook/sheet.py sheet.png --seed 3 --style random
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dreamlab.picturebook.draw import draw
from dreamlab.picturebook.shapes import DESIGNS, HELD_OUT_DESIGN
from dreamlab.picturebook.styles import BOOK, HELD_OUT
from dreamlab.picturebook.world import COLOURS, Item, Place, Scene, caption, scene_number
from dreamlab.support.console import print_plainly
from dreamlab.support.files import write_atomically
from random_styles import random_style

sys.path.append(str(Path(__file__).parents[1]))
from course_files import exit_on_user_error, whole

KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
GAP, STRIP = 6, 42  # px, between pictures and for the text under each


def centred(name: str, colour: str = "red", texture: str = "plain", *, seed: int = 0) -> Scene:
    """One large upright object in the middle of a plain background."""
    place = Place(0.5, 0.5, 0.4, 0.0, False)
    return Scene("plain", (Item(name, colour, texture, (place,)),), seed)


def sheet(pictures: Sequence[Image.Image], texts: Sequence[str], columns: int) -> Image.Image:
    """Square pictures of one size in rows, each with its text underneath."""
    size, rows = pictures[0].width, -(-len(pictures) // columns)
    wide, high = size + GAP, size + STRIP
    page = Image.new("RGB", (columns * wide + GAP, rows * high + GAP), "white")
    pen = ImageDraw.Draw(page)
    for i, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
        x, y = GAP + i % columns * wide, GAP + i // columns * high
        page.paste(picture, (x, y))
        lines = textwrap.wrap(text, max(8, size // 6))[:3]
        pen.multiline_text((x, y + size + 2), "\n".join(lines), fill="black", spacing=1)
    return page


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("file", nargs="?", type=Path, default=Path("picturebook.png"))
    add("--scenes", type=whole(1), default=48)
    add("--columns", type=whole(1), help="8 scenes, or the designs of 3 objects, a row")
    add("--size", type=whole(8), help="side of a picture; 160 px, 96 with --designs")
    add("--seed", type=whole(0), default=0)
    words = "the picture book's, a random one each time, the one held out from training"
    add("--style", choices=("book", "random", "held-out"), default="book", help=words)
    add("--designs", action="store_true", help="every design of every object instead of scenes")
    print_plainly()
    options = parser.parse_args(arguments)
    if (suffix := options.file.suffix.lower()) not in KINDS:
        parser.error(f"the name of the file must end in {' or '.join(KINDS)}, got {options.file}")
    rng = np.random.default_rng(options.seed)
    styles = {
        "book": lambda: BOOK,
        "held-out": lambda: HELD_OUT,
        "random": lambda: random_style(rng),
    }
    style, size = styles[options.style], options.size or (96 if options.designs else 160)
    if options.designs:
        own, designs = style(), range(HELD_OUT_DESIGN + 1)
        objects = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(DESIGNS)}
        pictures = [
            draw(centred(name, colour, seed=i), size, replace(own, designs=(k,)))
            for i, (name, colour) in enumerate(objects.items())
            for k in designs
        ]
        texts = [name for name in objects for _ in designs]
        columns = (options.columns or 3) * len(designs)
    else:
        scenes = [scene_number(options.seed, i) for i in range(options.scenes)]
        pictures = [draw(scene, size, style()) for scene in scenes]
        texts, columns = [caption(scene) for scene in scenes], options.columns or 8
    with exit_on_user_error(parser):
        page = sheet(pictures, texts, columns)
        write_atomically(options.file, lambda file: page.save(file, KINDS[suffix]))
    print(f"{len(pictures)} pictures drawn to {options.file}")


if __name__ == "__main__":
    main()
