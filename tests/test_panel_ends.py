"""How a panel's run can end, each with a message of its own, and that a panel itself ends."""

import asyncio
import gc
import weakref

import ipywidgets
import pytest

from dreamlab.dream import Dream
from dreamlab.figures import static
from dreamlab.lab import kernel
from dreamlab.lab.panel import Panel, compare
from dreamlab.recipe import Recipe

RECIPE = Recipe(size=32, views=2, steps=4, octaves=(0.5, 1.0))


@pytest.fixture
def make_dream(tiny_clip):
    return lambda **arguments: Dream(tiny_clip, "a red heart", recipe=RECIPE, **arguments)


@pytest.fixture
def shown(monkeypatch, make_dream):
    """A panel as if on a page: it has a place for the figure that stays."""
    panel = Panel(make_dream(), judge=False)
    panel._run.page._still = type("Still", (), {"update": lambda self, *a, **k: None})()
    return panel


def pressed(panel, *buttons, wait=False):
    """Press buttons in a running event loop, one after the other came to rest."""

    async def drive():
        for button in buttons:
            panel._run.page.buttons[button].click()
            await asyncio.sleep(0.01)
            while panel.state == "running":
                await asyncio.sleep(0.001)
        if wait:
            await panel.wait()

    asyncio.run(drive())


def message(panel):
    return panel._run.page.message.value


# --- a message for each -----------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["dream_figures", "curve"])
def test_an_error_in_the_last_figure_is_said_and_spoils_no_run(shown, monkeypatch, broken):
    def fail(plates_or_state):
        raise ZeroDivisionError("no figure")

    with monkeypatch.context() as patch:
        if broken == "dream_figures":
            patch.setattr(static, "dream_figures", fail)
        else:
            patch.setattr(shown._run.page, "draw", fail)
            shown._run.drawing._next = float("inf")  # none while it runs
        pressed(shown, "pause")
        assert shown.state == "finished" and shown.dream.done and shown.error is None
        assert "The run is well, but its figure could not be drawn" in message(shown)
        assert "ZeroDivisionError: no figure" in message(shown)
        with pytest.raises(ZeroDivisionError, match="no figure"):
            shown.check()
        with pytest.raises(ZeroDivisionError, match="no figure"):
            pressed(shown, "start", wait=True)
    pressed(shown, "start")
    assert "no figure" not in message(shown) and shown.state == "finished"
    shown.check()


