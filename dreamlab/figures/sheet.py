"""Many pictures on one sheet, with a label for each row and each column."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont, ImageOps

GAP = 4  # px between pictures


def contact_sheet(
    images: Sequence[Sequence[Image.Image | None]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    size: int = 128,
) -> Image.Image:
    """Rows of pictures with a label for each row and each column, as one RGB image.

    Each is scaled to a cell of `size` × `size` pixels, at least 32; None leaves it empty.

    Raises:
        ValueError: no pictures, or not as many labels as rows and columns.
    """
    if not images or not columns:
        raise ValueError("there are no pictures to show")
    if (have := [len(row) for row in images]) != [len(columns)] * len(rows):
        raise ValueError(f"labels for {len(rows)} rows of {len(columns)}, but pictures {have}")
    if size < 32:
        raise ValueError(f"size is the side of a picture in pixels, at least 32, got {size}")
    letter = max(10, size // 10)  # px, its height; on average .6 of this wide
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    style = {"font": ImageFont.truetype(str(file), letter), "spacing": 1}
    width = int(size / letter / 0.6)
    heads, sides = ([textwrap.fill(text, width) for text in labels] for labels in (columns, rows))
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    left = max(int(pen.multiline_textbbox((0, 0), text, **style)[2]) for text in sides) + 3 * GAP
    top = (letter + 4) * (max(text.count("\n") for text in heads) + 1) + 2 * GAP
    step = size + GAP
    sheet = Image.new("RGB", (left + len(columns) * step, top + len(rows) * step), "white")
    pen = ImageDraw.Draw(sheet)
    for i, text in enumerate(heads):
        pen.multiline_text((left + i * step, top - GAP), text, "black", anchor="ld", **style)
    for j, text in enumerate(sides):
        y = top + j * step
        pen.multiline_text((GAP, y + size // 2), text, "black", anchor="lm", **style)
        for i, image in enumerate(images[j]):
            x = left + i * step
            if image is None:
                pen.rectangle((x, y, x + size - 1, y + size - 1), outline="#bbbbbb")
            else:
                cell = ImageOps.pad(image, (size, size), Image.Resampling.LANCZOS, "white")
                sheet.paste(cell, (x, y))
    return sheet
