"""Is this computer ready for the course? `[OK]` or `[what to do]` for what could be in the way.

`python -m dreamlab.course.machine` ends with 1 if there is anything to do. Meant for the computer
on which nothing works, it never raises, and needs nothing but Python (old ones are told so).
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import platform
import re
import shutil
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType

from dreamlab.support.console import print_plainly
from dreamlab.support.cores import CGROUP, memory_limits, usable_cores

PYTHON = (3, 10)
WIDGETS = (7, 7)  # the ipywidgets that the panel needs; Colab has 7.7
LIVE = (7, 4)  # the ipykernel from which on a slider acts while a cell awaits
MEMORY = 1.2  # GB that a chapter may take
SLOW = 90.0  # seconds that a dream may take before there is something to do about it
STEPS = 10  # that are timed
MISSING = "not installed"
GUIDE = "https://pytorch.org/get-started/locally/"


class Trouble(Exception):
    """Raised by an item's look at the machine: what to do, in a sentence."""


@dataclass(frozen=True)
class Item:
    """One thing that was looked at: its name, whether it is well, and a sentence."""

    name: str
    ok: bool
    text: str

    def __str__(self) -> str:
        return f"[{'OK' if self.ok else 'what to do'}] {self.name}: {self.text}"


@dataclass(frozen=True)
class Report:
    """All items; true if there is nothing to do. As the last line of a cell it shows itself."""

    items: tuple[Item, ...]

    @property
    def ok(self) -> bool:
        return all(item.ok for item in self.items)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        style = {"width": 100, "subsequent_indent": "     ", "break_on_hyphens": False}
        return "\n".join(textwrap.fill(str(item), **style) for item in self.items)

    __repr__ = __str__


def check_machine(folder: str | Path = ".") -> Report:
    """Look at everything that the course needs; `folder`, where pictures will be saved, is left."""
    looks: dict[str, Callable[[], str]] = {
        "Python": check_python,
        "PyTorch": check_pytorch,
        "open_clip": check_open_clip,
        "live panel": check_live_panel,
        "memory": check_memory,
        "processors": check_processors,
        "models": check_models,
        "saving": lambda: check_saving(folder),
        "speed": check_speed,
    }
    return Report(tuple(look_at(name, look) for name, look in looks.items()))


