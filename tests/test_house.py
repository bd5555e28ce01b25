"""The house: what stands where in `dreamlab`, who may import whom, and whether README says so."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dreamlab"
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_imports_follow_the_rule():
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_repeats_what_the_folders_say_of_themselves():
    readme = (ROOT / "README.md").read_text("utf-8")
    layout = readme[readme.index("## Layout") : readme.index("## Working on it")]
    rows = dict(re.findall(r"^\| `dreamlab/(\w*)/?` \| (.*) \|$", layout, re.MULTILINE))
    assert sorted(rows) == ["", *FOLDERS]
    for folder, words in rows.items():
        said = docstring(PACKAGE / folder / "__init__.py")
        assert words in " ".join(said.split()), f"dreamlab/{folder} says of itself: {said}"
    paths = re.findall(r"`([\w./]+)`", layout)
    assert len(paths) >= 12
    for path in paths:
        assert (ROOT / path).exists(), f"README.md names {path}"


WRITES = re.compile(
    r"\.write_(?:text|bytes)\(|(?<!av\.)\bopen\([^)\n]*[\"'][wax]b?\+?[\"']|\bnp\.save"
)


def test_files_are_written_in_one_way():
    """What `write_atomically` writes is whole or not there; whoever opens a file may leave half."""
    files = [path for path in PACKAGE.rglob("*.py") if WRITES.search(path.read_text("utf-8"))]
    assert files == [PACKAGE / "support" / "files.py"]
