"""The package as others get it: what ``import dreamlab`` offers, and what a wheel contains."""

import ast
import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from versions import build_wheel

import dreamlab
from dreamlab.support.loading import EMBEDDED


def run_python(code: str, **options) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_public_names_are_those_of_their_modules():
    for name in dreamlab.__all__:
        home = importlib.import_module(f"dreamlab.{dreamlab._HOME[name]}")
        assert getattr(dreamlab, name) is getattr(home, name)
        assert name in dir(dreamlab)


def test_type_checkers_see_the_names_that_programs_get():
    """The stub for type checkers and the table for programs say the same."""
    tree = ast.parse(Path(dreamlab.__file__).with_suffix(".pyi").read_text("utf-8"))
    seen = {
        alias.name: node.module.removeprefix("dreamlab.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == dreamlab._HOME | {"__version__": "support.version"}


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="dreem"):
        _ = dreamlab.dreem


def test_importing_the_package_does_not_wait_for_pytorch():
    heavy = "{'torch', 'open_clip', 'matplotlib', 'ipywidgets'}"
    assert run_python(f"import dreamlab, sys; print({heavy} & set(sys.modules))") == "set()"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built without network."""
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(folder, "--no-index", "--no-build-isolation")


def test_wheel_holds_the_whole_package(wheel):
    source = wheel.parent / "source"
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "dreamlab").rglob("*")
        if path.is_file()
    }
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == expected
    models = "dreamlab/picturebook/models/{}/open_clip_model.safetensors"
    wanted = {models.format(model) for model in EMBEDDED}
    assert wanted | {"dreamlab/py.typed"} <= expected


def test_wheel_works_without_the_repository(wheel, tmp_path):
    """Unpacked elsewhere and run from elsewhere, it dreams."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import dreamlab
recipe = dreamlab.Recipe.raw(size=64, steps=2)
dream = dreamlab.Dream(dreamlab.load_clip(), "a red heart", recipe=recipe)
dream.run()
print(dreamlab.__file__, dream.image.size)
"""
    file = tmp_path / "dreamlab" / "__init__.py"
    assert run_python(code, cwd=tmp_path).splitlines()[-1] == f"{file} (64, 64)"
