"""The check of the machine: a sentence for everything that can be wrong, and never an error."""

import ast
import collections
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_project import load_pyproject

import dreamlab
from dreamlab.course import machine
from dreamlab.course.machine import Item, Report, Trouble, check_machine, look_at
from dreamlab.support import console, loading
from dreamlab.support.cores import usable_cores

NAMES = [
    "Python",
    "PyTorch",
    "open_clip",
    "live panel",
    "memory",
    "processors",
    "models",
    "saving",
    "speed",
]
ROOT = Path(__file__).resolve().parent.parent


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
@pytest.mark.parametrize(
    ("package", "source", "words"),
    [
        (
            "torchvision",
            "raise RuntimeError('operator torchvision::nms does not exist')",
            "do not fit each other (operator torchvision::nms does not exist): uninstall both",
        ),
        ("torch", "raise OSError('libcudart.so: no such file')", "torch cannot be imported"),
        ("open_clip", "raise ImportError('no timm')", "open_clip cannot be imported (no timm)"),
    ],
)
def test_broken_packages_become_sentences(tmp_path, package, source, words):
    """In a process of its own, which finds the broken package first."""
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(source)
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "dreamlab.course.machine", tmp_path],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1 and done.stderr == ""
    printed = " ".join(done.stdout.split())
    assert words in printed
    for name in NAMES:
        assert f"] {name}: " in printed
    assert "[OK] Python: " in printed and "[what to do] models: " in printed


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError(), RuntimeError("a\nb")])
def test_whatever_happens_is_an_item(error):
    def look() -> str:
        raise error

    item = look_at("speed", look)
    assert not item.ok and type(error).__name__ in item.text and "install" in item.text
    assert str(item).startswith("[what to do] speed: ")
    assert "\n" not in str(item)


def test_a_look_may_warn_without_a_word(recwarn):
    def look() -> str:
        import warnings

        warnings.warn("an old driver", stacklevel=1)
        return "well"

    assert str(look_at("GPU", look)) == "[OK] GPU: well"
    assert not recwarn.list


def test_one_item_with_something_to_do_spoils_the_report():
    good, bad = Item("a", True, "x"), Item("b", False, "y")
    assert Report((good, good)) and not Report((good, bad))
    assert str(Report((good, bad))) == "[OK] a: x\n[what to do] b: y"


def test_python_versions():
    assert machine.check_python((3, 10, 1)).startswith("3.10.1 ")
    with pytest.raises(Trouble, match=r"this is 3\.9\.7, and the course needs 3\.10"):
        machine.check_python((3, 9, 7))


@pytest.mark.parametrize("module", [machine, console, dreamlab])
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
    assert f'"open_clip_torch>={".".join(map(str, lower["open_clip_torch"]))}"' in source()
    assert project["requires-python"] == ">=" + ".".join(map(str, machine.PYTHON))


def source() -> str:
    return Path(machine.__file__).read_text("utf-8")


def versions(monkeypatch, **have: str) -> None:
    monkeypatch.setattr(machine, "_version", lambda name: have.get(name, machine.MISSING))


@pytest.mark.parametrize(
    ("kernel", "widgets", "colab", "words", "without"),
    [
        ("7.4.0", "8.1.9", False, "`await panel.run()`", "only the kernel"),
        ("8.0.0a1", "9.0", False, "`await panel.run()`", "only the kernel"),
        ("7.3.1", "8.1", False, 'pip install -U "ipykernel>=7.4"', "at once, with"),
        ("6.17.1", "7.7.1", True, "act at once with the Start button", "pip install"),
    ],
)
def test_kernels_that_run_panels(monkeypatch, kernel, widgets, colab, words, without):
    versions(monkeypatch, ipykernel=kernel, ipywidgets=widgets)
    if colab:
        monkeypatch.setitem(sys.modules, "google.colab", machine)
    text = machine.check_live_panel()
    assert words in text and without not in text


@pytest.mark.parametrize(
    ("have", "words"),
    [
        ({"ipywidgets": "8.1"}, "ipykernel is not installed"),
        ({"ipykernel": "7.4.0"}, "ipywidgets is not installed"),
        ({"ipykernel": "7.4.0", "ipywidgets": "7.6.9"}, "too old"),
    ],
)
def test_kernels_that_do_not(monkeypatch, have, words):
    versions(monkeypatch, **have)
    with pytest.raises(Trouble, match=words) as trouble:
        machine.check_live_panel()
    assert "pip install" in str(trouble.value)


def test_memory_is_read_on_this_system():
    free = machine.free_memory()
    assert free is None or 0 < free < 1e5
    if sys.platform == "linux":
        assert free is not None


