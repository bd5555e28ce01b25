"""Figures that stay, made without ``pyplot``: a dream with its loss curve and its settings."""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from dreamlab.figures import curve
from dreamlab.support.picture import Picture, read_picture
from dreamlab.support.words import shorten, whole_letters

FAINT = "#777777"
LINES = {  # of the loss: label, what a step says of it, style
    "total": (lambda step: step.loss, {"color": FAINT, "lw": 4, "alpha": 0.35}),
    "CLIP": (lambda step: step.clip_loss, {"color": "#0072B2", "lw": 1.6}),
    "λ·TV": (lambda step: tv_term(step), {"color": "#D55E00", "lw": 1.4, "ls": "--"}),
}
JUDGE = {"color": "#009E73", "marker": "o", "ms": 2.5, "lw": 1, "label": "judge"}
IN_WORDS = "A figure. In words:"


class StaticFigure(Figure):
    """A matplotlib figure that a notebook shows by itself, and stores with its ``description``."""

    def __init__(self, *args: Any, description: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)
        self.description = description

    def draw(self, renderer: Any) -> None:
        """Draw every text as it is written: in a prompt, $ is money and no formula."""
        for text in _texts(self):
            text.set_parse_math(False)
            text.set_text(whole_letters(text.get_text()))
        super().draw(renderer)

    def to_png(self) -> bytes:
        """The figure as the bytes of a PNG file."""
        buffer, words = io.BytesIO(), whole_letters(self.description)
        self.savefig(buffer, format="png", metadata={"Description": words})
        return buffer.getvalue()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Picture and words; the first line of a folded output must not be an answer."""
        words = whole_letters(self.description)
        text = f"{IN_WORDS}\n{words}" if words else repr(self)
        data = {"image/png": self.to_png(), "text/plain": text}
        return data, {"image/png": {"alt": words}} if words else {}


def _texts(artist: Artist) -> Iterator[Text]:
    """All texts below an artist but numbers on axes, which matplotlib writes as formulas."""
    for child in artist.get_children():
        if isinstance(child, Text):
            yield child
        elif isinstance(child, Axis):
            yield child.label
        else:
            yield from _texts(child)


def to_array(image: Picture) -> np.ndarray:
    """One picture as (h, w, 3) in [0, 1], values outside cut off; errors as by `read_picture`."""
    images = read_picture(image)
    if len(images) > 1:
        raise ValueError(f"one picture has the shape (3, h, w), this batch {tuple(images.shape)}")
    return images[0].clamp(0, 1).movedim(0, -1).cpu().numpy()


def dream_figures(plates: Sequence[dict[str, Any]]) -> StaticFigure:
    """A row for each dream: its picture, its loss curve (all on one scale) and its settings.

    A plate has `dream`, and may have a `title`; `judged`, (step, 1 − similarity) pairs; `changes`,
    (step, knob, value) triples; and `seen`, what the judge sees.
    """
    descriptions = []
    figure = StaticFigure(figsize=(10, 3.3 * len(plates)), dpi=100, layout="constrained")
    rows = figure.subplots(len(plates), 3, width_ratios=(3.3, 4.6, 2.4), squeeze=False)
    for (left, middle, right), plate in zip(rows, plates, strict=True):
        dream, prompt = plate["dream"], joined(plate["dream"].prompts)
        judged, changes = list(plate.get("judged", ())), list(plate.get("changes", ()))
        picture = tile(dream.images)
        left.imshow(picture, interpolation="bilinear" if len(picture) < 200 else "antialiased")
        left.set_axis_off()
        left.set_title(shorten(plate.get("title") or prompt, 44), fontsize=10)
        draw_losses(middle, dream.history, judged, changes)
        right.axis("off")
        text = settings_text(dream, judged, changes, plate.get("seen", ""))
        right.text(0, 1, text, va="top", fontsize=8, linespacing=1.45)
        descriptions.append(f"{prompt}, " + text.replace("\n", ", "))
    lows, highs = zip(*(middle.get_ylim() for _, middle, _ in rows), strict=True)
    for _, middle, _ in rows:
        middle.set_ylim(min(lows), max(highs))
    figure.description = "; ".join(descriptions)
    return figure


def draw_losses(
    axes: Axes,
    history: Sequence[Any],
    judged: Sequence[tuple[int, float]],
    changes: Iterable[tuple[int, str, Any]],
) -> None:
    """Draw the terms of the loss, the octave boundaries and the judge's opinion into ``axes``."""
    steps = [step.step for step in history]
    for label, (value, style) in LINES.items():
        axes.plot(steps, [value(step) for step in history], label=label, **style)
    if judged:
        axes.plot(*zip(*judged, strict=True), **JUDGE)
    axes.set_ylim(*curve.limits((line.get_xdata(), line.get_ydata()) for line in axes.lines))
    ground = axes.get_xaxis_transform()
    octave = -1
    for step in history:
        if step.octave != octave:
            octave = step.octave
            axes.axvline(step.step - 1, color=FAINT, ls=":", lw=1)
            style = {"va": "top", "fontsize": 7, "color": FAINT, "transform": ground}
            axes.text(step.step - 1, 0.99, f" {size_text(step.size)}", **style)
    if turned := sorted({step for step, *_ in changes}):
        axes.plot(turned, [0.02] * len(turned), "k^", ms=4, transform=ground, label="knob turned")
    axes.set_xlim(0, history[-1].steps if history else None)
    tidy(axes, xlabel="step")
    axes.grid(axis="y", alpha=0.25)
    if history:
        outside = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 5}
        axes.legend(fontsize=8, frameon=False, columnspacing=1.2, handlelength=1.6, **outside)


