"""A value in the sentence that refuses it."""

from collections.abc import Callable
from numbers import Real
from typing import Any


def brief(value: Any, spell: Callable[[Any], str] = repr) -> str:
    """A value as Python writes it, in one line of at most 200 letters; its kind if that fails."""
    try:
        return shorten((spell(value).splitlines() or [""])[0], 200)
    except Exception:  # nested too deep, a number of too many digits, somebody's own __repr__
        return f"a {type(value).__name__}"


def shorten(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: max(letters - 1, 1)].rstrip() + "…"


def whole_letters(text: str) -> str:
    """With ? for half a letter (a lone surrogate), which no font and no message can hold."""
    return text.encode(errors="replace").decode()


def require_within(name: str, value: Any, low: float, high: float) -> None:
    """Raise a ValueError that names the argument, unless it is a number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= value <= high:
        raise ValueError(f"{name} must be a number from {low} to {high}, got {brief(value)}")
