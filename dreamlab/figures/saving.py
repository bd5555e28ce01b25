"""Pictures that remember how they were made, and films of how they came to be.

A PNG file carries its prompt, recipe, seed and the versions of what made it, as text beside the
pixels: `load_dream` makes the same dream from it, `replay` also turns the knobs that were turned
while it ran.
"""

import base64
import dataclasses
import io
import json
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dreamlab.figures.static import joined, to_array
from dreamlab.version import __version__

if TYPE_CHECKING:
    from dreamlab.clip import Clip
    from dreamlab.dream import Dream
    from dreamlab.recipe import Recipe

KEY = "dreamlab"  # the name of our text in the file
FORMAT = 1


def settings(
    dream: "Dream", *, recipe: "Recipe | None" = None, changes: Iterable[Any] = ()
) -> dict[str, Any]:
    """Everything that made this dream, as plain values for JSON.

    Args:
        dream: whose settings.
        recipe: the recipe it began with, where knobs were turned later; default: the present one.
        changes: (step, knob, value) triples: the knob was turned after that many steps.
    """
    return {
        "format": FORMAT,
        "prompts": [_plain(prompt) for prompt in dream.prompts],
        "negative_prompts": [_plain(prompt) for prompt in dream.negative_prompts],
        "seeds": list(dream.seeds),
        "batched": dream.batched,
        "start": _encode_start(start_of(dream)),
        "recipe": dataclasses.asdict(recipe or dream.recipe),
        "changes": [list(change) for change in changes],
        "steps_done": len(dream.history),
        "clip": dream.clip.name,
        "versions": {
            "dreamlab": __version__,
            "torch": _version("torch"),
            "open_clip_torch": _version("open_clip_torch"),
            "python": platform.python_version(),
        },
    }


def save_png(
    dream: "Dream",
    path: str | Path,
    *,
    recipe: "Recipe | None" = None,
    changes: Iterable[Any] = (),
    index: int = 0,
) -> Path:
    """Write the present picture with its settings as PNG; returns the path.

    Args:
        dream: finished or not.
        path: the file to write; its folder is made where it is missing.
        recipe, changes: as for `settings`.
        index: which picture of a batch.

    Raises:
        ValueError: the name does not end in ``.png``.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"the settings travel in a PNG file: {path.name!r} should end in .png")
    made = settings(dream, recipe=recipe, changes=changes) | {"index": index}
    text = PngInfo()
    text.add_itxt("Title", joined(dream.prompts[index]))
    text.add_itxt("Software", f"dreamlab {made['versions']['dreamlab']}")
    text.add_itxt(KEY, json.dumps(made, ensure_ascii=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    dream.images[index].save(path, pnginfo=text)
    return path


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings in a file that `save_png` wrote.

    Raises:
        ValueError: the file carries none, or is of a format that this version does not know.
    """
    with Image.open(path) as image:
        image.load()  # text may stand behind the pixels
        text = getattr(image, "text", {}).get(KEY)
    if text is None:
        raise ValueError(
            f"{Path(path).name} carries no dreamlab settings: was it saved by something else, or "
            "sent through a service that strips them?"
        )
    made = json.loads(text)
    if made.get("format") != FORMAT:
        raise ValueError(
            f"{Path(path).name} is of format {made.get('format')}, this version reads {FORMAT}: "
            f"it was written by dreamlab {made.get('versions', {}).get('dreamlab', '?')}"
        )
    return made


def load_dream(path: str | Path, clip: "Clip | None" = None) -> "Dream":
    """The dream that made this picture, before its first step.

    Args:
        path: a file that `save_png` wrote.
        clip: the model to use; default: loaded by the name in the file.

    Raises:
        ValueError: as `read_settings`; or a recipe with knobs that this version does not have.
    """
    from dreamlab.clip import load_clip
    from dreamlab.dream import Dream

    made = read_settings(path)
    if clip is None:
        name, pretrained = made["clip"], None
        if not name.startswith(("local-dir:", "hf-hub:")) and ":" in name:
            name, pretrained = name.split(":", 1)
        clip = load_clip(name, pretrained)
    lists = [made[key] for key in ("prompts", "negative_prompts", "seeds")]
    prompt, negative_prompt, seed = lists if made["batched"] else [first for first, *_ in lists]
    return Dream(
        clip,
        prompt,
        negative_prompt=negative_prompt,
        start=_decode_start(made["start"]),
        recipe=recipe_from(made["recipe"]),
        seed=seed,
    )


def replay(path: str | Path, clip: "Clip | None" = None) -> "Dream":
    """Dream it again, as many steps as the file's picture had, with every knob turned as then.

    On the same machine, versions and model this is the same picture, pixel for pixel.
    """
    made = read_settings(path)
    dream = load_dream(path, clip)
    while len(dream.history) < made["steps_done"]:
        for step, knob, value in made["changes"]:
            if step == len(dream.history):
                setattr(dream.recipe, knob, _tuples(value))
        next(dream)
    return dream


