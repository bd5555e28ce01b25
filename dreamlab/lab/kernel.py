"""What a panel has to know of the kernel under it, if any, of ipywidgets and of the front end."""

import asyncio
import math
import re
import sys
import time
import weakref
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

_made: dict[str, tuple[str | None, list[weakref.ref]]] = {}
_shown: dict[str, tuple[str | None, list[Any]]] = {}


def execution() -> str | None:
    """The id of the message that asked for what is running now: one for each run of a cell."""
    return _parent().get("header", {}).get("msg_id")


def replace_in_cell(panel: Any) -> None:
    """Close the panels that an earlier run of this cell made: they are on no page any more."""
    if cell := _cell():
        made_by, made = _made.get(cell, (None, []))
        if made_by != execution():
            for old in [reference() for reference in made]:
                if old is not None:
                    old.close()
            made = []
        _made[cell] = execution(), [*made, weakref.ref(panel)]


def keep_shown(panel: Any) -> None:
    """Keep a panel that is on the page until it is closed or its cell's next run shows another."""
    shown_by, shown = _shown.get(_cell(), (None, []))
    same = shown_by is not None and shown_by == execution()
    _shown[_cell()] = execution(), [*(shown if same else []), panel]


def forget(panel: Any) -> None:
    """Drop our references to a closed panel, and those in IPython's list of results."""
    for _, shown in _shown.values():
        shown[:] = [other for other in shown if other is not panel]
    shell = getattr(get_kernel(), "shell", None)
    if shell is None:
        return
    results = shell.user_ns.get("_oh", {})
    for number in [number for number, result in results.items() if result is panel]:
        del results[number]
    # _, __, ___ and _5 of the fifth cell; the hook has the first three as well
    for names in (shell.user_ns, shell.user_ns_hidden, vars(shell.displayhook)):
        for name in [name for name, value in names.items() if value is panel]:
            if re.fullmatch(r"_+|_\d+", name):
                names[name] = ""


def get_kernel() -> Any:
    """The IPython kernel that runs us, or None outside a notebook."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


def _parent() -> dict[str, Any]:
    try:
        return get_kernel().get_parent("shell") or {}
    except Exception:  # no kernel, or another than IPython's own
        return {}


def _cell() -> str:
    """The id of the cell that is running; "" if the front end does not name its cells."""
    return _parent().get("metadata", {}).get("cellId") or ""


def hears_while_awaiting() -> bool:
    """Whether widget messages are handled while a cell awaits: by ipykernel from 7.4 on."""
    if get_kernel() is None or "ipykernel" not in sys.modules:
        return True
    return tuple(sys.modules["ipykernel"].version_info[:2]) >= (7, 4)


class MainLoop:
    """The event loop of the cells; ipykernel 7.0 to 7.3 calls back from another thread."""

    def __init__(self) -> None:
        self._loop = _running_loop()

    def notice(self) -> None:
        """Take the loop that is running now, if one is, for the main one."""
        self._loop = _running_loop() or self._loop

    def post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have the main loop make this call soon; RuntimeError if there is no loop."""
        if self._loop is None or self._loop.is_closed():
            self.notice()
        if self._loop is None or self._loop.is_closed():
            words = "no event loop is running here: the buttons need a notebook; elsewhere"
            raise RuntimeError(f"{words}, await panel.run() in a coroutine of yours")
        self._loop.call_soon_threadsafe(call, *arguments)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def close_widget(widget: widgets.Widget) -> None:
    """Close a widget with its children, layout and style, each of which ipywidgets keeps alive."""
    for name in widget.keys:
        value = getattr(widget, name, None)
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, widgets.Widget):
                close_widget(part)
    widget.close()


def set_tooltip(widget: widgets.Widget, text: str) -> None:
    """The tooltip of a widget, which has another name in ipywidgets 7."""
    setattr(widget, "tooltip" if widget.has_trait("tooltip") else "description_tooltip", text)


def uploaded(upload: widgets.FileUpload) -> tuple[str, bytes] | None:
    """Name and content of the file in a FileUpload: a dict in ipywidgets 7, a tuple in 8."""
    values = upload.value
    named = values.items() if isinstance(values, dict) else [(f["name"], f) for f in values]
    files = [(name, bytes(file["content"])) for name, file in named]
    return files[-1] if files else None


EARLY = 6.0  # seconds


class Throttle:
    """Decide when drawing is due: it may cost a `share` of the time, 0 to 1, and not more often.

    In the first `EARLY` seconds it may cost `early` times that share.
    """

    def __init__(
        self, share: float, early: float = 1, shortest: float = 0.15, longest: float = math.inf
    ) -> None:
        self.share, self.early, self.shortest, self.longest = share, early, shortest, longest
        self.cost = 0.0  # seconds per frame, a running mean
        self._next, self._early_until = 0.0, time.perf_counter() + EARLY

    def due(self) -> bool:
        """Whether it is time for the next frame."""
        return time.perf_counter() >= self._next

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *exc: object) -> None:
        now = time.perf_counter()
        took = now - self._began
        self.cost = 0.7 * self.cost + 0.3 * took if self.cost else took
        share = self.share * (self.early if now < self._early_until else 1)
        period = min(max(self.shortest, took + self.cost / share), self.longest)
        # A frame that had to wait for the end of a step does not put off the one after it.
        self._next = max(self._next, self._began - period / 2) + period
