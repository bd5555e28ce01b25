"""A seat without network: the classroom's commands, run as a teacher and a student would.

    python tests/classroom.py

`notebooks/CLASSROOM.md` is read for them. The wheelhouse is filled with network; then the seat's
environment is made, dreams, and executes the one lesson in a network namespace that has a loopback
and nothing else (Linux, as root). Needs about 9 GB in the temporary folder, and deletes them.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from clone import checkout

KIT = "notebooks/CLASSROOM.md"

# A seat: no network but its own loopback, over which notebook and kernel talk.
OFFLINE = ("unshare", "--net", "--", "bash", "-euo", "pipefail", "-c")
LOOPBACK = """python3 - <<'PYTHON'
import fcntl, socket, struct
SIOCSIFFLAGS, UP = 0x8914, 0x1
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sh14s", b"lo", UP, b""))
try:
    socket.create_connection(("192.0.2.1", 80), timeout=2)
except OSError as error:
    print("no network:", error)
PYTHON
"""
DREAM = """.venv/bin/python - <<'PYTHON'
from dreamlab import Dream, Judge, Recipe, load_clip
dream = Dream(load_clip(), "a red heart in the sky", recipe=Recipe(steps=10))
dream.run()
print("ten steps offline, the judge says", round(Judge().score(dream).item(), 2))
assert dream.history[-1].clip_loss < dream.history[0].clip_loss
PYTHON
"""
LESSON = ".venv/bin/jupyter nbconvert --to notebook --execute --output done lesson/one_lesson.ipynb"


def command(folder: Path, name: str) -> str:
    """The fenced block that follows the line `<!-- command: NAME -->`."""
    text = (folder / KIT).read_text("utf-8")
    (block,) = re.findall(rf"<!-- command: {name} -->\n```\w+\n(.*?)\n```", text, re.DOTALL)
    return block


def run(what: str, folder: Path, *, offline: bool = False) -> None:
    began = time.monotonic()
    shell = OFFLINE if offline else OFFLINE[3:]
    subprocess.run([*shell, LOOPBACK + what if offline else what], cwd=folder, check=True)
    print(f"--- {time.monotonic() - began:.0f} s: {what.strip().splitlines()[0]}", flush=True)


def size(folder: Path) -> str:
    return f"{sum(p.stat().st_size for p in folder.rglob('*') if p.is_file()) / 1e9:.1f} GB"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dreamlab-classroom-") as temporary:
        folder = Path(temporary)
        teacher, seat = checkout(folder), folder / "seat"
        run(command(teacher, "wheelhouse"), teacher)
        print("wheelhouse:", size(teacher / "wheelhouse"))
        run(command(teacher, "copies"), teacher)

        seat.mkdir()
        (teacher / "wheelhouse").rename(seat / "wheelhouse")
        for copies in ("student", "lesson"):
            (teacher / "copies" / copies).rename(seat / copies)
        install, _, lab = command(teacher, "seat").rpartition(" && ")
        assert lab.endswith("jupyter lab student"), (
            "the seat's last command should start the course"
        )
        run(install, seat, offline=True)
        run(DREAM, seat, offline=True)
        run(LESSON, seat, offline=True)
        assert list((seat / "lesson").glob("done*.ipynb")), "the lesson was not executed"
    print("a seat works without network")
    return 0


if __name__ == "__main__":
    sys.exit(main())
