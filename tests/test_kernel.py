"""The panel in a real kernel, with this test as its front end.

Widget messages are sent and read as JupyterLab would. `tests/stacks.py` runs it on other kernels:

    DREAMLAB_KERNEL_PYTHON=/path/to/another/python pytest tests/test_kernel.py
"""

import os
import queue
import sys
import time
from ast import literal_eval
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager
from jupyter_client.kernelspec import KernelSpec

PYTHON = os.environ.get("DREAMLAB_KERNEL_PYTHON", sys.executable)
REPOSITORY = Path(__file__).parents[1]

SETUP = """
import asyncio, sys, time
from dreamlab import Dream, Recipe, load_clip, Judge
from dreamlab.lab.panel import Panel, compare

class Timed(Dream):
    "Remembers when each of its steps began, whatever dream of this class did it."
    began = []
    def __next__(self):
        self.began.append(time.time())
        return super().__next__()

clip = load_clip({clip!r}, device="cpu")

def make(steps=5000, **knobs):
    knobs = dict(size=32, views=2, tv_weight=0.2) | knobs
    return Timed(clip, "a red heart", recipe=Recipe(steps=steps, **knobs))
"""


class Frontend:
    """Executes code in a kernel and keeps the state of its widgets, as a notebook's page does."""

    def __init__(self, client: BlockingKernelClient, subshell: str | None) -> None:
        self.client, self.subshell = client, subshell
        self.widgets: dict[str, dict[str, Any]] = {}
        self.displays: dict[str, dict[str, Any]] = {}  # by display_id
        self.printed: dict[str, str] = {}  # by the message that asked for it
        self.replies: dict[str, dict[str, Any]] = {}
        self.idle: set[str] = set()  # the messages of which everything has arrived

    def pump(self, seconds: float = 0.02) -> None:
        """Read what the kernel says for so long."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self._read(self.client.get_iopub_msg(timeout=left))
            except queue.Empty:
                break
        while self.client.shell_channel.msg_ready():
            reply = self.client.get_shell_msg(timeout=1)
            self.replies[reply["parent_header"]["msg_id"]] = reply["content"]

    def _read(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        parent = message["parent_header"].get("msg_id", "")
        if kind == "comm_open":
            self.widgets[content["comm_id"]] = dict(content["data"].get("state", {}))
        elif kind == "comm_msg" and content["data"].get("method") == "update":
            self.widgets.setdefault(content["comm_id"], {}).update(content["data"]["state"])
            for path, data in zip(
                content["data"].get("buffer_paths", ()), message["buffers"], strict=True
            ):
                self.widgets[content["comm_id"]][path[0]] = bytes(data)
        elif kind in ("display_data", "update_display_data"):
            if display_id := content.get("transient", {}).get("display_id"):
                self.displays[display_id] = content["data"]
        elif kind == "status" and content["execution_state"] == "idle":
            self.idle.add(parent)
        elif kind == "stream":
            self.printed[parent] = self.printed.get(parent, "") + content["text"]

    def wait(self, condition, seconds: float = 120, what: str = "what was expected") -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
            self.pump()

    def send(self, code: str, cell: str = "") -> str:
        """Ask the kernel to execute, without waiting."""
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = self.client.session.msg("execute_request", content | {"user_expressions": {}})
        message["metadata"] = {"cellId": cell} if cell else {}
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def run(self, code: str, cell: str = "", seconds: float = 180) -> dict[str, Any]:
        """Execute; returns the reply, with what was printed as ``text``."""
        sent = self.send(code, cell)
        self.wait(
            lambda: sent in self.replies and sent in self.idle, seconds, f"the end of {code!r}"
        )
        return self.replies[sent] | {"text": self.printed.get(sent, "").strip()}

    def value(self, expression: str) -> Any:
        """What an expression is in the kernel."""
        reply = self.run(f"print(repr(({expression})))")
        if reply["status"] == "aborted":  # a kernel drops what comes right after a cell's error
            reply = self.run(f"print(repr(({expression})))")
        assert reply["status"] == "ok", reply
        return literal_eval(reply["text"])

    def tell(self, comm: str, data: dict[str, Any]) -> None:
        """Send a widget's message, where JupyterLab does on a subshell."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        if self.subshell:
            message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def click(self, label: str) -> None:
        found = [
            comm
            for comm, state in self.widgets.items()
            if state.get("_view_name") == "ButtonView" and state.get("description") == label
        ]
        assert found, f"no button {label}"
        event = {"method": "custom", "content": {"event": "click"}, "buffers": []}
        self.tell(found[-1], event)

    def slide(self, label: str, index: int) -> None:
        comm = [c for c, state in self.widgets.items() if state.get("description") == label][-1]
        self.widgets[comm]["index"] = index
        self.tell(comm, {"method": "update", "state": {"index": index}, "buffer_paths": []})

    def texts(self) -> str:
        """All that the HTML widgets say."""
        return " ".join(
            str(state.get("value"))
            for state in self.widgets.values()
            if state.get("_view_name") == "HTMLView"
        )

    def figures(self) -> int:
        return sum("image/png" in data for data in self.displays.values())


