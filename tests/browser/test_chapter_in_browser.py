"""A student who runs a chapter from top to bottom: the answers stay folded."""

import json

from chapters import CHAPTERS, chapter, tags

from .conftest import Notebook

IMPORTS = "from dreamlab.course import check\nfrom dreamlab.picturebook.world import compose"


def test_run_all_leaves_solutions_folded(chromium, lab):
    nb = chapter(CHAPTERS[0])
    ids = [cell.id for cell in nb.cells]
    nb.cells = nb.cells[ids.index("exercises") : ids.index("references") + 1]
    nb.cells = [c for c in nb.cells if "solution" not in tags(c) or "check." in c.source]
    first = next(cell for cell in nb.cells if cell.cell_type == "code")
    first.source = f"{IMPORTS}\n{first.source}"
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    (lab.notebooks / "chapter.ipynb").write_text(json.dumps(nb), "utf-8")
    page = chromium.new_page(viewport={"width": 1280, "height": 6000})
    notebook = Notebook(lab, page, "chapter.ipynb")
    notebook.command("notebook:run-all-cells")
    page.wait_for_function(
        "() => [...window.jupyterapp.shell.currentWidget.content.model.cells]"
        ".every(cell => cell.type != 'code' || cell.executionCount)"
    )
    assert page.get_by_text("○ Not yet").count() == 3
    assert not page.get_by_text("✓ Right").locator("visible=true").count()
    page.locator(".jp-showHiddenCellsButton").first.click()
    page.get_by_text("✓ Right").first.wait_for(state="visible")
    page.close()
