"""Files survive whatever happens while they are written, and no name is given twice."""

import ast
import errno
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dreamlab.support.files import claim_name, user_path, write_atomically

OLD, NEW = b"old" * 1000, b"new" * 1000


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(OLD)
    return path


def only(file: Path, content: bytes) -> bool:
    """Whether the folder holds this file with this content, and nothing else."""
    return os.listdir(file.parent) == [file.name] and file.read_bytes() == content


def run(code: str, *arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- what is written --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        (NEW, NEW),
        ("λ ❤", "λ ❤".encode()),
        (lambda file: file.write(NEW), NEW),
        (lambda file: (file.write(b"xxx"), file.seek(0), file.write(b"y")), b"yxx"),
        (b"", b""),
    ],
)
def test_what_is_given_is_stored(file, content, stored):
    assert write_atomically(file, content) == file
    assert only(file, stored)


def test_folders_are_made_and_the_home_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    path = write_atomically("~/a/b/file.bin", NEW)
    assert path == tmp_path / "a" / "b" / "file.bin" and only(path, NEW)
    with claim_name("~/a/c", ".png") as path:
        assert path == tmp_path / "a" / "c" / "dream-001.png"
    assert user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


@pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")
def test_modes_are_kept_and_links_are_replaced(file, tmp_path):
    file.chmod(0o640)
    write_atomically(file, NEW)
    assert file.stat().st_mode & 0o777 == 0o640
    umask = os.umask(0o027)
    try:
        assert write_atomically(tmp_path / "fresh", NEW).stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(umask)
    for target in (file, tmp_path / "missing"):
        link = tmp_path / "link"
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        write_atomically(link, OLD)
        assert not link.is_symlink() and link.read_bytes() == OLD
    assert file.read_bytes() == NEW and not (tmp_path / "missing").exists()


def special_file(kind: str, folder: Path) -> Path:
    if kind == "folder":
        (folder / "x").mkdir()
        return folder / "x"
    if kind == "pipe":
        os.mkfifo(folder / "x")
        return folder / "x"
    return Path(os.devnull)


@pytest.mark.skipif(os.name != "posix", reason="special files of POSIX")
@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_what_is_no_ordinary_file_is_never_replaced(kind, tmp_path):
    path = special_file(kind, tmp_path)
    before = path.stat()
    with pytest.raises(FileExistsError, match="no ordinary file"):
        write_atomically(path, NEW)
    assert path.stat().st_ino == before.st_ino


# --- what can go wrong ------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError, SystemExit])
def test_whatever_interrupts_the_writing_leaves_the_old_file(file, error):
    def half(opened):
        opened.write(NEW[:100])
        raise error

    with pytest.raises(error):
        write_atomically(file, half)
    assert only(file, OLD)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EACCES])
def test_a_full_disk_leaves_the_old_file_and_is_said(file, monkeypatch, call, number):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=r"file\.bin could not be written .* nothing .* changed") as e:
        write_atomically(file, NEW)
    assert e.value.errno == number and only(file, OLD)


LIMITED = """
import resource, sys
from dreamlab.support.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(sys.argv[1], b"new" * 100_000)
except OSError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
def test_a_limit_of_the_system_in_the_middle_of_the_file(file):
    process = run(LIMITED, file)
    _, said = process.communicate()
    assert process.returncode == 1 and "could not be written (File too large)" in said
    assert only(file, OLD)


WRITING = """
import itertools, sys, time
from dreamlab.support.files import write_atomically
print("ready", flush=True)
for n in itertools.count():
    piece = (b"%d" % (n % 10)) * 30_000
    write_atomically(sys.argv[1], lambda file: [
        (file.write(piece), time.sleep(0.0005)) for _ in range(30)
    ])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_kill_at_any_moment_leaves_a_whole_file(file):
    moment = random.Random(0)
    for _ in range(12):
        process = run(WRITING, file)
        process.stdout.readline()
        time.sleep(moment.uniform(0, 0.04))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        content = file.read_bytes()
        assert content == OLD or content == content[:1] * 900_000
    left = [path.name for path in file.parent.iterdir() if path != file]
    assert all(name.startswith(".dreamlab-") and name.endswith(".tmp") for name in left)


def direct_writes(code: str) -> list[str]:
    """Calls that write a file themselves: write_text, write_bytes, open with a mode that writes."""
    found = []
    for call in (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        words = [word.value for word in ast.walk(call) if isinstance(word, ast.Constant)]
        modes = [word for word in words if isinstance(word, str) and re.fullmatch("[wax]b?", word)]
        if name in ("write_text", "write_bytes") or (name == "open" and modes):
            found.append(f"line {call.lineno}: {name}")
    return found


def test_nothing_else_writes_a_file():
    assert direct_writes("x.write_text('a')\nopen(p, 'w')\np.open(mode='xb')\nopen(p, 'rb')") == [
        "line 1: write_text",
        "line 2: open",
        "line 3: open",
    ]
    root = Path(__file__).resolve().parent.parent
    sources = [*(root / "dreamlab").rglob("*.py"), *(root / "tools").glob("*.py")]
    writing = {path.name for path in sources if direct_writes(path.read_text("utf-8"))}
    # Pages are made in a temporary folder, in an environment that has no dreamlab.
    assert writing == {"files.py", "pages.py"}


# --- names ------------------------------------------------------------------------------------


def test_names_are_numbered_and_given_back_where_the_block_fails(tmp_path):
    with claim_name(tmp_path, ".png") as first, claim_name(tmp_path, ".png") as second:
        assert (first.name, second.name) == ("dream-001.png", "dream-002.png")
        write_atomically(first, NEW)
    assert first.read_bytes() == NEW
    with pytest.raises(KeyboardInterrupt), claim_name(tmp_path, ".png") as third:
        raise KeyboardInterrupt
    assert third.name == "dream-003.png" and not third.exists()
    with claim_name(tmp_path, ".gif", stem="run") as other:
        assert other.name == "run-001.gif"
    (tmp_path / "dream-003.png").mkdir()
    with claim_name(tmp_path, ".png") as fourth:
        assert fourth.name == "dream-004.png"


CLAIMING = """
import sys
from dreamlab.support.files import claim_name
sys.stdin.readline()
for _ in range(60):
    with claim_name(sys.argv[1], ".png") as path:
        print(path.name)
"""


def test_two_programs_never_get_the_same_name(tmp_path):
    command = [sys.executable, "-c", CLAIMING, tmp_path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    programs = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for program in programs:
        program.stdin.write("go\n")
        program.stdin.flush()
    names = [name for program in programs for name in program.communicate()[0].split()]
    assert len(names) == len(set(names)) == len(list(tmp_path.iterdir())) == 120
