"""What is on the page around the dreams: buttons, messages, the line that says how far they are.

Nothing here prints, uses ``pyplot`` or clears outputs: everything is a widget that changes, and one
figure stays in the notebook at the end.
"""

import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from dreamlab.figures import curve, static
from dreamlab.lab import kernel
from dreamlab.lab.controls import Controls, close_widget
from dreamlab.lab.live import State
from dreamlab.lab.track import Track

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
FAILED = {
    "save": "Not saved: ",
    "film": "Not saved: ",
    "figure": "The run is well, but its figure could not be drawn: ",
}


class Page:
    """The widgets of a panel.

    Args:
        tracks: the dreams to show, from left to right.
        press: told the name of a button, of ``BUTTONS``, when it is pressed.
    """

    def __init__(self, tracks: Sequence[Track], press: Callable[[str], None]) -> None:
        self.tracks = tracks
        self.shown_by: str | None = None  # the execution that displayed the page
        self._still: Any = None  # the output that keeps the last figure
        self._notes: dict[str, str] = {}
        self._times: deque[tuple[float, int]] = deque(maxlen=30)
        self.style = widgets.HTML(f"<style>{STYLE}</style>", layout={"display": "none"})
        self.buttons = {
            name: widgets.Button(
                description=label,
                icon=icon,
                tooltip=tip,
                button_style="primary" if name == "start" else "",
                layout={"width": "92px"},
            )
            for name, (label, icon, tip) in BUTTONS.items()
        }
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: press(name))
        self.status, self.message = widgets.HTML(), widgets.HTML()
        self.widget: widgets.VBox  # made when the controls are known, by `lay_out`

    @property
    def begun(self) -> bool:
        """Whether a step was made since the start."""
        return bool(self.tracks[0].dream.history)

    def lay_out(self, controls: Controls) -> None:
        """Put everything in its place, once."""
        stage = widgets.HBox([track.box for track in self.tracks])
        stage.layout.flex_flow, stage.layout.width = "row wrap", "100%"
        stage.add_class("dl-stage")
        bar = widgets.HBox(list(self.buttons.values()), layout={"flex_flow": "row wrap"})
        top = [self.style, *controls.prompt_rows, bar, self.status, self.message]
        self.widget = widgets.VBox([*top, stage, *controls.columns()])
        self.widget.add_class("dreamlab")
        self._show_notes()
        self.label_buttons("ready", active=False)

    # ------------------------------------------------------------------ words and pictures

    def draw(self, state: State) -> None:
        """Send picture, curve and progress to the page; the throttle says when."""
        for track in self.tracks:
            track.read_history()
        limits = [track.curve.limits() for track in self.tracks]
        for track in self.tracks:
            # One scale for both sides of a comparison, or a glance would mislead.
            track.draw((min(low for low, _ in limits), max(high for _, high in limits)))
        self.status.value = self._describe_progress(state)

    def _describe_progress(self, state: State) -> str:
        dream = self.tracks[0].dream
        history, steps = dream.history, dream.recipe.steps
        done = len(history)
        facts = [f"step {done} of {steps}"]
        if history:
            last = history[-1]
            facts.append(f"octave {last.octave + 1} of {len(dream.recipe.octaves)}")
            facts.append(f"TV {last.tv_loss:.4f}")
            if len(self.tracks) == 1 and (seen := self.tracks[0].seen):
                facts.append(f"judge {seen}")
        if state == "running":
            self._times.append((time.monotonic(), done))
            (before, first), (now, _) = self._times[0], self._times[-1]
            if now > before and done > first:
                rate = (done - first) / (now - before)
                facts += [f"{rate:.1f} steps/s", f"{_duration((steps - done) / rate)} left"]
        words = {"failed": "ended by an error"}.get(state, state)
        bar = f'<progress value="{done}" max="{steps}" aria-label="progress"></progress>'
        return f'<div class="dl-status">{bar}<b>{words}</b>{" · ".join(facts)}</div>'

    def forget_rate(self) -> None:
        """Measure the steps per second anew, after a rest."""
        self._times.clear()

    def note(self, about: str, text: str = "") -> None:
        """Show a message under the buttons, or take the one about this away."""
        if self._notes.get(about, "") == text:
            return
        self._notes[about] = text
        self._show_notes()

    def show_error(self, about: str, error: BaseException) -> None:
        """Show an error with the place where it happened, as the message about this."""
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        told = FAILED.get(about, "")
        self.note(
            about,
            f"<b>{told}{escape(type(error).__name__)}: {escape(str(error))}</b> "
            f"<details><summary>where it happened</summary><pre>{escape(trace)}</pre></details>",
        )

    def _show_notes(self) -> None:
        shown = " ".join(note for note in self._notes.values() if note)
        self.message.value = f'<div class="dl-message" role="status">{shown}</div>'

    def label_buttons(self, state: State, *, active: bool) -> None:
        """What each button would do now; ``active``: whether a loop steps or is paused."""
        ended = all(track.done for track in self.tracks)
        buttons = self.buttons
        buttons["start"].description = "Restart" if self.begun or active else "Start"
        resumes = self.begun and state != "running"
        buttons["pause"].description = "Resume" if resumes else "Pause"
        buttons["pause"].icon = "play" if resumes else "pause"
        buttons["pause"].disabled = state == "ready" or (ended and not active)
        buttons["step"].disabled = ended and not active
        buttons["stop"].disabled = state not in ("running", "paused")
        buttons["save"].disabled = buttons["film"].disabled = not (self.begun or active)

    # ------------------------------------------------------------------ in the notebook

    def close(self) -> None:
        """Take all widgets off the page, and off the list in which ipywidgets keeps them alive."""
        close_widget(self.widget)

    def display(self) -> None:
        """Show the page in the cell that is running, and below it a place for the figure."""
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
        self.shown_by = kernel.execution()

    def figure(self) -> static.StaticFigure:
        """Picture, curve, settings and judge as a figure that stays."""
        return static.dream_figures([track.plate() for track in self.tracks])

    def keep_figure(self) -> None:
        """Put the figure that outlives the kernel below the panel."""
        if self._still is None or not any(track.dream.history for track in self.tracks):
            return
        data, metadata = self.figure()._repr_mimebundle_()
        self._still.update(data, metadata=metadata, raw=True)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes else f"{seconds} s"
