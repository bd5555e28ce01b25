"""The check of the machine: a sentence for everything that can be wrong, and never an error."""

import ast
import importlib
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from test_project import load_pyproject

import dreamlab
from dreamlab.course import machine
from dreamlab.course.machine import Trouble, check_machine, look_at
from dreamlab.support import console, cores, loading

NAMES = ["Python", "PyTorch", "open_clip", "live panel", "memory", "processors", "models"]
NAMES += ["saving", "speed"]


def raising(error: BaseException):
    def look(*values: object, **options: object) -> str:
        raise error

    return look


def test_this_machine_is_reported_item_by_item(tmp_path):
    report = check_machine(tmp_path)
    assert [item.name for item in report.items] == NAMES
    for item in report.items:
        assert item.ok or item.name in ("live panel", "memory", "processors", "speed"), str(item)
    assert bool(report) == report.ok == all(item.ok for item in report.items)
    for line in str(report).splitlines():
        assert line.startswith(("[OK] ", "[what to do] ", "     ")) and len(line) <= 100
    assert list(tmp_path.iterdir()) == []


NO_OPERATOR = RuntimeError("operator torchvision::nms does not exist")


@pytest.mark.parametrize(
    ("look", "package", "error", "words"),
    [
        ("pytorch", "torchvision", NO_OPERATOR, r"not fit each other \(operator.*uninstall both"),
        ("open_clip", "open_clip", ImportError("no timm"), r"imported \(no timm\).*pip install"),
        # Advice rests on what the error says.
        ("pytorch", "torch", OSError(28, "No space left"), "imported.*make room"),
        ("pytorch", "torch", OSError(2, "No usable temporary directory"), "TMPDIR"),
        ("pytorch", "torchvision", RuntimeError("odd"), r"\(odd\): .*not known here"),
    ],
)
def test_a_package_that_cannot_be_imported(monkeypatch, look, package, error, words):
    whole = importlib.import_module
    broken = {package: raising(error)}
    monkeypatch.setattr(importlib, "import_module", lambda name: broken.get(name, whole)(name))
    with pytest.raises(Trouble, match=words):
        getattr(machine, f"check_{look}")()


@pytest.mark.parametrize("error", [KeyError("x"), RuntimeError("a\nb")])
def test_whatever_happens_is_an_item(error):
    item = look_at("speed", raising(error))
    assert not item.ok and type(error).__name__ in item.text and "install" in item.text
    assert str(item).startswith("[what to do] speed: ") and "\n" not in str(item)


@pytest.mark.parametrize("module", [machine, console, cores, dreamlab])
def test_an_older_python_can_read_the_module(module):
    """Else it answers with a SyntaxError in place of the sentence."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"), feature_version=(3, 8))
    first = next(n for n in tree.body if isinstance(n, ast.ImportFrom))
    assert first.module == "__future__"


def test_it_asks_for_the_versions_of_pyproject():
    project = load_pyproject()["project"]
    lower = {
        re.match(r"\w+", line).group(): tuple(map(int, re.findall(r"\d+", line.split("#")[0])))
        for line in [*project["optional-dependencies"]["lab"], *project["dependencies"]]
    }
    assert lower["ipywidgets"] == machine.WIDGETS  # the core's, which comes last
    assert lower["ipykernel"] == machine.LIVE
    open_clip = ".".join(map(str, lower["open_clip_torch"]))
    assert f'"open_clip_torch>={open_clip}"' in Path(machine.__file__).read_text("utf-8")
    assert project["requires-python"] == ">=" + ".".join(map(str, machine.PYTHON))


@pytest.mark.parametrize(
    ("kernel", "widgets", "ok", "words"),
    [
        ("7.4.0", "8.1.9", True, "`await panel"),
        ("8.0.0a1", "9.0", True, "`await panel"),
        ("7.3.1", "8.1", True, 'pip install -U "ipykernel>=7.4"'),
        ("6.17.1 on Colab", "7.7.1", True, "act at once with the Start button"),
        (machine.MISSING, "8.1", False, "ipykernel is not installed.*pip install"),
        ("7.4.0", "7.6.9", False, "too old.*pip install"),
    ],
)
def test_kernels(monkeypatch, kernel, widgets, ok, words):
    monkeypatch.setattr(machine, "_version", {"ipykernel": kernel, "ipywidgets": widgets}.get)
    if "Colab" in kernel:
        monkeypatch.setitem(sys.modules, "google.colab", machine)
    item = look_at("live panel", machine.check_live_panel)
    assert item.ok == ok and re.search(words, item.text)


@pytest.mark.parametrize(
    ("values", "free"),
    [([], 8.0), (["max\n", "5\n"], 8.0), (["2000000000\n", "500000000\n"], 1.5)],
)
def test_free_memory_of_computer_and_container(tmp_path, monkeypatch, values, free):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8_000_000_000))
    for name, text in zip(("memory.max", "memory.current"), values, strict=False):
        (tmp_path / name).write_text(text)
    assert machine.free_memory(tmp_path) == free


def given(value: object):
    return lambda *arguments: value


FORBIDDEN = raising(PermissionError(13, "Permission denied"))
ROOMLESS = {"shutil.disk_usage": given(shutil._ntuple_diskusage(9, 9, 5_000))}
MEMORY = "dreamlab.course.machine.free_memory"
CORES = {"dreamlab.course.machine.usable_cores": given(2)}
CARD = {"torch.cuda.is_available": given(True), "torch.cuda.get_device_name": given("a card")}
CARD |= {"torch.ones": raising(RuntimeError("driver version is insufficient"))}


@pytest.mark.parametrize(
    ("look", "replaced", "ok", "words"),
    [
        (lambda: machine.check_python((3, 10, 1)), {}, True, r"^3\.10\.1 "),
        (lambda: machine.check_python((3, 9, 7)), {}, False, r"this is 3\.9\.7.*needs 3\.10"),
        (machine.check_memory, {MEMORY: given(30.0)}, True, "30.0 GB are free"),
        (machine.check_memory, {MEMORY: given(0.4)}, False, r"0\.4 GB.*Shut"),
        (machine.check_processors, CORES | {"torch.get_num_threads": given(2)}, True, "2 thr.*2"),
        (machine.check_processors, CORES | {"torch.get_num_threads": given(64)}, False, r"s\(2\)"),
        (lambda: machine._device(torch), CARD, False, r'insufficient.*load_clip\(device="cpu"\)'),
        (machine.check_saving, {"tempfile.TemporaryDirectory": FORBIDDEN}, False, "denied.*copy"),
        (machine.check_saving, ROOMLESS, False, "0 MB are left"),
        (lambda: machine.check_saving("a" * 300), {}, False, "too long.*another folder"),
        (machine.check_speed, {"dreamlab.course.machine.SLOW": 0.0}, False, "60 steps.*steps=20"),
    ],
)
def test_what_it_says_of_a_machine(monkeypatch, tmp_path, look, replaced, ok, words):
    monkeypatch.chdir(tmp_path)
    for name, value in replaced.items():
        monkeypatch.setattr(name, value)
    item = look_at("", look)
    assert item.ok == ok and re.search(words, item.text), str(item)
    assert not list(tmp_path.iterdir())


def test_models_that_are_missing_or_foreign(tmp_path, monkeypatch, tiny_clip_dir):
    monkeypatch.chdir(tmp_path)  # a long path would fill the 200 characters that are shown
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", Path())
    assert "install it again" in look_at("models", machine.check_models).text
    shutil.copytree(tiny_clip_dir, tmp_path / "picturebook")
    with pytest.raises(Trouble, match="does not know its own pictures"):
        machine.check_models()
