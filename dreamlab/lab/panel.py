"""The live lab: controls, picture and loss curve that act while the dream goes on.

Built on the public side of a dream only: it iterates, turns the knobs of ``dream.recipe`` between
steps, and looks at ``dream.images`` and at the records of the steps. How one coroutine can compute
and listen is the idea of `dreamlab.lab.live`; what is drawn, that of `dreamlab.figures.curve`
(while it runs) and `dreamlab.figures.static` (afterwards).

Nothing here prints, uses ``pyplot`` or clears outputs: the picture travels as JPEG bytes and the
curve as SVG text in two widgets, and one figure stays in the notebook at the end.
"""

import asyncio
import dataclasses
import io
import math
import sys
import time
import traceback
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets
from PIL import Image

from dreamlab.figures import curve, saving, static
from dreamlab.lab.controls import ARGUMENTS, CONTROLS, Controls, label_of, said
from dreamlab.lab.live import LiveLoop, State, Throttle
from dreamlab.loading import EMBEDDED

PICTURE = 300  # px, the longer side of a picture on the page
SHARE = 0.005  # of the wall clock that drawing may take; the judge takes a fifth of it

STYLE = (
    curve.STYLE
    + """
.dreamlab {max-width:1120px}
.dreamlab .dl-stage {gap:14px}
.dreamlab .dl-picture {border-radius:3px; background:#8883}
.dreamlab .dl-head {font-weight:600; line-height:20px; color:var(--dl-ink)}
.dreamlab .dl-head small {font-weight:400; opacity:.75; margin-left:6px}
.dreamlab .dl-label .widget-html-content {text-align:right; padding-right:4px}
.dreamlab .dl-status {display:flex; gap:12px; align-items:center; line-height:20px; height:20px;
  color:var(--dl-ink); font-variant-numeric:tabular-nums; white-space:nowrap; overflow:hidden}
.dreamlab .dl-status progress {width:150px; height:10px; accent-color:var(--dl-clip)}
.dreamlab .dl-message {line-height:20px; min-height:20px; color:var(--dl-ink)}
.dreamlab .dl-message b {color:var(--dl-warn)}
.dreamlab .dl-message pre {max-height:220px; overflow:auto; font-size:11px; line-height:1.3}
.dreamlab .widget-hslider .widget-readout {min-width:46px; width:46px}
body[data-jp-theme-light="false"] .dreamlab .widget-dropdown > select {background-image:url(
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E%3Cpath \
fill='none' stroke='%23ccc' stroke-width='2' d='M5 7l4 4 4-4'/%3E%3C/svg%3E")}
.dreamlab button:focus-visible, .dreamlab input:focus-visible, .dreamlab select:focus-visible,
.dreamlab .noUi-handle:focus {outline:2px solid var(--dl-clip) !important; outline-offset:1px}
"""
)


