"""What a dream is asked for: sentences, with weights or without, and seeds, one for each picture.

They are checked when the dream is made, and its sentences become one row of numbers per picture:
the loop never needs to know how many there were.
"""

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from operator import index
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from dreamlab.clip import Clip

Prompt = str | Mapping[str, float]


def is_list(value: Any) -> bool:
    """Whether this is a list of prompts or seeds, and not a single one."""
    return not isinstance(value, str | Mapping) and isinstance(value, Sequence)


def picture_count(prompt: Any, seed: Any) -> int:
    """How many pictures these ask for: as many as the longer list has."""
    return max(len(_listed(prompt)), len(_listed(seed)))


def checked_prompts(
    name: str, prompt: Any, count: int, *, may_be_empty: bool = False
) -> list[Prompt]:
    """A prompt for each of `count` pictures; what has weights is copied, these as floats.

    Raises:
        ValueError: one is no sentence and no sentences with usable weights, or there are neither
            1 nor `count` of them.
    """
    return [
        p if p == "" and may_be_empty else _checked_prompt(name, p)
        for p in _one_for_each(name, prompt, count)
    ]


def checked_seeds(seed: Any, count: int) -> list[int]:
    """A seed for each of `count` pictures.

    Raises:
        TypeError: one is no whole number.
        ValueError: one has more than 32 bits, or there are neither 1 nor `count` of them.
    """
    return [_checked_seed(s) for s in _one_for_each("seed", seed, count)]


def embed(clip: "Clip", prompts: Sequence[Prompt]) -> Tensor:
    """One row for each image, (b, d): the weighted mean of its prompts' rows; "" is a row of zeros.

    The mean of the cosines with several prompts is the product with the mean of their rows.
    """
    mixtures = [{p: 1.0} if isinstance(p, str) else dict(p) for p in prompts]
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


def _listed(value: Any) -> list:
    return list(value) if is_list(value) else [value]


def _one_for_each(name: str, value: Any, count: int) -> list:
    values = _listed(value)
    if len(values) not in (1, count):
        raise ValueError(
            f"{name} has {len(values)} entries for {count} pictures: give 1 or {count}"
        )
    return values * (count // len(values))


def _checked_prompt(name: str, prompt: Any) -> Prompt:
    mixture = {prompt: 1} if isinstance(prompt, str) else prompt
    if (
        isinstance(mixture, Mapping)
        and all(isinstance(s, str) and s.strip() for s in mixture)
        and all(isinstance(w, Real) and w >= 0 for w in mixture.values())
        and 0 < sum(mixture.values()) < math.inf
    ):
        # Weights may come from anywhere, as numpy's numbers do; they are kept as what files hold.
        if isinstance(prompt, str):
            return prompt
        return {sentence: float(weight) for sentence, weight in prompt.items()}
    raise ValueError(
        f"{name} must be a sentence, sentences with weights ≥ 0 such as "
        f'{{"a castle": 1, "the night": 0.5}}, or a list of these, got {prompt!r}'
    )


def _checked_seed(seed: Any) -> int:
    try:
        number = index(seed)
    except TypeError:
        raise TypeError(f"seed must be a whole number or a list of them, got {seed!r}") from None
    if not 0 <= number < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 − 1, got {number}")
    return number
