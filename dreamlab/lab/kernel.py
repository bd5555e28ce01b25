"""The kernel under a panel: which cell is speaking, which loop turns, whether a slider is heard.

Outside a notebook there is no kernel, and every question has an answer all the same.
"""

import asyncio
import sys
import weakref
from collections.abc import Callable
from typing import Any, Protocol


class Closable(Protocol):
    def close(self) -> None: ...


_made: dict[str, "weakref.ref[Closable]"] = {}  # by cell: the panel that its last run made
_shown: dict[str, Closable] = {}  # by cell, "" for one unknown: what is on the page there


def present() -> bool:
    """Whether an IPython kernel runs us, as it does in a notebook."""
    return _kernel() is not None


def execution() -> str | None:
    """The message that asked for what is running now: one for each time that a cell is run."""
    kernel = _kernel()
    return kernel and _parent(kernel).get("header", {}).get("msg_id")


def replace_in_cell(panel: Closable) -> None:
    """Close the panel that an earlier run of this cell made: nobody sees it any more."""
    cell = _cell()
    if not cell:
        return
    old = _made.get(cell, lambda: None)()
    if old is not None:
        old.close()
    _made[cell] = weakref.ref(panel)


def keep_shown(panel: Closable) -> None:
    """A panel on the page is in use, whether or not a variable still has it.

    It is kept until it is closed, or until its cell shows another one. A front end that does not
    name its cells keeps the last one that was shown.
    """
    _shown[_cell()] = panel


def forget(panel: Closable) -> None:
    """Let go of a closed panel, also where IPython keeps the results of cells."""
    for cell in [cell for cell, shown in _shown.items() if shown is panel]:
        del _shown[cell]
    kernel = _kernel()
    shell = getattr(kernel, "shell", None)
    if shell is None:
        return
    results, hook = shell.user_ns.get("_oh", {}), shell.displayhook
    numbers = [number for number, result in results.items() if result is panel]
    for number in numbers:
        del results[number]
    for names in (shell.user_ns, shell.user_ns_hidden):
        for number in numbers:
            names.pop(f"_{number}", None)
        for name in ("_", "__", "___"):  # the last three; the hook compares them with its own
            if names.get(name) is panel:
                names[name] = ""
            if getattr(hook, name, None) is panel:
                setattr(hook, name, "")


def _cell() -> str:
    """The cell that asked for what is running now; "" if the front end does not name cells."""
    kernel = _kernel()
    return (kernel and _parent(kernel).get("metadata", {}).get("cellId")) or ""


def hears_while_awaiting() -> bool:
    """Whether the kernel handles a slider's messages while a cell awaits: ipykernel from 7.4 on."""
    if not present() or "ipykernel" not in sys.modules:
        return True
    version = sys.modules["ipykernel"].version_info
    return tuple(version[:2]) >= (7, 4)


class MainLoop:
    """The event loop in which a cell runs, and to which callbacks from elsewhere are handed.

    On some kernels a button speaks from another thread, which has a loop of its own.
    """

    def __init__(self) -> None:
        self._loop = _running_loop()

    def notice(self) -> None:
        """Take the loop that is running now, if one is, for the main one."""
        self._loop = _running_loop() or self._loop

    def post(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have the main loop make this call, soon.

        Raises:
            RuntimeError: there is no loop.
        """
        loop = _running_loop() or self._loop
        if self._loop is not None and not self._loop.is_closed():
            loop = self._loop
        if loop is None or loop.is_closed():
            raise RuntimeError(
                "no event loop is running here: the buttons need a notebook; elsewhere, "
                "await panel.run() in a coroutine of yours"
            )
        loop.call_soon_threadsafe(call, *arguments)


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


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