def manager(python: str = PYTHON) -> KernelManager:
    manager = KernelManager()
    command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    manager._kernel_spec = KernelSpec(argv=command, language="python", display_name="test")
    return manager


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def kernel(tiny_clip_dir):
    running = manager()
    running.start_kernel(env=environment())
    client = running.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=180)
        yield running, client
    finally:
        client.stop_channels()
        running.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def subshell(kernel):
    """A subshell, where the kernel has them: JupyterLab sends widget messages there."""
    _, client = kernel
    info = client.kernel_info(reply=True, timeout=30)["content"]
    if "kernel subshells" not in info.get("supported_features", []):
        return None
    message = client.session.msg("create_subshell_request", {})
    client.control_channel.send(message)
    while True:
        reply = client.get_control_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
            return reply["content"]["subshell_id"]


def front_end(kernel, subshell, tiny_clip_dir):
    front = Frontend(kernel[1], subshell)
    reply = front.run(SETUP.format(clip=f"local-dir:{tiny_clip_dir}"))
    assert reply["status"] == "ok", "\n".join(reply.get("traceback", []))
    yield front
    front.run("panel.stop(); panel = None")


@pytest.fixture
def page(kernel, tiny_clip_dir):
    yield from front_end(kernel, None, tiny_clip_dir)


@pytest.fixture(params=["main shell", "subshell"])
def each_page(request, kernel, subshell, tiny_clip_dir):
    """As `page`, and once more with the messages of widgets on a subshell."""
    if request.param == "subshell" and subshell is None:
        pytest.skip("this kernel has no subshells")
    chosen = subshell if request.param == "subshell" else None
    yield from front_end(kernel, chosen, tiny_clip_dir)


def show(page: Frontend, code: str = "panel = Panel(make(), judge=Judge(clip))\npanel") -> None:
    reply = page.run(code, cell="the panel's cell")
    assert reply["status"] == "ok", "\n".join(reply.get("traceback", []))


def steps(page: Frontend) -> int:
    return page.value("len(panel.dream.history)")


def until_state(page: Frontend, wanted: str, panel: str = "panel") -> None:
    page.wait(lambda: page.value(f"{panel}.state") == wanted, what=wanted)


def rests(page: Frontend) -> int:
    """The number of steps, which does not grow."""
    before = steps(page)
    time.sleep(0.2)
    assert steps(page) == before, "nothing goes on behind the user's back"
    return before


LOOPS = "len([t for t in asyncio.all_tasks() if '_drive' in repr(t.get_coro())])"


def test_buttons(each_page):
    page = each_page
    show(page)
    page.click("Start")
    until_state(page, "running")
    page.wait(lambda: steps(page) > 20, what="20 steps")
    page.click("Restart")
    page.wait(lambda: 0 < steps(page) < 20, what="a new beginning")
    assert page.value(LOOPS) == 1
    page.click("Pause")
    until_state(page, "paused")
    before = rests(page)
    page.click("Step")
    page.wait(lambda: steps(page) > before, what="a step")
    assert rests(page) == before + 1
    figures = page.figures()
    page.click("Stop")
    until_state(page, "stopped")
    assert page.value(LOOPS) == 0
    assert page.figures() == figures + 1, "a figure stays below the panel"
    pictures = [w["value"] for w in page.widgets.values() if w.get("_view_name") == "ImageView"]
    assert pictures[-1][:2] == b"\xff\xd8"  # JPEG
    assert "<svg" in page.texts()
    page.click("Reset")
    until_state(page, "ready")


