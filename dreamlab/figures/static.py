"""Figures that stay: a picture with its curve, strips for comparison, contact sheets.

They are plain matplotlib figures on the Agg canvas, made without ``pyplot``: nothing global is
touched, nothing is left open, and a cell that ends in one shows it as PNG (which is what GitHub,
nbconvert and a reopened notebook show as well).
"""

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

# Okabe and Ito's palette: told apart with any colour vision, and by line style in grey.
CLIP, TV, JUDGE, TOTAL = "#0072B2", "#D55E00", "#009E73", "#777777"
FAINT = "#777777"

IN_WORDS = "A figure. In words:"


class StaticFigure(Figure):
    """A matplotlib figure that a notebook shows by itself, whatever pyplot is set to.

    Its ``description``, in words, is the alternative text that is stored with the picture: what a
    reader hears who cannot see it, in nbconvert's pages too.
    """

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
        buffer = io.BytesIO()
        words = whole_letters(self.description)
        self.savefig(buffer, format="png", metadata={"Description": words})
        return buffer.getvalue()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """What a notebook stores: the picture, its words, and these as metadata of the picture.

        A folded output shows its first line of text. So that one does not tell what is in the
        picture: below a question it would be the answer.
        """
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
    """Any kind of picture as (h, w, 3) numbers in [0, 1]; values outside are cut off.

    Raises:
        FileNotFoundError, TypeError, ValueError: no picture, or several; see `read_picture`.
    """
    images = read_picture(image)
    if len(images) > 1:
        raise ValueError(f"one picture has the shape (3, h, w), this batch {tuple(images.shape)}")
    return images[0].clamp(0, 1).movedim(0, -1).cpu().numpy()


def dream_figure(
    dream: Any,
    *,
    judged: Iterable[tuple[int, float]] = (),
    changes: Iterable[Any] = (),
    title: str = "",
    seen: str = "",
) -> StaticFigure:
    """One dream on one plate: the picture, its loss curve, its settings and the judge's opinion.

    Args:
        dream: a `Dream`, finished or not.
        judged: (step, loss) pairs, the judge's ``1 - similarity`` at some of the steps.
        changes: (step, knob, value) triples of knobs that were turned during the run.
        title: above the picture; default: the prompt.
        seen: which thing the judge sees in the picture, in a few words.
    """
    plate = {"dream": dream, "judged": judged, "changes": changes, "title": title, "seen": seen}
    return dream_figures([plate])


def dream_figures(plates: Sequence[dict[str, Any]]) -> StaticFigure:
    """Several dreams below each other, on one scale; each a dict of `dream_figure`'s arguments."""
    texts = []
    figure = StaticFigure(figsize=(10, 3.3 * len(plates)), dpi=100, layout="constrained")
    rows = figure.subplots(len(plates), 3, width_ratios=(3.3, 4.6, 2.4), squeeze=False)
    for (left, middle, right), plate in zip(rows, plates, strict=True):
        dream = plate["dream"]
        judged, changes = list(plate.get("judged", ())), list(plate.get("changes", ()))
        _show(left, tile(dream.images))
        left.set_title(shorten(plate.get("title") or joined(dream.prompts), 44), fontsize=10)
        draw_losses(middle, dream.history, judged, changes)
        right.axis("off")
        texts.append(settings_text(dream, judged, changes, plate.get("seen", "")))
        right.text(0, 1, texts[-1], va="top", fontsize=8, linespacing=1.45)
    limits = [middle.get_ylim() for _, middle, _ in rows]
    for _, middle, _ in rows:
        middle.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    prompts = (joined(plate["dream"].prompts) + ", " for plate in plates)
    lines = zip(prompts, (text.replace("\n", ", ") for text in texts), strict=True)
    figure.description = "; ".join(map("".join, lines))
    return figure


def draw_losses(
    axes: Axes,
    history: Sequence[Any],
    judged: Iterable[tuple[int, float]] = (),
    changes: Iterable[tuple[int, str, Any]] = (),
) -> None:
    """Draw the terms of the loss, the octave boundaries and the judge's opinion into ``axes``."""
    steps = [step.step for step in history]
    for values, colour, style, width, label in (
        ([step.loss for step in history], TOTAL, "-", 4, "total"),
        ([step.clip_loss for step in history], CLIP, "-", 1.6, "CLIP"),
        ([tv_term(step) for step in history], TV, "--", 1.4, "λ·TV"),
    ):
        alpha = 0.35 if label == "total" else 1
        axes.plot(steps, values, style, color=colour, lw=width, alpha=alpha, label=label)
    if judged := list(judged):
        axes.plot(*zip(*judged, strict=True), "o-", color=JUDGE, ms=2.5, lw=1, label="judge")
    axes.set_ylim(*curve.limits((line.get_xdata(), line.get_ydata()) for line in axes.lines))
    octave = -1
    for step in history:
        if step.octave != octave:
            octave = step.octave
            axes.axvline(step.step - 1, color=FAINT, ls=":", lw=1)
            axes.annotate(
                f" {size_text(step.size)}",
                (step.step - 1, 0.99),
                xycoords=axes.get_xaxis_transform(),
                va="top",
                fontsize=7,
                color=FAINT,
            )
    if turned := sorted({step for step, *_ in changes}):
        ground = axes.get_xaxis_transform()
        axes.plot(turned, [0.02] * len(turned), "k^", ms=4, transform=ground, label="knob turned")
    axes.set_xlim(0, history[-1].steps if history else None)
    axes.set_xlabel("step", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    if history:
        outside = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 5}
        axes.legend(fontsize=8, frameon=False, columnspacing=1.2, handlelength=1.6, **outside)


