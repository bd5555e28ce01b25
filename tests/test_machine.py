"""The check of the machine: a sentence for everything that can be wrong, and never an error."""

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from test_project import load_pyproject

import dreamlab
from dreamlab.course import machine
from dreamlab.course.machine import Item, Report, Trouble, check_machine, look_at
from dreamlab.support import console, cores, loading

NAMES = ["Python", "PyTorch", "open_clip", "live panel", "memory", "processors", "models"]
NAMES += ["saving", "speed"]
ROOT = Path(__file__).resolve().parent.parent


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
    assert repr(report) == str(report)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_broken_packages_become_sentences(tmp_path):
    """In a process of its own, which finds the broken packages first."""
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so: no such file')")
    (tmp_path / "psutil.py").write_text("raise ImportError('no psutil')")
    done = subprocess.run(
        [sys.executable, "-m", "dreamlab.course.machine", tmp_path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1 and done.stderr == ""
    printed = " ".join(done.stdout.split())
    assert "torch cannot be imported (libcudart.so: no such file): uninstall both" in printed
    assert all(f"] {name}: " in printed for name in NAMES)
    assert "[OK] Python: " in printed and "[what to do] models: " in printed


NO_FOLDER = FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")
NO_OPERATOR = RuntimeError("operator torchvision::nms does not exist")


@pytest.mark.parametrize(
    ("look", "package", "error", "words"),
    [
        ("pytorch", "torchvision", NO_OPERATOR, r"not fit each other \(operator.*uninstall both"),
        ("open_clip", "open_clip", ImportError("no timm"), r"imported \(no timm\).*pip install"),
        # Advice rests on what the error says.
        ("pytorch", "torchvision", NO_FOLDER, "cannot be used.*usable temporary.*set TMPDIR"),
        ("pytorch", "torch", OSError(28, "No space left"), "imported.*make room"),
        ("pytorch", "torchvision", RuntimeError("odd"), r"\(odd\): .*not known here"),
    ],
)
def test_a_package_that_cannot_be_imported(monkeypatch, look, package, error, words):
    whole = importlib.import_module
    broken = {package: raising(error)}
    monkeypatch.setattr(importlib, "import_module", lambda name: broken.get(name, whole)(name))
    with pytest.raises(Trouble, match=words):
        getattr(machine, f"check_{look}")()


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError(), RuntimeError("a\nb")])
def test_whatever_happens_is_an_item(error):
    item = look_at("speed", raising(error))
    assert not item.ok and type(error).__name__ in item.text and "install" in item.text
    assert str(item).startswith("[what to do] speed: ") and "\n" not in str(item)


def test_one_item_with_something_to_do_spoils_the_report(monkeypatch, capsys):
    good, bad = Item("a", True, "x"), Item("b", False, "y")
    for report in (Report((good,)), Report((good, bad))):
        monkeypatch.setattr(machine, "check_machine", lambda folder, report=report: report)
        assert machine.main([]) == (bad in report.items) == (not report)
    assert capsys.readouterr().out == "[OK] a: x\n[OK] a: x\n[what to do] b: y\n"


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
    ("kernel", "widgets", "ok", "words", "without"),
    [
        ("7.4.0", "8.1.9", True, "`await panel.run()`", "only the kernel"),
        ("8.0.0a1", "9.0", True, "`await panel.run()`", "only the kernel"),
        ("7.3.1", "8.1", True, 'pip install -U "ipykernel>=7.4"', "at once, with"),
        ("6.17.1 on Colab", "7.7.1", True, "act at once with the Start button", "pip install"),
        (machine.MISSING, "8.1", False, "ipykernel is not installed", "too old"),
        ("7.4.0", machine.MISSING, False, "ipywidgets is not installed", "too old"),
        ("7.4.0", "7.6.9", False, "too old", "not installed"),
    ],
)
def test_kernels(monkeypatch, kernel, widgets, ok, words, without):
    have = {"ipykernel": kernel, "ipywidgets": widgets}
    monkeypatch.setattr(machine, "_version", have.get)
    if "Colab" in kernel:
        monkeypatch.setitem(sys.modules, "google.colab", machine)
    item = look_at("live panel", machine.check_live_panel)
    assert item.ok == ok and words in item.text and without not in item.text
    assert ok or "pip install" in item.text


NEW, OLD = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")