def test_a_slider_acts_within_two_steps(each_page):
    page = each_page
    show(page)
    page.click("Start")
    until_state(page, "running")
    delays = []
    for index in (1, 20, 5):
        page.pump(0.15)
        sent = time.time()
        page.slide("λ smoothness", index)
        page.pump(0.4)
        step, knob, _ = page.value("panel.tracks[0].changes[-1]")
        assert knob == "tv_weight"
        began = page.value("list(Timed.began)")[:step]
        delays.append(sum(moment > sent for moment in began))
    assert sorted(delays)[1] <= 2, delays


def test_running_the_cell_again_closes_the_old_panel_and_another_cell_does_not(page):
    show(page)
    page.click("Start")
    until_state(page, "running")
    page.run("old = panel")
    show(page)
    until_state(page, "stopped", "old")
    page.click("Start")
    until_state(page, "running")
    page.run("old = panel; panel = Panel(make(), ('tv',))\npanel", cell="another cell")
    page.click("Start")
    until_state(page, "running")
    assert page.value("old.state") == "running"
    page.run("old.stop()")


def test_two_panels_in_one_cell_run_side_by_side(page):
    code = """
from ipywidgets import HBox
panel, other = Panel(make(12), judge=False), Panel(make(12), judge=False)
display(HBox([panel.widget, other.widget]))
await asyncio.gather(panel.run(), other.run())
print(len(panel.dream.history), len(other.dream.history))
"""
    assert page.run(code, cell="a cell")["text"] == "12 12"


ALIVE = """
import gc, ipywidgets
def alive():
    gc.collect()
    kept = getattr(ipywidgets.widgets.widget, "_instances", None)
    kept = ipywidgets.Widget.widgets if kept is None else kept
    return len(kept), sum(type(x) in (Panel, Timed) for x in gc.get_objects())
"""


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("a cell", "Panel(make(5), judge=False)"),
        ("a cell", "panel = compare(make(5), tv_weight=(0, 5), judge=False)\nawait panel.run()"),
        # A front end that names no cells, where IPython keeps no result of them.
        ("", "await Panel(make(5), judge=False).run()"),
    ],
)
def test_a_panel_that_is_replaced_is_gone(page, code, cell):
    """Its widgets, its dreams and itself, also from IPython's list of results."""
    page.run(ALIVE + "panel = old = None")
    page.run(code, cell=cell)
    once = page.value("alive()")
    assert once[0] > 40
    for _ in range(2):
        reply = page.run(code, cell=cell)
        assert reply["status"] == "ok", "\n".join(reply.get("traceback", []))
    assert page.value("alive()") == once


def test_controls_while_a_cell_awaits(each_page):
    """They act at once on new kernels; on old ones they do no harm, and the panel says so."""
    page = each_page
    live = page.value("__import__('ipykernel').version_info[:2] >= (7, 4)")
    page.run(f"panel = Panel(make({5000 if live else 200}), judge=False)")
    sent = page.send("await panel.run()")
    page.wait(lambda: "running" in page.texts(), what="the run")
    page.slide("λ smoothness", 30)
    page.pump(0.5)
    if live:
        page.click("Stop")
    else:
        assert "hears only" in page.texts()
    page.wait(lambda: sent in page.replies, seconds=180, what="the end of the cell")
    assert page.replies[sent]["status"] == "ok"
    if live:
        assert page.value("panel.state") == "stopped"
        turned, value = page.value("(panel.tracks[0].changes[-1], panel.controls.value('tv'))")
        assert turned[1:] == ("tv_weight", value)
    else:
        assert page.value("panel.state") == "finished"


def test_the_interrupt_button_keeps_the_picture(page, kernel):
    figures = page.figures()
    page.run("panel = Panel(make())")
    sent = page.send("await panel.run()")
    page.wait(lambda: "running" in page.texts(), what="the run")
    page.pump(0.5)
    kernel[0].interrupt_kernel()
    page.wait(lambda: sent in page.replies and sent in page.idle, what="the end of the cell")
    assert page.replies[sent]["ename"] in ("CancelledError", "KeyboardInterrupt")
    assert page.value("panel.state") == "stopped" and rests(page) > 0
    assert page.figures() == figures + 1


def test_an_error_is_shown_and_the_kernel_lives(page):
    """asyncio lets SystemExit through: out of a task it would end the kernel."""
    show(page, "panel = Panel(make(30))\npanel.dream._encode = lambda *a: sys.exit()\npanel")
    page.click("Start")
    until_state(page, "failed")
    assert "SystemExit" in page.texts()
    assert page.run("await panel.wait()")["ename"] == "RuntimeError"
