"""What Binder will make of this repository, as far as that can be seen without Docker.

    python tests/binder.py

repo2docker is Binder's own builder. It is asked which files it would use and what it would run; of
its Dockerfile only conda's part is left untried here. The scripts then run in a copy of the
repository with an environment of their own, which borrows the installed packages.
Exits 0 only if all is as it should be.
"""

import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from clone import checkout
from stacks import share

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


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="dreamlab-binder-") as temporary:
        folder = Path(temporary)
        copy = checkout(folder)
        check_plan(copy, folder)
        check_scripts(copy, folder)
    print("as it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
