"""The scripts that run the package on other versions read what to run from pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest
import versions
from packaging.requirements import Requirement


def test_every_core_dependency_has_its_lower_bound_exactly():
    dependencies = [Requirement(text) for text in versions.metadata()["dependencies"]]
    pins = [Requirement(text) for text in versions.floors([str(d) for d in dependencies])]
    assert [pin.name for pin in pins] == [dependency.name for dependency in dependencies]
    for pin, dependency in zip(pins, dependencies, strict=True):
        ((operator, bound),) = [(s.operator, s.version) for s in pin.specifier]
        assert operator == "==" and bound in dependency.specifier
        assert (">=", bound) in [(s.operator, s.version) for s in dependency.specifier]


@pytest.mark.parametrize(
    ("requirement", "pin"),
    [("torch>=2.4", "torch==2.4"), ("a-b[x] >= 1.2.3, <2", "a-b==1.2.3"), ("c>=1,!=1.5", "c==1")],
)
def test_floors(requirement, pin):
    assert versions.floors([requirement]) == [pin]


@pytest.mark.parametrize("requirement", ["torch", "torch<3", "torch~=2.4", "torch==2.4"])
def test_a_dependency_without_a_lower_bound_is_refused(requirement):
    with pytest.raises(ValueError, match="no lower bound"):
        versions.floors([requirement])


def test_the_python_of_each_end():
    assert versions.lowest_python(">=3.10") == (3, 10)
    with pytest.raises(ValueError, match=r">=3\.10,<4"):
        versions.lowest_python(">=3.10,<4")
    found = {(3, 9): "a", (3, 11): "b", (3, 13): "c"}
    assert versions.choose("oldest", (3, 10), found) == (3, 11)
    assert versions.choose("newest", (3, 10), found) == (3, 13)
    with pytest.raises(SystemExit, match=r"no Python >= 3\.10"):
        versions.choose("oldest", (3, 10), {(3, 9): "a"})


def test_interpreters_run_and_stand_ins_do_not_count(tmp_path):
    assert versions.version_of(sys.executable) == sys.version_info[:2]
    stand_in = tmp_path / "python3.10"
    stand_in.write_text("#!/bin/sh\necho 'pyenv: python3.10: command not found' >&2\nexit 127\n")
    stand_in.chmod(0o755)
    assert versions.version_of(str(stand_in)) is None
    assert versions.version_of(str(tmp_path / "none")) is None
    assert sys.version_info[:2] in versions.interpreters()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib is borrowed from pip below 3.11")
@pytest.mark.parametrize("script", ["versions", "classroom", "dreamlab.support.files"])
def test_jobs_on_a_bare_machine_import_nothing_that_is_not_pythons_own(script):
    folder = Path(versions.__file__).parent
    places = [str(folder), str(folder.parent)]
    code = f"import sys; sys.path[:0] = {places}; import {script}"
    # -I -S: no site-packages, no environment variables, no current folder.
    run = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
