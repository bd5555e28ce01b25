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
    found = {item.name: item for item in report.items}
    for name in ("Python", "PyTorch", "open_clip", "models", "saving"):
        assert found[name].ok, str(found[name])
    assert bool(report) == report.ok == all(item.ok for item in report.items)
    for line in str(report).splitlines():
        assert line.startswith(("[OK] ", "[what to do] ", "     ")) and len(line) <= 100
    assert repr(report) == str(report)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_broken_packages_become_sentences(tmp_path):
    """In a process of its own, which finds the broken packages first."""
    for package, source in (
        ("torch", "raise OSError('libcudart.so: no such file')"),
        ("psutil", "raise ImportError('no psutil')"),
    ):
        (tmp_path / f"{package}.py").write_text(source)
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
    for name in NAMES:
        assert f"] {name}: " in printed
    assert "[OK] Python: " in printed and "[what to do] models: " in printed


@pytest.mark.parametrize(
    ("look", "package", "error", "words"),
    [
        (
            machine.check_pytorch,
            "torchvision",
            RuntimeError("operator torchvision::nms does not exist"),
            r"do not fit each other \(operator torchvision::nms does not exist\): uninstall both",
        ),
        (machine.check_open_clip, "open_clip", ImportError("no timm"), r"imported \(no timm\)"),
        # Advice rests on what the error says.
        (
            machine.check_pytorch,
            "torchvision",
            FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"),
            "cannot be used.*usable temporary.*make room on the disk, or set TMPDIR",
        ),
        (machine.check_pytorch, "torch", OSError(28, "No space left"), "imported.*make room"),
        (machine.check_pytorch, "torchvision", RuntimeError("odd"), r"\(odd\): .*not known here"),
    ],
)
def test_a_package_that_cannot_be_imported(monkeypatch, look, package, error, words):
    whole = importlib.import_module
    broken = {package: raising(error)}
    monkeypatch.setattr(importlib, "import_module", lambda name: broken.get(name, whole)(name))
    with pytest.raises(Trouble, match=words):
        look()


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError(), RuntimeError("a\nb")])
def test_whatever_happens_is_an_item(error):
    item = look_at("speed", raising(error))
    assert not item.ok and type(error).__name__ in item.text and "install" in item.text
    assert str(item).startswith("[what to do] speed: ") and "\n" not in str(item)


def test_one_item_with_something_to_do_spoils_the_report(monkeypatch, capsys):
    good, bad = (
        Report((Item("a", True, "x"),)),
        Report((Item("a", True, "x"), Item("b", False, "y"))),
    )
    for report, code, printed in (
        (good, 0, "[OK] a: x\n"),
        (bad, 1, "[OK] a: x\n[what to do] b: y\n"),
    ):
        monkeypatch.setattr(machine, "check_machine", lambda folder, report=report: report)
        assert bool(report) == (code == 0)
        assert machine.main([]) == code and capsys.readouterr().out == printed


def test_python_versions():
    assert machine.check_python((3, 10, 1)).startswith("3.10.1 ")
    with pytest.raises(Trouble, match=r"this is 3\.9\.7, and the course needs 3\.10"):
        machine.check_python((3, 9, 7))


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


LIMIT = "9223372036854771712"  # how the older version of cgroups says "none"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 8.0),
        ({"memory.max": "max\n", "memory.current": "5\n"}, 8.0),
        ({"memory.max": "2000000000\n", "memory.current": "500000000\n"}, 1.5),
        ({"memory.max": "2000000000\n"}, 8.0),
        ({"memory/memory.limit_in_bytes": "3000", "memory/memory.usage_in_bytes": "1000"}, 2e-6),
        ({"memory/memory.limit_in_bytes": LIMIT, "memory/memory.usage_in_bytes": "9"}, 8.0),
    ],
)
def test_free_memory_of_computer_and_container(tmp_path, monkeypatch, files, free):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=8_000_000_000))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine.free_memory(tmp_path) == free


def test_too_little_memory(monkeypatch):
    for free, words in ((30.0, "30.0 GB are free"), (None, "could not be read")):
        monkeypatch.setattr(machine, "free_memory", lambda free=free: free)
        assert words in machine.check_memory()
    monkeypatch.setattr(machine, "free_memory", lambda: 0.4)
    with pytest.raises(Trouble, match=r"0\.4 GB are free.*Shut Down"):
        machine.check_memory()


def test_a_containers_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    assert cores.usable_cores(tmp_path) == 8
    for text, share in (("max 100000\n", 8), ("150000 100000\n", 2), ("20000 100000\n", 1)):
        (tmp_path / "cpu.max").write_text(text)
        assert cores.usable_cores(tmp_path) == share


def test_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(machine, "usable_cores", lambda: 2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert machine.check_processors() == "PyTorch computes on 2 threads on 2 cores"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    with pytest.raises(Trouble, match=r"64 threads on 2 cores.*set_num_threads\(2\)"):
        machine.check_processors()


def test_a_gpu_that_does_not_work(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(torch, "ones", raising(RuntimeError("driver version is insufficient")))
    with pytest.raises(Trouble, match=r'insufficient.*load_clip\(device="cpu"\)'):
        machine._device(torch)


def test_models_that_are_missing_or_foreign(tmp_path, monkeypatch, tiny_clip_dir):
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", tmp_path)
    assert "install it again" in look_at("models", machine.check_models).text
    shutil.copytree(tiny_clip_dir, tmp_path / "picturebook")
    with pytest.raises(Trouble, match="does not know its own pictures"):
        machine.check_models()


def test_saving_into_a_folder_that_is_still_to_be_made(tmp_path):
    assert "removed" in machine.check_saving(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_drive_that_is_not_there(monkeypatch):
    """On Windows, Z:\\ may be missing, and is its own parent."""
    monkeypatch.setattr(Path, "is_dir", lambda path: False)
    with pytest.raises(Trouble, match=r"there is no / on this computer.*give a folder"):
        machine.check_saving("/a/b")


def test_nothing_can_be_written(tmp_path, monkeypatch):
    forbidden = raising(PermissionError(13, "Permission denied"))
    monkeypatch.setattr(machine.tempfile, "TemporaryDirectory", forbidden)
    with pytest.raises(Trouble, match=r"Permission denied.*copy the notebooks"):
        machine.check_saving(tmp_path)


def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 9, 5_000))
    with pytest.raises(Trouble, match="0 MB are left"):
        machine.check_saving(tmp_path)


def test_a_slow_machine_is_told_what_helps(monkeypatch):
    monkeypatch.setattr(machine, "SLOW", 0.0)
    with pytest.raises(
        Trouble, match=r"a whole dream of 60 steps takes about.*Recipe\(steps=20, views=2"
    ):
        machine.check_speed()


@pytest.mark.parametrize(
    ("duration", "words"), [(0.0, "0.01 s"), (0.342, "0.3 s"), (14.4, "14 s"), (600, "10 min")]
)
def test_times_in_words(duration, words):
    assert machine.seconds(duration) == words
