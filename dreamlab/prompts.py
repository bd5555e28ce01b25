"""What a dream is to become like: sentences, pictures, rows of a CLIP, mixtures, schedules."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from numbers import Real
from operator import index
from typing import Any, Protocol, Union

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dreamlab.start import cover
from dreamlab.support.picture import Picture, from_png_text, read_picture, to_png_text
from dreamlab.support.words import brief

CHANGEABLE = ("prompts", "negative_prompts")
LARGEST_TARGET = 512  # pixels; larger pictures are reduced to this


class Encoder(Protocol):
    """What a dream needs of a CLIP: any object with these three, `Clip` among them."""

    image_size: int  # pixels of the square pictures that it looks at

    def encode_image(self, images: Tensor) -> Tensor:
        """Unit rows (b, d) of images (b, 3, h, w), made for the range [0, 1], with a gradient."""

    def encode_text(self, prompts: str | Sequence[str]) -> Tensor:
        """Unit rows (p, d) of the sentences, on the device of the image rows."""


def encoder_name(clip: Encoder) -> str:
    """Its `name`, or that of its class; TypeError if it is none, such as a model of open_clip."""
    needed = ("encode_image", "encode_text", "image_size")
    if clip.__hash__ is None or not all(hasattr(clip, name) for name in needed):
        words = f"clip must be a Clip, as load_clip() returns it, got a {type(clip).__name__}"
        raise TypeError(f"{words}; a model becomes one by Clip(name, model, tokenizer, device)")
    return getattr(clip, "name", type(clip).__name__)


class ImagePrompt:
    """A picture, as `read_picture` takes it, as a prompt: its middle square, 512 px at most.

    Raises:
        FileNotFoundError, TypeError, ValueError: it is no readable picture, or several.
    """

    def __init__(self, picture: Picture) -> None:
        images = read_picture(picture, "the picture of a prompt", cover=(LARGEST_TARGET,) * 2)
        if len(images) != 1:
            raise ValueError(f"the picture of a prompt must be one, got a batch of {len(images)}")
        side = min(*images.shape[-2:], LARGEST_TARGET)
        (square,) = cover(images.cpu(), (side, side))
        self.pixels = (square * 255).round().to(torch.uint8)  # (3, n, n)

    @cached_property
    def digest(self) -> str:
        shape = str(tuple(self.pixels.shape)).encode()
        return hashlib.sha256(shape + self.pixels.numpy().tobytes()).hexdigest()[:12]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImagePrompt) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"picture {self.digest}"


class EmbeddingPrompt:
    """A row (d,) or (1, d) that the dream's own CLIP gave, brought to length 1; else ValueError."""

    def __init__(self, row: Tensor) -> None:
        row = torch.as_tensor(row).detach().cpu().float()
        row = row[0] if row.ndim == 2 and len(row) == 1 else row
        if row.ndim != 1 or not row.isfinite().all() or not row.norm() > 0:
            words = "an embedding as a prompt is one row (d,) of finite numbers, not all 0"
            raise ValueError(f"{words}, got the shape {tuple(row.shape)}")
        length = row.norm()
        self.row = row if abs(length - 1) < 1e-5 else row / length  # of unit length: the same bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmbeddingPrompt) and torch.equal(self.row, other.row)

    def __hash__(self) -> int:
        return hash(self.row.numpy().tobytes())

    def __repr__(self) -> str:
        return f"embedding {hashlib.sha256(self.row.numpy().tobytes()).hexdigest()[:12]}"


Target = Union[str, ImagePrompt, EmbeddingPrompt]  # noqa: UP007 (needed at run time)
Mixture = Target | dict[Target, float]
Prompt = Mixture | list[tuple[int, Mixture]]
"""As `checked_prompts` returns it. Users may also give a picture or a row itself for a target."""


def is_list(value: Any) -> bool:
    """Whether this is a list of prompts or seeds, and not a single one."""
    is_sequence = isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)
    return is_sequence and not is_schedule(value)


def is_schedule(value: Any) -> bool:
    """Whether this is a list of (step, prompt), and not a list of prompts."""

    def is_pair(pair: Any) -> bool:
        is_two = isinstance(pair, list | tuple) and len(pair) == 2
        return is_two and isinstance(pair[0], Real) and not isinstance(pair[0], bool)

    return isinstance(value, list | tuple) and len(value) > 0 and all(map(is_pair, value))


def checked_prompts(
    name: str, prompt: Any, count: int, *, may_be_empty: bool = False
) -> list[Prompt]:
    """A prompt for each of `count` pictures; what has weights is copied, these as floats.

    Raises:
        ValueError, TypeError, FileNotFoundError: one is unusable, or there are not 1 or `count`.
    """
    return [_checked_prompt(name, p, may_be_empty) for p in _one_for_each(name, prompt, count)]


