"""The prompts (with weights or without) and seeds of a dream, one for each picture.

They are checked when the dream is made, and the prompts become one vector per picture.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from operator import index
from typing import Any, Protocol

import torch
from torch import Tensor


class Encoder(Protocol):
    """What a dream needs of a CLIP: any object with these three, `Clip` among them."""

    image_size: int  # pixels of the square pictures that it looks at

    def encode_image(self, images: Tensor) -> Tensor:
        """Unit rows (b, d) of images (b, 3, h, w), made for the range [0, 1], with a gradient."""
        ...

    def encode_text(self, prompts: str | Sequence[str]) -> Tensor:
        """Unit rows (p, d) of the sentences, on the device of the image rows."""
        ...


Prompt = str | Mapping[str, float]


def is_list(value: Any) -> bool:
    """Whether this is a list of prompts or seeds, and not a single one."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def picture_count(prompt: Any, seed: Any) -> int:
    """How many pictures these ask for: as many as the longer list has."""
    return max(len(value) if is_list(value) else 1 for value in (prompt, seed))


def checked_prompts(
    name: str, prompt: Any, count: int, *, may_be_empty: bool = False
) -> list[Prompt]:
    """A prompt for each of `count` pictures; what has weights is copied, these as floats.

    Raises:
        ValueError: one is no sentence and no sentences with usable weights, or there are neither
            1 nor `count` of them.
    """
    return [_checked_prompt(name, p, may_be_empty) for p in _one_for_each(name, prompt, count)]


def checked_seeds(seed: Any, count: int) -> list[int]:
    """A seed for each of `count` pictures.

    Raises:
        TypeError: one is no whole number.
        ValueError: one has more than 32 bits, or there are neither 1 nor `count` of them.
    """
    return [_checked_seed(s) for s in _one_for_each("seed", seed, count)]


def embed(clip: Encoder, prompts: Sequence[Prompt]) -> Tensor:
    """One row for each image, (b, d): the weighted mean of its prompts' rows; "" is a row of zeros.

    The mean of the cosines with several prompts is the product with the mean of their rows.
    """
    mixtures = [_shares({p: 1.0} if isinstance(p, str) else p) for p in prompts]
    # One by one: in a batch, a sentence's row may differ in the last bit from its row alone.
    rows = {s: clip.encode_text(s)[0] for mixture in mixtures for s in mixture if s}
    nothing = torch.zeros(clip.embed_dim, device=clip.device)
    return torch.stack(
        [
            sum((w * rows.get(s, nothing) for s, w in mixture.items()), nothing)
            / sum(mixture.values())
            for mixture in mixtures
        ]
    )


def _shares(mixture: Mapping[str, float]) -> dict[str, float]:
    """The same proportions with 1 as the largest: 1e300 or 1e-300 are no numbers of a float32."""
    largest = max(mixture.values())
    return {sentence: weight / largest for sentence, weight in mixture.items()}


def _one_for_each(name: str, value: Any, count: int) -> list:
    values = list(value) if is_list(value) else [value]
    if not values:
        raise ValueError(f"{name} is an empty list: give at least one entry, or a single {name}")
    if len(values) not in (1, count):
        raise ValueError(
            f"{name} has {len(values)} entries for {count} pictures: give 1 or {count}"
        )
    return values * (count // len(values))


def _checked_prompt(name: str, prompt: Any, may_be_empty: bool) -> Prompt:
    if may_be_empty and isinstance(prompt, str) and not prompt:
        return prompt
    sentences = prompt if isinstance(prompt, Mapping) else [prompt]
    if not sentences or not all(isinstance(s, str) and s.strip() for s in sentences):
        nothing = ', "" for none' if may_be_empty else ""
        raise ValueError(
            f"{name} must be a sentence that says something{nothing}, sentences with weights ≥ 0 "
            f'such as {{"a castle": 1, "the night": 0.5}}, or a list of these, got {prompt!r}'
        )
    if isinstance(prompt, str):
        return prompt
    try:
        if not all(isinstance(weight, Real) for weight in prompt.values()):
            raise ValueError
        weights = {sentence: float(weight) for sentence, weight in prompt.items()}
        if not (min(weights.values()) >= 0 and 0 < sum(weights.values()) < math.inf):
            raise ValueError
    except (ValueError, OverflowError):  # a whole number may be too large for a float
        raise ValueError(
            f"the weights of {name} must be numbers ≥ 0, not all 0, with a finite sum, "
            f"got {dict(prompt)}"
        ) from None
    return weights


def _checked_seed(seed: Any) -> int:
    try:
        number = index(seed)
    except TypeError:
        raise TypeError(f"seed must be a whole number or a list of them, got {seed!r}") from None
    if not 0 <= number < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 − 1, got {number}")
    return number
