"""The live lab: controls, picture and loss curve that act while the dream goes on.

`Panel` is what a cell sees of it. Behind it, each in a module of its own: the loop that listens
(`live`), what it does in a step (`run`), what is on the page (`page`, `track`, `controls`), and the
kernel underneath (`kernel`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from dreamlab.figures import saving, static
from dreamlab.files import claim_name, user_path
from dreamlab.lab import kernel
from dreamlab.lab.controls import ARGUMENTS, CONTROLS, Controls
from dreamlab.lab.live import State
from dreamlab.lab.page import Page
from dreamlab.lab.run import Run
from dreamlab.lab.track import Track, side_by_side
from dreamlab.loading import EMBEDDED


class Panel:
    """Controls, live picture and live loss curve for a dream.

    As the last line of a cell it shows itself; its Start button then runs the dream in the
    background, and every control acts while it runs. ``await panel.run()`` does the same and lets
    the cell wait for the end, as Run All needs it::

        panel = Panel(Dream(load_clip(), "a red striped heart in the sky"))
        await panel.run()

    Args:
        dream: what to run. The first Start runs this very dream, a later one a new `Dream` made
            from the controls: ``panel.dream`` is the present one.
        show: names of the controls to show, of ``CONTROLS``; default: all that fit the dream. The
            buttons, the picture and the curve are always there.
        judge: a `Judge` for the judge's line. Default: the embedded one, if the dream's model is
            embedded too; False for none.
        folder: where Save and Film put their files.

    Raises:
        ValueError: a name in ``show`` that is no control.
        TypeError: not a dream.
    """

    def __init__(
        self,
        dream: Any,
        show: Sequence[str] | None = None,
        *,
        judge: Any = None,
        folder: str | Path = "dreams",
        _versions: Sequence[dict[str, Any]] = ({},),
    ) -> None:
        if not hasattr(dream, "recipe") or not hasattr(dream, "__next__"):
            raise TypeError(f"Panel(dream) needs a Dream, got {type(dream).__name__}")
        if isinstance(show, str):
            show = (show,)
        if unknown := sorted(set(show or ()) - set(CONTROLS)):
            raise ValueError(f"no such controls: {unknown}; show takes {', '.join(CONTROLS)}")
        self.folder = user_path(folder)
        shown = tuple(CONTROLS) if show is None else tuple(show)
        if judge is None and not ("judge" in shown and dream.clip.name in EMBEDDED):
            judge = False
        self._main_loop = kernel.MainLoop()
        compared = len(_versions) > 1
        self._tracks = [Track(dream, changed, compared=compared) for changed in _versions]
        self._page = Page(self._tracks, self._acts())
        fixed = {setting for changed in _versions for setting in changed}
        self._controls = Controls(dream, shown, fixed, self._post, self._page.note)
        for name in self._controls.later:
            self._controls.inputs[name].observe(lambda _: self._post(self._say_later), "value")
        self._run = Run(dream, self._tracks, self._controls, self._page, judge)
        self._page.lay_out(self._controls)
        if compared:
            for track in self._tracks:
                track.begin(self._run.make_dream(track))
        self._run.draw()
        kernel.replace_in_cell(self)

    # ------------------------------------------------------------------ what a cell may ask for

    @property
    def dream(self) -> Any:
        """The present dream (the left one of a comparison)."""
        return self._tracks[0].dream

    @property
    def dreams(self) -> list[Any]:
        """The present dreams, from left to right."""
        return [track.dream for track in self._tracks]

    @property
    def image(self) -> Image.Image:
        """The present picture (of a batch: the first)."""
        return self.dream.images[0]

    @property
    def state(self) -> State:
        """``"ready"``, ``"running"``, ``"paused"``, ``"stopped"``, ``"finished"``, ``"failed"``."""
        return self._run.loop.state

    @property
    def error(self) -> BaseException | None:
        """What ended the last run early, if anything did; `check` raises it."""
        return self._run.loop.error

    @property
    def changes(self) -> list[tuple[int, str, Any]]:
        """(step, knob, value): the knobs that were turned since the start of this run."""
        return list(self._tracks[0].changes)

    async def run(self) -> None:
        """Dream to the end, in this cell; the picture is ``panel.image`` afterwards.

        Goes on where the dream stands, or from the start if it is at its end. The kernel's
        interrupt button ends it with `asyncio.CancelledError` and keeps the picture; errors of the
        dream are raised. Stop, Reset and a Start in the panel act here as well.
        """
        self._main_loop.notice()
        if self._page.shown_by is None or self._page.shown_by != kernel.execution():
            self._show()
        if not kernel.hears_while_awaiting():
            self._page.note(
                "deaf",
                "While a cell runs, this kernel hears only its own ■ (stop). With the Start button "
                "every control acts at once.",
            )
        try:
            await self._run.loop.run(from_start=all(track.done for track in self._tracks))
        finally:
            self._page.note("deaf")

    async def wait(self) -> None:
        """Wait for the end of what Start began; raises the error that ended it, if one did."""
        await self._run.loop.wait()

    def check(self) -> None:
        """Raise the error that ended the last run, if one did."""
        self._run.loop.check()

    def start(self) -> None:
        """What the Start button does: from step 0, with the controls as they are now."""
        self._post(self._run.loop.start)

    def pause(self) -> None:
        """What Pause does; `resume` goes on."""
        self._post(self._run.loop.pause)

    def resume(self) -> None:
        """What Resume does."""
        self._post(self._run.loop.resume)

    def step(self) -> None:
        """What Step does: one step, then pause."""
        self._post(self._run.loop.step)

    def stop(self) -> None:
        """What Stop does: end the run, keep the picture."""
        self._post(self._run.loop.stop)

    def reset(self) -> None:
        """What Reset does: end the run, every control and the picture as in the beginning."""
        self._post(self._run.reset)

    def save(self, path: str | Path | None = None) -> Path:
        """Write every picture with its settings as PNG; returns the (first) path.

        Args:
            path: where to; of several pictures the next ones get ``path-2``, ``path-3``, …
                Default: the next free names in the panel's folder.
        """
        return self._save_pictures(path)[0]

    def save_film(self, path: str | Path | None = None, **options: Any) -> Path:
        """Write the run so far as an animation; options as for `saving.Film.save`."""
        return self._save_films(path, **options)[0]

    def _save_pictures(self, path: str | Path | None = None) -> list[Path]:
        dreams = [track.dream for track in self._tracks]
        pictures = [(dream, index) for dream in dreams for index in range(len(dream.seeds))]
        return self._write(
            path, ".png", [partial(saving.save_png, dream, index=i) for dream, i in pictures]
        )

    def _save_films(self, path: str | Path | None = None, **options: Any) -> list[Path]:
        lasts = [side_by_side(track.dream.images) for track in self._tracks]
        films = [track.film for track in self._tracks]
        writers = [
            partial(film.save, last=last, **options)
            for film, last in zip(films, lasts, strict=True)
        ]
        return self._write(path, ".webp", writers)

    def _write(
        self, path: str | Path | None, suffix: str, writers: Sequence[Callable[[Path], Path]]
    ) -> list[Path]:
        """Have each write its file: under this path and numbered ones, or under free names."""
        written = []
        for number, write in enumerate(writers, 1):
            if path is None:
                with claim_name(self.folder, suffix) as free:
                    written.append(write(free))
            else:
                stem = Path(path).stem + (f"-{number}" if number > 1 else "")
                written.append(write(Path(path).with_stem(stem)))
        return written

    def figure(self) -> static.StaticFigure:
        """Picture, curve, settings and judge as a figure that stays."""
        return self._page.figure()

    @property
    def widget(self) -> Any:
        """Everything that is shown, as one widget."""
        return self._page.widget

    def _show(self) -> None:
        if kernel.present():
            self._ipython_display_()

    def _ipython_display_(self) -> None:
        self._page.display()
        self._main_loop.notice()
        if self.dream.history and not self._run.loop.active:
            self._page.keep_figure()

    # ------------------------------------------------------------------ buttons

    def _acts(self) -> dict[str, Callable[[], None]]:
        return {
            "start": self.start,
            "pause": lambda: self.pause() if self.state == "running" else self.resume(),
            "step": self.step,
            "stop": self.stop,
            "reset": self.reset,
            "save": lambda: self._post(lambda: self._say_saved(self._save_pictures())),
            "film": lambda: self._post(lambda: self._say_saved(self._save_films())),
        }

    def _post(self, action: Callable[[], None]) -> None:
        """Have the kernel's main loop do it: buttons may speak from another thread."""
        try:
            self._main_loop.post(self._guarded, action)
        except Exception as error:
            self._page.note("error", f"<b>{escape(str(error))}</b>")

    def _guarded(self, action: Callable[[], None]) -> None:
        """Show what goes wrong in a callback, which nobody else would see."""
        try:
            action()
        except Exception as error:
            self._run.loop.error = error
            self._page.show_error(error)

    def _say_later(self) -> None:
        if self.dream.history:
            self._page.note("hint", "This acts from the next Start.")

    def _say_saved(self, paths: Sequence[Path]) -> None:
        more = "".join(f", {path.name}" for path in paths[1:])
        self._page.note("hint", f"Saved as {escape(str(paths[0]) + more)}.")


def compare(
    dream: Any, show: Sequence[str] | None = None, *, judge: Any = None, **knob: tuple[Any, Any]
) -> Panel:
    """Two runs side by side, alike in everything but one knob, step by step together.

    ::

        await compare(dream, tv_kind=("squared", "masked")).run()

    Args:
        dream: gives prompt, seed, model and all other knobs; it is not run itself.
        show, judge: as for `Panel`.
        knob: one field of `Recipe`, or ``prompt``, ``negative_prompt``, ``start`` or ``seed``, and
            its two values, left and right.

    Raises:
        ValueError: not exactly one knob, not two values for it, or a value that it cannot have.
    """
    if len(knob) != 1:
        raise ValueError(
            "compare changes exactly one knob, as in tv_weight=(0.0, 0.2); "
            f"got {', '.join(knob) or 'none'}"
        )
    ((name, values),) = knob.items()
    settings = {*type(dream.recipe).knobs(), *ARGUMENTS.values()}
    if name not in settings:
        raise ValueError(f"no such knob: {name!r}; there are {', '.join(sorted(settings))}")
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise ValueError(f"{name} needs two values, left and right, got {values!r}")
    return Panel(dream, show, judge=judge, _versions=[{name: value} for value in values])