def look_at(name: str, look: Callable[[], str]) -> Item:
    """An item of what `look` returns or, if that is an error, of what to do about it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Item(name, True, look())
    except Trouble as trouble:
        return Item(name, False, str(trouble))
    except Exception as error:
        said = textwrap.shorten(str(error), 200) or "no further word"
        cure = _advice(error, INSTALL)
        return Item(name, False, f"could not be looked at ({type(error).__name__}: {said}); {cure}")


INSTALL = "do what the lines above say, if any, then install the course again: pip install -e ."
BOTH = (
    "uninstall both (pip uninstall torch torchvision), install both in one command with the line "
    f"that {GUIDE} gives, then restart the kernel"
)
ROOM = "make room on the disk, or set TMPDIR to a folder that can be written, then try again"
# What an error says of a torchvision that was compiled for another torch.
NO_MATCH = r"torchvision::nms|custom C\+\+ ops|undefined symbol|DLL load failed|torchvision'"


def _advice(error: BaseException, otherwise: str) -> str:
    """What to do about an error: make room, if it is of a disk that is full or read-only."""
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EROFS)
    return ROOM if full or "usable temporary directory" in str(error) else otherwise


def check_python(version: Sequence[int] = sys.version_info) -> str:
    """Python is new enough."""
    have = ".".join(map(str, version[:3]))
    if tuple(version[:2]) < PYTHON:
        needs = f"this is {have}, and the course needs {PYTHON[0]}.{PYTHON[1]} or newer"
        raise Trouble(f"{needs}: make the environment again with one from python.org or conda")
    return f"{have} on {platform.system()} ({platform.machine()})"


def check_pytorch() -> str:
    """PyTorch is here, works on its device, and torchvision was compiled for it."""
    versions = f"torch {_version('torch')} and torchvision {_version('torchvision')}"
    torch = _import("torch", BOTH)
    try:
        ops = importlib.import_module("torchvision").ops
        ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5)
    except Exception as error:
        if re.search(NO_MATCH, str(error)):
            raise Trouble(f"{versions} do not fit each other ({_brief(error)}): {BOTH}") from error
        cure = _advice(error, "what that means is not known here; ask with this line")
        raise Trouble(f"{versions} cannot be used ({_brief(error)}): {cure}") from error
    return f"{versions} fit each other; dreams run on {_device(torch)}"


def _device(torch: ModuleType) -> str:
    """The device that `load_clip` takes, tried with one multiplication."""
    kind, words = "mps", "the GPU of this Mac (mps)"
    if torch.cuda.is_available():
        kind, words = "cuda", f"the GPU ({torch.cuda.get_device_name()})"
    elif not torch.backends.mps.is_available():
        return "the CPU, and the course needs no more"
    try:
        float((torch.ones(8, 8, device=kind) @ torch.ones(8, 8, device=kind)).sum())
    except Exception as error:
        cure = 'use the CPU, load_clip(device="cpu"), or bring the driver up to date'
        raise Trouble(f'"{kind}" is there but does not work ({_brief(error)}): {cure}') from error
    return words


def check_open_clip() -> str:
    """open_clip is new enough to load a model from a folder."""
    have, newer = _version("open_clip_torch"), '"open_clip_torch>=3.0"'
    open_clip = _import("open_clip", f"if PyTorch is [OK] above, pip install {newer}")
    if not hasattr(open_clip.factory, "parse_model_name"):
        raise Trouble(f"{have} is too old: pip install -U {newer}")
    return have


def check_live_panel() -> str:
    """Which of the two ways to run a panel this kernel allows."""
    kernel, widgets = _version("ipykernel"), _version("ipywidgets")
    if MISSING in (kernel, widgets):
        cure = 'everything but the panels works. In the course\'s folder: pip install -e ".[lab]"'
        raise Trouble(f"ipykernel is {kernel}, ipywidgets is {widgets}; {cure}")
    if _numbers(widgets) < WIDGETS:
        cure = "pip install -U ipywidgets, then restart Jupyter"
        raise Trouble(f"ipywidgets {widgets} is too old for the panel: {cure}")
    have = f"ipykernel {kernel}, ipywidgets {widgets}: controls act at once"
    if _numbers(kernel) >= LIVE:
        return f"{have}, with Start and with `await panel.run()`"
    wish = ' (pip install -U "ipykernel>=7.4" would change that)'
    wish *= "google.colab" not in sys.modules
    alone = "while `await panel.run()` runs, only the kernel's stop button is heard"
    return f"{have} with the Start button; {alone}{wish}"


def check_memory() -> str:
    """There is room for a chapter."""
    free, needed = free_memory(), f"a chapter takes up to {MEMORY} GB"
    if free is None:
        return f"could not be read on this system; {needed}"
    if free < MEMORY:
        cure = "close other programs and notebooks (Kernel → Shut Down All Kernels)"
        raise Trouble(f"{free:.1f} GB are free, and {needed}: {cure}")
    return f"{free:.1f} GB are free; {needed}"


def free_memory(cgroup: Path = CGROUP) -> float | None:
    """GB that a program can still have, a container's limit included; None if nobody says."""
    found = []
    with contextlib.suppress(Exception):  # psutil is missing, or does not know this system
        found.append(importlib.import_module("psutil").virtual_memory().available)
    for limit, usage in memory_limits(cgroup):  # without one it may be a very large number
        with contextlib.suppress(OSError, ValueError):
            found.append(limit - int(usage.read_text()))
    return min(found) / 1e9 if found and min(found) < 2**60 else None


def check_processors() -> str:
    """PyTorch computes on as many threads as there are cores for it, not on more."""
    cores, threads = usable_cores(), importlib.import_module("torch").get_num_threads()
    of = f"{threads} thread{'s' * (threads > 1)} on {cores} core{'s' * (cores > 1)}"
    if threads > cores:
        cure = f"import torch; torch.set_num_threads({cores}) in a chapter's first cell"
        raise Trouble(f"PyTorch computes on {of}, which wait for each other: {cure}")
    return f"PyTorch computes on {of}"


