"""Many pictures on one sheet, with a label for each row and each column."""

import math
from collections.abc import Sequence
from functools import lru_cache
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
    """Pictures in a grid with a label for each row and each column, as one RGB image.

    Args:
        images: a list of rows of pictures; None leaves an empty cell. Each is scaled to fit its
            cell.
        rows, columns: the labels, left and above; broken into lines where they are long.
        size: side of a cell, pixels, at least 32.

    Raises:
        ValueError: no pictures, or not as many labels as rows and columns.
    """
    if not images or not columns:
        raise ValueError("there are no pictures to show")
    if len(rows) != len(images) or any(len(row) != len(columns) for row in images):
        raise ValueError(
            f"labels for {len(rows)} rows of {len(columns)}, but pictures in rows of "
            f"{[len(row) for row in images]}"
        )
    if size < 32:
        raise ValueError(f"size is the side of a picture in pixels, at least 32, got {size}")
    font = _font(max(10, size // 10))
    heads = [_wrapped(label, font, size) for label in columns]
    sides = [_wrapped(label, font, size) for label in rows]
    left = max(_extent(text, font)[0] for text in sides) + 2 * GAP
    top = max(_extent(text, font)[1] for text in heads) + 2 * GAP
    step = size + GAP
    sheet = Image.new("RGB", (left + len(columns) * step, top + len(rows) * step), "white")
    pen = ImageDraw.Draw(sheet)
    for i, text in enumerate(heads):
        low = top - GAP - _extent(text, font)[1]
        pen.multiline_text((left + i * step, low), text, fill="black", font=font, spacing=1)
    for j, text in enumerate(sides):
        middle = top + j * step + (size - _extent(text, font)[1]) // 2
        pen.multiline_text((GAP, middle), text, fill="black", font=font, spacing=1)
        for i, image in enumerate(images[j]):
            x, y = left + i * step, top + j * step
            if image is None:
                pen.rectangle((x, y, x + size - 1, y + size - 1), outline="#bbbbbb")
            else:
                resampling = Image.Resampling.LANCZOS
                sheet.paste(ImageOps.pad(image, (size, size), resampling, "white"), (x, y))
    return sheet


@lru_cache
def _font(height: int) -> ImageFont.FreeTypeFont:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), height)


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def _extent(text: str, font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    _, _, right, bottom = pen.multiline_textbbox((0, 0), text, font=font, spacing=1)
    return math.ceil(right), math.ceil(bottom)
