"""What every check is made of: a verdict, a table of mistakes, the gate for what answers return."""

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamlab.support.surroundings import undisturbed
from dreamlab.support.words import brief

MANY = 10_000  # numbers that are read from an answer which could go on for ever
STUMBLED = "the check itself stumbled over this answer"


@dataclass(frozen=True)
class Verdict:
    """What a check found: true if the answer is right."""

    right: bool
    sentence: str

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        return f"✓ Right: {self.sentence}" if self.right else f"○ Not yet: {self.sentence}"


class NotYet(Exception):
    """Raised inside a check with the sentence that helps."""


Table = str | tuple[Any, Mapping[str, Any]]
"""What a check returns for a case: the answer's result, and for each sentence the result that it is
said of; first the praise, with None if all but those below is right. Or only the praise."""


def table(
    cases: Sequence[Sequence] = ((),), *, seed: int | None = None, close: Callable | None = None
) -> Callable[[Callable[..., Table]], Callable[[Callable], Verdict]]:
    """Turn a function that returns the table of one case into a check; `close` is of `compare`."""

    def decorate(check: Callable[..., Table]) -> Callable[[Callable], Verdict]:
        @functools.wraps(check)
        def checked(answer: Callable) -> Verdict:
            try:
                # A default device, inference mode and the like are not the answer's fault, and what
                # it does to such settings itself ends with the check.
                with undisturbed():
                    drawn = [] if seed is None else [torch.Generator().manual_seed(seed)]
                    for case in cases:
                        praise = _praise(check(answer, *drawn, *case), close)
                return Verdict(True, praise)
            except NotYet as problem:
                return Verdict(False, str(problem))
            except Exception as error:  # a last resort: in tests no answer gets this far
                words = f"{STUMBLED} ({said(error)}); please report it, it is our fault"
                return Verdict(False, words)

        del checked.__wrapped__  # which has another signature
        checked.__annotations__ = {"answer": Callable, "return": Verdict}
        return checked

    return decorate


def _praise(outcome: Table, close: Callable | None) -> str:
    """The first sentence of a table, unless another one fits: then `NotYet`."""
    if isinstance(outcome, str):
        return outcome
    found, rows = outcome
    (praise, right), *mistakes = rows.items()
    if right is None:
        raise_first(dict(mistakes))
    else:
        compare(found, right, dict(mistakes), close=close)
    return praise


def ask(answer: Callable, *values: Any) -> Any:
    """Call an answer on copies of some values; errors and empty answers become sentences."""
    if not callable(answer):
        raise NotYet("give the function itself, its name without brackets")
    name = getattr(answer, "__name__", "your function")
    copies = [_copied(value) for value in values]
    try:
        result = answer(*copies)
    except (Exception, SystemExit) as error:
        raise NotYet(f"{name} stopped with {said(error)}") from error
    if result is None or result is ...:
        raise NotYet(f"{name} returns nothing yet; write its line, then run the cell again")
    for before, after in zip(values, copies, strict=True):
        if not same(before, after):
            kind = "list" if isinstance(before, list) else "tensor"
            raise NotYet(f"{name} changes the {kind} it was given; let it make a new one")
    return result


def ask_number(answer: Callable, *values: Any) -> float:
    """The finite number that an answer returns."""
    result = ask(answer, *values)
    found = _numbers(result, "one number is wanted")
    if isinstance(result, Sequence) or found.numel() != 1:
        raise NotYet(f"one number is wanted, and this is {what(result)}")
    if not found.isfinite():
        raise NotYet(f"it returns {found.item()}; is there a division by zero?")
    return found.item()


def ask_list(answer: Callable, *values: Any, of: str) -> list:
    """The things that an answer returns, whatever holds them; `of` what, for the sentence."""
    result = ask(answer, *values)
    try:
        if isinstance(result, str | bytes | Mapping):
            raise TypeError("a whole")
        return list(islice(result, MANY))
    except Exception:
        raise NotYet(f"a list of {of} is wanted, and this is {what(result)}") from None


def ask_tensor(
    answer: Callable,
    *values: Any,
    shape: Sequence[int],
    any_ones: bool = False,
    finite: bool = True,
) -> Tensor:
    """The numbers that an answer returns, float64 of this shape, but for `any_ones` in it."""
    result, shape = ask(answer, *values), tuple(shape)
    found = _numbers(result, f"numbers of shape {shape} are wanted")
    if any_ones and [n for n in found.shape if n != 1] == [n for n in shape if n != 1]:
        found = found.reshape(shape)
    if found.shape != shape:
        have = tuple(found.shape) if found.ndim else "a single number"
        raise NotYet(f"the shape should be {shape}, and this is {have}")
    if finite and not found.isfinite().all():
        raise NotYet("some of its numbers are NaN or infinite; is there a division by zero?")
    return found


