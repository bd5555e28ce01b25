"""What Binder will make of this repository, as far as that can be seen without Docker.

    python tests/binder.py             repo2docker's build plan; postBuild and start in a sandbox
    python tests/binder.py --memory    also: every chapter on one core beside JupyterLab, in GB

repo2docker is Binder's own builder. It is asked which files it would use and what it would run; of
its Dockerfile only conda's part is left untried here. The scripts then run in a copy of the
repository with an environment of their own, which borrows the installed packages.
Exits 0 only if all is as it should be.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import venv
from pathlib import Path

from chapters import NOTEBOOKS
from clone import ROOT, checkout
from stacks import share

LIMIT = 2e9  # bytes that a session on mybinder.org may use

PLAN = """
from repo2docker.app import Repo2Docker

app = Repo2Docker()
packs = [pack(app.base_image) for pack in app.buildpacks]
pack = next(pack for pack in packs if pack.detect())
pack.platform = "linux/amd64"
print(type(pack).__name__)
print(pack.binder_path("environment.yml"))
print(pack.python_version)
print(*pack.get_post_build_scripts())
print(pack.get_start_script())
print(pack.render({"NB_UID": "1000", "NB_USER": "jovyan"}))
"""

TEN_STEPS = """
import os, torch
from dreamlab import Dream, Recipe, load_clip

assert os.environ["OMP_NUM_THREADS"] == "1" and torch.get_num_threads() == 1
dream = Dream(load_clip(), "a red heart", recipe=Recipe(steps=10))
dream.run()
print(f"ten steps: loss {dream.history[0].clip_loss:.2f} to {dream.history[-1].clip_loss:.2f}")
assert dream.history[-1].clip_loss < dream.history[0].clip_loss
"""


def environment(folder: Path, *packages: str) -> Path:
    """A new environment with these packages; returns its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    if packages:
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


def check_plan(copy: Path, folder: Path) -> None:
    """Binder takes what lies in binder/, and nothing else."""
    python = environment(folder / "repo2docker", "jupyter-repo2docker")
    said = subprocess.run([python, "-c", PLAN], cwd=copy, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    pack, file, version, build, start, *dockerfile = said.stdout.splitlines()
    print(f"plan: {pack}, {file}, Python {version}, {build}, {start}")
    assert pack == "CondaBuildPack", "a Dockerfile or another language's file is in the way"
    assert file == "binder/environment.yml"
    assert version == "3.12"
    assert build == "binder/postBuild"
    assert start.endswith("binder/start")
    text = "\n".join(dockerfile)
    for line in ('"binder/environment.yml"', "./binder/postBuild", "binder/start"):
        assert line in text, f"the Dockerfile does not mention {line}"


def check_scripts(copy: Path, folder: Path) -> None:
    """postBuild installs the package, start sets the threads and hands over."""
    needed = re.findall(r"setuptools>=\d+", (copy / "binder" / "environment.yml").read_text())
    python = environment(folder / "session", *needed)
    share(folder / "session")
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    plain = {k: v for k, v in os.environ.items() if k not in ("OMP_NUM_THREADS", "PYTHONPATH")}
    settings = {"cwd": copy, "env": plain | {"PATH": path}, "check": True}
    subprocess.run(["binder/postBuild"], **settings)
    where = "import dreamlab, sys; print(dreamlab.__file__)"
    elsewhere = settings | {"cwd": folder, "stdout": subprocess.PIPE, "text": True}
    installed = subprocess.run([python, "-c", where], **elsewhere).stdout.strip()
    assert Path(installed).is_relative_to(copy), f"postBuild installed {installed}"
    subprocess.run(["binder/start", "python", "-c", TEN_STEPS], **settings)


# --- memory ---------------------------------------------------------------------------------------


def memory(pids: set[int]) -> int:
    """Bytes that these processes use, what they share counted once (Linux: proportional set)."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (OSError, ProcessLookupError):
            continue
        total += 1024 * sum(int(s.split()[1]) for s in text.splitlines() if s.startswith("Pss:"))
    return total


def family(pid: int) -> set[int]:
    """A process and all that it started."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ProcessLookupError):
            continue
        children.setdefault(parent, set()).add(int(stat.parent.name))
    found, new = set(), {pid}
    while new:
        found |= new
        new = {child for p in new for child in children.get(p, ())} - found
    return found


def check_memory(folder: Path) -> None:
    """JupyterLab and one chapter after the other, on one core, as `binder/start` sets it up."""
    one_core = ["taskset", "-c", str(min(os.sched_getaffinity(0))), ROOT / "binder" / "start"]
    quiet = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    lab = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
    server = subprocess.Popen([*one_core, *lab], **quiet)
    try:
        time.sleep(15)
        print(f"JupyterLab alone: {memory(family(server.pid)) / 1e9:.2f} GB")
        for chapter in NOTEBOOKS:
            check_chapter(chapter, folder, one_core, server.pid)
    finally:
        server.terminate()
        server.wait()


def check_chapter(chapter: Path, folder: Path, one_core: list, server: int) -> None:
    convert = ["-m", "jupyter", "nbconvert", "--config", ROOT / "tools" / "execute.py"]
    copy = folder / chapter.name
    shutil.copy2(chapter, copy)
    began, done, most = time.monotonic(), threading.Event(), 0
    run = subprocess.Popen([*one_core, sys.executable, *convert, copy], cwd=folder)
    threading.Thread(target=lambda: (run.wait(), done.set()), daemon=True).start()
    while not done.wait(0.2):
        kernel = family(run.pid) - {run.pid}  # what executes is the client, a browser's part
        most = max(most, memory(family(server) | kernel))
    assert run.returncode == 0, f"{chapter.name} failed"
    print(f"{chapter.stem}: {most / 1e9:.2f} GB, {time.monotonic() - began:.0f} s", flush=True)
    assert most < LIMIT, f"{chapter.name} needs more than Binder gives"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", action="store_true", help="measure every chapter's memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dreamlab-binder-") as temporary:
        folder = Path(temporary)
        copy = checkout(folder)
        check_plan(copy, folder)
        check_scripts(copy, folder)
        if options.memory:
            check_memory(folder)
    print("as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
