"""The live panel: controls that act while a coroutine steps, and breathes after each step."""

import asyncio
import math
import time
import traceback
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any, Literal

import ipywidgets as widgets
from PIL import Image

from dreamlab.dream import Dream
from dreamlab.figures import static
from dreamlab.figures.saving import save_png
from dreamlab.figures.settings import start_of
from dreamlab.lab import kernel
from dreamlab.lab.controls import ARGUMENTS, CONTROLS, Controls
from dreamlab.lab.track import Track, side_by_side
from dreamlab.support.files import claim_name, user_path
from dreamlab.support.loading import EMBEDDED
from dreamlab.support.words import brief, shorten

PanelState = Literal["ready", "running", "paused", "stopped", "finished", "failed"]
# With sleep(0) a control acts 3 to 5 steps late, with a millisecond 1 or 2. Quick steps share it.
BREATH = 0.001  # seconds
OFTEN = 0.05  # seconds; steps that take longer each have a breath of their own
SHARE = 0.015  # of the wall clock that drawing may take: three frames a second at 5 ms each
EARLY_SHARE = 10  # times that, while a run is young
JUDGE_SHARE = 0.001
STYLE = Path(__file__).with_name("panel.css").read_text("utf-8")
BUTTONS = {
    "start": ("Start", "play", "Dream from step 0, with the controls as they are now"),
    "pause": ("Pause", "pause", "Hold the dream, or let it go on"),
    "step": ("Step", "step-forward", "Do one step, then hold"),
    "stop": ("Stop", "stop", "End the run and keep the picture"),
    "reset": ("Reset", "undo", "End the run; picture and controls as in the beginning"),
    "save": ("Save", "save", "Save the picture as PNG, with prompt, recipe and seed inside"),
    "film": ("Film", "film", "Save the run so far as an animation"),
}
# What the fields set of a `Dream`.
PROMPTS = {"prompt": "prompts", "like": "prompts", "negative": "negative_prompts"}
DEAF = "While a cell runs, this kernel hears only its own ■ (stop). Start makes all controls act."
WAITS = (  # shown by the style
    '<span class="dl-waits">Waits for the cell that is running: this acts when it has ended.</span>'
)
FAILED = {
    "start": "Not started: ",
    "save": "Not saved: ",
    "film": "Not saved: ",
    "figure": "The run is well, but its figure could not be drawn: ",
}
# Names sliders and menus, which no widget does, by their label or title.
NAME_PARTS = Path(__file__).with_name("panel.js").read_text("utf-8").replace("\n", "")