def strip(
    images: Sequence[Any], titles: Sequence[str] = (), *, height: float = 2.2
) -> StaticFigure:
    """Pictures in one row, for before and after.

    Args:
        images: whatever `to_array` takes; each is shown at the same height.
        titles: one line above each picture, or none.
        height: of a picture, inches at 100 dots per inch.
    """
    return contact_sheet(images, titles, columns=max(len(images), 1), height=height)


def contact_sheet(
    images: Sequence[Any],
    titles: Sequence[str] = (),
    *,
    columns: int = 6,
    height: float = 1.6,
    captions: Sequence[str] = (),
) -> StaticFigure:
    """Many pictures in rows, in reading order.

    Args:
        images: whatever `to_array` takes.
        titles: a line above each picture, or none at all.
        columns: pictures in a row.
        height: of a picture, inches at 100 dots per inch.
        captions: a smaller line below each picture, or none at all.

    Raises:
        ValueError: no pictures, or not as many titles as pictures.
    """
    images = list(images)
    if not images:
        raise ValueError("there are no pictures to show")
    for name, words in (("titles", titles), ("captions", captions)):
        if words and len(words) != len(images):
            raise ValueError(f"{len(images)} pictures, but {len(words)} {name}: give one for each")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    arrays = [to_array(image) for image in images]
    aspect = max(a.shape[1] / a.shape[0] for a in arrays)
    extra = 0.3 * bool(titles) + 0.25 * bool(captions) + 0.08
    figure = StaticFigure(
        figsize=(columns * (height * aspect + 0.08), rows * (height + extra)),
        dpi=100,
        layout="constrained",
        description="; ".join(titles) or f"{len(images)} pictures",
    )
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03)
    letters = int(14 * height * aspect)  # that fit above a picture
    for number, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        if number >= len(images):
            axes.axis("off")
            continue
        _show(axes, arrays[number])
        if titles:
            axes.set_title(shorten(titles[number], letters), fontsize=9)
        if captions:
            axes.set_xlabel(shorten(captions[number], letters), fontsize=8)
    return figure


def tile(images: Sequence[Any]) -> np.ndarray:
    """Pictures of one size as a single (h, w, 3) array, as near to a square as they go."""
    arrays = [to_array(image) for image in images]
    columns = math.ceil(math.sqrt(len(arrays)))
    while len(arrays) % columns:
        arrays.append(np.ones_like(arrays[0]))
    rows = [np.concatenate(arrays[i : i + columns], 1) for i in range(0, len(arrays), columns)]
    return np.concatenate(rows, 0)


def tv_term(step: Any) -> float:
    """What smoothness adds to the loss at this step, λ · TV (and the pull of a start that is kept).

    That is the total less the CLIP term.
    """
    return step.loss - step.clip_loss


def settings_text(
    dream: Any,
    judged: Sequence[tuple[int, float]] = (),
    changes: Sequence[Any] = (),
    seen: str = "",
) -> str:
    """The settings of a dream and where it got to, one fact a line."""
    recipe, history = dream.recipe, dream.history
    height, width = recipe.canvas
    lines = [
        f"seed {joined(dict.fromkeys(dream.seeds))}",
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
    lines.append(f"model {shorten(dream.clip.name.rsplit('/', 1)[-1], 30)}")
    return "\n".join(lines)


def size_text(size: tuple[int, int]) -> str:
    """A canvas of (height, width) in words."""
    height, width = size
    return f"{width} px" if width == height else f"{width} × {height} px"


def joined(prompts: Any) -> str:
    """One prompt, weighted prompts or a list of them, as text."""
    return prompts if isinstance(prompts, str) else ", ".join(map(_words, prompts))


def _words(prompt: Any) -> str:
    return " + ".join(prompt) if isinstance(prompt, dict) else str(prompt)


def shorten(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: max(letters - 1, 1)].rstrip() + "…"


def whole_letters(text: str) -> str:
    """With ? for half a letter (a lone surrogate), which no font and no message can hold."""
    return text.encode(errors="replace").decode()


def _show(axes: Axes, picture: np.ndarray) -> None:
    axes.imshow(picture, interpolation="bilinear" if picture.shape[0] < 200 else "antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
