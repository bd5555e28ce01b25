"""Look at the pages that `tools/pages.py` built, in headless Chromium.

    python tests/pages.py site

Every chapter has its page; every figure is there, is drawn, and has the alternative text that its
chapter stored; what is folded can be opened; no link leads to a page that is not there.
"""

import shutil
import sys
from pathlib import Path

from chapters import NOTEBOOKS, cells, chapter, load_tool
from playwright.sync_api import Page, sync_playwright

pages = load_tool("pages")
OURS = "img:not([src^=http])"  # the badges come from the network


def problems(page: Page, site: Path, path: Path) -> list[str]:
    """What is wrong with one chapter's page, once it is open."""
    outputs = [o for _, cell in cells(chapter(path), "code") for o in cell.outputs]
    wanted = [o.metadata["image/png"].alt for o in outputs if pages.shows_figure(o)]
    images = page.locator(OURS)
    # Those in folded cells are drawn when they are opened.
    page.evaluate("document.querySelectorAll('details').forEach(fold => (fold.open = true))")
    images.evaluate_all("all => Promise.all(all.map(image => image.decode()))")
    found = images.evaluate_all("all => all.map(image => image.alt)")
    widths = images.evaluate_all("all => all.map(image => image.naturalWidth)")
    links = page.locator("a.internal").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    files = {link.split("#")[0] for link in links} - {""}
    said = []
    if found != wanted:
        said.append(f"alternative texts: {len(wanted)} stored, {len(found)} shown, not the same")
    if not all(widths):
        said.append(f"{widths.count(0)} figures are not drawn")
    said += [
        f"a link to {name}, which is not there" for name in files if not (site / name).exists()
    ]
    return said


def main(site: Path) -> int:
    failed = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 1600})
        page.set_default_timeout(120_000)  # a long page on a busy machine
        page.route("http*://**", lambda route: route.abort())  # reads without network
        for path in NOTEBOOKS:
            page.goto((site / f"{path.stem}.html").resolve().as_uri())
            said = problems(page, site, path)
            print(f"{path.stem}: {'; '.join(said) or 'as stored'}")
            failed += len(said)
        browser.close()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