def checked_seeds(seed: Any, count: int) -> list[int]:
    """A seed of 32 bits for each of `count` pictures; else TypeError or ValueError."""
    try:
        seeds = list(map(index, _one_for_each("seed", seed, count)))
    except TypeError:
        words = f"seed must be a whole number or a list of them, got {brief(seed)}"
        raise TypeError(words) from None
    for number in seeds:
        if not 0 <= number < 2**32:
            got = brief(number)
            raise ValueError(f"seed must be a whole number from 0 to 2**32 − 1, got {got}")
    return seeds


class Rows:
    """The prompts of a dream as one CLIP reads them; "" is a row of 0, `like` a row (d,) of it."""

    def __init__(
        self, clip: Encoder, prompts: Sequence[Prompt], like: Tensor | None = None
    ) -> None:
        schedules = [p if isinstance(p, list) else [(0, p)] for p in prompts]
        mixtures = [[_shares(mixture) for _, mixture in schedule] for schedule in schedules]
        targets = dict.fromkeys(t for schedule in mixtures for m in schedule for t in m if t != "")
        # One by one: in a batch, a sentence's row may differ in the last bit from its row alone.
        rows = {target: _row(clip, target) for target in targets}
        own = (row for target, row in rows.items() if not isinstance(target, EmbeddingPrompt))
        if like is None and (like := next(own, None)) is None:
            like = _row(clip, torch.full((1, 3, clip.image_size, clip.image_size), 0.5))
        nothing = torch.zeros_like(like)
        for target, row in rows.items():
            if row.shape != like.shape:
                words = f"{target!r} has {len(row)} numbers, and the rows of this CLIP {len(like)}"
                raise ValueError(f"{words}: it is of another CLIP")
            rows[target] = row.to(like)

        def mixed(shares: dict[Target, float]) -> Tensor:
            total = sum((w * rows.get(t, nothing) for t, w in shares.items()), nothing)
            return total / sum(shares.values())

        self._steps = [[step for step, _ in schedule] for schedule in schedules]
        # For each picture (k, d), a row for each entry of its schedule.
        self._rows = [torch.stack(list(map(mixed, schedule))) for schedule in mixtures]

    def at(self, step: int) -> Tensor:
        """One row for each picture, (b, d), as it is in this step (from 0)."""
        return torch.stack(list(map(_blended, self._steps, self._rows, [step] * len(self._rows))))


@torch.no_grad()
def _row(clip: Encoder, target: Target | Tensor) -> Tensor:
    if isinstance(target, EmbeddingPrompt):
        return target.row
    if isinstance(target, str):
        return clip.encode_text(target)[0]
    pixels = target.pixels[None].float() / 255 if isinstance(target, ImagePrompt) else target
    return clip.encode_image(pixels)[0]


def _blended(steps: Sequence[int], rows: Tensor, step: int) -> Tensor:
    """The row at a step: linear between the entries of a schedule, constant outside."""
    after = sum(s <= step for s in steps)
    if after in (0, len(steps)):
        return rows[max(0, after - 1)]
    share = (step - steps[after - 1]) / (steps[after] - steps[after - 1])
    return torch.lerp(rows[after - 1], rows[after], share)


def _shares(mixture: Mixture) -> dict[Target, float]:
    """The same proportions with 1 as the largest: 1e300 or 1e-300 are no numbers of a float32."""
    if not isinstance(mixture, dict):
        return {mixture: 1.0}
    largest = max(mixture.values())
    return {target: weight / largest for target, weight in mixture.items()}


def plain(prompt: Prompt) -> Any:
    """A checked prompt as values for JSON; sentences, and those with weights, as they are."""
    if isinstance(prompt, ImagePrompt):
        return {"picture": to_png_text(Image.fromarray(prompt.pixels.movedim(0, -1).numpy()))}
    if isinstance(prompt, EmbeddingPrompt):
        return {"embedding": prompt.row.tolist()}
    if isinstance(prompt, list):
        return {"schedule": [[step, plain(mixture)] for step, mixture in prompt]}
    if isinstance(prompt, dict) and not all(isinstance(target, str) for target in prompt):
        return {"mixture": [[plain(target), weight] for target, weight in prompt.items()]}
    return prompt


