"""What the panel costs, measured with a browser attached.

    python tools/panel_cost.py --pairs 20 --steps 150

Runs of the same dream without and with the panel take turns in one kernel of a real JupyterLab
(off, on, on, off, …), with a headless Chromium showing the panel. From the first step to the last,
the ratio of each pair is taken, and the median of the ratios printed: what else the machine does
falls on both.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from course_files import ROOT
from playwright.sync_api import sync_playwright

sys.path.append(str(ROOT))
from tests.browser.conftest import FLAGS, Lab, Notebook

SETUP = """
import statistics, time
from dreamlab import Dream, Panel, Recipe, load_clip

class Timed(Dream):
    def __next__(self):
        if not self.history:
            self.began = time.perf_counter()
        step = super().__next__()
        self.ended = time.perf_counter()
        return step

clip = load_clip()

def make():
    return Timed(clip, "a red striped heart in the sky", recipe=Recipe(steps={steps}))

panel = Panel(make())
panel
"""
MEASURE = """
async def on():
    panel.start()
    await panel.wait()
    return panel.dream.ended - panel.dream.began

def off():
    dream = make()
    dream.run()
    return dream.ended - dream.began

off(); await on()
pairs = []
for number in range({pairs}):
    if number % 2:
        b, a = await on(), off()
    else:
        a, b = off(), await on()
    pairs.append((a, b))
ratios = sorted(b / a for a, b in pairs)
quarter = len(ratios) // 4
print(f"with / without = {{statistics.median(ratios):.3f}}",
      f"(middle half {{ratios[quarter]:.3f}} to {{ratios[-1 - quarter]:.3f}});",
      f"step {{1000 * statistics.median(a for a, _ in pairs) / {steps}:.1f}} ms,",
      f"frame {{1000 * panel._drawing.cost:.2f}} ms, judge {{1000 * panel._judging.cost:.2f}} ms")
print("end")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=150, help="of each run; default: 150")
    options = vars(parser.parse_args())
    cells = [cell.format(**options) for cell in (SETUP, MEASURE)]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder) / "server")
        try:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=FLAGS
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            notebook = Notebook(lab, page, lab.write("cost.ipynb", *cells))
            notebook.command("notebook:run-all-cells")
            page.wait_for_function(
                "() => document.querySelector('.jp-Notebook').innerText.includes('\\nend')"
                " || document.querySelector('.jp-OutputArea-output[data-mime-type*=error]')",
                timeout=3_600_000,
            )
            print(notebook.outputs(1).strip().removesuffix("\nend"))
            browser.close()
        finally:
            lab.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