def ask_loss(
    answer: Callable, image: Tensor, *rest: Any, finite: bool = True
) -> tuple[float, Tensor]:
    """The value of an answer's loss, and its gradient by `image`, infinite only if asked."""
    given = image.clone().requires_grad_()
    loss = ask(answer, given, *rest)
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        raise NotYet("the loss has lost its gradient; no .item(), float() or .detach(), please")
    if loss.numel() != 1 or loss.is_complex():
        raise NotYet(f"one number is wanted, and this is {what(loss)}")
    if not loss.isfinite().all():
        raise NotYet(f"the loss is {loss.item()}; is there a division by zero?")
    try:
        (gradient,) = torch.autograd.grad(loss.sum(), given, allow_unused=True)
    except Exception as error:
        words = f"no gradient can be taken from it: {said(error)}"
        if "second time" in str(error):
            words = "its gradient can be taken once; leave .backward() to whoever asks for it"
        raise NotYet(words) from error
    if gradient is None:
        raise NotYet("its gradient does not reach the image; is something in it detached?")
    if finite and not gradient.isfinite().all():
        raise NotYet("its gradient is NaN or infinite in places; is there a division by zero?")
    return float(loss.detach()), gradient


def _copied(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, list):
        return [_copied(part) for part in value]
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    return value


def _numbers(result: Any, wanted: str) -> Tensor:
    """Real numbers in whatever they came, as float64 on the CPU."""
    try:
        return _read(result)
    except Exception:
        raise NotYet(f"{wanted}, and this is {what(result)}") from None


def _read(value: Any) -> Tensor:
    if isinstance(value, Real | Decimal):
        return torch.tensor(float(value), dtype=torch.float64)
    if isinstance(value, list | tuple | range | Iterator):
        parts = list(islice(value, MANY))
        if all(isinstance(part, Real) for part in parts):
            return torch.tensor([float(part) for part in parts], dtype=torch.float64)
        return torch.stack([_read(part) for part in parts])
    if isinstance(value, str | bytes | Mapping | Set):
        raise TypeError("no numbers")
    tensor = torch.as_tensor(value).detach()
    if tensor.is_complex():
        raise TypeError("not real")
    return (tensor if tensor.layout == torch.strided else tensor.to_dense()).cpu().double()


def compare(
    found: Any, right: Any, mistakes: Mapping[str, Any], *, close: Callable | None = None
) -> None:
    """Return if a result is right; else raise `NotYet` with the sentence for its mistake.

    `right` is the right result, a list of several, or True or False by another rule; `mistakes`
    likewise, the last True: whatever else was found. `close`: `alike` for tensors, else `near`.
    """
    close = close or (alike if isinstance(found, Tensor) else near)

    def fits(result: Any) -> bool:
        if isinstance(result, list):
            return any(map(fits, result))
        return result if isinstance(result, bool) else close(found, result)

    if not fits(right):
        raise NotYet(next(words for words, wrong in mistakes.items() if fits(wrong)))


def raise_first(problems: Mapping[str, Any]) -> None:
    """Raise `NotYet` with the first sentence that applies, if any does and it is not empty."""
    if words := next((words for words, applies in problems.items() if applies), ""):
        raise NotYet(words)


def near(a: float, b: float) -> bool:
    """Whether two numbers are the same to three digits; nothing is near to infinity."""
    a, b = float(a), float(b)
    return math.isfinite(a - b) and abs(a - b) <= 1e-3 * max(abs(a), abs(b), 1e-3)


def alike(a: Tensor, b: Tensor, *, rtol: float = 1e-3, atol: float = 1e-4) -> bool:
    """Whether two tensors hold the same numbers up to a little rounding, whatever their kind."""
    return torch.allclose(a.double(), b.double(), rtol=rtol, atol=atol)


def same(a: Any, b: Any) -> bool:
    """Whether two things are equal, also where `a == b` would raise or not be yes or no."""
    try:
        if isinstance(a, Tensor) or isinstance(b, Tensor):
            return torch.equal(a, b)
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(map(same, a, b))
        return bool(a == b)
    except Exception:
        return False


def said(error: BaseException) -> str:
    """An error in a few words: its kind and the first line of its message."""
    return f"{type(error).__name__}: {brief(error, str)}".removesuffix(": ")


def what(value: Any) -> str:
    """What kind of thing this is: "a Tensor of shape (6,)", "a str"."""
    shape = f" of shape {tuple(value.shape)}" if isinstance(value, Tensor | np.ndarray) else ""
    return f"a {type(value).__name__}{shape}"
