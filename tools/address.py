"""Write the repository's address into every file that shows it.

    python tools/address.py                              as pyproject.toml has it
    python tools/address.py https://github.com/you/fork  a new one, after a fork

The address has one home, `[project.urls] Repository` in pyproject.toml. README's badges and clone
line, the badges and the first cell of every chapter and appendix, and the citation follow from it.
"""

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import quote

import nbformat
from course_files import NOTEBOOKS, ROOT, rewrite

ADDRESS = re.compile(r'^Repository = "(.*)"$', re.MULTILINE)
VALID = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)")
BADGES = re.compile(r"^\[!\[Open in Colab\].*$", re.MULTILINE)


def badges(address: str, notebook: str) -> str:
    """Links that open a notebook, a path such as notebooks/01_x.ipynb, on Colab and on Binder."""
    name = VALID.fullmatch(address).group(1)
    colab = f"https://colab.research.google.com/github/{name}/blob/main/{notebook}"
    binder = f"https://mybinder.org/v2/gh/{name}/main?labpath={quote(notebook, safe='')}"
    return (
        "[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"({colab}) [![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def in_chapter(text: str, address: str, path: str) -> str:
    """A notebook's JSON with its badges, under the title, and the address that Colab installs."""
    nb = nbformat.reads(text, as_version=4)
    title = nb.cells[0]
    heading, _, rest = BADGES.sub("", title.source).partition("\n")
    title.source = f"{heading}\n\n{badges(address, path)}\n\n{rest.lstrip()}"
    for cell in nb.cells:
        if "google.colab" in cell.source:
            cell.source = re.sub(r"git\+https://\S+", f"git+{address}", cell.source)
    return nbformat.writes(nb) + "\n"


def in_readme(text: str, address: str) -> str:
    text = BADGES.sub(badges(address, "notebooks/00_start_here.ipynb"), text)
    return re.sub(r"git clone https://\S+", f"git clone {address}", text)


def in_citation(text: str, address: str) -> str:
    return re.sub(r"^(repository-code: ).*$", rf'\g<1>"{address}"', text, flags=re.MULTILINE)


def rewritten(address: str) -> dict[Path, str]:
    """What each file that shows the address should hold."""
    files = {}
    for path in NOTEBOOKS:
        name = path.relative_to(ROOT).as_posix()
        files[path] = in_chapter(path.read_text("utf-8"), address, name)
    for name, fill in (("README.md", in_readme), ("CITATION.cff", in_citation)):
        files[ROOT / name] = fill((ROOT / name).read_text("utf-8"), address)
    return files


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?", help="https://github.com/owner/name")
    pyproject = ROOT / "pyproject.toml"
    metadata = pyproject.read_text("utf-8")
    address = parser.parse_args(arguments).address or ADDRESS.search(metadata).group(1)
    address = address.removesuffix("/").removesuffix(".git")
    if not VALID.fullmatch(address):
        # Binder could open other hosts, Colab could not.
        parser.error(f"{address!r} is no repository on GitHub: https://github.com/owner/name")
    files = {pyproject: ADDRESS.sub(f'Repository = "{address}"', metadata), **rewritten(address)}
    for path in rewrite(files):
        print(f"changed {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
