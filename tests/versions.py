"""Run the package's core on the oldest and the newest versions that its metadata admits.

    python tests/versions.py             both ends
    python tests/versions.py oldest      only this one

"oldest" is every lower bound in pyproject.toml, exactly, in the oldest Python on this machine that
`requires-python` admits; "newest" is whatever pip picks in the newest Python. Each end is a wheel
of this repository in an empty environment of up to 7 GB: both embedded models dream ten steps
there, then the tests below run.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; this runs where nothing but pip is installed
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
CORE = ("clip", "dream", "panel", "files")
TESTS = {
    "oldest": (*CORE, "losses", "figures", "picture_reader", "untrusted"),
    "newest": CORE,  # README's command tests the newest packages; here it is Python that differs
}
PYTEST = ("-m", "pytest", "-q", "-o", "addopts=", "-o", "required_plugins=")
PYTEST += ("-p", "no:cacheprovider")
DREAM = """
import sys
from importlib.metadata import version
from dreamlab import Dream, Recipe, load_clip
import dreamlab

names = ["torch", "torchvision", "open_clip_torch", "numpy", "matplotlib", "pillow", "ipywidgets"]
print("Python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
for name in ("picturebook", "picturebook-judge"):
    dream = Dream(load_clip(name, device="cpu"), "a red heart in the sky", recipe=Recipe(steps=10))
    dream.run()
    first, last = dream.history[0].clip_loss, dream.history[-1].clip_loss
    print(f"{name}: ten steps, CLIP loss from {first:.3f} to {last:.3f}", flush=True)
    assert len(dream.history) == 10 and last < first
assert sys.prefix in dreamlab.__file__, dreamlab.__file__
"""

Version = tuple[int, int]


def metadata() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def packages(end: str) -> list[str]:
    """What to install beside the wheel: for "oldest" each lower bound, "torch>=2.4" as "==2.4".

    Raises:
        ValueError: a requirement without a lower bound, which would leave "oldest" to chance.
    """
    project = metadata()
    # The tests' own tools may be of any age.
    wanted = [r for r in project["optional-dependencies"]["test"] if re.match("pytest>|hypo", r)]
    for requirement in project["dependencies"] if end == "oldest" else ():
        if not (found := re.fullmatch(r"([\w.-]+)\s*>=\s*([\w.]+)", requirement)):
            raise ValueError(f"{requirement!r} in pyproject.toml has no lower bound (name>=1.2)")
        wanted.append("{}=={}".format(*found.groups()))
    return wanted


def interpreters() -> dict[Version, str]:
    """Every Python 3 of this machine: on the PATH, pyenv's, uv's, and the one that runs this."""
    candidates = [sys.executable, *(shutil.which(f"python3.{minor}") for minor in range(8, 30))]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in (pyenv / "versions", Path.home() / ".local" / "share" / "uv" / "python"):
        candidates += [str(path) for path in sorted(folder.glob("*/bin/python3"))]
    found: dict[Version, str] = {}
    code = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
    for python in filter(None, candidates):
        with suppress(OSError, subprocess.CalledProcessError):  # pyenv leaves stand-ins
            run = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
            found.setdefault(tuple(map(int, run.stdout.split())), python)
    return found


def build_wheel(folder: Path, *options: str) -> Path:
    """A wheel of this repository, built from a copy (`source`): a build leaves folders behind."""
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    shutil.copytree(ROOT / "dreamlab", source / "dreamlab", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = ["-m", "pip", "wheel", "-qq", "--no-deps", *options, "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, *command, str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def check(end: str, python: str) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"dreamlab-{end}-") as name:
        folder = Path(name)
        wheel = build_wheel(folder)
        subprocess.run([python, "-m", "venv", str(folder / "venv")], check=True)
        python = str(folder / "venv" / "bin" / "python")
        # One call, so that it is pip that says whether the metadata admits the combination.
        install = ["-m", "pip", "install", "-qq", "--no-cache-dir", "--no-compile"]
        subprocess.run([python, *install, str(wheel), *packages(end)], check=True)
        print(f"--- {end}: installed in {time.monotonic() - began:.0f} s", flush=True)
        passed = subprocess.run([python, "-c", DREAM], cwd=folder).returncode == 0
        tests = [str(ROOT / "tests" / f"test_{name}.py") for name in TESTS[end]]
        environment = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
        run = subprocess.run([python, *PYTEST, *tests], cwd=folder, env=environment)
        passed &= run.returncode == 0
    say = "passed" if passed else "FAILED"
    print(f"--- {end}: {say} ({time.monotonic() - began:.0f} s in all)", flush=True)
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "ends", nargs="*", choices=[*TESTS, []], metavar="end", help="default: both"
    )
    ends = parser.parse_args().ends or TESTS
    lowest = tuple(map(int, metadata()["requires-python"].removeprefix(">=").split(".")))
    found = {version: path for version, path in interpreters().items() if version >= lowest}
    if not found:
        raise SystemExit(f"no Python >= {lowest[0]}.{lowest[1]} on this machine")
    failed = []
    for end in ends:
        version = min(found) if end == "oldest" else max(found)
        print(f"--- {end}: Python {version[0]}.{version[1]},", ", ".join(packages(end)), flush=True)
        if end == "oldest" and version != lowest:
            print(f"    (this machine has no Python {lowest[0]}.{lowest[1]}, the oldest admitted)")
        if not check(end, found[version]):
            failed.append(end)
    print(f"failed on: {', '.join(failed)}" if failed else "passed on: all that was asked")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