class Panel:
    """Controls, live picture and live loss curve for a dream.

    As the last line of a cell it shows itself; its Start button then runs the dream in the
    background. ``await panel.run()`` does the same and lets the cell wait for the end.

    Args:
        dream: what to run. The first Start runs this very dream, a later one a new `Dream` made
            from the controls: ``panel.dream`` is the present one.
        show: names of the controls to show, of ``CONTROLS``; default: all that fit the dream.
        judge: a `Judge`, by default the embedded one for an embedded model; False for none.
        folder: where Save and Film put their files.

    Attributes:
        state: of a `PanelState`; `active`, whether the coroutine of a run is alive.
        error: what ended the last run early, or spoiled its figure; `check` raises it.
        buttons: those of ``BUTTONS``; ``buttons["pause"].click()`` presses one.

    Raises:
        ValueError, TypeError: a name in ``show`` that is no control; not a dream.
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
        if not isinstance(dream, Dream):
            raise TypeError(f"Panel(dream) needs a Dream, got {brief(dream)}")
        if judge not in (None, False) and not hasattr(judge, "score"):
            raise TypeError(f"judge is a Judge, None or False, got {brief(judge)}")
        shown = tuple(CONTROLS) if show is None else (show,) if isinstance(show, str) else show
        if unknown := sorted(set(shown) - set(CONTROLS)):
            raise ValueError(f"no such controls: {unknown}; show takes {', '.join(CONTROLS)}")
        if judge is None and not ("judge" in shown and dream.clip_name in EMBEDDED):
            judge = False
        self._given, self.folder = dream, user_path(folder)
        self._judge, self._judge_wanted = judge, judge is not False
        self._judging = kernel.Throttle(JUDGE_SHARE, shortest=0.5)
        self._main_loop = kernel.MainLoop()
        self.state: PanelState = "ready"
        self.active, self.error = False, None
        self._task: asyncio.Task | None = None
        self._allowed = 0.0  # how many steps may still be done before the next pause
        self._ending = False  # whether the coroutine ends before its next step
        self._ends_as: PanelState = "stopped"  # what to call the end that `stop` or Reset brings
        compared = len(_versions) > 1
        about = {"compared": compared, "judged": self._judge_wanted}
        self.tracks = [Track(dream, version, **about) for version in _versions]
        self.controls = Controls(dream, shown, set().union(*_versions))
        self._agreed = {name: self.controls.value(name) for name in self.controls.live}
        self._lay_out()
        # ipywidgets keeps widgets for ever; ours end with the panel, which they know only weakly.
        self._end = weakref.finalize(self, kernel.close_widget, self._widget)
        self._end.atexit = False
        if compared:
            for track in self.tracks:
                track.begin(self._make_dream(track))
        self.note("words", self.controls.unknown_words())
        self._draw()
        kernel.replace_in_cell(self)

    @property
    def dream(self) -> Any:
        """The present dream (the left one of a comparison)."""
        return self.tracks[0].dream

    @property
    def dreams(self) -> list[Any]:
        """The present dreams, from left to right."""
        return [track.dream for track in self.tracks]

    @property
    def image(self) -> Image.Image:
        """The present picture (of a batch: the first)."""
        return self.dream.images[0]

    async def run(self) -> None:
        """Dream to the end, in this cell, from where the dream stands, or anew if it is at its end.

        An interrupt ends it with `asyncio.CancelledError` and keeps the picture.
        """
        self._check_open()
        self._main_loop.notice()
        if kernel.get_kernel() and self._shown_by != kernel.execution():
            self._ipython_display_()
        if not kernel.hears_while_awaiting():
            self.note("deaf", DEAF)
        if all(dream.done for dream in self.dreams):
            self._rebuild()
        self._step(math.inf)
        try:
            await self._task
        finally:
            self.note("deaf")
        self.check()

    async def wait(self) -> None:
        """Wait for the end of what Start began, then `check`."""
        await asyncio.sleep(0)  # a `start` just before this has posted its call, and no more
        if self.active:
            await asyncio.wait([self._task])
        self.check()

    def check(self) -> None:
        """Raise the error that ended the last run early, or that spoiled its last figure."""
        if self.error:
            raise self.error

    def start(self) -> None:
        """Press Start: from step 0, with the controls as they are now."""
        self._post("start")

    def stop(self) -> None:
        """Press Stop: end the run, keep the picture."""
        self._post("stop")

    def save(self) -> list[Path]:
        """Write every picture with its settings as PNG, under free names; returns the paths."""
        pictures = [(dream, i) for dream in self.dreams for i in range(len(dream.seeds))]
        return self._write(".png", [partial(save_png, dream, index=i) for dream, i in pictures])

    def save_film(self) -> list[Path]:
        """Write the run so far as an animation, of a comparison two; returns the paths."""
        pairs = [(track.film, side_by_side(track.dream.images)) for track in self.tracks]
        return self._write(".webp", [partial(film.save, last=last) for film, last in pairs])

    def close(self) -> None:
        """End the run and take the panel off the page, as a new run of its cell does."""
        self._stop()
        self._end()
        kernel.forget(self)

    @property
    def widget(self) -> widgets.VBox:
        """Everything that is shown, as one widget, for a layout of one's own."""
        kernel.keep_shown(self)
        return self._widget

    def figure(self) -> static.StaticFigure:
        """Picture, curve, settings and judge as a figure that stays."""
        return static.dream_figures(list(map(vars, self.tracks)))

    # The loop: every method below runs in the main loop -------------------------------------------

    def _post(self, name: str, *arguments: Any) -> None:
        """Have the main loop do this, see `_do`; RuntimeError without one, or when closed."""
        self._check_open()
        self._main_loop.post(self._do, name, *arguments)

    def _do(self, name: str, *arguments: Any) -> None:
        """What a button or the change of a control asks for; an error is shown on the page."""
        try:
            getattr(self, f"_{name}")(*arguments)
        except BaseException as error:
            self._show_error(name, error)
            if name == "start" and not self.active:
                self.error = error
        else:
            if name in BUTTONS:
                self.note(name)

    def _start(self) -> None:
        self._rebuild()
        self._step(math.inf)

    def _step(self, steps: float = 1) -> None:
        """Do so many steps, then pause; there is never more than one coroutine of a panel."""
        self._allowed, self._ending, self._ends_as, self.error = steps, False, "stopped", None
        if self.active:
            self._wake.set()
            return
        self.active = True  # now, not when the coroutine gets to run: a Stop may come in between
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._drive())
        # The error is shown and kept for `check`; asyncio need not log it as lost.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _pause(self) -> None:
        if self.state == "running":
            self._allowed = 0
        else:
            self._step(math.inf)

    def _stop(self) -> None:
        self._ending = True
        if self.active:
            self._wake.set()

    def _reset(self) -> None:
        self.controls.reset()
        self._stop()
        self._rebuild()
        self.error, self._ends_as = None, "ready"
        if not self.active:
            self._change("ready")

    async def _drive(self) -> None:
        """Step until done, paused or ended from outside; a cancellation ends it like Stop."""
        rested, quick = 0.0, False
        try:
            while not self._ending:
                if self._allowed > 0:
                    self._allowed -= 1
                    self._change("running")
                    if not self._advance():
                        self._ends_as = "finished"
                        break
                    quick = not quick and time.perf_counter() - rested < OFTEN
                    await asyncio.sleep(0 if quick else BREATH)
                    rested = rested if quick else time.perf_counter()
                else:
                    self._change("paused")
                    self._wake.clear()
                    await self._wake.wait()  # set by whoever allows steps or ends it
        except KeyboardInterrupt:  # asyncio would let it through, and the kernel would end
            raise asyncio.CancelledError from None
        except Exception as error:
            self._ends_as, self.error = "failed", error
            raise
        finally:
            self.active = False
            self._change(self._ends_as)

    def _advance(self) -> bool:
        """One step of every dream, and a look at the clock; False if none had a step left."""
        self._turn_knobs()
        stepped = [track.advance() for track in self.tracks]
        if not any(stepped):
            return False
        if self._drawing.due():
            self._frames += 1
            with self._drawing:
                self._draw(curve=self._frames % 2 == 1)  # costs more than the picture, says less
        judged = self.tracks[0].judged
        if not judged:
            self._ask_judge()  # outside the throttle: the first time is slow, and says nothing
        # By the clock; and at steps 1, 3, 9, 27, …, since early on much happens at once.
        elif self._judging.due() or len(self.dream.history) >= 3 * judged[-1][0]:
            with self._judging:
                self._ask_judge()
        return True

    def _turn_knobs(self) -> None:
        """Bring recipes and controls into agreement, once per step; whoever moved last wins."""
        for name, agreed in self._agreed.items():
            knob, wanted = CONTROLS[name].setting, self.controls.value(name)
            for track in self.tracks:
                if knob in track.fixed:
                    continue
                present = getattr(track.dream.recipe, knob)
                if wanted != agreed:
                    setattr(track.dream.recipe, knob, wanted)
                elif present != agreed:  # turned by code, in another cell
                    wanted = agreed = present
                    self.controls.set_value(name, present)
                else:
                    continue
                track.note_change(knob, wanted)
            self._agreed[name] = wanted

    def _ask_judge(self) -> None:
        if not self._judge_wanted:
            return
        try:
            if self._judge is None:
                from dreamlab.judge import Judge

                self._judge = Judge()
            for track in self.tracks:
                track.ask(self._judge)
        except (Exception, SystemExit) as error:  # an opinion more or less must not end a dream
            self._judge_wanted = False
            self.note("judge", f"<b>No judge:</b> {escape(str(error))}")

    def _rebuild(self) -> None:
        """Everything as before the first step; ValueError, and no change, if no dream can be so."""
        dreams = [
            self._given
            if track.dream is self._given and not self._given.history and self.controls.untouched()
            else self._make_dream(track)
            for track in self.tracks
        ]
        for track, dream in zip(self.tracks, dreams, strict=True):
            track.begin(dream)
        self._times.clear()
        self.note("hint")
        self._draw()
        self._keep_figure()

    def _make_dream(self, track: Track) -> Any:
        given = self._given
        picked = slice(None) if given.batched else 0
        settings = {
            "prompt": given.prompts[picked],
            "negative_prompt": given.negative_prompts[picked],
            "start": start_of(given),
            "seed": given.seeds[picked],
            **self.controls.settings(),
            **track.fixed,
        }
        arguments = {name: settings.pop(name) for name in ARGUMENTS}
        recipe = replace(given.recipe, **settings)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            dream = type(given)(given.clips, recipe=recipe, **arguments)
        texts = [str(w.message) for w in heard if "does not know" not in str(w.message)]
        self.note("warning", escape(" ".join(texts)))
        return dream

    def _lay_out(self) -> None:
        """Make the widgets and put everything in its place, once."""
        self._shown_by: str | None = ""  # the execution that displayed the panel last
        self._still: Any = None  # the output that keeps the last figure
        self._notes: dict[str, str] = {}
        self._times: deque[tuple[float, int]] = deque(maxlen=30)
        self.status, self.message = widgets.HTML(), widgets.HTML()
        self.status.add_class("dl-line")
        self.buttons = {}
        for name, (label, icon, tip) in BUTTONS.items():
            self.buttons[name] = widgets.Button(description=label, icon=icon, tooltip=tip)
            self.buttons[name].on_click(self._callback(name))
        self.buttons["start"].button_style = "primary"
        self._watch("menu", *self.controls.menus.values())
        for name, box in self.controls.upload_boxes.items():
            self._watch(f"{name} upload", *box.children)
        for name in self.controls.later:
            self._watch(name, self.controls.inputs[name])
        stage = widgets.HBox([track.box for track in self.tracks])
        stage.add_class("dl-stage")
        style = f'<style onload="{NAME_PARTS}">{STYLE}</style>'
        above = widgets.HTML(style, layout={"display": "none"}), *self.controls.rows()
        buttons = widgets.HBox(list(self.buttons.values()))
        below = stage, *self.controls.columns()
        self._widget = widgets.VBox([*above, buttons, self.status, self.message, *below])
        self._widget.add_class("dreamlab")
        self._label_buttons()

    def _callback(self, name: str, *arguments: Any) -> Callable[[Any], None]:
        """A widget's callback that posts this; ipywidgets keeps it, so it holds us weakly."""
        reference = weakref.ref(self)

        def call(_: Any) -> None:
            if (panel := reference()) is not None:
                try:
                    panel._post(name, *arguments)
                except RuntimeError as error:  # a callback has nobody to raise it to
                    panel._show_error(name, error)

        return call

    def _watch(self, name: str, *observed: widgets.Widget) -> None:
        for widget in observed:
            widget.observe(self._callback("react", name), "value")

    def _react(self, name: str) -> None:
        """A control has changed that acts on others, or not before the next step or Start."""
        self.note("start")  # what kept it from starting may be gone
        for about, text in self.controls.react(name).items():
            self.note(about, text)
        if name.endswith(" upload"):  # the button is a new one
            self._watch(name, *self.controls.upload_boxes[name.removesuffix(" upload")].children)
        if name in PROMPTS and self.active and not self.dream.done:
            setting, prompt = CONTROLS[name].setting, self.controls.value(name)
            for track in self.tracks:
                if setting not in track.fixed:
                    setattr(track.dream, PROMPTS[name], prompt)
                    track.note_change(setting, prompt)
        elif name in self.controls.later:
            self.note("hint", "This acts from the next Start." if self.dream.history else "")

    def _change(self, state: PanelState) -> None:
        """Take this state, and show on the page that a run has begun, rests or has ended."""
        if state == self.state:
            return
        self.state = state
        self._times.clear()
        self._label_buttons()
        if state in ("running", "ready"):
            for about in ("error", "figure", "react", *BUTTONS):
                self.note(about)
        if state == "running":
            self._drawing = kernel.Throttle(SHARE, EARLY_SHARE, longest=1.0)
            self._frames = 0
            self.status.value = self._describe_progress()
            return
        if self.error:
            self._show_error("error", self.error)
        if state != "ready":
            self._ask_judge()
        try:
            self._draw()
            if state != "paused":
                self._keep_figure()
        except Exception as error:  # changes nothing about the run
            self.error = self.error or error
            self._show_error("figure", error)

    def _draw(self, curve: bool = True) -> None:
        """Send picture, curve and progress to the page; the throttle says when."""
        limits = None
        if curve:
            for track in self.tracks:
                track.read_history()
            lows, highs = zip(*(track.curve.limits() for track in self.tracks), strict=True)
            limits = min(lows), max(highs)
            self.status.value = self._describe_progress()
        for track in self.tracks:
            track.draw(limits)

    def _describe_progress(self) -> str:
        done, steps = len(self.dream.history), self.dream.recipe.steps
        facts = [f"step {done} of {steps}"]
        if len(self.tracks) == 1 and (seen := self.tracks[0].seen):
            facts.append(f"judge {seen}")
        if self.state == "running":
            self._times.append((time.monotonic(), done))
            (before, first), (now, _) = self._times[0], self._times[-1]
            if now > before and done > first:
                rate = (done - first) / (now - before)
                facts.append(f"{rate:.1f} steps/s" if rate >= 1 else f"{1 / rate:.1f} s/step")
                minutes, seconds = divmod(round((steps - done) / rate), 60)
                facts.append(f"{minutes}:{seconds:02d} min left")
        elif len(self.tracks) == 1:  # two have two
            facts.append(f"recipe {shorten(self.dream.recipe.differences(), 40)}")
        word = "ended by an error" if self.state == "failed" else self.state
        bar = f'<progress value="{done}" max="{steps}" aria-label="progress"></progress>'
        said = " · ".join(f"<span>{fact}</span>" for fact in facts)
        return f'<div class="dl-status dl-{self.state}">{bar}<b>{word}</b>{said}</div>'

    def note(self, about: str, text: str = "") -> None:
        """Show a message (HTML) under the buttons, or take the one about this away."""
        self._notes[about] = text
        shown = " ".join(filter(None, [WAITS, *self._notes.values()]))
        self.message.value = f'<div class="dl-message" role="status">{shown}</div>'

    def _show_error(self, about: str, error: BaseException) -> None:
        """Show an error as the message about this; one that no user made, with its place."""
        words, trace = str(error), ""
        if about not in (*BUTTONS, "react") or not isinstance(error, ValueError | OSError):
            words = f"{type(error).__name__}: {words}"
            trace = escape("".join(traceback.format_exception(error)))
            trace = f"<details><summary>where it happened</summary><pre>{trace}</pre></details>"
        self.note(about, f"<b>{FAILED.get(about, '')}{escape(words)}</b> {trace}")

    def _label_buttons(self) -> None:
        """What each button would do now."""
        begun, active, buttons = bool(self.dream.history), self.active, self.buttons
        over = all(dream.done for dream in self.dreams) and not active
        buttons["start"].description = "Restart" if begun or active else "Start"
        pause = "Resume" if begun and self.state != "running" else "Pause"
        buttons["pause"].description = pause
        buttons["pause"].icon = "play" if pause == "Resume" else "pause"
        buttons["pause"].disabled = over or self.state == "ready"
        buttons["step"].disabled = over
        buttons["stop"].disabled = self.state not in ("running", "paused")
        buttons["save"].disabled = buttons["film"].disabled = not (begun or active)

    def _check_open(self) -> None:
        if not self._end.alive:
            words = "this panel was closed, as it is when its cell runs again"
            raise RuntimeError(f"{words}: Panel(panel.dream) makes a new one for its dream")

    def _ipython_display_(self) -> None:
        """Show the panel in the cell that is running, and below it a place for the figure."""
        from IPython.display import display

        self._check_open()
        self._widget.add_class("dl-kept")
        view = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        words = "A live panel: run the notebook to use it."
        display({"application/vnd.jupyter.widget-view+json": view, "text/plain": words}, raw=True)
        # Made now, since what a background task displays later has no cell to go to.
        self._still = display({"text/html": ""}, raw=True, display_id=True)
        self._shown_by = kernel.execution()
        kernel.keep_shown(self)
        self._main_loop.notice()
        if not self.active:
            self._keep_figure()

    def _keep_figure(self) -> None:
        """Put the figure that outlives the kernel below the panel; none before the first step."""
        if self._still is not None:
            begun = any(dream.history for dream in self.dreams)
            data, metadata = self.figure()._repr_mimebundle_() if begun else ({"text/html": ""}, {})
            self._still.update(data, metadata=metadata, raw=True)

    def _write(self, suffix: str, writers: Sequence[Callable[[Path], Path]]) -> list[Path]:
        paths = []
        for write in writers:
            with claim_name(self.folder, suffix) as free:
                paths.append(write(free))
        names = ", ".join([str(paths[0]), *(other.name for other in paths[1:])])
        self.note("hint", f"Saved as {escape(names)}.")
        return paths

    _save, _film = save, save_film


def compare(
    dream: Any, show: Sequence[str] | None = None, *, judge: Any = None, **knob: tuple[Any, Any]
) -> Panel:
    """Two runs side by side, alike in everything but one knob, step by step together.

    ``await compare(dream, tv_kind=("squared", "masked")).run()``: ``dream`` gives all else. The
    knob is a field of `Recipe` or an argument of `Dream`; the rest is as for `Panel`.

    Raises:
        ValueError: not exactly one knob, not two values for it, or a value that it cannot have.
    """
    if len(knob) != 1:
        got = ", ".join(knob) or "none"
        raise ValueError(f"compare changes exactly one knob, as in tv_weight=(0.0, 0.2); got {got}")
    ((name, values),) = knob.items()
    if name not in (settings := {*type(dream.recipe).knobs(), *ARGUMENTS}):
        raise ValueError(f"no such knob: {name!r}; there are {', '.join(sorted(settings))}")
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise ValueError(f"{name} needs two values, left and right, got {values!r}")
    return Panel(dream, show, judge=judge, _versions=[{name: value} for value in values])
