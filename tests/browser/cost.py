"""What the panel costs, measured with a browser attached.

    python -m tests.browser.cost            20 pairs of runs at the default size
    python -m tests.browser.cost --pairs 5 --long

Runs of the same dream without and with the panel take turns in one kernel of a real JupyterLab
(off, on, on, off, …), with a headless Chromium showing the panel. From the first step to the last,
the ratio of each pair is taken, and the median of the ratios printed: what else the machine does
falls on both. `--long` also watches the kernel's memory over 5,000 steps.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from .conftest import FLAGS, Lab, Notebook

SETUP = """
import json, statistics, time, warnings
from dreamlab import Dream, Panel, Recipe, load_clip

class Timed(Dream):
    def __next__(self):
        if not self.history:
            self.began = time.perf_counter(), time.process_time()
        step = super().__next__()
        self.ended = time.perf_counter(), time.process_time()
        return step

clip = load_clip()

def make(steps=STEPS, **knobs):
    knobs["steps"] = steps
    return Timed(clip, "a red striped heart in the sky", recipe=Recipe(**knobs))

def spent(dream):
    return [b - a for a, b in zip(dream.began, dream.ended)]

panel = Panel(make())
panel
"""
PAIRS = """
async def on():
    begin = time.perf_counter()
    await panel._run.loop.run(from_start=True)
    return [*spent(panel.dream), time.perf_counter() - begin]

def off():
    begin = time.perf_counter()
    dream = make()
    dream.run()
    return [*spent(dream), time.perf_counter() - begin]

off(); await on()
pairs, frames = [], 0
for number in range({pairs}):
    if number % 2:
        b, a = await on(), off()
    else:
        a, b = off(), await on()
    pairs.append((a, b))
for i, name in enumerate(
    ["loop, wall clock", "loop, the kernel's CPU time", "run with its last figure, wall clock"]
):
    ratios = sorted(b[i] / a[i] for a, b in pairs)
    quarter = len(ratios) // 4
    print(f"{{name}}: with / without = {{statistics.median(ratios):.3f}}",
          f"(middle half {{ratios[quarter]:.3f}} to {{ratios[-1 - quarter]:.3f}})")
steps = make().recipe.steps
step = statistics.median(a[0] for a, _ in pairs) / steps
print("step without panel:", round(1000 * step, 1), "ms;",
      "a frame costs", round(1000 * panel._run.drawing.cost, 2), "ms,",
      "an opinion", round(1000 * panel._run.judging.cost, 2), "ms")
print("end of pairs")
"""
LONG = """
def megabytes():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

panel = Panel(make(steps=5000, size=64, views=2))
display(panel)
panel.start()
import asyncio
seen = {}
while len(panel.dream.history) < 5000:
    await asyncio.sleep(0.05)
    seen.setdefault(len(panel.dream.history) // 1000, megabytes())
print("memory at 0, 1000, … steps:", [round(m) for m in seen.values()], "MB;",
      "the dream's own history has", len(panel.dream.history), "records")
print("end of long")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=150, help="of each run; default: 150")
    parser.add_argument("--long", action="store_true", help="also 5,000 steps, for the memory")
    options = parser.parse_args()
    cells = [SETUP.replace("STEPS", str(options.steps)), PAIRS.format(pairs=options.pairs)] + [
        LONG
    ] * options.long
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder) / "server")
        try:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=FLAGS
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            notebook = Notebook(lab, page, lab.write("cost.ipynb", *cells))
            notebook.run_all()
            last = "end of long" if options.long else "end of pairs"
            page.wait_for_function(
                "last => document.querySelector('.jp-Notebook').innerText.includes('\\n' + last)"
                " || document.querySelector('.jp-OutputArea-output[data-mime-type*=error]')",
                arg=last,
                timeout=3_600_000,
            )
            for cell in range(1, len(cells)):
                text = notebook.outputs(cell)
                print(re.sub(r"\n?end of \w+", "", text).strip(), flush=True)
            browser.close()
        finally:
            lab.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
