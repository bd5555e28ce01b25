"""What the pages to read are made of. CI builds them and looks at them in a browser: `pages.py`."""

import re

import pytest
from chapters import NOTEBOOKS, cells, chapter, is_folded, load_tool, tags

pages = load_tool("pages")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    pages.lay_out(source)
    return source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_has_every_figure_with_its_text_and_the_same_folds(source, path):
    page, stored = chapter(source / path.name), chapter(path)
    for (_, cell), (_, before) in zip(cells(page, "code"), cells(stored, "code"), strict=True):
        assert cell.outputs == before.outputs
        alts = [o.metadata["image/png"].alt for o in before.outputs if pages.shows_figure(o)]
        assert [cell.metadata.get("mystnb", {}).get("image", {}).get("alt")] == (alts or [None])
        assert ("hide-cell" in tags(cell)) == is_folded(before, "source")


def test_the_index_leads_to_every_page(source):
    index = (source / "index.md").read_text("utf-8")
    assert all(f"\n{path.stem}\n" in index for path in [*NOTEBOOKS, source / "CLASSROOM"])


def test_no_link_leads_out_of_the_pages(source):
    for path in source.glob("*.*"):
        assert not re.search(r"\]\(\.\./", path.read_text("utf-8")), path.name
