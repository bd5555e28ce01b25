"""One dream on the page: its picture (JPEG), its curve (SVG), and the record of its run."""

import io
from collections.abc import Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
from PIL import Image

from dreamlab.figures import curve, static
from dreamlab.figures.saving import Film, as_image
from dreamlab.lab.controls import described
from dreamlab.picturebook.world import OBJECTS, describe, thing_in
from dreamlab.support.words import whole_letters

PICTURE, COMPARED = 300, 180  # px, the longer side of a picture on the page, alone or one of two


class Track:
    """A dream with its widgets and the record of its run; `fixed` are a comparison's settings."""

    def __init__(self, dream: Any, fixed: dict[str, Any], *, compared: bool, judged: bool) -> None:
        self.dream, self.fixed, self._keeps_first = dream, fixed, judged
        title = ", ".join(described(name, value) for name, value in fixed.items())
        self.title = whole_letters(title)
        height, width = dream.recipe.canvas
        scale = (COMPARED if compared else PICTURE) / max(height, width)
        self._height = curve.HEIGHT - 90 * compared  # so that the controls are on the screen too
        size = {"width": f"{round(width * scale)}px", "height": f"{round(height * scale)}px"}
        self.picture, self.plot = widgets.Image(format="jpeg", layout=size), widgets.HTML()
        self.picture.add_class("dl-picture")
        self.plot.add_class("dl-plot")
        if compared:
            head = widgets.HTML(f'<div class="dl-head">{escape(self.title)}</div>')
            self.box = widgets.VBox([head, self.picture, self.plot])
        else:
            self.box = widgets.HBox([self.picture, self.plot])
        self.box.add_class("dl-track")
        self.begin(dream)

    def begin(self, dream: Any) -> None:
        """Forget the last run."""
        self.dream = dream
        self.changes: list[tuple[int, str, Any]] = []  # step, knob, value: turned in this run
        self.judged: list[tuple[int, float]] = []
        first = len(dream.history), dream.pixels, dream.prompts
        self._unjudged = first if self._keeps_first else None
        self.seen = ""
        self.film = Film(every=max(1, dream.recipe.steps // 60))
        self.curve = curve.LossCurve(dream.recipe.steps, self._height)
        self._unread = list(dream.history)
        self._octave = -1
        if not self._unread:
            self.film.add(0, side_by_side(dream.images))

    def advance(self) -> bool:
        """One step; False if none was left, RuntimeError for StopIteration or SystemExit in it."""
        try:
            step = next(self.dream, None)
        except SystemExit as error:  # asyncio would let it through, and the kernel would end
            raise RuntimeError("SystemExit came out of a step of the dream, in its code") from error
        if step is None:
            if not self.dream.done:
                raise RuntimeError("StopIteration came out of a step of the dream, in its code")
            return False
        self._unread.append(step)
        if self.film.wants(step.step):
            self.film.add(step.step, side_by_side(self.dream.images))
        return True

    def note_change(self, knob: str, value: Any) -> None:
        """Remember that a knob was turned, if the run had begun."""
        if steps := len(self.dream.history):
            self.changes.append((steps, knob, value))
            self.curve.mark_change(steps, knob, described(knob, value))

    def ask(self, judge: Any) -> None:
        """Ask the judge what it thinks of the present picture; once, of the first one as well."""
        now = len(self.dream.history), self.dream.pixels, self.dream.prompts
        first = self._unjudged if self._unjudged and self._unjudged[0] < now[0] else None
        for steps, pixels, prompts in filter(None, (first, now)):
            # On the scale of the CLIP term, 0 for perfect agreement; the mean over a batch.
            loss = 1 - float(judge.score(pixels, list(prompts)).mean())
            self.judged.append((steps, loss))
            self.curve.add(steps, judge=loss)
        self._unjudged = None
        self.seen = seen_by(judge, self.dream)

    def read_history(self) -> None:
        """Take the new steps into the curve; only now are their numbers fetched from the device."""
        for step in self._unread:
            if step.octave != self._octave:
                self._octave = step.octave
                self.curve.octaves.append((step.step - 1, static.size_text(step.size)))
            self.curve.add(step.step, total=step.loss, clip=step.clip_loss, tv=static.tv_term(step))
        self._unread.clear()

    def draw(self, limits: tuple[float, float] | None) -> None:
        """Send the picture to the page, and the curve if its vertical axis has these ends."""
        buffer = io.BytesIO()
        # Full colour resolution: halved, as is usual, it would hide just the noise to be seen.
        side_by_side(self.dream.images).save(buffer, "jpeg", quality=85, subsampling=0)
        self.picture.value = buffer.getvalue()
        if limits:
            self.plot.value = self.curve.svg(limits)


def seen_by(judge: Any, dream: Any) -> str:
    """What the judge says: "sees the heart", "sees a moon (heart: place 5 of 25)" or ""."""
    answers = judge.things(dream.pixels, dream.prompts)
    pairs = [(p, a) for p, a in zip(dream.prompts, answers, strict=True) if a is not None]
    if not pairs:
        return ""
    if len(pairs) > 1:
        return f"sees {sum(not answer.rank for _, answer in pairs)} of {len(pairs)} things"
    ((prompt, answer),) = pairs
    if answer.rank == 0:
        return f"sees the {answer.said}"
    place = f"{thing_in(prompt)}: place {answer.rank + 1} of {len(OBJECTS)}"
    return f"sees {describe(answer.said)} ({place})"


def side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """The pictures of a batch as one, as near to a square as they go."""
    return images[0] if len(images) == 1 else as_image(static.tile(images))
