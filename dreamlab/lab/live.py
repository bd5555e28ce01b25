"""A loop that listens: do one step, let the controls speak, do the next.

A plain ``for`` loop in a notebook cell is deaf: the kernel hears no slider before it has ended.
This one is a coroutine that sleeps for a millisecond after each step, which is when the kernel
reads its messages. It needs no thread and no widget, so everything that Pause, Step, Stop and a
second Start promise is tested here, without a browser.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Literal

State = Literal["ready", "running", "paused", "stopped", "finished", "failed"]

# sleep(0) lets one round of the event loop pass, and a message needs several to get from the
# socket to a slider: a control then acts 3 to 5 steps late, with a millisecond 1 or 2.
BREATH = 0.001  # seconds
# A millisecond is 4 % of a step of 25 ms. So quick steps share it, two and two: a control then
# still acts within two steps.
OFTEN = 0.05  # seconds; steps that take longer each have a breath of their own

_active: set["LiveLoop"] = set()  # the loops that are stepping or paused, in this kernel


class LiveLoop:
    """Call ``advance`` again and again inside an event loop, and stay controllable.

    There is never more than one coroutine stepping: a newer one takes over from an older one, and
    a loop that starts stops every other `LiveLoop` of the process (a forgotten cell must not slow
    down the one on screen).

    Args:
        advance: does one step; returns False when there was nothing left to do.
        restart: puts everything back to before the first step.
        report: called with the new `state` each time it changes.
    """

    def __init__(
        self,
        advance: Callable[[], bool],
        restart: Callable[[], None],
        report: Callable[[State], None] = lambda state: None,
    ) -> None:
        self._advance, self._restart, self._report = advance, restart, report
        self.state: State = "ready"
        self.error: BaseException | None = None
        self.task: asyncio.Task | None = None  # asyncio itself holds tasks only weakly
        self._turn: object | None = None  # who may step; whoever finds another one here ends
        self._allowed = 0.0  # how many steps may still be done before the next pause
        self._restart_first = False
        self._ends_as: State = "stopped"  # what to call the end that `stop` or `reset` brings
        self._wake = asyncio.Event()

    @property
    def active(self) -> bool:
        """Whether a coroutine of this loop is alive, stepping or paused."""
        return self._turn is not None

    async def run(self, *, from_start: bool = False) -> None:
        """Step until done, paused by `pause` and ended by `stop`; errors are raised here.

        Cancelling it (the kernel's interrupt button) ends it like `stop`, and is passed on.
        """
        turn = self._take_turn(float("inf"))
        self._restart_first = from_start
        await self._drive(turn)

    def start(self) -> None:
        """Begin from the first step, in the background. What was running is dropped."""
        self._restart_first = True
        self.resume()

    def resume(self) -> None:
        """Go on stepping, in the background where nothing is waiting for it."""
        self._allow(float("inf"))

    def step(self) -> None:
        """Do one step, then pause."""
        self._allow(1)

    def pause(self) -> None:
        """Stop stepping but stay ready to go on."""
        if self.active:
            self._allowed = 0

    def stop(self) -> None:
        """End the coroutine; what was reached is kept, and `resume` can take it up again."""
        self._turn = None
        self._restart_first = False
        self._wake.set()

    def reset(self) -> None:
        """End the coroutine and put everything back to before the first step."""
        was_active = self.active
        self.stop()
        self._restart()
        self.error = None
        self._ends_as = "ready"
        if not was_active:
            self._change("ready")

    async def wait(self) -> None:
        """Wait until the background run has ended; raises what it raised."""
        if self.task is not None:
            await asyncio.wait([self.task])
        self.check()

    def check(self) -> None:
        """Raise the error that ended the last run, if one did."""
        if self.error is not None:
            raise self.error

    def _allow(self, steps: float) -> None:
        self._allowed = steps
        if self.active:
            self._wake.set()
        else:
            drive = self._drive(self._take_turn(steps))
            self.task = asyncio.get_running_loop().create_task(drive)
            # The error is shown by `report` and kept for `check`; asyncio need not log it as lost.
            self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _take_turn(self, steps: float) -> object:
        """From now on this loop is active, and only the coroutine with this turn may step.

        Taken at once, not when the coroutine gets to run: a Stop may come in between.
        """
        for other in _active - {self}:
            other.stop()
        _active.add(self)
        self._wake.set()  # an older coroutine of ours may be waiting: let it see that it is over
        self._wake = asyncio.Event()
        self._turn = object()
        self._allowed = steps
        self._ends_as = "stopped"
        self.error = None
        return self._turn

    async def _drive(self, turn: object) -> None:
        outcome: State | None = None
        rested, quick = 0.0, False
        try:
            while self._turn is turn:
                if self._restart_first:
                    self._restart_first = False
                    self._restart()
                if self._allowed > 0:
                    self._allowed -= 1
                    self._change("running")
                    if not self._advance():
                        outcome = "finished"
                        break
                    quick = not quick and time.perf_counter() - rested < OFTEN
                    await asyncio.sleep(0 if quick else BREATH)
                    rested = rested if quick else time.perf_counter()
                else:
                    self._change("paused")
                    self._wake.clear()
                    await self._wake.wait()  # set by whoever allows steps, stops or takes the turn
        except Exception as error:
            outcome = "failed"
            self.error = error
            raise
        finally:
            if self._turn in (turn, None):  # else a newer coroutine speaks for this loop
                self._turn = None
                _active.discard(self)
                self._change(outcome or self._ends_as)

    def _change(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._report(state)


class Throttle:
    """Decide when drawing is due, so that it costs a small, known share of the time.

    Widgets report no back-pressure: what is sent faster than the browser draws piles up in front
    of it. So at most one frame per ``shortest`` seconds, and fewer where frames are expensive:
    the wait grows until drawing takes no more than ``share`` of the wall clock.

    Args:
        share: the part of the time that may go into drawing, 0 < share < 1.
        shortest: least time between two frames, seconds.
    """

    def __init__(self, share: float = 0.02, shortest: float = 0.1) -> None:
        self.share, self.shortest = share, shortest
        self.cost = 0.0  # seconds per frame, a running mean
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time for the next frame."""
        return time.perf_counter() >= self._next

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *exc: object) -> None:
        now = time.perf_counter()
        took = now - self._began
        self.cost = 0.7 * self.cost + 0.3 * took if self.cost else took
        self._next = now + max(self.shortest, self.cost / self.share)
