"""A student in front of the panel: what the page shows in a real JupyterLab and browser."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from .conftest import Notebook

SETUP = """
import logging; logging.disable(logging.WARNING)
from dreamlab import Dream, Judge, Panel, Recipe, compare, load_clip
clip = load_clip({clip!r}, device="cpu")

def make(steps=100_000, **knobs):
    knobs = dict(size=32, views=2, tv_weight=0.2) | knobs
    return Dream(clip, "a red heart", recipe=Recipe(steps=steps, **knobs))
"""
PANEL = "panel = Panel(make(), judge=Judge(clip))\npanel"


class Page(Notebook):
    """The panel as one sees it."""

    @property
    def panel(self):
        return self.page.locator(".dreamlab").last

    def press(self, label: str) -> None:
        self.panel.locator("button", has_text=re.compile(rf"^\s*{label}\s*$")).click()

    def step(self) -> int:
        return int(re.search(r"step (\d+) of", self.panel.locator(".dl-status").inner_text())[1])

    def until(self, expression: str, arg=None, seconds: float = 180) -> None:
        """Wait for something that JavaScript finds true of the (last) panel `p`."""
        self.page.wait_for_function(
            f"arg => {{ const p = [...document.querySelectorAll('.dreamlab')].at(-1);"
            f" return p && ({expression}); }}",
            arg=arg,
            timeout=seconds * 1000,
        )

    def until_state(self, *states: str) -> None:
        self.until("arg.includes(p.querySelector('.dl-status b')?.innerText)", list(states))

    def until_steps(self, more: int) -> None:
        self.until(
            "Number(/step (\\d+) of/.exec(p.querySelector('.dl-status').innerText)[1]) >= arg",
            self.step() + more,
        )

    def roughness(self) -> float:
        """The mean difference between neighbouring pixels of the picture on the page, 0 to 255."""
        shown = Image.open(io.BytesIO(self.panel.locator("img").screenshot())).convert("RGB")
        return np.abs(np.diff(np.asarray(shown, float), axis=1)).mean()

    def points(self, line: str) -> int:
        path = self.panel.locator(f"svg svg path.{line}")
        return len(path.get_attribute("d").split()) if path.count() else 0

    def places(self) -> list[list[float]]:
        """Left, top, width of things, at one moment; all of them within the page."""
        places = self.panel.evaluate(
            """panel => ['.dl-status', 'img', 'svg[role=img]', '.widget-hslider'].map(part => {
                const box = panel.querySelector(part).getBoundingClientRect();
                return [box.x, box.y, box.width];
            })"""
        )
        assert all(x >= 0 and x + width <= 1280 for x, _, width in places)
        self.until("p.scrollWidth <= p.clientWidth")
        return places


@pytest.fixture
def open_notebook(chromium, lab, tiny_clip_dir, request):
    pages = []

    def open_(*cells: str, viewport=(1280, 900), **options) -> Page:
        name = re.sub(r"\W+", "-", request.node.name) + f"-{len(pages)}.ipynb"
        width, height = viewport
        page = chromium.new_page(viewport={"width": width, "height": height}, **options)
        pages.append(page)
        lab.write(name, SETUP.format(clip=f"local-dir:{tiny_clip_dir}"), *cells)
        notebook = Page(lab, page, name)
        notebook.command("notebook:run-all-cells")
        return notebook

    yield open_
    for page in pages:
        page.evaluate("() => window.jupyterapp?.serviceManager?.sessions?.shutdownAll()")
        page.close()


FIGURES = ".jp-OutputArea img[src^='data:image/png']"


def test_start_slide_pause_step_stop_restart(open_notebook):
    lab = open_notebook(PANEL)
    lab.until_state("ready")
    before = lab.places()
    lab.press("Start")
    lab.until_state("running")
    # A sign of life each second, however slow a step is.
    pulse = "getComputedStyle(p.querySelector('.dl-running b'), '::before').animation"
    lab.until(f"{pulse}Name == 'dl-pulse' && {pulse}Duration == '1s'")
    lab.until_steps(60)
    assert lab.places() == before, "nothing jumps"

    # λ to the right end, with the keyboard: the picture becomes smooth, the curve says so.
    rough = lab.roughness()
    slider = lab.panel.locator(".widget-hslider", has_text="λ smoothness")
    handle = slider.locator(".noUi-handle")
    handle.focus()
    assert handle.get_attribute("aria-label") == "λ smoothness"
    handle.press("End")
    lab.until("p.querySelector('svg polygon title')?.textContent.includes('λ smoothness 100')")
    lab.until_steps(60)
    assert lab.roughness() < 0.5 * rough
    assert lab.points("tv") > 30 and lab.points("clip") > 30 and lab.points("judge") >= 1

    lab.press("Pause")
    lab.until_state("paused")
    held = lab.step()
    lab.page.wait_for_timeout(400)
    assert lab.step() == held
    lab.press("Step")
    lab.until(f"p.querySelector('.dl-status').innerText.includes('step {held + 1} of')")
    lab.press("Resume")
    lab.until_steps(20)

    figures = lab.page.locator(FIGURES)
    assert figures.count() == 0
    lab.press("Stop")
    lab.until_state("stopped")
    figures.wait_for(state="attached")
    assert not figures.is_visible(), "it is for the file: beside a panel it may be an old one"
    assert lab.places() == before

    lab.press("Restart")
    lab.until_state("running")
    figures.wait_for(state="detached")
    lab.press("Reset")
    lab.until_state("ready")
    assert lab.step() == 0 and lab.roughness() < 0.1 * rough
    assert slider.inner_text().endswith("0.2")


def test_a_start_while_another_cell_runs_says_that_it_waits(open_notebook):
    lab = open_notebook(PANEL, "import time\nfor _ in range(200): time.sleep(.1)")
    waits = lab.panel.locator(".dl-waits")
    lab.until("true")
    assert not waits.is_visible()
    lab.press("Start")
    waits.wait_for(state="visible")
    lab.command("notebook:interrupt-kernel")
    lab.until_state("running")
    waits.wait_for(state="hidden")


def test_a_comparison_by_keyboard_until_the_kernels_stop_button(open_notebook):
    lab = open_notebook("panel = compare(make(), tv_weight=(0.0, 5.0))\nawait panel.run()")
    lab.until_state("running")
    lab.places()
    assert lab.panel.bounding_box()["height"] < 740, "the sliders are on the screen, too"
    lab.page.set_viewport_size({"width": 900, "height": 900})
    lab.until("p.scrollWidth <= p.clientWidth")
    lab.page.set_viewport_size({"width": 1280, "height": 900})
    lab.until_steps(20)
    lab.command("notebook:interrupt-kernel")
    lab.until_state("stopped")
    lab.page.locator(FIGURES).wait_for(state="attached")
    lab.panel.locator("input[type=text]").first.focus()
    reached = ""
    for _ in range(40):
        lab.page.keyboard.press("Tab")
        label = lab.page.evaluate(
            "() => { const e = document.activeElement;"
            " const label = e.closest('.widget-inline-hbox')?.querySelector('label');"
            " return e.closest('.dreamlab') && (label || e).innerText.trim(); }"
        )
        if label is None:
            break
        reached += label + "\n"
        if label == "Restart":
            lab.page.keyboard.press("Space")
            lab.until_state("running")
    for name in ("Restart", "Pause", "Stop", "Reset", "learning rate", "octaves", "seed"):
        assert name in reached
