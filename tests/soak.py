"""Use the package for a long time, and look whether anything grows.

    python tests/soak.py                 200 dreams, 20,000 frames of a panel, 2,000 presses
    python tests/soak.py --share 0.02    a fiftieth of it

Dreams are made, run, saved and made again, of sentences and pictures that change on the way, and
filmed; a panel draws all the time; buttons are pressed and sliders moved at random, in panels that
replace each other, while the CLIP fails now and then. Nine times on the way it is counted what
there is. Once all caches are full, none of it may grow.
"""

import argparse
import asyncio
import gc
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ipywidgets
import psutil  # which ipykernel brings
import torch
from conftest import TINY_VIT, create_clip_folder
from PIL import Image

from dreamlab.clip import Clip, load_clip
from dreamlab.dream import Dream
from dreamlab.figures import static
from dreamlab.figures.saving import load_dream, save_png
from dreamlab.figures.video import save_video
from dreamlab.judge import Judge
from dreamlab.lab.controls import CONTROLS
from dreamlab.lab.panel import Panel, compare
from dreamlab.prompts import ImagePrompt
from dreamlab.recipe import Recipe

DREAMS, FRAMES, PRESSES = 200, 20_000, 2_000
LOOKS = 9  # how often it is counted
PANEL = 50  # presses that a panel gets
SMALL = Recipe(size=32, views=2, steps=6, octaves=(0.5, 1.0))


@dataclass(frozen=True)
class Held:
    """What there is at one moment."""

    memory: int  # MB of this process
    objects: int  # that Python's collector knows
    pixels: int  # bytes in tensors
    widgets: int
    tasks: int  # also of panels, stepping or paused
    threads: int
    files: int  # open
    unfinished: int  # files that were being written

    @classmethod
    def now(cls, folder: Path) -> "Held":
        gc.collect()
        objects, process = gc.get_objects(), psutil.Process()
        tensors = [thing for thing in objects if issubclass(type(thing), torch.Tensor)]
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
        # In version 7 of ipywidgets on the class, in 8 in its module.
        widgets = getattr(ipywidgets.widgets.widget, "_instances", None)
        return cls(
            memory=process.memory_info().rss >> 20,
            objects=len(objects),
            pixels=sum(storages.values()),
            widgets=len(ipywidgets.Widget.widgets if widgets is None else widgets),
            tasks=len(asyncio.all_tasks()) - 1,
            threads=process.num_threads(),
            files=process.num_handles() if os.name == "nt" else process.num_fds(),
            unfinished=len(list(folder.glob(".dreamlab-*"))),
        )


def grown(looks: list[Held], times: int) -> list[str]:
    """What was more in each of the last three looks than in all of those after the first.

    Whether a run is going on and how large its picture is just then differs from look to look.
    """
    # Python keeps a little of what it was told, and the system gives memory in pieces.
    allowed = {"memory": 12, "objects": 150 + times // 20}
    growth = []
    for name in asdict(looks[0]):
        before = max(getattr(look, name) for look in looks[1:4])
        after = min(getattr(look, name) for look in looks[-3:])
        if after > before + allowed.get(name, 0):
            growth.append(f"{name} {before:,} → {after:,}")
    return growth


# --- what is done -----------------------------------------------------------------------------


class Fragile:
    """A CLIP that fails when it is told to."""

    def __init__(self, clip: Clip) -> None:
        self.clip, self.fails, self.failed = clip, False, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clip, name)

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        if self.fails:
            self.fails, self.failed = False, self.failed + 1
            raise RuntimeError("told to fail")
        return self.clip.encode_image(images)


async def dreams(clip: Fragile, folder: Path, times: int) -> AsyncIterator[int]:
    """Each dream is run, saved, and made again from its file; some are drawn."""
    chance = random.Random(0)
    photo = Image.linear_gradient("L").resize((60, 45)).convert("RGB")
    for number in range(times):
        start = chance.choice(["grey", "noise", photo])
        blend = [(0, "one"), (4, ImagePrompt(photo))]
        prompt = chance.choice([f"dream {number}", ["one", "two"], {"one": 1, "two": 0.5}, blend])
        dream = Dream(clip, prompt, start=start, recipe=SMALL, seed=number)
        for step in dream:
            dream.recipe.tv_weight = chance.random()
            if step.step == 2:
                dream.prompts = f"dream {number}, changed"
            clip.fails = step.step == 3 and number % 10 == 0
            if clip.fails:
                try:
                    next(dream)
                except RuntimeError:
                    continue
        path = save_png(dream, folder / "dream.png")
        again = load_dream(path, clip)
        again.load_state(dream.save_state(folder / "dream.pt"))
        if number % 10 == 0:
            static.dream_figures([{"dream": again}]).to_png()
            save_video(dream.images, folder / "dream.mp4")
        yield number