def free_path(folder: str | Path, suffix: str, stem: str = "dream") -> Path:
    """The first of ``dream-001.png``, ``dream-002.png``, … that is not taken yet.

    A prompt makes a poor file name: it may hold slashes, be too long or be the same twice.
    """
    folder = Path(folder)
    number = 1
    while (path := folder / f"{stem}-{number:03d}{suffix}").exists():
        number += 1
    return path


class Film:
    """Frames of a run, for an animation; it holds at most ``limit`` of them, however long it runs.

    ::

        film = Film()
        for step in dream:
            film.add(step.step, dream.image)
        film.save("dream.gif")

    Args:
        every: keep the frames of steps that this number divides; doubled when the film is full.
        limit: most frames kept.
    """

    def __init__(self, every: int = 1, limit: int = 120) -> None:
        self.every, self.limit = max(1, every), max(2, limit)
        self.frames: dict[int, Image.Image] = {}

    def wants(self, step: int) -> bool:
        """Whether the frame of this step would be kept."""
        return step % self.every == 0

    def add(self, step: int, image: Image.Image) -> None:
        """Keep this picture if the film wants it; a second one of the same step replaces it."""
        if not self.wants(step):
            return
        self.frames[step] = image
        while len(self.frames) > self.limit:
            self.every *= 2
            self.frames = {s: frame for s, frame in self.frames.items() if self.wants(s)}

    def save(
        self,
        path: str | Path,
        *,
        seconds: float = 5.0,
        side: int | None = None,
        last: Image.Image | None = None,
    ) -> Path:
        """Write an animation that repeats; GIF shows 256 colours, WebP all of them.

        Args:
            path: ends in ``.gif`` or ``.webp``.
            seconds: how long one round takes, not counting the last frame, which is held.
            side: longer side in pixels; default: that of the largest frame.
            last: a picture to end with, such as one of a step that the film did not want.

        Raises:
            ValueError: no frames yet, or another kind of file.
        """
        path = Path(path)
        if path.suffix.lower() not in {".gif", ".webp"}:
            raise ValueError(f"an animation is a .gif or a .webp file, not {path.name!r}")
        frames = [self.frames[step] for step in sorted(self.frames)] + [last] * (last is not None)
        if not frames:
            raise ValueError("the film is empty: run the dream first")
        width, height = max((frame.size for frame in frames), key=lambda size: size[0] * size[1])
        scale = side / max(width, height) if side else 1
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        frames = [frame.convert("RGB").resize(size, Image.Resampling.BICUBIC) for frame in frames]
        each = max(20, round(1000 * seconds / len(frames)))  # ms; browsers slow down below 20
        path.parent.mkdir(parents=True, exist_ok=True)
        frames[0].save(
            path,
            save_all=True,
            append_images=frames[1:],
            duration=[each] * (len(frames) - 1) + [1500],
            loop=0,
            **({"quality": 85, "method": 3} if path.suffix.lower() == ".webp" else {}),
        )
        return path


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def recipe_from(knobs: dict[str, Any]) -> "Recipe":
    """The recipe among a file's settings; ValueError if it has knobs that this version has not."""
    from dreamlab.recipe import Recipe

    known = {field.name for field in dataclasses.fields(Recipe)}
    if unknown := sorted(set(knobs) - known):
        raise ValueError(
            f"the picture's recipe has knobs that this version of dreamlab does not: {unknown}"
        )
    return Recipe(**{name: _tuples(value) for name, value in knobs.items()})


def _tuples(value: Any) -> Any:
    """JSON knows no tuples; a recipe has nothing but tuples."""
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def start_of(dream: "Dream") -> Any:
    """What a dream started from: "grey", "noise" or its picture, (b, 3, h, w) in [0, 1]."""
    from dreamlab.start import starting_picture

    base = dream.start
    if bool((base == 0.5).all()):
        return "grey"
    size = tuple(base.shape[-2:])
    # Noise is told by making it again: the seed determines it.
    noise = starting_picture("noise", size, size, dream._generators(0))
    return "noise" if bool((noise.to(base.device) == base).all()) else base


def _encode_start(start: Any) -> str | list[str]:
    """A name, or each picture as a PNG in base64: 8 bits a channel, like the files it came from."""
    if isinstance(start, str):
        return start
    pictures = []
    for image in start if any((image != start[0]).any() for image in start) else start[:1]:
        buffer = io.BytesIO()
        Image.fromarray((to_array(image) * 255).round().astype(np.uint8)).save(buffer, "png")
        pictures.append(base64.b64encode(buffer.getvalue()).decode())
    return pictures


def _decode_start(start: str | list[str]) -> Any:
    if isinstance(start, str):
        return start
    arrays = [to_array(Image.open(io.BytesIO(base64.b64decode(text)))) for text in start]
    return torch.from_numpy(np.stack(arrays)).movedim(-1, 1)


def _plain(prompt: Any) -> Any:
    return prompt if isinstance(prompt, str) else dict(prompt)