BUTTONS = {
    "start": ("Start", "play", "Dream from step 0, with the controls as they are now"),
    "pause": ("Pause", "pause", "Hold the dream, or let it go on"),
    "step": ("Step", "step-forward", "Do one step, then hold"),
    "stop": ("Stop", "stop", "End the run and keep the picture"),
    "reset": ("Reset", "undo", "End the run; picture and controls as in the beginning"),
    "save": ("Save", "save", "Save the picture as PNG, with prompt, recipe and seed inside"),
    "film": ("Film", "film", "Save the run so far as an animation"),
}


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
        self.folder = Path(folder)
        self._shown = tuple(CONTROLS) if show is None else tuple(show)
        self._given = dream
        self._judge, self._judge_wanted = judge, self._wants_judge(judge)
        self._drawing, self._judging = Throttle(SHARE), Throttle(SHARE / 5, shortest=0.5)
        self._notes: dict[str, str] = {}
        self._times: deque[tuple[float, int]] = deque(maxlen=30)
        self._still: Any = None  # the output that keeps the last figure
        self._shown_by: str | None = None  # the execution that displayed the panel
        self._event_loop = _running_loop()
        self._live = LiveLoop(self._advance, self._rebuild, self._report)
        compared = len(_versions) > 1
        self._tracks = [_Track(dream, changed, compared=compared) for changed in _versions]
        self._build()
        if compared:
            for track in self._tracks:
                track.begin(self._make_dream(track))
        self._draw()
        _replace_in_cell(self)

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
        return self._live.state

    @property
    def error(self) -> BaseException | None:
        """What ended the last run early, if anything did; `check` raises it."""
        return self._live.error

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
        self._event_loop = asyncio.get_running_loop()
        if self._shown_by is None or self._shown_by != _execution():
            self._show()
        if not _hears_while_awaiting():
            self._note(
                "deaf",
                "While a cell runs, this kernel hears only its own ■ (stop). With the Start button "
                "every control acts at once.",
            )
        try:
            await self._live.run(from_start=all(track.done for track in self._tracks))
        finally:
            self._note("deaf")

    async def wait(self) -> None:
        """Wait for the end of what Start began; raises the error that ended it, if one did."""
        await self._live.wait()

    def check(self) -> None:
        """Raise the error that ended the last run, if one did."""
        self._live.check()

    def start(self) -> None:
        """What the Start button does: from step 0, with the controls as they are now."""
        self._post(self._live.start)

    def pause(self) -> None:
        """What Pause does; `resume` goes on."""
        self._post(self._live.pause)

    def resume(self) -> None:
        """What Resume does."""
        self._post(self._live.resume)

    def step(self) -> None:
        """What Step does: one step, then pause."""
        self._post(self._live.step)

    def stop(self) -> None:
        """What Stop does: end the run, keep the picture."""
        self._post(self._live.stop)

    def reset(self) -> None:
        """What Reset does: end the run, every control and the picture as in the beginning."""
        self._post(self._reset)

    def save(self, path: str | Path | None = None) -> Path:
        """Write the picture with its settings as PNG; default name: the next free one."""
        path = Path(path) if path else saving.free_path(self.folder, ".png")
        for number, track in enumerate(self._tracks):
            name = path if not number else path.with_stem(f"{path.stem}-{number + 1}")
            saving.save_png(track.dream, name, recipe=track.began_with, changes=track.changes)
        return path

    def save_film(self, path: str | Path | None = None, **options: Any) -> Path:
        """Write the run so far as an animation; options as for `saving.Film.save`."""
        path = Path(path) if path else saving.free_path(self.folder, ".webp")
        for number, track in enumerate(self._tracks):
            name = path if not number else path.with_stem(f"{path.stem}-{number + 1}")
            track.film.save(name, last=_side_by_side(track.dream.images), **options)
        return path

    def figure(self) -> static.StaticFigure:
        """Picture, curve, settings and judge as a figure that stays."""
        return static.dream_figures(
            [
                {"dream": t.dream, "judged": t.judged, "changes": t.changes, "title": t.title}
                for t in self._tracks
            ]
        )

    def _show(self) -> None:
        if _kernel() is not None:
            self._ipython_display_()

    def _ipython_display_(self) -> None:
        from IPython.display import display

        view = {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            },
            "text/plain": "A live panel: run the notebook to use it.",
        }
        display(view, raw=True)
        # Made now, in the cell's own output, because what a background task displays later has
        # no cell to go to. It is empty until there is a figure.
        self._still = display({"text/html": ""}, raw=True, display_id=True)
        self._shown_by = _execution()
        self._event_loop = _running_loop() or self._event_loop
        if self.dream.history and not self._live.active:
            self._keep_figure()

    # ------------------------------------------------------------------ the run

    def _advance(self) -> bool:
        """One step of every dream (`LiveLoop`'s work), and a look at the clock."""
        self._turn_knobs()
        if self._judge_wanted and not self._tracks[0].judged:
            self._ask_judge()  # outside the throttle: the first time is slow, and says nothing
        going = False
        for track in self._tracks:
            going = track.advance() or going
        if not going:
            return False
        if self._judge_wanted and self._judge_due():
            with self._judging:
                self._ask_judge()
        if self._drawing.due():
            with self._drawing:
                self._draw()
        return True

    def _turn_knobs(self) -> None:
        """Bring recipes and controls into agreement, once per step; whoever moved last wins."""
        for name, agreed in self._agreed.items():
            knob, wanted = CONTROLS[name].knob, self._controls.value(name)
            for track in self._tracks:
                if knob in track.fixed:
                    continue
                present = getattr(track.dream.recipe, knob)
                if wanted != agreed:
                    setattr(track.dream.recipe, knob, wanted)
                elif present != agreed:  # turned by code, in another cell
                    self._agreed[name] = wanted = agreed = present
                    self._controls.set_value(name, present)
                else:
                    continue
                track.note_change(knob, wanted, f"{CONTROLS[name].label} {said(wanted)}")
            self._agreed[name] = wanted
        for track in self._tracks:
            if not track.dream.history:
                track.began_with = dataclasses.replace(track.dream.recipe)

    def _rebuild(self) -> None:
        """Everything as before the first step, with the controls as they are now."""
        untouched = self._controls.untouched()
        for track in self._tracks:
            if track.dream is self._given and not track.dream.history and untouched:
                continue  # the first Start runs the dream that the panel was given
            track.begin(self._make_dream(track))
        self._times.clear()
        self._draw()

    def _make_dream(self, track: "_Track") -> Any:
        given = self._given
        arguments = {
            "prompt": given.prompts if given.batched else given.prompts[0],
            "negative_prompt": given.negative_prompts
            if given.batched
            else given.negative_prompts[0],
            "start": saving.start_of(given),
            "seed": given.seeds if given.batched else given.seeds[0],
        }
        set_arguments, knobs = self._controls.settings()
        arguments |= set_arguments
        for setting, value in track.fixed.items():
            (arguments if setting in arguments else knobs)[setting] = value
        recipe = dataclasses.replace(given.recipe, **knobs)
        prompt = arguments.pop("prompt")
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            dream = type(given)(given.clip, prompt, recipe=recipe, **arguments)
        # What there is to say about words is said already, by the controls.
        texts = [str(w.message) for w in heard if "does not know" not in str(w.message)]
        self._note("warning", escape(" ".join(texts)))
        return dream

    def _reset(self) -> None:
        self._controls.reset()
        self._live.reset()
        self._note("hint")

    def _report(self, state: State) -> None:
        """What changes on the page when the loop begins, pauses or ends."""
        self._times.clear()
        self._note("error", self._describe_error() if state == "failed" else "")
        if state == "running":
            self._note("hint")
        else:
            if self._judge_wanted and state != "ready":
                self._ask_judge()
            self._draw()
        self._label_buttons()
        if state in ("stopped", "finished", "failed"):
            self._keep_figure()

    def _judge_due(self) -> bool:
        """By the clock; and at steps 1, 2, 4, 8, …, since early on much happens at once."""
        track = self._tracks[0]
        return self._judging.due() or len(track.dream.history) >= 2 * track.judged[-1][0]

    def _ask_judge(self) -> None:
        try:
            if self._judge is None:
                from dreamlab.measure.judge import Judge

                self._judge = Judge()
            for track in self._tracks:
                track.ask(self._judge)
        except Exception as error:  # an opinion more or less must not end a dream
            self._judge_wanted = False
            self._note("judge", f"<b>No judge:</b> {escape(str(error))}")

    def _keep_figure(self) -> None:
        """Put the figure that outlives the kernel below the panel."""
        if self._still is None or not any(track.dream.history for track in self._tracks):
            return
        data, metadata = self.figure()._repr_mimebundle_()
        self._still.update(data, metadata=metadata, raw=True)

    def _post(self, action: Callable[[], None]) -> None:
        """Have the kernel's main loop do it: buttons may speak from another thread."""
        try:
            loop = _running_loop() or self._event_loop
            if self._event_loop is not None and not self._event_loop.is_closed():
                loop = self._event_loop
            if loop is None:
                raise RuntimeError(
                    "no event loop is running here: the buttons need a notebook; elsewhere, "
                    "await panel.run() in a coroutine of yours"
                )
            loop.call_soon_threadsafe(self._guarded, action)
        except Exception as error:
            self._note("error", f"<b>{escape(str(error))}</b>")

    def _guarded(self, action: Callable[[], None]) -> None:
        """Show what goes wrong in a callback, which nobody else would see."""
        try:
            action()
        except Exception as error:
            self._live.error = error
            self._note("error", self._describe_error())

    def _describe_error(self) -> str:
        error = self._live.error
        if error is None:
            return ""
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return (
            f"<b>{escape(type(error).__name__)}: {escape(str(error))}</b> "
            f"<details><summary>where it happened</summary><pre>{escape(trace)}</pre></details>"
        )

    # ------------------------------------------------------------------ what is on the page

    def _draw(self) -> None:
        """Send picture, curve and progress to the page; the throttle says when."""
        for track in self._tracks:
            track.read_history()
        limits = [track.curve.limits() for track in self._tracks]
        for track in self._tracks:
            # One scale for both sides of a comparison, or a glance would mislead.
            track.draw((min(low for low, _ in limits), max(high for _, high in limits)))
        self._status.value = self._describe_progress()

    def _describe_progress(self) -> str:
        dream = self.dream
        history, steps = dream.history, dream.recipe.steps
        done = len(history)
        facts = [f"step {done} of {steps}"]
        if history:
            last = history[-1]
            facts.append(f"octave {last.octave + 1} of {len(dream.recipe.octaves)}")
            facts.append(f"TV {last.tv_loss:.4f}")
        if self.state == "running":
            self._times.append((time.monotonic(), done))
            (before, first), (now, _) = self._times[0], self._times[-1]
            if now > before and done > first:
                rate = (done - first) / (now - before)
                facts += [f"{rate:.1f} steps/s", f"{_duration((steps - done) / rate)} left"]
        words = {"failed": "ended by an error"}.get(self.state, self.state)
        bar = f'<progress value="{done}" max="{steps}" aria-label="progress"></progress>'
        return f'<div class="dl-status">{bar}<b>{words}</b>{" · ".join(facts)}</div>'

    def _note(self, about: str, text: str = "") -> None:
        """Show a message under the buttons, or take the one about this away."""
        if self._notes.get(about, "") == text:
            return
        self._notes[about] = text
        self._show_notes()

    def _show_notes(self) -> None:
        shown = " ".join(note for note in self._notes.values() if note)
        self._message.value = f'<div class="dl-message" role="status">{shown}</div>'

    def _label_buttons(self) -> None:
        state, begun = self.state, bool(self.dream.history)
        ended = all(track.done for track in self._tracks)
        buttons = self._buttons
        buttons["start"].description = "Restart" if begun or self._live.active else "Start"
        resumes = begun and state != "running"
        buttons["pause"].description = "Resume" if resumes else "Pause"
        buttons["pause"].icon = "play" if resumes else "pause"
        buttons["pause"].disabled = state == "ready" or (ended and not self._live.active)
        buttons["step"].disabled = ended and not self._live.active
        buttons["stop"].disabled = state not in ("running", "paused")
        buttons["save"].disabled = buttons["film"].disabled = not (begun or self._live.active)

    def _build(self) -> None:
        """Make the widgets, once."""
        self._style = widgets.HTML(f"<style>{STYLE}</style>", layout={"display": "none"})
        self._buttons = {
            name: widgets.Button(
                description=label,
                icon=icon,
                tooltip=tip,
                button_style="primary" if name == "start" else "",
                layout={"width": "92px"},
            )
            for name, (label, icon, tip) in BUTTONS.items()
        }
        acts = {
            "start": self.start,
            "pause": lambda: self.pause() if self.state == "running" else self.resume(),
            "step": self.step,
            "stop": self.stop,
            "reset": self.reset,
            "save": lambda: self._post(lambda: self._said_saved(self.save())),
            "film": lambda: self._post(lambda: self._said_saved(self.save_film())),
        }
        for name, button in self._buttons.items():
            button.on_click(lambda _, act=acts[name]: act())
        self._status, self._message = widgets.HTML(), widgets.HTML()
        compared = {setting for track in self._tracks for setting in track.fixed}
        self._controls = Controls(self._given, self._shown, compared, self._post, self._note)
        self._agreed = {
            name: self._controls.value(name) for name in self._controls.live if CONTROLS[name].knob
        }
        for name in self._controls.later:
            self._controls.inputs[name].observe(lambda _: self._post(self._say_later), "value")
        stage = widgets.HBox([track.box for track in self._tracks])
        stage.layout.flex_flow, stage.layout.width = "row wrap", "100%"
        stage.add_class("dl-stage")
        bar = widgets.HBox(list(self._buttons.values()), layout={"flex_flow": "row wrap"})
        top = [self._style, *self._controls.prompt_rows, bar, self._status, self._message]
        self.widget = widgets.VBox([*top, stage, *self._controls.columns()])
        self.widget.add_class("dreamlab")
        self._show_notes()
        self._label_buttons()

    def _say_later(self) -> None:
        if self.dream.history:
            self._note("hint", "This acts from the next Start.")

    def _said_saved(self, path: Path) -> None:
        self._note("hint", f"Saved as {escape(str(path))}.")

    def _wants_judge(self, judge: Any) -> bool:
        if judge is not None:
            return judge is not False
        return "judge" in self._shown and self._given.clip.name in EMBEDDED


