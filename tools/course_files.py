"""What the tools beside this one share: where the notebooks are, and files that follow from others.

Copies and pages are made in environments that have neither dreamlab nor what it needs.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))
from dreamlab.support.files import write_atomically  # noqa: E402 - it needs nothing but Python

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
APPENDICES = sorted((ROOT / "notebooks").glob("[A-Z]_*.ipynb"))
NOTEBOOKS = [*CHAPTERS, *APPENDICES]


def number(path: Path) -> str:
    """What a notebook is called by: "0" to "10" for a chapter, "A", "B", … for an appendix."""
    name = path.stem.partition("_")[0]
    return str(int(name)) if name.isdecimal() else name


def rewrite(files: Mapping[Path, str]) -> Iterator[Path]:
    """Write each file whose text is not yet this; yields those that were changed."""
    for path, text in files.items():
        if text != path.read_text("utf-8"):
            write_atomically(path, text)
            yield path
