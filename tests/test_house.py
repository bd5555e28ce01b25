"""The house: what stands where in `dreamlab`, who may import whom, and whether README says so."""

import ast
import re
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dreamlab"
FOLDERS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
METHOD = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text("utf-8")))


def contracts() -> dict[str, dict]:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    return {contract["type"]: contract for contract in linter["contracts"]}


# --- who may import whom ----------------------------------------------------------------------


def test_imports_follow_the_rule():
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rule_in_words_is_the_rule_that_is_checked():
    (words,) = re.findall(r"^ *(support ←.*)$", docstring(PACKAGE / "__init__.py"), re.MULTILINE)
    floors = [set(floor.split(", ")) for floor in words.split(" ← ")]
    layers = [set(layer.split(" | ")) for layer in contracts()["layers"]["layers"]]
    top = [layer for layer in reversed(layers) if layer <= set(FOLDERS) - {"support"}]
    assert floors == [{"support"}, {"method"}, *top]
    assert set().union(*layers) == {*FOLDERS, *METHOD}
    assert layers[: len(top)] == top[::-1], "the method is below"
    assert contracts()["forbidden"]["source_modules"] == [
        f"dreamlab.{name}" for name in sorted([*METHOD, "support"])
    ]


# --- what stands where ------------------------------------------------------------------------


def layout() -> str:
    readme = (ROOT / "README.md").read_text("utf-8")
    return readme[readme.index("## Layout") : readme.index("## Working on it")]


def test_readme_repeats_what_the_folders_say_of_themselves():
    rows = dict(re.findall(r"^\| `dreamlab/(\w*)/?` \| (.*) \|$", layout(), re.MULTILINE))
    assert sorted(rows) == ["", *FOLDERS]
    for folder, words in rows.items():
        said = docstring(PACKAGE / folder / "__init__.py")
        assert words in " ".join(said.split()), f"dreamlab/{folder} says of itself: {said}"
        assert words.endswith(".")


def test_paths_that_the_layout_names_exist():
    paths = re.findall(r"`([\w./]+)`", layout())
    assert len(paths) >= 12
    for path in paths:
        assert (ROOT / path).exists(), f"README.md names {path}"


# --- who writes files -------------------------------------------------------------------------

WRITES = re.compile(r"\.write_(?:text|bytes)\(|\bopen\([^)\n]*[\"'][wax]b?[\"']")


def test_files_are_written_in_one_way():
    """What `write_atomically` writes is whole or not there; whoever opens a file may leave half."""
    alone = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if WRITES.search(path.read_text("utf-8"))
    ]
    assert alone == ["support/files.py"]
