"""Checks of what comes back from a file: an entry of another kind is refused by its name."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def require(condition: bool, name: str, words: str = "is not what a dream stores there") -> None:
    if not condition:
        raise ValueError(f"this is not what a dream stores, or it is damaged: {name!r} {words}")


def entry(saved: Any, name: str, kind: type) -> Any:
    """The entry of this name, if it is of this very kind (True is no number here)."""
    require(isinstance(saved, Mapping), name, "is looked for in something that has no entries")
    require(name in saved, name, "is missing")
    require(type(saved[name]) is kind, name, f"is a {type(saved[name]).__name__}")
    return saved[name]


def tensor_entry(saved: Any, name: str, shape: tuple[int | None, ...]) -> Tensor:
    """A tensor of finite numbers in float32 and of this shape; None fits any length above 0."""
    tensor = entry(saved, name, Tensor)
    fits = len(tensor.shape) == len(shape) and all(
        side == wanted or (wanted is None and side > 0)
        for side, wanted in zip(tensor.shape, shape, strict=True)
    )
    require(fits, name, f"has the shape {tuple(tensor.shape)}")
    plain = tensor.dtype == torch.float32 and tensor.layout == torch.strided
    require(plain and not tensor.is_meta, name, f"is a tensor of {tensor.dtype}, {tensor.layout}")
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    require(tensor.numel() <= stored, name, f"says more numbers than the {stored} that it holds")
    require(bool(tensor.isfinite().all()), name, "has numbers that are NaN or infinite")
    return tensor.detach()


def whole_entry(saved: Any, name: str, most: int = 2**63 - 1) -> int:
    number = entry(saved, name, int)
    require(0 <= number <= most, name, f"is {number}, and not from 0 to {most}")
    return number
