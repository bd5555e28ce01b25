"""The live lab: controls, picture and loss curve that act while the dream goes on.

`Panel` is what a cell sees of it. Behind it, each in a module of its own: the loop that listens
(`live`), what it does in a step (`run`), what is on the page (`page`, `track`, `controls`), and the
kernel underneath (`kernel`).
"""

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from dreamlab.figures import static
from dreamlab.lab import kernel
from dreamlab.lab.controls import ARGUMENTS, CONTROLS
from dreamlab.lab.keeping import save_films, save_pictures
from dreamlab.lab.live import State
from dreamlab.lab.run import Run
from dreamlab.support.files import user_path
from dreamlab.support.loading import EMBEDDED


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
        shown = tuple(CONTROLS) if show is None else tuple(show)
        if judge is None and not ("judge" in shown and dream.clip.name in EMBEDDED):
            judge = False
        self._run = Run(dream, _versions, shown, judge, user_path(folder))
        # ipywidgets keeps widgets for ever; ours end with the panel.
        self._end = weakref.finalize(self, self._run.close)
        self._end.atexit = False
        self._run.begin()
        kernel.replace_in_cell(self)

    # ------------------------------------------------------------------ what a cell may ask for

    @property
    def dream(self) -> Any:
        """The present dream (the left one of a comparison)."""
        return self._run.tracks[0].dream

    @property
    def dreams(self) -> list[Any]:
        """The present dreams, from left to right."""
        return [track.dream for track in self._run.tracks]

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
        return list(self._run.tracks[0].changes)

    async def run(self) -> None:
        """Dream to the end, in this cell; the picture is ``panel.image`` afterwards.

        Goes on where the dream stands, or from the start if it is at its end. The kernel's
        interrupt button ends it with `asyncio.CancelledError` and keeps the picture; errors of the
        dream are raised. Stop, Reset and a Start in the panel act here as well.
        """
        run = self._run
        run.check_open()
        run.main_loop.notice()
        if run.page.shown_by is None or run.page.shown_by != kernel.execution():
            self._show()
        if not kernel.hears_while_awaiting():
            run.page.note(
                "deaf",
                "While a cell runs, this kernel hears only its own ■ (stop). With the Start button "
                "every control acts at once.",
            )
        try:
            await run.loop.run(from_start=all(track.done for track in run.tracks))
        finally:
            run.page.note("deaf")
        run.check()

    async def wait(self) -> None:
        """Wait for the end of what Start began, then `check`."""
        await self._run.loop.wait()
        self._run.check()

    def check(self) -> None:
        """Raise the error that ended the last run early, or that spoiled its last figure."""
        self._run.check()

    def start(self) -> None:
        """What the Start button does: from step 0, with the controls as they are now."""
        self._run.post(self._run.loop.start, "start")

    def pause(self) -> None:
        """What Pause does; `resume` goes on."""
        self._run.post(self._run.loop.pause, "pause")

    def resume(self) -> None:
        """What Resume does."""
        self._run.post(self._run.loop.resume, "resume")

    def step(self) -> None:
        """What Step does: one step, then pause."""
        self._run.post(self._run.loop.step, "step")

    def stop(self) -> None:
        """What Stop does: end the run, keep the picture."""
        self._run.post(self._run.loop.stop, "stop")

    def reset(self) -> None:
        """What Reset does: end the run, every control and the picture as in the beginning."""
        self._run.post(self._run.reset, "reset")

    def save(self, path: str | Path | None = None) -> Path:
        """Write every picture with its settings as PNG; returns the (first) path.

        Args:
            path: where to; of several pictures the next ones get ``path-2``, ``path-3``, …
                Default: the next free names in the panel's folder.
        """
        return save_pictures(self._run.tracks, self._run.folder, path)[0]

    def save_film(self, path: str | Path | None = None, **options: Any) -> Path:
        """Write the run so far as an animation; options as for `saving.Film.save`."""
        return save_films(self._run.tracks, self._run.folder, path, **options)[0]

    def close(self) -> None:
        """End the run and take the panel off the page. What it dreamed is still there.

        Running the panel's cell again does the same, and so does the end of the panel itself, when
        it is on no page and no variable has it any more.
        """
        self._end()
        kernel.forget(self)

    def figure(self) -> static.StaticFigure:
        """Picture, curve, settings and judge as a figure that stays."""
        return self._run.page.figure()

    @property
    def widget(self) -> Any:
        """Everything that is shown, as one widget."""
        return self._run.page.widget

    def _show(self) -> None:
        if kernel.present():
            self._ipython_display_()

    def _ipython_display_(self) -> None:
        run = self._run
        run.check_open()
        run.page.display()
        kernel.keep_shown(self)
        run.main_loop.notice()
        if self.dream.history and not run.loop.active:
            run.page.keep_figure()


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
