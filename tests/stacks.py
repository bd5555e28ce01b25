"""Run the panel's tests on the kernels that people really have.

    python tests/stacks.py            all of them
    python tests/stacks.py colab      only these

Each stack is a virtual environment with its own ipykernel, IPython and ipywidgets, in front of the
packages of the Python that runs this. On Colab's, the tests of the widgets' logic run as well, and
two chapters (`--every-chapter`: all); pip is asked whether installing dreamlab would touch
what Colab itself runs on.
"""

import argparse
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from chapters import NOTEBOOKS
from versions import PYTEST, metadata

from dreamlab.support.cores import usable_cores

STACKS = {
    # What Google Colab has, as far as a notebook's messages go.
    "colab": [
        "ipykernel==6.17.1",
        "ipython==7.34.0",
        "ipywidgets==7.7.1",
        "jupyter_client<8",
        "notebook==6.5.7",  # what ipywidgets 7 pulls in; 7 would bring JupyterLab
        "setuptools<81",  # IPython 7 still wants pkg_resources
    ],
    "ipykernel-6.31": ["ipykernel==6.31.0", "ipywidgets>=8"],
    # The first with subshells: a button's callback comes in another thread.
    "ipykernel-7.0": ["ipykernel==7.0.1", "ipywidgets>=8"],
}
SHOWN = ("00_start_here", "09_dream_lab")
TESTS = Path(__file__).resolve().parent
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # a remark of the debugger that nobody asked


def create(folder: Path, packages: list[str]) -> str:
    """Make the environment; returns its Python. `share` gives it PyTorch and the rest."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = str(folder / "bin" / "python")
    subprocess.run([*pip(python), "-qq", *packages], check=True)
    return python


def pip(python: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--python", python, "install"]


def share(folder: Path) -> None:
    """Let the environment import all that is installed here, behind its own packages.

    After the last call of pip, or it would take what is installed here for installed there.
    """
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    (Path(paths["purelib"]) / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")


def leaves_alone(python: str) -> bool:
    """Whether installing dreamlab there leaves what runs the notebook as it is.

    Colab crashes when its ipykernel, IPython or ipywidgets are upgraded under it.
    """
    core = metadata()["dependencies"]
    resolve = [*pip(python), "-qq", "--dry-run", "--report", "-", *core]
    report = json.loads(subprocess.run(resolve, check=True, capture_output=True).stdout)
    new = {item["metadata"]["name"].lower() for item in report["install"]}
    held = {"ipykernel", "ipython", "ipywidgets", "jupyterlab", "jupyter-client", "notebook"}
    changed = sorted(held & {name.replace("_", "-") for name in new})
    print("would change:", ", ".join(changed) or "nothing that runs a notebook", flush=True)
    assert "torch" in new, "pip did not resolve dreamlab's dependencies"
    return not changed


def run_chapter(python: str, path: Path) -> str:
    """Execute a chapter in that Python's kernel, in its own folder; returns what went wrong."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from test_kernel import manager

    began, kernel = time.monotonic(), manager(python)
    patience = {"timeout": 600, "startup_timeout": 180, "iopub_timeout": 60}
    where = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(nbformat.read(path, 4), km=kernel, resources=where, **patience)
    one_thread = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS.parent)}
    try:
        client.execute(env=os.environ | QUIET | one_thread)
    except CellExecutionError as error:
        return f"{path.name}: {error}"
    finally:
        kernel.shutdown_kernel(now=True)  # the client leaves a kernel alone that it was given
        print(f"{path.name}: {time.monotonic() - began:.0f} s", flush=True)
    return ""


def run_chapters(python: str, chapters: list[Path]) -> bool:
    """Execute these notebooks, as many at a time as there are cores, up to four."""
    with ProcessPoolExecutor(min(4, usable_cores())) as pool:
        wrong = [*filter(None, pool.map(partial(run_chapter, python), chapters))]
    print(*wrong, f"chapters: {len(chapters)}, failed: {len(wrong)}", sep="\n", flush=True)
    return bool(chapters) and not wrong


def versions(python: str) -> str:
    code = (
        "import sys, IPython, ipykernel, ipywidgets, torch; print('Python', sys.version.split()[0],"
        " *(f'{m.__name__} {m.__version__}' for m in (IPython, ipykernel, ipywidgets, torch)))"
    )
    run = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def check(name: str, chapters: list[Path]) -> bool:
    with tempfile.TemporaryDirectory(prefix="dreamlab-stack-") as folder:
        python = create(Path(folder), STACKS[name])
        passed = name != "colab" or leaves_alone(python)
        share(Path(folder))
        print(f"--- {name}: {versions(python)}", flush=True)
        root = str(TESTS.parent)
        environment = os.environ | QUIET | {"PYTHONPATH": root, "DREAMLAB_KERNEL_PYTHON": python}

        def test(executable: str, file: str) -> bool:
            command = [executable, *PYTEST, str(TESTS / file)]
            return subprocess.run(command, cwd=root, env=environment).returncode == 0

        passed &= test(sys.executable, "test_kernel.py")  # drives a kernel in that environment
        if name == "colab":
            passed &= test(python, "test_panel.py")
            passed &= run_chapters(python, chapters)
        print(f"--- {name}: {'passed' if passed else 'FAILED'}", flush=True)
        return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stacks", nargs="*", metavar="stack", help=", ".join(STACKS))
    parser.add_argument("--every-chapter", action="store_true", help="not only two of them")
    options = parser.parse_args()
    if unknown := sorted(set(options.stacks) - set(STACKS)):
        parser.error(f"no such stack: {', '.join(unknown)}; there are {', '.join(STACKS)}")
    chapters = [path for path in NOTEBOOKS if options.every_chapter or path.stem in SHOWN]
    failed = [name for name in options.stacks or STACKS if not check(name, chapters)]
    print(f"failed on: {', '.join(failed)}" if failed else "passed on every stack")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