def test_too_little_memory(monkeypatch):
    for free, words in ((30.0, "30.0 GB are free"), (None, "could not be read")):
        monkeypatch.setattr(machine, "free_memory", lambda free=free: free)
        assert words in machine.check_memory()
    monkeypatch.setattr(machine, "free_memory", lambda: 0.4)
    with pytest.raises(Trouble, match=r"0\.4 GB are free.*Shut Down"):
        machine.check_memory()


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, None),
        ({"memory.max": "max\n", "memory.current": "5\n"}, None),
        ({"memory.max": "2000000000\n", "memory.current": "500000000\n"}, 1.5e9),
        ({"memory.max": "2000000000\n"}, None),
        (
            {"memory/memory.limit_in_bytes": "3000", "memory/memory.usage_in_bytes": "1000"},
            2000,
        ),
        (
            {
                "memory/memory.limit_in_bytes": "9223372036854771712",
                "memory/memory.usage_in_bytes": "9",
            },
            None,
        ),
    ],
)
def test_a_containers_memory(tmp_path, files, free):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine._free_in_container(tmp_path) == free


def test_a_containers_share_of_the_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8), raising=False)
    assert usable_cores(tmp_path) == 8
    for text, cores in (
        ("max 100000\n", 8),
        ("150000 100000\n", 2),
        ("20000 100000\n", 1),
        ("1600000 100000\n", 8),
    ):
        (tmp_path / "cpu.max").write_text(text)
        assert usable_cores(tmp_path) == cores


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

    def no_driver(*size: int, **device: str) -> torch.Tensor:
        raise RuntimeError("CUDA driver version is insufficient")

    monkeypatch.setattr(torch, "ones", no_driver)
    with pytest.raises(Trouble, match=r'insufficient.*load_clip\(device="cpu"\)'):
        machine._device(torch)


def test_models_that_are_cut_off_or_foreign(tmp_path, monkeypatch, tiny_clip_dir):
    monkeypatch.setattr(loading, "EMBEDDED_FOLDER", tmp_path)
    assert "install it again" in look_at("models", machine.check_models).text

    whole = Path(loading.__file__).parent / "picturebook" / "models" / "picturebook"
    shutil.copytree(whole, tmp_path / "picturebook")
    weights = tmp_path / "picturebook" / "open_clip_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100_000])
    item = look_at("models", machine.check_models)
    assert not item.ok and "corrupt, incomplete" in item.text

    shutil.rmtree(tmp_path / "picturebook")
    shutil.copytree(tiny_clip_dir, tmp_path / "picturebook")
    with pytest.raises(Trouble, match="does not know its own pictures"):
        machine.check_models()


def test_saving_into_a_folder_that_is_still_to_be_made(tmp_path):
    assert "removed" in machine.check_saving(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_drive_that_is_not_there(monkeypatch):
    """On Windows, Z:\\ may be missing, and is its own parent."""
    asked = []

    def is_dir(path: Path) -> bool:
        asked.append(path)
        assert len(asked) < 100, "asks for ever"
        return False

    monkeypatch.setattr(Path, "is_dir", is_dir)
    with pytest.raises(Trouble, match=r"there is no / on this computer.*give a folder"):
        machine.check_saving("/a/b")


def test_nothing_can_be_written(tmp_path, monkeypatch):
    def forbidden(**options: object) -> None:
        raise PermissionError(13, "Permission denied")

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


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "utf-8"])
def test_a_console_that_lacks_letters(monkeypatch, encoding):
    """Not one of them may end the report, and what was meant can still be read."""
    text = "Kernel → Shut Down, 0 to 2**32 − 1, 3 × 4, λ, “a b”, 夢, \udcff"
    monkeypatch.setattr(machine, "check_machine", lambda folder: Report((Item("a", True, text),)))
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    assert machine.main([]) == 0
    sys.stdout.flush()
    printed = written.getvalue().decode(encoding)
    if encoding == "utf-8":
        assert text.replace("\udcff", "?") in printed
    else:
        assert "Kernel -> Shut Down, 0 to 2**32 - 1, 3 " in printed
        assert printed.rstrip().endswith("?, ?")


def test_every_letter_that_the_project_prints_has_a_similar_one():
    """Those of texts and comments, but for formulas and the marks of exercises."""
    sources = "".join(
        path.read_text("utf-8") for path in Path(machine.__file__).parents[1].rglob("*.py")
    )
    counts = collections.Counter(letter for letter in sources if not letter.isascii())
    often = {letter for letter, count in counts.items() if count > 10}
    assert often - set("κ₁₂") <= set(console.SIMILAR), often


def test_command_line(capsys, monkeypatch):
    monkeypatch.setattr(machine, "check_machine", lambda folder: Report((Item("a", True, "b"),)))
    assert machine.main([]) == 0
    assert capsys.readouterr().out == "[OK] a: b\n"
    monkeypatch.setattr(machine, "check_machine", lambda folder: Report((Item("a", False, "b"),)))
    assert machine.main(["x"]) == 1
