"""Build a page to read of every chapter, with the stored pictures, for those who run nothing.

    python tools/pages.py                into site/
    python tools/pages.py --into FOLDER

Sphinx with MyST-NB, the engine of Jupyter Book, reads the notebooks as they are stored and executes
nothing: `pip install sphinx myst-nb`. Solutions and claims stay folded; a click opens them.
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from course_files import NOTEBOOKS, ROOT, exit_on_user_error, read_notebook

FOLD = dict.fromkeys(("solution", "claim", "answer"), "hide-cell")
CONF = """
project = "dreamlab"
copyright = "the dreamlab authors"
extensions = ["myst_nb"]
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
html_theme = "alabaster"
html_theme_options = {"page_width": "1200px", "body_max_width": "56em", "sidebar_width": "220px"}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
html_show_sphinx = False
html_copy_source = False
"""
INDEX = """# dreamlab

A course on dreams made with CLIP, to read without running it. The pictures and numbers are those
that the chapters made where they were written. What moves and answers, the panels and the checks
of the exercises, needs the [course itself]({address}).

```{{toctree}}
:maxdepth: 1

{chapters}
```
"""


def readable(nb: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A chapter as a page: what is folded stays folded, and figures keep their alternative texts.

    Raises:
        ValueError: a cell shows figures with different texts; MyST-NB takes one for a cell.
    """
    for cell in nb.cells:
        tags = cell.metadata.get("tags", [])
        cell.metadata.tags = tags + [FOLD[tag] for tag in tags if tag in FOLD]
        figures = filter(shows_figure, cell.get("outputs", []))
        alts = {figure.metadata.get("image/png", {}).get("alt", "") for figure in figures}
        if len(alts) > 1:
            raise ValueError(f"cell {cell.id} shows figures with different texts: {sorted(alts)}")
        if alts:
            cell.metadata.mystnb = {"image": {"alt": alts.pop()}}
    return nb


def shows_figure(output: nbformat.NotebookNode) -> bool:
    return "image/png" in output.get("data", {})


def lay_out(source: Path) -> None:
    """Write what Sphinx reads: the notebooks, what they link to, an index and a configuration."""
    names = []
    about = (ROOT / "pyproject.toml").read_text("utf-8")
    address = re.search(r'^Repository = "(.+)"$', about, re.MULTILINE)[1]
    for path in NOTEBOOKS:
        # Links out of the folder lead to what is no page: the repository has it.
        text = nbformat.writes(readable(read_notebook(path)))
        text = text.replace("](../", f"]({address}/blob/main/")
        (source / path.name).write_text(text, "utf-8")
        names.append(path.stem)
    classroom = (ROOT / "notebooks" / "CLASSROOM.md").read_text("utf-8")
    classroom = classroom.replace("](../", f"]({address}/blob/main/")
    (source / "CLASSROOM.md").write_text(classroom, "utf-8")
    index = INDEX.format(address=address, chapters="\n".join([*names, "CLASSROOM"]))
    (source / "index.md").write_text(index, "utf-8")
    (source / "conf.py").write_text(CONF, "utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "site", help="folder (site)")
    into = parser.parse_args(arguments).into
    with exit_on_user_error(parser), tempfile.TemporaryDirectory() as scratch:
        from sphinx.cmd.build import build_main  # whoever only lays out needs no Sphinx

        source = Path(scratch) / "source"
        source.mkdir()
        lay_out(source)
        options = ["-q", "-b", "html", "-d", str(Path(scratch) / "doctrees")]
        return build_main([*options, str(source), str(into.resolve())])


if __name__ == "__main__":
    sys.exit(main())
