"""Pictures that carry how they were made (see `settings`), and films of how they came to be."""

import io
import json
import math
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dreamlab.clip import Clip, load_clip
from dreamlab.dream import Dream, to_pil
from dreamlab.figures.settings import TOO_LARGE, Settings, parsed, settings
from dreamlab.figures.static import joined, to_array
from dreamlab.prompts import CHANGEABLE
from dreamlab.support.files import user_path, write_atomically
from dreamlab.support.loading import EMBEDDED
from dreamlab.support.picture import Picture, opened
from dreamlab.support.version import __version__
from dreamlab.support.words import require_within

KEY = "dreamlab"  # the name of our text in the file
LONGEST_SIDE = 16_383  # pixels, WebP's own limit
MOST_PIXELS = 2**29  # of all frames of a film together, 1.6 GB: 120 of 2048 × 2048
MOST_FRAMES, LONGEST = 120, 600  # seconds


def save_png(dream: Dream, path: str | Path, index: int | None = None) -> Path:
    """Write the present picture with its settings as PNG (`write_atomically`); returns the path.

    `index` is which picture of a batch; by default all, the later ones as ``path-2.png``, …

    Raises:
        ValueError: the name does not end in ``.png``.
    """
    path = user_path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f"the settings travel in a PNG file: {path.name!r} should end in .png")
    if index is None:
        for index in range(1, len(dream.seeds)):
            save_png(dream, path.with_stem(f"{path.stem}-{index + 1}"), index)
        index = 0
    return write_atomically(path, encode_png(dream, index))


