"""One run of a panel's dreams: step by step, with the knobs as the controls have them.

Built on the public side of a dream only: it iterates, turns the knobs of ``dream.recipe`` between
steps, and looks at ``dream.images`` and at the records of the steps. No widget is touched here but
by `Controls` and `Page`.
"""

import dataclasses
import warnings
from collections.abc import Sequence
from html import escape
from typing import Any

from dreamlab.figures.settings import start_of
from dreamlab.lab.controls import CONTROLS, Controls, said
from dreamlab.lab.live import LiveLoop, State, Throttle
from dreamlab.lab.page import Page
from dreamlab.lab.track import Track

SHARE = 0.005  # of the wall clock that drawing may take; the judge takes a fifth of it


class Run:
    """What the loop of a panel does.

    Args:
        given: the dream that the panel was made for; others are made like it.
        tracks: the dreams to step, side by side.
        controls: say how the knobs are to be turned, and what the next dream is made from.
        page: shows what comes of it.
        judge: a `Judge`; None for the embedded one, made when it is first asked; False for none.
    """

    def __init__(
        self, given: Any, tracks: Sequence[Track], controls: Controls, page: Page, judge: Any
    ) -> None:
        self.given, self.tracks, self.controls, self.page = given, tracks, controls, page
        self.loop = LiveLoop(self.advance, self.rebuild, self.report)
        self.drawing, self.judging = Throttle(SHARE), Throttle(SHARE / 5, shortest=0.5)
        self._judge, self._judge_wanted = judge, judge is not False
        self._agreed = {name: controls.value(name) for name in controls.live if CONTROLS[name].knob}

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
            self.page.show_error(self.loop.error)
        else:
            self.page.note("error")
        if state == "running":
            self.page.note("hint")
        else:
            if self._judge_wanted and state != "ready":
                self._ask_judge()
            self.draw()
        self.page.label_buttons(state, active=self.loop.active)
        if state in ("stopped", "finished", "failed"):
            self.page.keep_figure()

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
