"""What every check is made of: a verdict, and ways to ask an answer that never raise."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Verdict:
    """What a check found; true if the answer is right, and a sentence for the notebook."""

    right: bool
    sentence: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"✓ Right: {self.sentence}" if self.right else f"○ Not yet: {self.sentence}"


class NotYet(Exception):
    """Raised inside a check with the sentence that helps."""


def verdict(check: Callable[[Callable], str]) -> Callable[[Callable], Verdict]:
    """Turn a function that returns praise or raises `NotYet` into one that returns a `Verdict`."""

    @functools.wraps(check)
    def checked(answer: Callable) -> Verdict:
        try:
            return Verdict(True, check(answer))
        except NotYet as problem:
            return Verdict(False, str(problem))

    checked.__annotations__ = {"answer": Callable, "return": Verdict}
    return checked


def ask(answer: Callable, *values: Any) -> Any:
    """Call an answer on copies of some values; errors and empty answers become sentences."""
    if not callable(answer):
        raise NotYet("give the function itself, its name without brackets")
    name = getattr(answer, "__name__", "your function")
    copies = [value.clone() if isinstance(value, Tensor) else value for value in values]
    try:
        result = answer(*copies)
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise NotYet(
            f"{name} stopped with {type(error).__name__}: {first_line}".rstrip(": ")
        ) from error
    if result is None or result is ...:
        raise NotYet(f"{name} returns nothing yet; write its line, then run the cell again")
    for before, after in zip(values, copies, strict=True):
        if isinstance(before, Tensor) and not torch.equal(before, after):
            raise NotYet(f"{name} changes the tensor it was given; let it make a new one")
    return result


def ask_number(answer: Callable, *values: Any) -> float:
    result = ask(answer, *values)
    try:
        return float(result)
    except (TypeError, ValueError, RuntimeError):
        shape = f" of shape {tuple(result.shape)}" if hasattr(result, "shape") else ""
        raise NotYet(
            f"one number is wanted, and this is a {type(result).__name__}{shape}"
        ) from None


def near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-3 * max(abs(a), abs(b), 1e-3)


def slope(answer: Callable, image: Tensor, *rest: Any) -> Tensor:
    """The gradient of an answer's loss with respect to the image's vector, (1, d)."""
    with torch.enable_grad():
        given = image.clone().requires_grad_()
        loss = ask(answer, given, *rest)
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise NotYet(
                "the loss has lost its gradient; return the tensor itself, without .item() or "
                "float()"
            )
        if loss.numel() != 1:
            raise NotYet(f"one number is wanted, and this has the shape {tuple(loss.shape)}")
        return torch.autograd.grad(loss.sum(), given)[0]