async def frames(clip: Fragile, folder: Path, times: int) -> AsyncIterator[int]:
    """A panel that draws five times after every step; a run is as long as from look to look."""
    steps = max(1, times // (5 * LOOKS))
    recipe = Recipe(size=16, views=1, steps=steps, octaves=(1.0,))
    panel = Panel(Dream(clip, "a heart", recipe=recipe), judge=False, folder=folder)
    panel._drawing.due = lambda: True
    drawn = 0
    draw = panel._draw

    def count() -> None:
        nonlocal drawn
        for _ in range(5):
            drawn += 1
            draw()

    panel._draw = count
    while drawn < times:
        before = drawn
        await panel.run()
        for number in range(before, min(drawn, times)):
            yield number


async def presses(clip: Fragile, folder: Path, times: int) -> AsyncIterator[int]:
    """Buttons and controls at random, in one panel after the other."""
    chance, judge = random.Random(0), Judge(clip.clip)
    recipe = Recipe(size=16, views=1, steps=20, octaves=(0.5, 1.0))
    panel = None
    for number in range(times):
        if number % PANEL == 0:
            if panel is not None and number % (2 * PANEL):
                panel.close()  # else it ends by itself
            dream = Dream(clip, "a heart", recipe=recipe)
            panel = (
                compare(dream, tv_weight=(0.0, 1.0), judge=False)
                if number % (3 * PANEL) == 0
                else Panel(
                    dream, judge=judge if number % (4 * PANEL) == 0 else False, folder=folder
                )
            )
            panel.folder = folder
        clip.fails = chance.random() < 0.02
        if chance.random() < 0.3:
            name = chance.choice([name for name in CONTROLS if name in panel.controls.inputs])
            turn(panel.controls.inputs[name], chance)
        else:
            panel.buttons[chance.choice(list(panel.buttons))].click()
        await asyncio.sleep(chance.choice([0, 0.001, 0.005]))
        yield number
    panel.close()


def turn(widget: Any, chance: random.Random) -> None:
    """Move a control to any of its values."""
    options = getattr(widget, "options", None)
    if options:
        chosen = chance.choice(list(options))
        widget.value = chosen[1] if isinstance(chosen, tuple) else chosen
    elif isinstance(widget.value, bool):
        widget.value = not widget.value
    elif isinstance(widget.value, str):
        widget.value = chance.choice(["a heart", "a boat", "", "$x^$", "half \ud83d"])
    else:
        widget.value = chance.randrange(100)


PARTS = {"dreams": (dreams, DREAMS), "frames": (frames, FRAMES), "presses": (presses, PRESSES)}


# --- and looked at ----------------------------------------------------------------------------


async def look_on(
    work: Callable[..., AsyncIterator[int]],
    clip: Fragile,
    folder: Path,
    times: int,
    say: Callable[[str], None] = print,
) -> list[Held]:
    """Do the work so many times, and count at equal distances what there is."""
    looks = []
    due = [round(times * (look + 1) / LOOKS) - 1 for look in range(LOOKS)]
    async for number in work(clip, folder, times):
        for _ in range(due.count(number)):
            looks.append(Held.now(folder))
            say(f"{number + 1:>7,} {'  '.join(f'{v:>10,}' for v in asdict(looks[-1]).values())}")
    return looks


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all of them")
    parser.add_argument("--share", type=float, default=1.0, help="of the whole soak (1)")
    options = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory() as scratch:
        folder = create_clip_folder(Path(scratch) / "clip", TINY_VIT)
        for name in options.parts or PARTS:
            work, times = PARTS[name]
            times = max(LOOKS, round(times * options.share))
            clip = Fragile(load_clip(f"local-dir:{folder}", device="cpu"))
            saved = Path(scratch) / name
            saved.mkdir()
            print(f"{name:>7} {'  '.join(f'{field:>10}' for field in Held.__annotations__)}")
            looks = asyncio.run(look_on(work, clip, saved, times))
            growth = grown(looks, times)
            failed = failed or bool(growth)
            verdict = f"GREW: {', '.join(growth)}" if growth else "flat"
            print(f"{name}: {verdict} ({clip.failed} faults)\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