@pytest.mark.parametrize(
    ("names", "values", "free"),
    [
        (NEW, [], 8.0),
        (NEW, ["max\n", "5\n"], 8.0),
        (NEW, ["2000000000\n", "500000000\n"], 1.5),
        (NEW, ["2000000000\n"], 8.0),
        (OLD, ["3000", "1000"], 2e-6),
        (OLD, ["9223372036854771712", "9"], 8.0),  # how it says "none"
    ],
)
def test_free_memory_of_computer_and_container(tmp_path, monkeypatch, names, values, free):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8_000_000_000))
    folder = tmp_path / "memory" if names is OLD else tmp_path
    folder.mkdir(exist_ok=True)
    for name, text in zip(names, values, strict=False):
        (folder / name).write_text(text)
    assert machine.free_memory(tmp_path) == free


def test_a_containers_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    assert cores.usable_cores(tmp_path) == 8
    for text, share in (("max 100000\n", 8), ("150000 100000\n", 2), ("20000 100000\n", 1)):
        (tmp_path / "cpu.max").write_text(text)
        assert cores.usable_cores(tmp_path) == share


FORBIDDEN = raising(PermissionError(13, "Permission denied"))
INSUFFICIENT = raising(RuntimeError("driver version is insufficient"))
FULL = shutil._ntuple_diskusage(9, 9, 5_000)


@pytest.mark.parametrize(
    ("look", "replaced", "ok", "words"),
    [
        (lambda: machine.check_python((3, 10, 1)), [], True, r"^3\.10\.1 "),
        (lambda: machine.check_python((3, 9, 7)), [], False, r"this is 3\.9\.7.*needs 3\.10"),
        (machine.check_memory, [(machine, "free_memory", lambda: 30.0)], True, "30.0 GB are free"),
        (machine.check_memory, [(machine, "free_memory", lambda: None)], True, "not be read"),
        (machine.check_memory, [(machine, "free_memory", lambda: 0.4)], False, r"0\.4 GB.*Shut"),
        (
            machine.check_processors,
            [(machine, "usable_cores", lambda: 2), (torch, "get_num_threads", lambda: 2)],
            True,
            "^PyTorch computes on 2 threads on 2 cores$",
        ),
        (
            machine.check_processors,
            [(machine, "usable_cores", lambda: 2), (torch, "get_num_threads", lambda: 64)],
            False,
            r"64 threads on 2 cores.*set_num_threads\(2\)",
        ),
        (
            lambda: machine._device(torch),
            [
                (torch.cuda, "is_available", lambda: True),
                (torch.cuda, "get_device_name", lambda: "a card"),
                (torch, "ones", INSUFFICIENT),
            ],
            False,
            r'insufficient.*load_clip\(device="cpu"\)',
        ),
        # On Windows, Z:\ may be missing.
        (machine.check_saving, [(Path, "is_dir", lambda path: False)], False, "no / on this"),
        (
            machine.check_saving,
            [(machine.tempfile, "TemporaryDirectory", FORBIDDEN)],
            False,
            "Permission denied.*copy the notebooks",
        ),
        (machine.check_saving, [(shutil, "disk_usage", lambda path: FULL)], False, "0 MB are left"),
        (machine.check_speed, [(machine, "SLOW", 0.0)], False, r"60 steps.*steps=20, views=2"),
    ],
)
def test_what_it_says_of_a_machine(monkeypatch, tmp_path, look, replaced, ok, words):
    monkeypatch.chdir(tmp_path)
    for place, name, value in replaced:
        monkeypatch.setattr(place, name, value)
    item = look_at("", look)
    assert item.ok == ok and re.search(words, item.text), str(item)
    assert "could not be looked at" not in item.text


def test_models_that_are_missing_or_foreign(tmp_path, monkeypatch, tiny_clip_dir):
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", tmp_path)
    assert "install it again" in look_at("models", machine.check_models).text
    shutil.copytree(tiny_clip_dir, tmp_path / "picturebook")
    with pytest.raises(Trouble, match="does not know its own pictures"):
        machine.check_models()


def test_saving_into_a_folder_that_is_still_to_be_made(tmp_path):
    assert "removed" in machine.check_saving(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("duration", "words"), [(0.0, "0.01 s"), (0.342, "0.3 s"), (14.4, "14 s"), (600, "10 min")]
)
def test_times_in_words(duration, words):
    assert machine.seconds(duration) == words
