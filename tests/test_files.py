"""Files survive whatever happens while they are written, and no name is given twice."""

import errno
import os
import random
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


def start(code: str, *arguments: object, **pipes: int) -> subprocess.Popen:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **pipes)


@pytest.mark.parametrize(
    ("content", "stored"),
    [
        (NEW, NEW),
        ("λ ❤", "λ ❤".encode()),
        ("half \ud83d", b"half \\ud83d"),  # as JSON has it
        (lambda file: (file.write(b"xxx"), file.seek(0), file.write(b"y")), b"yxx"),
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
    assert user_path("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


@pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes of POSIX")
def test_modes_are_kept_links_replaced_and_special_files_left_alone(file, tmp_path):
    file.chmod(0o640)
    write_atomically(file, NEW)
    assert file.stat().st_mode & 0o777 == 0o640
    link = tmp_path / "link"
    link.symlink_to(file)
    write_atomically(link, OLD)
    assert not link.is_symlink() and link.read_bytes() == OLD and file.read_bytes() == NEW
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(FileExistsError, match="no ordinary file"):
            write_atomically(path, NEW)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_whatever_interrupts_the_writing_leaves_the_old_file(file, error):
    def half(opened):
        opened.write(NEW[:100])
        raise error

    with pytest.raises(error):
        write_atomically(file, half)
    assert only(file, OLD)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_is_said(file, monkeypatch, call):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=r"file\.bin could not be written .* nothing .* changed") as e:
        write_atomically(file, NEW)
    assert e.value.errno == errno.ENOSPC and only(file, OLD)


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
    for _ in range(2):
        process = start(WRITING, file)
        process.stdout.readline()
        time.sleep(moment.uniform(0, 0.04))
        process.kill()
        process.communicate()
        content = file.read_bytes()
        assert content == OLD or content == content[:1] * 900_000
    left = [path.name for path in file.parent.iterdir() if path != file]
    assert all(name.startswith(".dreamlab-") and name.endswith(".tmp") for name in left)


def test_names_are_numbered_and_given_back_where_nothing_is_written(tmp_path):
    left = tmp_path / ".dreamlab-left.tmp"  # by a writer that was killed
    left.touch()
    os.utime(left, (0, 0))
    with claim_name(tmp_path, ".png") as first, claim_name(tmp_path, ".png") as second:
        assert (first.name, second.name) == ("dream-001.png", "dream-002.png")
        first.touch(), second.touch()
    with pytest.raises(KeyboardInterrupt), claim_name(tmp_path, ".png") as third:
        raise KeyboardInterrupt
    assert third.name == "dream-003.png" and not third.exists() and not left.exists()
    with claim_name(tmp_path, ".gif", "run") as other:
        assert other.name == "run-001.gif"
