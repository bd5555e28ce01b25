"""What must agree between files that no program reads together: metadata, README, CI, notebooks."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent


def project_files() -> list[Path]:
    """Every file that is committed or could be, without what .gitignore names."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip(f"not a git checkout: {listing.stderr}")
    paths = (ROOT / name for name in listing.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


CONDA_NAME = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}
# What a conda environment has besides, and what pip alone provides.
CONDA_ONLY = {"python", "pip"}
PIP_ONLY = {"playwright"}


def package_name(requirement: str) -> str:
    """ "Open_Clip-torch>=3; marker" -> "open-clip-torch" (PEP 503, also right for conda)."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement).group()).lower()


def lower_bounds(requirements: list[str]) -> dict[str, str]:
    """Name and lower bound ("" without one) of each; of two bounds the later, which is stricter.

    A marker means "not in every environment", and conda environments are on the newest Python.
    """
    return {
        package_name(text): "".join(re.findall(r">=([\d.]+)", text))
        for text in requirements
        if not text.startswith("dreamlab[") and ";" not in text
    }


def load_pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("path", ["environment.yml", "binder/environment.yml"])
def test_conda_environments_hold_the_packages_and_versions_of_pyproject(path):
    project = load_pyproject()["project"]
    extras = project["optional-dependencies"]
    wanted = lower_bounds(
        project["dependencies"] + extras["lab"] + extras["cluster"] + extras["test"]
    )
    entries = yaml.safe_load((ROOT / path).read_text("utf-8"))["dependencies"]
    conda = lower_bounds([entry for entry in entries if isinstance(entry, str)])
    names = {name: CONDA_NAME.get(name, name) for name in wanted.keys() - PIP_ONLY}
    assert conda.keys() == {*names.values(), *CONDA_ONLY}
    bounds = {names[name]: bound for name, bound in wanted.items() if name in names}
    asked = {name: bound for name, bound in conda.items() if bound and name not in CONDA_ONLY}
    assert asked == {name: bounds[name] for name in asked} and len(asked) >= 10


IMPORT_NAME = {"open_clip_torch": "open_clip", "pillow": "PIL"}
INDIRECT = {
    *("huggingface_hub", "safetensors", "tqdm"),  # come with open_clip
    *("IPython", "traitlets"),  # come with ipywidgets
    "av",  # from an extra
    "transformers",  # kept from running code where somebody has it
}


def foreign_imports(source: str) -> set[str]:
    """Top-level names of all packages that some Python source imports, its own and std excepted."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"dreamlab"}


def test_the_package_imports_only_what_it_depends_on():
    dependencies = load_pyproject()["project"]["dependencies"]
    core = (re.match(r"[\w-]+", requirement).group() for requirement in dependencies)
    allowed = {IMPORT_NAME.get(name, name) for name in core} | INDIRECT
    for path in sorted((ROOT / "dreamlab").rglob("*.py")):
        undeclared = foreign_imports(path.read_text("utf-8")) - allowed
        assert not undeclared, f"{path.relative_to(ROOT)} imports {undeclared}"


def readme_command(name: str) -> str:
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(rf"<!-- command: {name} -->\n```\w+\n(.*?)\n```", readme, re.DOTALL)
    assert len(blocks) == 1, f"README.md should spell the command {name!r} once"
    return blocks[0]


@pytest.mark.parametrize("name", ["start", "test"])
def test_windows_is_told_the_same(name):
    """Same steps, same extra, same chapter: only the spelling of paths and of "then" differs."""

    def plain(command: str) -> list[str]:
        assert "\n" not in command
        steps = re.split(r" && |; ", command.replace("\\", "/").replace("/Scripts/", "/bin/"))
        return [re.sub(r"^(py|python3) ", "python ", step) for step in steps]

    assert plain(readme_command(name)) == plain(readme_command(f"{name}-windows"))


def test_ci_runs_every_job_and_readmes_own_command():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert 'bash -euo pipefail -c "$(readme_command test)"' in script
    defined = re.findall(r"^job_(\w+)\(\)", script, re.MULTILINE)
    rows = re.findall(r"^row (.*)$", script, re.MULTILINE)
    assert sorted(defined) == sorted(["readme", *" ".join(rows).split()])