class _Track:
    """One dream on the page: its picture, its curve, and what is remembered of its run."""

    def __init__(self, dream: Any, fixed: dict[str, Any], *, compared: bool) -> None:
        self.dream, self.fixed = dream, fixed
        self.title = ", ".join(f"{label_of(name)} {said(value)}" for name, value in fixed.items())
        height, width = dream.recipe.canvas
        scale = PICTURE / max(height, width)
        self.picture = widgets.Image(
            format="jpeg",
            layout={
                "width": f"{round(width * scale)}px",
                "height": f"{round(height * scale)}px",
                "flex": "0 0 auto",
                "margin": "2px 12px 2px 2px",
            },
        )
        self.picture.add_class("dl-picture")
        self.plot = widgets.HTML(
            layout={
                "flex": "1 1 400px",
                "min_width": "320px",
                "max_width": "640px",
                "margin": "2px",
            }
        )
        head = widgets.HTML(f'<div class="dl-head">{escape(self.title)}</div>')
        if compared:
            self.plot.layout.flex = "0 0 auto"
            self.box = widgets.VBox(
                [head, self.picture, self.plot], layout={"flex": "1 1 380px", "max_width": "560px"}
            )
        else:
            self.box = widgets.HBox(
                [self.picture, self.plot], layout={"flex_flow": "row wrap", "width": "100%"}
            )
        self.begin(dream)

    def begin(self, dream: Any) -> None:
        """Forget the last run."""
        self.dream = dream
        self.began_with = dataclasses.replace(dream.recipe)
        self.changes: list[tuple[int, str, Any]] = []
        self.judged: list[tuple[int, float]] = []
        self.film = saving.Film(every=max(1, dream.recipe.steps // 60))
        self.curve = curve.LossCurve(dream.recipe.steps)
        self._unread = list(dream.history)
        self._octave = -1
        if not self._unread:
            self.film.add(0, _side_by_side(dream.images))

    @property
    def done(self) -> bool:
        return self.dream.done

    def advance(self) -> bool:
        """One step; False if there was none left."""
        step = next(self.dream, None)
        if step is None:
            return False
        self._unread.append(step)
        if self.film.wants(step.step):
            self.film.add(step.step, _side_by_side(self.dream.images))
        return True

    def note_change(self, knob: str, value: Any, words: str) -> None:
        """Remember that a knob was turned, if the run had begun."""
        if steps := len(self.dream.history):
            self.changes.append((steps, knob, value))
            self.curve.mark_change(steps, knob, words)

    def ask(self, judge: Any) -> None:
        """Ask the judge what it thinks of the present picture."""
        steps = len(self.dream.history)
        loss = judge_loss(judge, self.dream)
        self.judged.append((steps, loss))
        self.curve.add(steps, judge=loss)

    def read_history(self) -> None:
        """Take the new steps into the curve; only now are their numbers fetched from the device."""
        for step in self._unread:
            if step.octave != self._octave:
                self._octave = step.octave
                self.curve.mark_octave(step.step - 1, static.size_text(step.size))
            self.curve.add(step.step, total=step.loss, clip=step.clip_loss, tv=static.tv_term(step))
        self._unread.clear()

    def draw(self, limits: tuple[float, float]) -> None:
        buffer = io.BytesIO()
        # Full colour resolution: halved, as is usual, it would hide just the noise to be seen.
        _side_by_side(self.dream.images).save(buffer, "jpeg", quality=85, subsampling=0)
        self.picture.value = buffer.getvalue()
        self.plot.value = self.curve.svg(limits)


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


def judge_loss(judge: Any, dream: Any) -> float:
    """The judge's ``1 - similarity`` of picture and prompt, the mean over a batch.

    The same scale as the CLIP term, 0 for perfect agreement and 1 for none, so that one can see
    where the dreamer's opinion and the judge's part.
    """
    losses = []
    for pixels, prompt in zip(dream.pixels, dream.prompts, strict=True):
        shares = {prompt: 1.0} if isinstance(prompt, str) else prompt
        cosines = judge.similarity(pixels, list(shares))[0].tolist()
        pairs = zip(shares.values(), cosines, strict=True)
        losses.append(1 - sum(w * c for w, c in pairs) / sum(shares.values()))
    return sum(losses) / len(losses)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"


def _side_by_side(images: Sequence[Image.Image]) -> Image.Image:
    """The pictures of a batch as one, as near to a square as they go."""
    if len(images) == 1:
        return images[0]
    columns = math.ceil(math.sqrt(len(images)))
    width, height = images[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(images) / columns) * height), "white")
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        sheet.paste(image, (column * width, row * height))
    return sheet


