"""Use the package for a long time, and look whether anything grows.

    python tests/soak.py                 200 dreams, 20,000 frames of a panel, 2,000 presses
    python tests/soak.py --share 0.02    a fiftieth of it

Dreams are run, saved, made again and filmed, of sentences and pictures that change on the way; a
panel draws all the time; buttons are pressed and sliders moved at random, in panels that replace
each other, while the CLIP fails now and then. Nine times on the way it is counted what there is.
Once all caches are full, none of it may grow.
"""

import argparse
import asyncio
import gc
import os
import random
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

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
from dreamlab.lab.kernel import Throttle
from dreamlab.lab.panel import Panel, compare
from dreamlab.prompts import ImagePrompt
from dreamlab.recipe import Recipe

LOOKS = 9  # how often it is counted
PANEL = 50  # presses that a panel gets
SMALL = Recipe(size=32, views=2, steps=6, octaves=(0.5, 1.0))
TINY = Recipe(size=16, views=1, steps=20, octaves=(0.5, 1.0))


def held(folder: Path) -> dict[str, int]:
    """What there is at this moment; memory in MB, tensors in bytes, and files half written."""
    gc.collect()
    objects, process = gc.get_objects(), psutil.Process()
    tensors = [thing for thing in objects if issubclass(type(thing), torch.Tensor)]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    # In version 7 of ipywidgets on the class, in 8 in its module.
    widgets = getattr(ipywidgets.widgets.widget, "_instances", None)
    return {
        "memory": process.memory_info().rss >> 20,
        "objects": len(objects),
        "pixels": sum(storages.values()),
        "widgets": len(ipywidgets.Widget.widgets if widgets is None else widgets),
        "tasks": len(asyncio.all_tasks()) - 1,
        "threads": process.num_threads(),
        "files": process.num_handles() if os.name == "nt" else process.num_fds(),
        "unfinished": len(list(folder.glob(".dreamlab-*"))),
    }


def grown(looks: list[dict[str, int]], times: int) -> list[str]:
    """What was more in each of the last three looks than in all of those after the first."""
    # Python keeps a little of what it was told, and the system gives memory in pieces.
    allowed = {"memory": 12, "objects": 150 + times // 20}
    growth = []
    for name in looks[0]:
        before = max(look[name] for look in looks[1:4])
        after = min(look[name] for look in looks[-3:])
        if after > before + allowed.get(name, 0):
            growth.append(f"{name} {before:,} → {after:,}")
    return growth


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
    """Each dream is run, saved, and made again from its files; some are drawn and filmed."""
    chance = random.Random(0)
    photo = Image.linear_gradient("L").resize((60, 45)).convert("RGB")
    for number in range(times):
        start = chance.choice(["grey", "noise", photo])
        blend = [(0, "one"), (4, ImagePrompt(photo))]
        prompt = chance.choice([f"dream {number}", ["one", "two"], {"one": 1, "two": 0.5}, blend])
        dream = Dream(clip, prompt, start=start, recipe=SMALL, seed=number)
        for step in range(2 * SMALL.steps):
            dream.recipe.tv_weight = chance.random()
            if step == 2:
                dream.prompts = f"dream {number}, changed"
            clip.fails = number % 10 == 0 and chance.random() < 0.2
            with suppress(RuntimeError, StopIteration):
                next(dream)
        again = load_dream(save_png(dream, folder / "dream.png"), clip)
        again.load_state(dream.save_state(folder / "dream.pt"))
        if number % 10 == 0:
            static.dream_figures([{"dream": again}]).to_png()
            save_video(dream.images, folder / "dream.mp4")
        yield number


async def frames(clip: Fragile, folder: Path, times: int) -> AsyncIterator[int]:
    """A panel that draws five times after every step; a run is as long as from look to look."""
    recipe = Recipe(size=16, views=1, steps=max(1, times // (5 * LOOKS)), octaves=(1.0,))
    panel = Panel(Dream(clip, "a heart", recipe=recipe), judge=False, folder=folder)
    drawn, draw = [], panel._draw
    panel._draw = lambda **curve: [drawn.append(draw(**curve)) for _ in range(5)]
    with patch.object(Throttle, "due", return_value=True):
        for number in range(times):
            while number >= len(drawn):
                await panel.run()
            yield number


async def presses(clip: Fragile, folder: Path, times: int) -> AsyncIterator[int]:
    """Buttons and controls at random, in one panel or comparison after the other."""
    chance, judge = random.Random(0), Judge(clip.clip)
    panel = None
    for number in range(times):
        if number % PANEL == 0:
            if panel is not None and number % (2 * PANEL):
                panel.close()  # else it ends by itself
            dream = Dream(clip, "a heart", recipe=TINY)
            single = number % (3 * PANEL)
            panel = Panel(dream, judge=judge) if single else compare(dream, tv_weight=(0.0, 1.0))
            panel.folder = folder
        clip.fails = chance.random() < 0.02
        if chance.random() < 0.3:
            turn(panel.controls.inputs[chance.choice(list(panel.controls.inputs))], chance)
        else:
            panel.buttons[chance.choice(list(panel.buttons))].click()
        await asyncio.sleep(chance.choice([0, 0.001, 0.005]))
        yield number
    panel.close()


def turn(widget: Any, chance: random.Random) -> None:
    """Move a control to any of its values."""
    if options := getattr(widget, "options", None):
        chosen = chance.choice(list(options))
        widget.value = chosen[1] if isinstance(chosen, tuple) else chosen
    elif isinstance(widget.value, bool):
        widget.value = not widget.value
    elif isinstance(widget.value, str):
        widget.value = chance.choice(["a heart", "a boat", "", "$x^$", "half \ud83d"])
    else:
        widget.value = chance.randrange(100)


PARTS = {"dreams": (dreams, 200), "frames": (frames, 20_000), "presses": (presses, 2_000)}


async def soak(name: str, share: float, model: Path, scratch: Path) -> list[str]:
    """Do the work of one part, and return what grew."""
    work, times = PARTS[name]
    times = max(LOOKS, round(times * share))
    clip = Fragile(load_clip(f"local-dir:{model}", device="cpu"))
    folder, looks = scratch / name, []
    folder.mkdir()
    due = [round(times * (look + 1) / LOOKS) - 1 for look in range(LOOKS)]
    async for number in work(clip, folder, times):
        for _ in range(due.count(number)):
            looks.append(held(folder))
            print(f"{name} {number + 1:>7,}", *(f"{k} {v:,}" for k, v in looks[-1].items()))
    growth = grown(looks, times)
    print(f"{name}: {f'GREW: {growth}' if growth else 'flat'} ({clip.failed} faults)\n")
    return growth


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all of them")
    parser.add_argument("--share", type=float, default=1.0, help="of the whole soak (1)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        model = create_clip_folder(scratch / "clip", TINY_VIT)
        parts = options.parts or PARTS
        growth = [asyncio.run(soak(part, options.share, model, scratch)) for part in parts]
    return any(growth)


if __name__ == "__main__":
    sys.exit(main())
