"""The plots of the chapters; each asks for an `alt`, the sentence that a reader hears."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.image import BboxImage
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox, TransformedBbox
from PIL import Image

from dreamlab.figures.static import FAINT, StaticFigure, tidy, to_array
from dreamlab.support.words import whole_letters

# Okabe and Ito's palette, and a line style each: told apart with any colour vision, and in grey.
STYLES = (
    ("#0072B2", "-"),
    ("#D55E00", "--"),
    ("#009E73", "-."),
    ("#CC79A7", ":"),
    ("#777777", (0, (5, 1, 1, 1, 1, 1))),
)
FRAME = "#D55E00"


class Plot(StaticFigure):
    """A figure that ends a cell, of (width, height) inches; `alt` says in words what it shows."""

    def __init__(self, width: float, height: float, alt: str, layout: str | None = "constrained"):
        if not alt.strip():
            raise ValueError("alt is empty: say in a sentence what the plot shows")
        super().__init__(figsize=(width, height), dpi=100, layout=layout, description=alt.strip())

    def to_png(self) -> bytes:
        """The plot as PNG with 256 colours of its own choice: a third of the bytes to store."""
        with Image.open(io.BytesIO(super().to_png())) as drawn:
            small = drawn.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        buffer = io.BytesIO()
        small.save(buffer, format="png", optimize=True)
        return buffer.getvalue()


def pictures(
    images: Sequence[Any], titles: Sequence[str], *, alt: str, columns: int = 6, size: float = 1.5
) -> Plot:
    """Pictures of any kind, cut off at 0 and 1, in rows of `columns`, a title above each.

    `size` is the side of a picture in inches, about, at 100 dots per inch.

    Raises:
        ValueError: no picture, or not one title for each.
    """
    arrays = [to_array(image) for image in images]
    if not arrays or len(titles) != len(arrays):
        raise ValueError(f"{len(arrays)} pictures and {len(titles)} titles: give one for each")
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    pixels = len(arrays[0])
    side = max(1, round(100 * size / pixels)) * pixels / 100 if pixels < 100 * size else size
    titles = ["\n".join(textwrap.wrap(title, int(14 * side))) for title in titles]
    above, gap = 0.08 + 0.16 * max(title.count("\n") + 1 for title in titles), 0.1
    width, height = columns * (side + gap) + gap, rows * (side + above) + gap
    plot = Plot(width, height, alt, layout=None)
    for index, (array, title) in enumerate(zip(arrays, titles, strict=True)):
        row, column = divmod(index, columns)
        left, bottom = column * (side + gap) + gap, (rows - 1 - row) * (side + above) + gap
        axes = plot.add_axes((left / width, bottom / height, side / width, side / height))
        axes.imshow(array, interpolation="nearest" if len(array) < 100 * size else "antialiased")
        axes.set_title(title, fontsize=9, pad=3, parse_math=False)
        axes.axis("off")
    return plot


def matrices(
    panels: Mapping[str, tuple[Any, Sequence[Any]]], captions: Sequence[str], *, alt: str
) -> Plot:
    """How well every picture (rows) agrees with every sentence (columns), as shades and numbers.

    For each title cosines (pictures, sentences) and thumbnails; a row's greatest has a frame.
    """
    rows, columns = max(len(images) for _, images in panels.values()), len(captions)
    cell, left, below = 0.55, 1.3, 1.35
    width, height = len(panels) * (cell * columns + left) + 0.2, cell * rows + below + 0.3
    plot = Plot(width, height, alt, layout=None)
    for index, (title, (values, images)) in enumerate(panels.items()):
        numbers = np.asarray(torch.as_tensor(values).detach().float().cpu())
        if numbers.shape != (len(images), columns):
            size = f"{len(images)} pictures and {columns} sentences"
            raise ValueError(f"{size}, but values of shape {numbers.shape}")
        corner = (index * (cell * columns + left) + left) / width, below / height
        axes = plot.add_axes((*corner, cell * columns / width, cell * rows / height))
        _draw_matrix(axes, numbers)
        axes.set_title(title, fontsize=10)
        style = {"rotation": 35, "ha": "right", "rotation_mode": "anchor", "parse_math": False}
        axes.set_xticks(range(columns), [whole_letters(text) for text in captions], **style)
        axes.set_yticks([])
        axes.tick_params(length=0, labelsize=9)
        for row, image in enumerate(images):
            box = Bbox.from_bounds(-1.5, row - 0.45, 0.9, 0.9)  # in cells, left of the row
            thumbnail = BboxImage(TransformedBbox(box, axes.transData), clip_on=False)
            thumbnail.set_data(to_array(image))
            axes.add_artist(thumbnail)
    return plot


def _draw_matrix(axes: Axes, numbers: np.ndarray) -> None:
    axes.imshow(numbers, cmap="Blues", vmin=-0.2, vmax=1)
    axes.spines[:].set_visible(False)
    for (row, column), number in np.ndenumerate(numbers):
        dark = number > 0.5
        text = f"{number:.2f}".replace("0.", ".").replace("-", "−")
        style = {"color": "white" if dark else "black", "ha": "center", "va": "center"}
        axes.text(column, row, text, fontsize=9, **style)
        if column == numbers[row].argmax():
            frame = Rectangle((column - 0.42, row - 0.42), 0.84, 0.84, fill=False, ec=FRAME, lw=2)
            axes.add_patch(frame)


def curves(
    lines: Mapping[str, Sequence[float] | tuple[Sequence[float], Sequence[float]]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    alt: str,
    levels: Mapping[str, float] | None = None,
    picture: Any = None,
) -> Plot:
    """Curves by name, of values or (x, y), with horizontal `levels`, and a picture to the left."""
    plot = Plot(6.4 if picture is None else 8.6, 2.9, alt)
    if picture is None:
        axes = plot.subplots()
    else:
        left, axes = plot.subplots(1, 2, width_ratios=(2.4, 5.2))
        left.imshow(to_array(picture), interpolation="nearest")
        left.axis("off")
    for (name, values), (colour, style) in zip(lines.items(), STYLES, strict=False):
        points = values if isinstance(values, tuple) else (range(len(values)), values)
        axes.plot(*points, linestyle=style, color=colour, lw=1.8, label=name)
    for name, level in (levels or {}).items():
        axes.axhline(level, color=FAINT, ls=(0, (1, 2)), lw=1.4)
        style = {"ha": "right", "fontsize": 8, "color": "#555555"}
        place = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
        axes.annotate(name, (1, level), (-2, 3), **place, **style)
    tidy(axes, title, xlabel, ylabel)
    axes.grid(axis="y", alpha=0.25)
    if len(lines) > 1:
        plot.legend(fontsize=8, frameon=False, loc="outside right upper")
    return plot


BINS = 60  # between the smallest and the greatest value of all pictures
CHANNELS = {"red": ("#D55E00", "-"), "green": ("#009E73", "--"), "blue": ("#0072B2", "-.")}


def histograms(images: Mapping[str, Any], *, alt: str) -> Plot:
    """How the values of a picture's three channels are spread, on a logarithmic scale.

    `images` are raw pixels by title, (3, h, w) or (n, 3, h, w) in any range, else ValueError; what
    is outside [0, 1] is shaded.
    """
    tensors = {title: torch.as_tensor(image).detach().float() for title, image in images.items()}
    if not tensors or any(x.ndim not in (3, 4) or x.shape[-3] != 3 for x in tensors.values()):
        shapes = [tuple(x.shape) for x in tensors.values()]
        raise ValueError(f"pictures of shape (3, h, w) or (n, 3, h, w) are wanted, got {shapes}")
    low = min(0.0, *(x.min().item() for x in tensors.values()))
    high = max(1.0, *(x.max().item() for x in tensors.values()))
    edges = np.linspace(low, high, BINS + 1)
    plot = Plot(max(4.5, 2.6 * len(tensors) + 0.9), 2.6, alt)
    row = plot.subplots(1, len(tensors), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (title, values) in zip(row, tensors.items(), strict=True):
        channels = values.cpu().movedim(-3, 0).flatten(1)
        for (name, (colour, style)), channel in zip(CHANNELS.items(), channels, strict=True):
            shares = np.histogram(channel, edges)[0] / len(channel)
            axes.stairs(shares, edges, color=colour, ls=style, lw=1.3, label=name)
        margin = 0.03 * (high - low)
        for side in ((low - margin, 0), (1, high + margin)):
            axes.axvspan(*side, color=FAINT, alpha=0.18, lw=0)
        axes.set_xlim(low - margin, high + margin)
        axes.set_yscale("log")
        tidy(axes, title, xlabel="value")
    row[0].set_ylabel("share of the channel", fontsize=9)
    handles = row[0].get_legend_handles_labels()
    plot.legend(*handles, fontsize=8, frameon=False, loc="outside right upper")
    return plot