def tidy(axes: Axes, title: str = "", xlabel: str = "", ylabel: str = "") -> None:
    """Axes as in all our figures: small letters, no frame at the top and the right."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(xlabel, fontsize=9)
    axes.set_ylabel(ylabel, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def tile(images: Sequence[Any]) -> np.ndarray:
    """Pictures of one size as a single (h, w, 3) array, as near to a square as they go."""
    arrays = [to_array(image) for image in images]
    columns = math.ceil(math.sqrt(len(arrays)))
    while len(arrays) % columns:
        arrays.append(np.ones_like(arrays[0]))
    rows = [np.concatenate(arrays[i : i + columns], 1) for i in range(0, len(arrays), columns)]
    return np.concatenate(rows, 0)


def tv_term(step: Any) -> float:
    """The loss less its CLIP term: λ · TV (and the pull of a start that is kept)."""
    return step.loss - step.clip_loss


def settings_text(
    dream: Any, judged: Sequence[tuple[int, float]], changes: Sequence[Any], seen: str
) -> str:
    """The settings of a dream and where it got to, one fact a line."""
    recipe, history = dream.recipe, dream.history
    height, width = recipe.canvas
    lines = [
        f"seed {joined(dict.fromkeys(dream.seeds))}",
        f"recipe {shorten(recipe.differences(), 30)}",
        f"{height} × {width} px, {recipe.views} views",
        f"{len(history)} of {recipe.steps} steps",
        f"octaves {', '.join(f'{scale:g}' for scale in recipe.octaves)}",
        f"learning rate {recipe.learning_rate:g}",
        f"λ {recipe.tv_weight:g} ({recipe.tv_kind} TV)",
        "kept in [0, 1]" if recipe.clamp else "not clamped",
    ]
    if any(dream.negative_prompts):
        lines.insert(0, f"not: {shorten(joined(dream.negative_prompts), 30)}")
    if changes:
        lines.append(f"{len(changes)} turns of a knob on the way")
    if history:
        lines.append(f"CLIP loss {history[-1].clip_loss:.3f}")
    if judged:
        lines.append(f"judge {judged[-1][1]:.3f} (1 − similarity)")
    if seen:
        lines.append(f"judge {seen}")
    lines.append(f"model {shorten(dream.clip_name.rsplit('/', 1)[-1], 30)}")
    return "\n".join(lines)


def size_text(size: tuple[int, int]) -> str:
    """A canvas of (height, width) in words."""
    return f"{size[1]} px" if size[0] == size[1] else f"{size[1]} × {size[0]} px"


def joined(prompts: Any) -> str:
    """One prompt, weighted prompts or a list of them, as text."""

    def words(prompt: Any) -> str:
        if isinstance(prompt, list):
            return " → ".join(words(each) for _, each in prompt)
        return " + ".join(map(str, prompt)) if isinstance(prompt, dict) else str(prompt)

    return prompts if isinstance(prompts, str) else ", ".join(map(words, prompts))