def test_a_cell_that_awaits_is_told_of_the_figure(shown, monkeypatch):
    monkeypatch.setattr(static, "dream_figures", lambda plates: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(shown.run())
    assert shown.state == "finished"


@pytest.mark.parametrize("button", ["save", "film"])
def test_a_save_that_fails_spoils_no_run(make_dream, tmp_path, button):
    (tmp_path / "dreams").write_text("a file in the place of the folder")
    panel = Panel(make_dream(), judge=False, folder=tmp_path / "dreams")
    pressed(panel, "start", button, wait=True)
    assert "Not saved: " in message(panel) and "exists" in message(panel)
    assert panel.state == "finished" and panel.error is None
    panel.check()
    (tmp_path / "dreams").unlink()
    pressed(panel, button)
    assert "Not saved" not in message(panel) and "Saved as" in message(panel)


def test_an_error_of_the_run_outlives_a_save(make_dream, tmp_path):
    panel = Panel(make_dream(), judge=False, folder=tmp_path)
    pressed(panel, "step")
    panel.dream._encode = lambda *arguments: 1 / 0
    pressed(panel, "pause", "save")
    assert panel.state == "failed" and isinstance(panel.error, ZeroDivisionError)
    assert "ZeroDivisionError" in message(panel) and "Saved as" in message(panel)
    with pytest.raises(ZeroDivisionError):
        panel.check()


def test_stop_iteration_in_a_step_is_no_end(tiny_clip):
    class Mine(Dream):
        def __next__(self):
            if len(self.history) == 2:
                raise StopIteration("mine")
            return super().__next__()

    panel = Panel(Mine(tiny_clip, "a red heart", recipe=RECIPE), judge=False)
    with pytest.raises(RuntimeError, match="StopIteration came out of a step"):
        asyncio.run(panel.run())
    assert panel.state == "failed" and "StopIteration" in message(panel)


@pytest.mark.parametrize("call", ["start", "pause", "resume", "step", "stop", "reset"])
def test_without_an_event_loop_code_is_told(make_dream, call):
    panel = Panel(make_dream(), judge=False)
    with pytest.raises(RuntimeError, match=r"no event loop is running here.*await panel\.run"):
        getattr(panel, call)()


def test_without_an_event_loop_the_page_says_so(make_dream):
    panel = Panel(make_dream(), judge=False)
    panel._run.page.buttons["start"].click()
    assert "no event loop is running here" in message(panel)
    asyncio.run(panel.run())
    assert "no event loop" not in message(panel)


# --- nothing is kept for ever -----------------------------------------------------------------


def widgets_alive():
    """All that ipywidgets keeps: in version 7 on the class, in 8 in its module."""
    found = getattr(ipywidgets.widgets.widget, "_instances", None)
    return set(ipywidgets.Widget.widgets if found is None else found)


def rest(panel):
    """Left as it was made."""


def finished(panel):
    asyncio.run(panel.run())


def paused(panel):
    pressed(panel, "step")


def uploaded_twice(panel):
    panel._run.controls._offer_upload()
    panel._run.controls._offer_upload()


def failed(panel):
    panel.dream._encode = lambda *arguments: 1 / 0
    pressed(panel, "start")


async def _left_running(panel):
    panel.start()
    await asyncio.sleep(0.01)


def left_running(panel):
    asyncio.run(_left_running(panel))


@pytest.mark.parametrize("use", [rest, finished, paused, uploaded_twice, failed, left_running])
def test_a_panel_that_nobody_has_is_gone(make_dream, use):
    gc.collect()
    before = widgets_alive()
    for _ in range(3):
        panel = Panel(make_dream(), judge=False)
        assert len(widgets_alive() - before) > 40
        use(panel)
        parts = [weakref.ref(x) for x in (panel, panel._run, panel.dream, panel._run.page.widget)]
        del panel
        gc.collect()
        assert widgets_alive() == before, "also layouts and styles"
        assert [part() for part in parts] == [None] * 4


def test_a_comparison_that_nobody_has_is_gone_also_one_that_could_not_be_made(make_dream):
    gc.collect()
    before = widgets_alive()
    finished(compare(make_dream(), tv_weight=(0.0, 1.0), judge=False))
    with pytest.raises(ValueError, match="tv_weight must be"):
        compare(make_dream(), tv_weight=(0.0, -1.0), judge=False)
    gc.collect()
    assert widgets_alive() == before


def test_a_run_in_the_background_ends_with_its_panel(make_dream):
    async def drive():
        panel = Panel(make_dream(), judge=False)
        dream = panel.dream
        panel.start()
        await asyncio.sleep(0.002)
        del panel
        gc.collect()
        await asyncio.sleep(0.05)
        assert len(asyncio.all_tasks()) == 1 and not dream.done

    asyncio.run(drive())


def test_what_is_on_a_page_is_kept_until_the_page_shows_another(make_dream, monkeypatch):
    """With a kernel that does not name its cells; how it is with one, tests/test_kernel.py."""
    gc.collect()
    before = widgets_alive()
    kernel.keep_shown(Panel(make_dream(), judge=False))
    gc.collect()
    assert widgets_alive() != before
    kernel.keep_shown(Panel(make_dream(), judge=False))
    gc.collect()
    once = len(widgets_alive())
    kernel.keep_shown(panel := Panel(make_dream(), judge=False))
    gc.collect()
    assert len(widgets_alive()) == once
    panel.close()
    assert widgets_alive() == before


def test_a_closed_panel_keeps_what_it_dreamed(make_dream, tmp_path):
    panel = Panel(make_dream(), judge=False)
    asyncio.run(panel.run())
    picture = panel.image.tobytes()
    panel.close()
    panel.close()
    assert panel.image.tobytes() == picture and panel.dream.done
    assert panel.save(tmp_path / "dream.png").is_file()
    assert panel.save_film(tmp_path / "dream.webp").is_file()
    for use in (panel.start, panel.reset, panel._ipython_display_, lambda: finished(panel)):
        with pytest.raises(RuntimeError, match=r"this panel was closed.*Panel\(panel.dream\)"):
            use()
    again = Panel(panel.dream, judge=False)
    assert again.image.tobytes() == picture