def from_plain(value: Any) -> Any:
    """What `plain` gave, still to be checked; ValueError if a picture in it cannot be read."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, content),) = value.items()
    if kind == "picture" and isinstance(content, str):
        return ImagePrompt(from_png_text(content, "the picture of a prompt", LARGEST_TARGET**2))
    if kind == "embedding" and isinstance(content, list):
        if not all(isinstance(number, float) for number in content):
            raise ValueError("an embedding is a list of numbers")
        return EmbeddingPrompt(torch.tensor(content))
    if kind in ("schedule", "mixture") and isinstance(content, list):
        if not all(isinstance(pair, list) and len(pair) == 2 for pair in content):
            raise ValueError(f"a {kind} is a list of pairs")
        if kind == "schedule":
            return [(step, from_plain(mixture)) for step, mixture in content]
        targets = [from_plain(target) for target, _ in content]
        if not all(isinstance(target, Target) for target in targets):
            raise ValueError("a mixture is of sentences, pictures and embeddings")
        return dict(zip(targets, (weight for _, weight in content), strict=True))
    return value


def checked_plain(name: str, prompts: list, count: int) -> list[Prompt]:
    """What `plain` made of "prompts" or "negative_prompts"; errors as `checked_prompts`."""
    given = list(map(from_plain, prompts))
    return checked_prompts(name, given, count, may_be_empty=name == "negative_prompts")


def checked_changes(changes: Any, count: int, steps: int) -> list[tuple[int, str, list[Prompt]]]:
    """Prompts set on the way, [step, name, plain prompts], of `count`; else ValueError."""
    checked = []
    for change in changes:
        usable = isinstance(change, list) and len(change) == 3 and type(change[0]) is int
        if not usable or change[1] not in CHANGEABLE or not isinstance(change[2], list):
            raise ValueError("a change of prompts is [step, name, prompts]")
        step, name, prompts = change
        if not 0 < step < steps or len(prompts) != count:
            raise ValueError(f"{name} cannot have changed after step {step} of {steps}")
        checked.append((step, name, checked_plain(name, prompts, count)))
    return checked


def _one_for_each(name: str, value: Any, count: int) -> list:
    values = list(value) if is_list(value) else [value]
    if not values:
        raise ValueError(f"{name} is an empty list: give at least one entry, or a single {name}")
    if len(values) not in (1, count):
        raise ValueError(f"{name} has {len(values)} entries for {count} pictures: 1 or {count}")
    return values * (count // len(values))


def _checked_prompt(name: str, prompt: Any, may_be_empty: bool) -> Prompt:
    if not is_schedule(prompt):
        return _checked_mixture(name, prompt, may_be_empty)
    steps = [step for step, _ in prompt]
    if not all(isinstance(s, int) and s >= 0 for s in steps) or steps != sorted(set(steps)):
        raise ValueError(f"{name}: steps are whole numbers from 0 that rise, got {steps}")
    return [(step, _checked_mixture(name, p, may_be_empty)) for step, p in prompt]


def _checked_mixture(name: str, prompt: Any, may_be_empty: bool) -> Mixture:
    if may_be_empty and isinstance(prompt, str) and not prompt:
        return prompt
    targets = list(prompt) if isinstance(prompt, Mapping) else [prompt]
    try:
        targets = [_as_target(target) for target in targets]
    except (ValueError, TypeError, FileNotFoundError) as error:
        raise type(error)(f"{name}: {error}") from None
    says = [isinstance(t, Target) and not (isinstance(t, str) and not t.strip()) for t in targets]
    if not targets or not all(says):
        nothing = ', "" for none' if may_be_empty else ""
        raise ValueError(
            f"{name} must be a sentence that says something{nothing}, a picture, either with "
            f'weights ≥ 0 such as {{"a castle": 1, "the night": 0.5}}, a list of these, or '
            f"[(step, prompt), …], got {brief(prompt)}"
        )
    if not isinstance(prompt, Mapping):
        return targets[0]
    usable, weights = all(isinstance(weight, Real) for weight in prompt.values()), {}
    with suppress(ValueError, OverflowError):  # a whole number may be too large for a float
        weights = dict(zip(targets, map(float, prompt.values()), strict=True)) if usable else {}
    if not (weights and min(weights.values()) >= 0 and 0 < sum(weights.values()) < math.inf):
        words = f"the weights of {name} must be numbers ≥ 0, not all 0, with a finite sum"
        raise ValueError(f"{words}, got {brief(dict(prompt))}")
    return weights


def _as_target(value: Any) -> Any:
    """A picture or a row as a target; everything else as it is."""
    numbers = isinstance(value, Tensor | np.ndarray)
    if numbers and value.ndim < (3 if isinstance(value, Tensor) else 2):  # an array may be grey
        return EmbeddingPrompt(value)
    is_picture = isinstance(value, Picture) and not isinstance(value, str)
    return ImagePrompt(value) if is_picture else value