def check_models() -> str:
    """The embedded CLIPs load, and find the right sentence for each of four drawings."""
    from dreamlab.clip import load_clip
    from dreamlab.judge import Judge
    from dreamlab.picturebook.draw import draw
    from dreamlab.picturebook.world import caption, compose
    from dreamlab.support.loading import EMBEDDED

    pages = "night star yellow", "meadow tree green", "sea boat white", "sky heart red"
    words = [page.split() for page in pages]
    scenes = [compose(where, [(*what, "plain", 1)], seed=5) for where, *what in words]
    drawings, captions = [draw(scene, size=64) for scene in scenes], list(map(caption, scenes))
    for name in EMBEDDED:
        found = Judge(load_clip(name, device="cpu")).similarity(drawings, captions).argmax(1)
        if found.tolist() != [0, 1, 2, 3]:
            cure = "get it again (git checkout dreamlab/picturebook/models, or clone the course)"
            raise Trouble(f"{name} does not know its own pictures, so its file is damaged: {cure}")
    return f"{', '.join(EMBEDDED)} load, and each names four drawings of four rightly"


def check_saving(folder: str | Path = ".") -> str:
    """A picture can be written, with words in it, and read back."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    from dreamlab.support.files import user_path

    try:
        wanted = user_path(folder).absolute()
        # Save makes the folders that are missing.
        here = next((place for place in (wanted, *wanted.parents) if place.is_dir()), None)
    except (OSError, ValueError) as error:  # such as a name that is too long
        raise Trouble(f"{_brief(error)}: give another folder") from error
    if here is None:
        raise Trouble(f"there is no {wanted.anchor} on this computer: give another folder")
    try:
        with tempfile.TemporaryDirectory(prefix=".dreamlab-", dir=here) as inside:
            path, words = Path(inside) / "test.png", PngInfo()
            words.add_itxt("dreamlab", "λ")
            Image.new("RGB", (8, 8), "red").save(path, pnginfo=words)
            with Image.open(path) as image:
                image.load()
                assert image.getpixel((7, 7)) == (255, 0, 0) and image.text["dreamlab"] == "λ"
        free = shutil.disk_usage(here).free / 1e9
    except OSError as error:
        own = "copy the notebooks into a folder of your own, or give it to Panel(dream, folder=…)"
        cure = "make room on this disk" if error.errno == errno.ENOSPC else own
        raise Trouble(f"nothing can be written here ({_brief(error)}): {cure}") from error
    if free < 0.1:
        raise Trouble(f"only {1000 * free:.0f} MB are left on this disk: make room")
    return "a picture with its recipe was written, read back and removed"


def check_speed() -> str:
    """How long ten steps of a dream take, hence a whole one."""
    from dreamlab.clip import load_clip
    from dreamlab.dream import Dream
    from dreamlab.recipe import Recipe

    whole, views = Recipe().steps, Recipe().views
    dream = Dream(load_clip(), "a red heart in the sky", recipe=Recipe(steps=STEPS + 2))
    for _ in range(2):  # caches fill
        next(dream)
    begin = time.perf_counter()
    dream.run()
    dream.pixels.sum().item()  # a GPU may still be at it
    each = (time.perf_counter() - begin) / STEPS
    took, takes = seconds(STEPS * each), seconds(whole * each)
    text = f"{STEPS} steps took {took}, so a whole dream of {whole} steps takes about {takes}"
    if whole * each > SLOW:
        short = f"Recipe(steps={whole // 3}, views={views // 2}) takes a sixth of the time"
        raise Trouble(f"{text}: stop what else is running, other notebooks first; or {short}")
    return text


def seconds(duration: float) -> str:
    """A time in words, to one or two figures."""
    if duration >= 100:
        return f"{duration / 60:.0f} min"
    return f"{duration:.0f} s" if duration >= 1 else f"{max(duration, 0.01):.1g} s"


def _import(package: str, cure: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except Exception as error:
        cure = _advice(error, cure)
        raise Trouble(f"{package} cannot be imported ({_brief(error)}): {cure}") from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return MISSING


def _numbers(version: str) -> tuple[int, ...]:
    """(7, 4) of "7.4.0rc1"."""
    return tuple(map(int, re.findall(r"\d+", version)[:2]))


def _brief(error: BaseException) -> str:
    """The line of an error that says what happened: the last, as in a long traceback."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[-1], 160)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: prints the report; 0 if there is nothing to do."""
    print_plainly()
    folder = (sys.argv[1:] if arguments is None else list(arguments))[:1] or ["."]
    report = check_machine(folder[0])
    print(report)
    return 0 if report else 1


if __name__ == "__main__":
    sys.exit(main())