def test_paths_that_readme_links_to_exist():
    readme = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", readme) + re.findall(r'src="([^":]+)"', readme)
    assert "LICENSE" in links
    for link in links:
        assert (ROOT / link).exists(), f"README.md links to {link}"


def test_readme_and_the_model_card_give_the_same_scores():
    def scores(path: str) -> str:
        text = (ROOT / path).read_text("utf-8")
        (table,) = re.findall(r"<!-- scores:begin -->\n(.*?)<!-- scores:end -->", text, re.DOTALL)
        return table

    assert scores("README.md") == scores("dreamlab/picturebook/models/README.md")
    assert scores("README.md").count("%") >= 10


MAX_NOTEBOOK_BYTES = 4_000_000
# Absolute paths of one machine: in an output they are noise, in a source they are a bug.
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(?:home|root|tmp|Users|work)/[\w.-]+|\b[A-Z]:\\+Users\\+")
BASE64 = re.compile(r"base64,[A-Za-z0-9+/=\s]+")


def readable_text(cell: dict) -> str:
    """Source and outputs of a stored code cell without its pictures, in which anything occurs."""
    parts = ["".join(cell["source"])]
    for output in cell["outputs"]:
        parts += ["".join(output.get("text", "")), *output.get("traceback", [])]
        for kind, data in output.get("data", {}).items():
            if not kind.startswith("image/"):
                parts.append(BASE64.sub("", "".join(data) if isinstance(data, list) else str(data)))
    return "\n".join(parts)


def notebook_problems(text: str) -> Iterator[str]:
    """What a stored chapter must not hold, or lacks."""
    nb = json.loads(text)
    if "widgets" in nb["metadata"]:
        yield "metadata.widgets: GitHub renders nothing of such a notebook"
    code = [cell for cell in nb["cells"] if cell["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in code if "".join(cell["source"]).strip()]
    if counts != list(range(1, len(counts) + 1)):
        yield f"not run from top to bottom: execution counts {counts}"
    for cell in code:
        place = f"cell {cell['execution_count']}"
        if "execution" in cell["metadata"]:
            yield f"{place}: times of execution"
        allowed = "raises-exception" in cell["metadata"].get("tags", [])
        for output in cell["outputs"]:
            if output["output_type"] == "error" and not allowed:
                yield f"{place}: ended in {output['ename']}"
            if any("jupyter.widget" in kind for kind in output.get("data", {})):
                yield f"{place}: a widget, which nobody sees without its kernel"
        if found := MACHINE_PATH.search(readable_text(cell)):
            yield f"{place}: {found.group()!r}, a path of one machine"


def test_stored_notebooks_have_no_problem():
    paths = [path for path in project_files() if path.suffix == ".ipynb"]
    found = {path.name: [*notebook_problems(path.read_text("utf-8"))] for path in paths}
    assert found and not any(found.values()), found


# Where this was written; split, so that this file does not hold what it looks for.
WORKPLACE = re.compile(r"(?<![\w.:-])/" + r"work/(?!\s)")


def test_no_file_is_large_or_names_the_place_where_it_was_written():
    for path in project_files():
        large = path.stat().st_size > MAX_NOTEBOOK_BYTES
        assert not large or path.suffix == ".safetensors", f"{path.name}: only weights are large"
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # weights and pictures
        if path.suffix == ".ipynb":
            text = BASE64.sub("", re.sub(r'"image/\w+": "[^"]*"', "", text))
        found = WORKPLACE.search(text)
        assert not found, f"{path.relative_to(ROOT)}: {text[found.start() :][:60]!r}"


def test_executing_a_notebook_stores_only_what_a_reader_sees(tmp_path):
    """README's command, on a notebook with a widget and stale metadata."""
    source = "import ipywidgets\nfrom IPython.display import display\n"
    source += "display(ipywidgets.IntSlider())\nprint(6 * 7)"
    cell = nbformat.v4.new_code_cell(source, metadata={"tags": ["keep"], "collapsed": True})
    folded = {"jp-MarkdownHeadingCollapsed": True}
    heading = nbformat.v4.new_markdown_cell("#### Answer", id="fold", metadata=folded)
    stale = {"widgets": {"state": {}}, "language_info": {"name": "python", "version": "2.7"}}
    path = tmp_path / "chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell, heading], metadata=stale), path)

    words = readme_command("execute").split()
    assert words[0] == ".venv/bin/jupyter" and words[-1] == "notebooks/*.ipynb"
    command = [sys.executable, "-m", "jupyter", *words[1:-1], path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    stored = json.loads(path.read_text("utf-8"))
    assert [*notebook_problems(path.read_text("utf-8"))] == []
    assert stored["metadata"]["language_info"] == {"name": "python"}
    stored_cell, stored_heading = stored["cells"]
    assert stored_cell["metadata"] == {"tags": ["keep"]}
    assert "".join(stored_cell["outputs"][0]["text"]) == "42\n"
    # Folded on Colab, too, which knows a cell by the id in its metadata.
    assert stored["metadata"]["colab"] == {"collapsed_sections": ["fold"]}
    assert stored_heading["metadata"] == {"id": "fold", **folded}