def encode_png(dream: Dream, index: int, notes: Mapping[str, str] | None = None) -> bytes:
    """What `save_png` writes into the file of this picture, and further `notes` by name."""
    text = PngInfo()
    # No text in a file may hold control characters and halves of a character.
    title = joined([dream.prompts[index]])
    text.add_itxt("Title", "".join(c if c.isprintable() else " " for c in title))
    text.add_itxt("Software", f"dreamlab {__version__}")
    text.add_itxt(KEY, json.dumps(settings(dream, index)))
    for name, note in (notes or {}).items():
        text.add_itxt(name, note)
    buffer = io.BytesIO()
    dream.images[index].save(buffer, "png", pnginfo=text)
    return buffer.getvalue()


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings in a file that `save_png` wrote, as they stand there, once they are checked.

    Raises:
        FileNotFoundError, ValueError: there is no such file; it carries none that can be used.
    """
    return _read(path)[0]


def checked_settings(file: str | Path | io.BytesIO) -> Settings:
    """The same, ready to be used; of a file or of its content."""
    return _read(file)[1]


def _read(file: str | Path | io.BytesIO) -> tuple[dict[str, Any], Settings]:
    own = isinstance(file, io.BytesIO)  # and has no name
    name = "it" if own else repr(user_path(file).name)
    with opened(file, "it" if own else "") as image:
        text = image.info.get(KEY)
        if text is None and image.format == "PNG":  # it may stand behind the pixels
            image.load()
            text = image.text.get(KEY)
    if not isinstance(text, str):
        words = "was it saved by something else, or sent through a service that strips them?"
        raise ValueError(f"{name} carries no dreamlab settings: {words}")
    try:
        return parsed(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def load_dream(path: str | Path, clip: Clip | None = None) -> Dream:
    """The dream that made this picture (of `save_png`), before its first step.

    Without a `clip`, only an embedded one may be named. ValueError as `read_settings`, for another
    model, or for a start that was too large to be saved.
    """
    return _made(checked_settings(path), path, clip)


def replay(path: str | Path, clip: Clip | None = None) -> Dream:
    """Dream it again, as many steps as the file's picture had, with every knob turned as then.

    On the same machine, versions and model this is the same picture, pixel for pixel.
    """
    made = checked_settings(path)
    dream = _made(made, path, clip)
    changes = sorted(made.changes, key=operator.itemgetter(0))
    for step in range(made.steps_done):
        while changes and changes[0][0] <= step:
            _, knob, value = changes.pop(0)
            setattr(dream if knob in CHANGEABLE else dream.recipe, knob, value)
        if next(dream, None) is None:
            break
    return dream


def _made(made: Settings, path: str | Path, clip: Clip | None) -> Dream:
    name = user_path(path).name
    if isinstance(made.start, str) and made.start == TOO_LARGE:
        words = f"the start picture of {name!r} was too large to be saved with it"
        raise ValueError(f"{words}: make the dream from read_settings(path) and that picture")
    if clip is None:
        if foreign := [model for model, _ in made.clips if model not in EMBEDDED]:
            raise ValueError(
                f"{name!r} was made with the model {foreign[0][:200]!r}. A file may not decide "
                "what is loaded: load that model yourself, and give it as clip=load_clip(…)"
            )
        clip = {load_clip(model): weight for model, weight in made.clips}
    lists = made.prompts, made.negative_prompts, made.seeds
    prompt, negative, seed = lists if made.batched else [first for first, *_ in lists]
    options = {"negative_prompt": negative, "start": made.start, "recipe": made.recipe}
    dream = Dream(clip, prompt, seed=seed, **options)
    for step, knob, value in made.changes:
        if step == 0:
            setattr(dream.recipe, knob, value)
    return dream


class Film:
    """Frames of every `every`-th step, for an animation: `add` after each step, then `save`."""

    def __init__(self, every: int = 1) -> None:
        self.every = max(1, operator.index(every))
        self.frames: dict[int, Image.Image] = {}

    def wants(self, step: int) -> bool:
        """Whether the frame of this step would be kept."""
        return step % self.every == 0

    def add(self, step: int, image: Picture) -> None:
        """Keep this picture if the film wants it; TypeError, ValueError if it is none."""
        frame = as_image(image)
        if not self.wants(operator.index(step)):
            return
        self.frames[step] = frame.copy()  # whoever gave it may paint on
        while len(self.frames) > MOST_FRAMES:
            self.every *= 2
            self.frames = {s: frame for s, frame in self.frames.items() if self.wants(s)}

    def save(
        self,
        path: str | Path,
        *,
        seconds: float = 5.0,
        side: int | None = None,
        last: Picture | None = None,
    ) -> Path:
        """Write an animation (.gif with 256 colours, or .webp) that repeats, and end with `last`.

        A round takes so many `seconds`, without the last frame, which is held. `side` is the longer
        one in pixels; default: the largest frame's, within `MOST_PIXELS` in all.

        Raises:
            ValueError: no frames yet, another kind of file, too many pixels or seconds.
        """
        path = user_path(path)
        if path.suffix.lower() not in {".gif", ".webp"}:
            raise ValueError(f"an animation is a .gif or a .webp file, not {path.name!r}")
        frames = [self.frames[step] for step in sorted(self.frames)]
        if last is not None:
            frames.append(as_image(last))
        if not frames:
            raise ValueError("the film is empty: run the dream first")
        require_within("seconds", seconds, 0.01, LONGEST)
        largest = max((frame.size for frame in frames), key=math.prod)
        pixels = len(frames) * math.prod(largest)
        most = int(min(LONGEST_SIDE, max(largest) * math.sqrt(MOST_PIXELS / pixels)))
        side = min(max(largest), most) if side is None else side
        require_within(f"side, in pixels for {len(frames)} frames,", side, 1, most)
        size = tuple(max(1, round(length * side / max(largest))) for length in largest)
        first, *rest = (frame.resize(size, Image.Resampling.BICUBIC) for frame in frames)
        each = max(20, round(1000 * seconds / len(frames)))  # ms; browsers slow down below 20
        durations = [each] * len(rest) + [1500]
        options = {"save_all": True, "append_images": rest, "duration": durations, "loop": 0}
        buffer = io.BytesIO()  # quality and method are WebP's
        first.save(buffer, path.suffix[1:], **options, quality=85, method=3)
        return write_atomically(path, buffer.getvalue())


def as_image(image: Picture) -> Image.Image:
    """One picture of any kind as 8-bit RGB, cut off at black and white."""
    # What was opened from a file may not be read before it is looked at.
    if type(image) is Image.Image and image.mode == "RGB" and min(image.size) > 0:
        return image
    array = to_array(image)
    if not array.size:
        raise ValueError(f"a picture needs pixels, this one has the shape {array.shape}")
    return to_pil(torch.from_numpy(array).movedim(-1, 0))
