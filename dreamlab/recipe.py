"""The recipe: every knob of a dream, its default, its range and what it does."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from numbers import Integral, Real
from typing import Any

from dreamlab.support.words import brief


@dataclass(frozen=True)
class Number:
    """A finite number from `low` to `high`."""

    low: float
    high: float
    optional: bool = False

    def __str__(self) -> str:
        return f"a number from {self.low:g} to {self.high:g}{', or None' * self.optional}"

    def __call__(self, value: Any) -> float | None:
        if self.optional and value is None:
            return None
        _require(isinstance(value, Real) and not isinstance(value, bool))
        _require(self.low <= value <= self.high)
        return float(value)


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def __call__(self, value: Any) -> int:
        _require(isinstance(value, Integral) and not isinstance(value, bool))
        _require(self.low <= value <= self.high)
        return int(value)


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    options: tuple

    def __str__(self) -> str:
        return "one of " + ", ".join(map(repr, self.options))

    def __call__(self, value: Any) -> Any:
        matches = [o for o in self.options if isinstance(value, type(o)) and value == o]
        _require(bool(matches))
        return matches[0]


@dataclass(frozen=True)
class Canvas:
    """A side in pixels, or (height, width)."""

    side: Whole

    def __str__(self) -> str:
        return f"{self.side} (pixels), or a pair of them (height, width)"

    def __call__(self, value: Any) -> int | tuple[int, int]:
        if isinstance(value, Integral):
            return self.side(value)
        height, width = _sequence(value, 2)
        return self.side(height), self.side(width)


@dataclass(frozen=True)
class Scales:
    """The canvas scale of each octave."""

    low: float

    def __str__(self) -> str:
        return f"numbers from {self.low:g} to 1, none smaller than the one before, the last one 1"

    def __call__(self, value: Any) -> tuple[float, ...]:
        scales = tuple(map(Number(self.low, 1), _sequence(value)))
        _require(list(scales) == sorted(scales) and scales[-1:] == (1.0,))
        return scales


@dataclass(frozen=True)
class Shares:
    """Shares of a whole; only their proportions count."""

    names: tuple[str, ...]
    optional: bool = False

    def __str__(self) -> str:
        numbers = f"{len(self.names)} numbers ≥ 0, not all 0: ({', '.join(self.names)})"
        return numbers + ", or None" * self.optional

    def __call__(self, value: Any) -> tuple[float, ...] | None:
        if self.optional and value is None:
            return None
        shares = tuple(map(Number(0, math.inf), _sequence(value, len(self.names))))
        _require(0 < sum(shares) < math.inf)
        return shares


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError  # Recipe says which knob, what it may be and what it was


def _sequence(value: Any, length: int | None = None) -> Sequence:
    _require(isinstance(value, Sequence) and not isinstance(value, str))
    _require(length is None or len(value) == length)
    return value


MIX = ("global", "middle", "local")
FLAG = Choice((True, False))


def _knob(default: Any, rule: Any, help: str) -> Any:
    return field(default=default, metadata={"rule": rule, "help": help})


@dataclass
class Recipe:
    """Every knob of a dream; the defaults were tuned with "picturebook-plain", see `suited_to`.

    `Recipe.knobs()` lists the ranges. `dataclasses.replace(recipe, steps=300)` makes a variant. A
    value out of range raises a ValueError, when it is made or an attribute is set.
    """

    size: int | tuple[int, int] = _knob(
        128, Canvas(Whole(16, 8192)), "canvas in pixels, one side or (height, width)"
    )
    steps: int = _knob(60, Whole(1, 1_000_000), "optimisation steps in all")
    octaves: tuple[float, ...] = _knob(
        (0.25, 0.5, 1.0), Scales(0.1), "canvas scale of each octave; all share the steps evenly"
    )
    optimizer: str = _knob(
        "adam",
        Choice(("adam", "gradient")),
        "what makes a step of the gradient: Adam, a length for each pixel; or the running mean of "
        "the gradient, one length for the whole picture",
    )
    learning_rate: float = _knob(
        0.05, Number(0, 1), "how far a pixel moves in the first step, on average; 1: black to white"
    )
    final_learning_rate: float = _knob(
        0.3, Number(0, 1), "the last step's, as a fraction of the first; a half cosine in between"
    )
    views: int = _knob(4, Whole(1, 4096), "crops that CLIP sees in each step")
    view_mix: tuple[float, float, float] = _knob(
        (0.2, 0.7, 0.1), Shares(MIX), "shares of global, middle and local views"
    )
    final_view_mix: tuple[float, float, float] | None = _knob(
        None, Shares(MIX, True), "the last step's view_mix, blended; None keeps it constant"
    )
    view_noise: float = _knob(0.1, Number(0, 1), "largest deviation of the white noise on a view")
    final_view_noise: float | None = _knob(
        None, Number(0, 1, True), "the last step's view_noise, falling evenly; None: constant"
    )
    tv_weight: float = _knob(3.0, Number(0, 1000), "how strongly total variation smooths")
    tv_kind: str = _knob(
        "masked", Choice(("masked", "squared", "isotropic", "l1")), "which total variation"
    )
    negative_weight: float = _knob(0.5, Number(0, 10), "how strongly a negative prompt repels")
    clamp: bool = _knob(True, FLAG, "keep pixels in [0, 1] after every step")
    normalize_gradient: bool = _knob(
        True, FLAG, "bring CLIP's gradient to unit RMS before total variation is added"
    )
    keep_start: float = _knob(0.0, Number(0, 1000), "how strongly the start picture is kept")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.knobs():
            near = difflib.get_close_matches(name, self.knobs(), 1)
            hint = f"; did you mean {near[0]!r}?" if near else f", but {', '.join(self.knobs())}"
            raise AttributeError(f"a recipe has no knob {name!r}{hint}")
        rule = self.knobs()[name]["rule"]
        try:
            value = rule(value)
        except ValueError:
            raise ValueError(f"{name} must be {rule}, got {brief(value)}") from None
        super().__setattr__(name, value)

    @classmethod
    def knobs(cls) -> dict[str, Mapping[str, Any]]:
        """Each knob's `rule`, which prints as what is allowed (numbers: low, high), and `help`."""
        return {f.name: f.metadata for f in fields(cls)}

    @classmethod
    def from_dict(cls, knobs: Mapping[str, Any]) -> "Recipe":
        """A recipe from stored knobs; missing ones are default, others a ValueError."""
        if unknown := sorted(map(str, set(knobs) - set(cls.knobs()))):
            raise ValueError(f"the recipe has knobs that this version does not: {unknown}")
        return cls(**knobs)

    def __str__(self) -> str:
        return f"{self.differences()}: {self!r}"

    def differences(self) -> str:
        """The knobs unlike the nearer of default and "raw": "raw, size 64"."""
        known = {"": Recipe(), "raw": Recipe.raw()}
        named = [
            [name] * bool(name)
            + [f"{k} {getattr(self, k)}" for k in self.knobs() if getattr(self, k) != value[k]]
            for name, value in ((name, vars(recipe)) for name, recipe in known.items())
        ]
        return ", ".join(min(named, key=len)) or "default"

    @classmethod
    def suited_to(cls, clip: Any, **changes: Any) -> "Recipe":
        """What a dream of this CLIP starts from if no recipe is given; `changes` set knobs on top.

        The defaults, on a canvas of twice the side that the model looks at, its `image_size`.
        """
        return cls(**{"size": max(16, 2 * clip.image_size)} | changes)

    @classmethod
    def raw(cls, **changes: Any) -> "Recipe":
        """The bare CLIP loss of chapter 1: Adam on the whole image; `changes` sets knobs on top."""
        bare: dict[str, Any] = {
            "octaves": (1.0,), "optimizer": "adam", "learning_rate": 0.05,
            "final_learning_rate": 1.0, "views": 1, "view_mix": (1.0, 0.0, 0.0), "view_noise": 0.0,
            "tv_weight": 0.0, "tv_kind": "l1",  # still measured, to watch the noise grow
            "clamp": False, "normalize_gradient": False,
        }  # fmt: skip
        return cls(**bare | changes)

    def octave_canvas(self, octave: int) -> tuple[int, int]:
        """The canvas (h, w) of an octave, counted from 0; each side at least 2 pixels."""
        height, width = (max(2, round(side * self.octaves[octave])) for side in self.canvas)
        return height, width

    @property
    def canvas(self) -> tuple[int, int]:
        """The full size as (height, width)."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    def learning_rate_at(self, progress: float) -> float:
        """The learning rate after `progress` (0 to 1) of the run: half a cosine, first to last."""
        last, fall = self.final_learning_rate, (1 + math.cos(math.pi * progress)) / 2
        return self.learning_rate * (last + (1 - last) * fall)

    def view_noise_at(self, progress: float) -> float:
        """The largest deviation of noise on a view after `progress` of the run, 0 to 1."""
        last = self.view_noise if self.final_view_noise is None else self.final_view_noise
        return (1 - progress) * self.view_noise + progress * last

    def view_mix_at(self, progress: float) -> tuple[float, ...]:
        """The shares of global, middle and local views after `progress` of the run, 0 to 1."""
        last = self.final_view_mix or self.view_mix
        return tuple(
            (1 - progress) * a / sum(self.view_mix) + progress * b / sum(last)
            for a, b in zip(self.view_mix, last, strict=True)
        )