# ---------------------------------------------------------------------- the kernel we run in

_in_cell: dict[str, "weakref.ref[Panel]"] = {}


def _kernel() -> Any:
    """The IPython kernel that runs us, or None outside a notebook."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _parent(kernel: Any) -> dict[str, Any]:
    """The message that asked for what is running now."""
    try:
        return kernel.get_parent("shell") or {}
    except Exception:  # other kernels than IPython's own
        return {}


def _execution() -> str | None:
    kernel = _kernel()
    return kernel and _parent(kernel).get("header", {}).get("msg_id")


def _replace_in_cell(panel: Panel) -> None:
    """Stop the panel that an earlier run of this cell made: nobody sees it any more."""
    kernel = _kernel()
    cell = kernel and _parent(kernel).get("metadata", {}).get("cellId")
    if not cell:
        return
    old = _in_cell.get(cell, lambda: None)()
    if old is not None:
        old.stop()
    _in_cell[cell] = weakref.ref(panel)


def _hears_while_awaiting() -> bool:
    """Whether the kernel handles a slider's messages while a cell awaits: ipykernel from 7.4 on."""
    if _kernel() is None or "ipykernel" not in sys.modules:
        return True
    version = sys.modules["ipykernel"].version_info
    return tuple(version[:2]) >= (7, 4)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
