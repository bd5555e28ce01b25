"""Run the panel's tests on the kernels that people really have.

    python tests/stacks.py            all of them
    python tests/stacks.py colab      only these
    python tests/stacks.py --list     what there is

Each stack is a virtual environment with its own ipykernel, IPython and ipywidgets, in front of the
packages of the Python that runs this: PyTorch and all else is shared, so a stack costs 50 MB and
half a minute. Exits 0 only if every test passed on every stack.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

STACKS = {
    # What Google Colab has, as far as a notebook's messages go.
    "colab": [
        "ipykernel==6.17.1",
        "ipython==7.34.0",
        "ipywidgets==7.7.1",
        "jupyter_client<8",
        "setuptools<81",  # IPython 7 still wants pkg_resources
    ],
    "ipykernel-6.31": ["ipykernel==6.31.0", "ipywidgets>=8"],
    # The first with subshells: a button's callback comes in another thread.
    "ipykernel-7.0": ["ipykernel==7.0.1", "ipywidgets>=8"],
    "newest": ["ipykernel", "ipython", "ipywidgets"],
}
TESTS = Path(__file__).parent
PYTEST = (
    "-m",
    "pytest",
    "-q",
    "-o",
    "addopts=",
    "-o",
    "required_plugins=",
    "-p",
    "no:cacheprovider",
)


def create(folder: Path, packages: list[str]) -> str:
    """Make the environment; returns its Python."""
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", *packages]
    subprocess.run(install, check=True)
    # Only now, or pip would take what is installed here for installed there.
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    (Path(paths["purelib"]) / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return str(python)


def versions(python: str) -> str:
    code = (
        "import sys, IPython, ipykernel, ipywidgets, torch; print('Python', sys.version.split()[0],"
        " *(f'{m.__name__} {m.__version__}' for m in (IPython, ipykernel, ipywidgets, torch)))"
    )
    run = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def check(name: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="dreamlab-stack-") as folder:
        python = create(Path(folder), STACKS[name])
        print(f"--- {name}: {versions(python)}", flush=True)
        root = str(TESTS.parent)
        environment = os.environ | {"PYTHONPATH": root, "DREAMLAB_KERNEL_PYTHON": python}
        passed = True
        # The widgets' logic in that environment; then its kernel, driven from this one.
        for executable, test in ((python, "test_panel.py"), (sys.executable, "test_kernel.py")):
            command = [executable, *PYTEST, str(TESTS / test)]
            passed &= subprocess.run(command, cwd=root, env=environment).returncode == 0
        print(f"--- {name}: {'passed' if passed else 'FAILED'}", flush=True)
        return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stacks", nargs="*", metavar="stack", help=", ".join(STACKS))
    parser.add_argument("--list", action="store_true", help="list the stacks and end")
    options = parser.parse_args()
    if unknown := sorted(set(options.stacks) - set(STACKS)):
        parser.error(f"no such stack: {', '.join(unknown)}; there are {', '.join(STACKS)}")
    if options.list:
        for name, packages in STACKS.items():
            print(name, *packages)
        return 0
    failed = [name for name in options.stacks or STACKS if not check(name)]
    print(f"failed on: {', '.join(failed)}" if failed else "passed on every stack")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
