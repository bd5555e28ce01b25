"""The run of a panel's dreams: step by step, with the knobs as the controls have them.

Built on the public side of a dream only: it iterates, turns the knobs of ``dream.recipe`` between
steps, and looks at ``dream.images`` and at the records of the steps. No widget is touched here but
by `Controls` and `Page`.
"""

import dataclasses
import warnings
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from dreamlab.figures.settings import start_of
from dreamlab.lab import kernel
from dreamlab.lab.controls import CONTROLS, Controls, said
from dreamlab.lab.keeping import save_films, save_pictures
from dreamlab.lab.live import LiveLoop, State, Throttle
from dreamlab.lab.page import BUTTONS, Page
from dreamlab.lab.track import Track

SHARE = 0.005  # of the wall clock that drawing may take; the judge takes a fifth of it


class Run:
    """All that stands behind a panel, and what its loop and its buttons do.

    The widgets hold it, and it holds them: it lives until `close`. It does not know the `Panel`
    itself, which therefore ends when nobody has it any more.

    Args:
        given: the dream that the panel was made for; others are made like it.
        versions: the settings that a comparison holds fixed, one set for each track.
        shown: names of the controls.
        judge: a `Judge`; None for the embedded one, made when it is first asked; False for none.
        folder: where Save and Film put their files.
    """

    def __init__(
        self,
        given: Any,
        versions: Sequence[dict[str, Any]],
        shown: Sequence[str],
        judge: Any,
        folder: Path,
    ) -> None:
        self.given, self.folder = given, folder
        self.closed = False
        self.figure_error: Exception | None = None  # of the last figure, not of the run
        self.main_loop = kernel.MainLoop()
        self.loop = LiveLoop(self.advance, self.rebuild, self.report)
        self.drawing, self.judging = Throttle(SHARE), Throttle(SHARE / 5, shortest=0.5)
        self._judge, self._judge_wanted = judge, judge is not False
        compared = len(versions) > 1
        self.tracks = [Track(given, fixed, compared=compared) for fixed in versions]
        self.page = Page(self.tracks, self.press)
        fixed = {setting for version in versions for setting in version}
        self.controls = Controls(given, shown, fixed, self.post_from_page, self.page.note)
        for name in self.controls.later:
            self.controls.inputs[name].observe(
                lambda _: self.post_from_page(self._say_later), "value"
            )
        live = [name for name in self.controls.live if CONTROLS[name].knob]
        self._agreed = {name: self.controls.value(name) for name in live}
        self.page.lay_out(self.controls)

    def begin(self) -> None:
        """Show the picture before the first step."""
        if len(self.tracks) > 1:
            for track in self.tracks:
                track.begin(self.make_dream(track))
        self.draw()

    def close(self) -> None:
        """End the run and take the widgets off the page; dreams and films stay."""
        self.closed = True
        self.loop.stop()
        self.page.close()

    # ------------------------------------------------------------------ what is asked for

    def press(self, name: str) -> None:
        """What a button does, by its name in ``BUTTONS``."""
        self.post_from_page(self.acts[name], name)

    @property
    def acts(self) -> dict[str, Callable[[], None]]:
        return {
            "start": self.loop.start,
            "pause": self._pause_or_resume,
            "step": self.loop.step,
            "stop": self.loop.stop,
            "reset": self.reset,
            "save": lambda: self._say_saved(save_pictures(self.tracks, self.folder)),
            "film": lambda: self._say_saved(save_films(self.tracks, self.folder)),
        }

    def post(self, action: Callable[[], None], about: str = "control") -> None:
        """Have the kernel's main loop do it: buttons may speak from another thread.

        What goes wrong there is shown on the page, and nobody else would see it. What it is about,
        a button or the controls, has a message of its own: a Save that fails spoils no run.

        Raises:
            RuntimeError: there is no loop, or the panel is closed.
        """
        self.check_open()
        self.main_loop.post(self._guarded, action, about)

    def check_open(self) -> None:
        """Raise a RuntimeError if the panel is closed."""
        if self.closed:
            raise RuntimeError(
                "this panel was closed, as it is when its cell runs again: its dream is still "
                "there, panel.dream, and Panel(panel.dream) makes a new panel for it"
            )

    def post_from_page(self, action: Callable[[], None], about: str = "control") -> None:
        """The same for callbacks of widgets, which have nobody to raise an error to."""
        try:
            self.post(action, about)
        except RuntimeError as error:
            self.page.show_error(about, error)

    def _guarded(self, action: Callable[[], None], about: str) -> None:
        try:
            action()
        except Exception as error:
            self.page.show_error(about, error)
        else:
            if about in BUTTONS:
                self.page.note(about)

    def _pause_or_resume(self) -> None:
        if self.loop.state == "running":
            self.loop.pause()
        else:
            self.loop.resume()

    def _say_later(self) -> None:
        if self.tracks[0].dream.history:
            self.page.note("hint", "This acts from the next Start.")

    def _say_saved(self, paths: Sequence[Path]) -> None:
        more = "".join(f", {path.name}" for path in paths[1:])
        self.page.note("hint", f"Saved as {escape(str(paths[0]) + more)}.")

    # ------------------------------------------------------------------ what the loop does

    def advance(self) -> bool:
        """One step of every dream (`LiveLoop`'s work), and a look at the clock."""
        self.turn_knobs()
        if self._judge_wanted and not self.tracks[0].judged:
            self._ask_judge()  # outside the throttle: the first time is slow, and says nothing
        going = False
        for track in self.tracks:
            going = track.advance() or going
        if not going:
            return False
        if self._judge_wanted and self._judge_due():
            with self.judging:
                self._ask_judge()
        if self.drawing.due():
            with self.drawing:
                self.draw()
        return True

    def turn_knobs(self) -> None:
        """Bring recipes and controls into agreement, once per step; whoever moved last wins."""
        for name, agreed in self._agreed.items():
            knob, wanted = CONTROLS[name].knob, self.controls.value(name)
            for track in self.tracks:
                if knob in track.fixed:
                    continue
                present = getattr(track.dream.recipe, knob)
                if wanted != agreed:
                    setattr(track.dream.recipe, knob, wanted)
                elif present != agreed:  # turned by code, in another cell
                    self._agreed[name] = wanted = agreed = present
                    self.controls.set_value(name, present)
                else:
                    continue
                track.note_change(knob, wanted, f"{CONTROLS[name].label} {said(wanted)}")
            self._agreed[name] = wanted
        for track in self.tracks:
            if not track.dream.history:
                track.began_with = dataclasses.replace(track.dream.recipe)

    def rebuild(self) -> None:
        """Everything as before the first step, with the controls as they are now."""
        untouched = self.controls.untouched()
        for track in self.tracks:
            if track.dream is self.given and not track.dream.history and untouched:
                continue  # the first Start runs the dream that the panel was given
            track.begin(self.make_dream(track))
        self.page.forget_rate()
        self.draw()

    def make_dream(self, track: Track) -> Any:
        given = self.given
        arguments = {
            "prompt": given.prompts if given.batched else given.prompts[0],
            "negative_prompt": given.negative_prompts
            if given.batched
            else given.negative_prompts[0],
            "start": start_of(given),
            "seed": given.seeds if given.batched else given.seeds[0],
        }
        set_arguments, knobs = self.controls.settings()
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
        self.page.note("warning", escape(" ".join(texts)))
        return dream

    def report(self, state: State) -> None:
        """What changes on the page when the loop begins, pauses or ends."""
        self.page.forget_rate()
        if state == "failed" and self.loop.error is not None:
            self.page.show_error("error", self.loop.error)
        else:
            self.page.note("error")
        if state == "running":
            self.figure_error = None
            for about in ("hint", "figure", "control", *BUTTONS):
                self.page.note(about)
        else:
            if self._judge_wanted and state != "ready":
                self._ask_judge()
            self.try_to_draw(self.draw)
        self.page.label_buttons(state, active=self.loop.active)
        if state in ("stopped", "finished", "failed"):
            self.try_to_draw(self.page.keep_figure)

    def try_to_draw(self, draw: Callable[[], None]) -> None:
        """Draw where a run rests. What goes wrong changes nothing about it, and is said."""
        try:
            draw()
        except Exception as error:
            self.figure_error = error
            self.page.show_error("figure", error)

    def check(self) -> None:
        """Raise what ended the last run early, or else what kept its figure from being drawn."""
        self.loop.check()
        if self.figure_error is not None:
            raise self.figure_error

    def reset(self) -> None:
        """Every control and the picture as in the beginning."""
        self.controls.reset()
        self.loop.reset()
        self.page.note("hint")

    def draw(self) -> None:
        """Show where the run is."""
        self.page.draw(self.loop.state)

    def _judge_due(self) -> bool:
        """By the clock; and at steps 1, 2, 4, 8, …, since early on much happens at once."""
        track = self.tracks[0]
        return self.judging.due() or len(track.dream.history) >= 2 * track.judged[-1][0]

    def _ask_judge(self) -> None:
        try:
            if self._judge is None:
                from dreamlab.measure.judge import Judge

                self._judge = Judge()
            for track in self.tracks:
                track.ask(self._judge)
        except Exception as error:  # an opinion more or less must not end a dream
            self._judge_wanted = False
            self.page.note("judge", f"<b>No judge:</b> {escape(str(error))}")
